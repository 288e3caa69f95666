#include "gradus/kernels/movement.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "gradus/core/parallel.hpp"

using namespace gradus;

namespace {

template <class T>
std::vector<T> ramp(Index n) {
  std::vector<T> x(static_cast<std::size_t>(n));
  std::iota(x.begin(), x.end(), T(1));
  return x;
}

}  // namespace

TEST_CASE_TEMPLATE("every order of up to five axes", T, float, double, std::int64_t) {
  for (const Shape& shape : std::vector<Shape>{{},
                                               {1},
                                               {7},
                                               {3, 5},
                                               {40, 33},
                                               {2, 3, 4},
                                               {5, 1, 17},
                                               {1, 1, 3},
                                               {2, 3, 1, 4},
                                               {2, 3, 4, 5, 2},
                                               {3, 0, 2},
                                               {33, 2, 20}}) {
    std::vector<std::size_t> axes(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
    const std::vector<T> x = ramp<T>(shape.numel());
    do {
      std::vector<T> out(x.size());
      kernels::permute(x.data(), shape, axes, out.data());
      Shape to = shape;
      for (std::size_t i = 0; i < axes.size(); ++i) to[i] = shape[axes[i]];
      bool ok = true;
      for (Index p = 0; p < shape.numel(); ++p) {
        std::array<Index, Shape::max_axes> place{};
        Index rest = p;
        for (std::size_t a = to.size(); a-- > 0;) {
          place[axes[a]] = rest % to[a];
          rest /= to[a];
        }
        Index from = 0;
        for (std::size_t a = 0; a < shape.size(); ++a) from = from * shape[a] + place[a];
        ok = ok && out[std::size_t(p)] == x[std::size_t(from)];
      }
      CHECK(ok);
    } while (std::next_permutation(axes.begin(), axes.end()));
  }
}

TEST_CASE_TEMPLATE("slices out and in", T, float, double, std::int64_t) {
  for (const auto& [outer, n, inner] : std::vector<std::array<Index, 3>>{
           {1, 7, 1}, {3, 5, 1}, {2, 6, 3}, {1, 9, 4}, {200, 40, 11}, {0, 3, 2}, {2, 3, 0}})
    for (const auto& [start, step, count] :
         std::vector<std::array<Index, 3>>{{0, 1, 3}, {1, 2, 1}, {2, -1, 3}, {0, 2, 2}, {0, 1, 0}}) {
      const std::vector<T> x = ramp<T>(outer * n * inner);
      std::vector<T> part(static_cast<std::size_t>(outer * count * inner)), back(x.size(), T(-1));
      kernels::take_slice(x.data(), part.data(), outer, n, inner, start, step, count);
      kernels::put_slice(part.data(), back.data(), outer, n, inner, start, step, count);
      bool ok = true;
      std::size_t touched = 0;
      for (Index o = 0; o < outer; ++o)
        for (Index j = 0; j < count; ++j)
          for (Index i = 0; i < inner; ++i) {
            const std::size_t at = std::size_t((o * n + start + j * step) * inner + i);
            ok = ok && part[std::size_t((o * count + j) * inner + i)] == x[at] && back[at] == x[at];
          }
      for (const T value : back) touched += value != T(-1);
      CHECK(ok);
      CHECK(touched == part.size());
      // Twice the same where it went, and the others left alone.
      std::vector<T> twice = back;
      kernels::add_slice(part.data(), twice.data(), outer, n, inner, start, step, count);
      for (std::size_t i = 0; i < twice.size(); ++i) ok = ok && twice[i] == (back[i] == T(-1) ? T(-1) : 2 * back[i]);
      CHECK(ok);
    }
}

TEST_CASE_TEMPLATE("indices that repeat add up, the same with any number of threads", T, float, double, std::int64_t) {
  const int before = num_threads();
  for (const auto& [outer, n, inner, count] : std::vector<std::array<Index, 4>>{
           {1, 5, 3, 40}, {1, 50, 1000, 70}, {3, 5, 1, 40}, {60, 7, 30, 50}, {1, 3, 1, 0}}) {
    const std::vector<T> x = ramp<T>(outer * count * inner);
    std::vector<std::int64_t> rows(static_cast<std::size_t>(count)), all(x.size());
    for (std::size_t j = 0; j < rows.size(); ++j) rows[j] = std::int64_t(j * j) % n;
    for (std::size_t j = 0; j < all.size(); ++j) all[j] = std::int64_t(j * 7) % n;
    std::vector<T> naive_rows(static_cast<std::size_t>(outer * n * inner)), naive_all = naive_rows;
    for (Index o = 0; o < outer; ++o)
      for (Index j = 0; j < count; ++j)
        for (Index i = 0; i < inner; ++i) {
          const std::size_t at = std::size_t((o * count + j) * inner + i);
          naive_rows[std::size_t((o * n + rows[std::size_t(j)]) * inner + i)] += x[at];
          naive_all[std::size_t((o * n + all[at]) * inner + i)] += x[at];
        }
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      std::vector<T> sums(naive_rows.size()), gathered(x.size());
      kernels::index_add(x.data(), rows.data(), sums.data(), outer, n, inner, count);
      CHECK(sums == naive_rows);
      kernels::index_select(sums.data(), rows.data(), gathered.data(), outer, n, inner, count);
      bool ok = true;
      for (Index o = 0; o < outer; ++o)
        for (Index j = 0; j < count; ++j)
          for (Index i = 0; i < inner; ++i)
            ok = ok && gathered[std::size_t((o * count + j) * inner + i)] ==
                           naive_rows[std::size_t((o * n + rows[std::size_t(j)]) * inner + i)];
      std::fill(sums.begin(), sums.end(), T(0));
      kernels::scatter_add(x.data(), all.data(), sums.data(), outer, n, inner, count);
      CHECK(sums == naive_all);
      CHECK(ok);
    }
  }
  set_num_threads(before);
}
