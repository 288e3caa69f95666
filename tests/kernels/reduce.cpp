#include "gradus/kernels/reduce.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/softmax.hpp"

using namespace gradus;
using kernels::ReduceOp;

namespace {

struct Threads {
  int before = num_threads();
  ~Threads() { set_num_threads(before); }
};

struct Layout {
  Index outer, n, inner;
};
const std::vector<Layout> layouts{{1, 1, 1},      {1, 7, 1},     {3, 5, 1},    {3, 5, 4},   {1, 50'001, 1},
                                  {2, 40'000, 1}, {1, 300, 300}, {2, 31, 257}, {0, 5, 2},   {3, 0, 2},
                                  {3, 0, 1},      {1, 0, 1},     {3, 5, 0},    {500, 3, 2}, {1, 17, 1000}};

template <class T>
std::vector<T> numbers(const Layout& v) {
  std::vector<T> x(static_cast<std::size_t>(v.outer * v.n * v.inner));
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = std::is_integral_v<T> ? T(i * 7919 % 1009) - 500 : T(double(i * 7919 % 1009) / 504.5 - 1);
  return x;
}

template <class T, class F>
void each_row(const Layout& v, const std::vector<T>& x, F f) {
  for (Index o = 0; o < v.outer; ++o)
    for (Index i = 0; i < v.inner; ++i) {
      std::vector<T> row;
      for (Index k = 0; k < v.n; ++k) row.push_back(x[std::size_t((o * v.n + k) * v.inner + i)]);
      f(o * v.inner + i, row);
    }
}

}  // namespace

TEST_CASE_TEMPLATE("sums, products and extremes of every layout", T, float, double, std::int64_t) {
  for (const Layout& v : layouts) {
    CAPTURE(v.outer);
    CAPTURE(v.n);
    CAPTURE(v.inner);
    const std::vector<T> x = numbers<T>(v);
    std::vector<T> sum(std::size_t(v.outer * v.inner)), product = sum, largest = sum, least = sum;
    std::vector<std::int64_t> at(sum.size()), at_least(sum.size());
    kernels::reduce(ReduceOp::sum, x.data(), sum.data(), v.outer, v.n, v.inner);
    kernels::reduce(ReduceOp::prod, x.data(), product.data(), v.outer, v.n, v.inner);
    if (v.n > 0) {
      kernels::reduce(ReduceOp::maximum, x.data(), largest.data(), v.outer, v.n, v.inner);
      kernels::reduce(ReduceOp::minimum, x.data(), least.data(), v.outer, v.n, v.inner);
      kernels::arg_extreme(true, x.data(), at.data(), v.outer, v.n, v.inner);
      kernels::arg_extreme(false, x.data(), at_least.data(), v.outer, v.n, v.inner);
    }
    each_row(v, x, [&](Index place, const std::vector<T>& row) {
      const std::size_t p = std::size_t(place);
      long double total = 0;
      double factors = 1;
      std::uint64_t whole = 1;
      for (const T value : row) {
        total += static_cast<long double>(value);
        factors *= double(value);
        whole *= static_cast<std::uint64_t>(value);
      }
      if constexpr (std::is_integral_v<T>) {
        CHECK(sum[p] == T(total));
        CHECK(product[p] == static_cast<T>(whole));
      } else {
        CHECK(double(sum[p]) == doctest::Approx(double(total)).epsilon(1e-6));
        CHECK(double(product[p]) == doctest::Approx(factors).epsilon(1e-6));
      }
      if (row.empty()) return;
      const auto [low, high] = std::minmax_element(row.begin(), row.end());
      CHECK(largest[p] == *std::max_element(row.begin(), row.end()));
      CHECK(least[p] == *low);
      CHECK(at[p] == std::max_element(row.begin(), row.end()) - row.begin());
      CHECK(at_least[p] == low - row.begin());
      (void)high;
    });
  }
}

TEST_CASE_TEMPLATE("NaN wins wherever it is", T, float, double) {
  for (const Index n : {1, 2, 15, 16, 17, 40, 20'000})
    for (const Index place : {Index{0}, n / 2, n - 1}) {
      std::vector<T> x(static_cast<std::size_t>(n), T(1));
      x[std::size_t(place)] = std::numeric_limits<T>::quiet_NaN();
      T out = 0;
      for (const ReduceOp op : {ReduceOp::sum, ReduceOp::prod, ReduceOp::maximum, ReduceOp::minimum}) {
        kernels::reduce(op, x.data(), &out, 1, n, 1);
        CHECK(std::isnan(out));
      }
      std::int64_t at = -1;
      kernels::arg_extreme(true, x.data(), &at, 1, n, 1);
      CHECK(at == place);
    }
}

TEST_CASE_TEMPLATE("running sums, forwards and backwards", T, float, double, std::int64_t) {
  for (const Layout& v : layouts) {
    const std::vector<T> x = numbers<T>(v);
    for (const bool reverse : {false, true}) {
      std::vector<T> y(x.size());
      kernels::cumsum(x.data(), y.data(), v.outer, v.n, v.inner, reverse);
      bool ok = true;
      for (Index o = 0; o < v.outer; ++o)
        for (Index i = 0; i < v.inner; ++i) {
          double total = 0;
          for (Index j = 0; j < v.n; ++j) {
            const std::size_t at = std::size_t((o * v.n + (reverse ? v.n - 1 - j : j)) * v.inner + i);
            total += double(x[at]);
            ok = ok && std::abs(double(y[at]) - total) <= 1e-6 * std::max(1.0, std::abs(total));
          }
        }
      CHECK(ok);
    }
  }
}

TEST_CASE_TEMPLATE("means and squared deviations", T, float, double) {
  for (const Layout& v : layouts) {
    if (v.n == 0) continue;
    const std::vector<T> x = numbers<T>(v);
    std::vector<T> mean(std::size_t(v.outer * v.inner)), squares = mean;
    kernels::moments(x.data(), mean.data(), squares.data(), v.outer, v.n, v.inner);
    kernels::moments<T>(x.data(), nullptr, nullptr, v.outer, v.n, v.inner);
    each_row(v, x, [&](Index place, const std::vector<T>& row) {
      double average = 0, total = 0;
      for (const T value : row) average += double(value) / double(row.size());
      for (const T value : row) total += (double(value) - average) * (double(value) - average);
      CHECK(std::abs(double(mean[std::size_t(place)]) - average) < 1e-6);
      CHECK(std::abs(double(squares[std::size_t(place)]) - total) <= 1e-6 * std::max(1.0, total));
    });
  }
}

TEST_CASE_TEMPLATE("softmax and its derivative", T, float, double) {
  const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-13;
  for (const Layout& v : layouts) {
    if (v.n > 1000) continue;
    std::vector<T> x = numbers<T>(v);
    for (T& value : x) value *= 30;
    const std::vector<T> g = numbers<T>(v);
    std::vector<T> soft(x.size()), logs = soft, soft_slope = soft, log_slope = soft;
    kernels::softmax(x.data(), soft.data(), v.outer, v.n, v.inner);
    kernels::log_softmax(x.data(), logs.data(), v.outer, v.n, v.inner);
    kernels::softmax_backward(soft.data(), g.data(), soft_slope.data(), v.outer, v.n, v.inner);
    kernels::log_softmax_backward(logs.data(), g.data(), log_slope.data(), v.outer, v.n, v.inner);
    bool ok = true;
    for (Index o = 0; o < v.outer; ++o)
      for (Index i = 0; i < v.inner; ++i) {
        const auto at = [&](Index k) { return std::size_t((o * v.n + k) * v.inner + i); };
        double total = 0, inner = 0, all = 0;
        for (Index k = 0; k < v.n; ++k) total += std::exp(double(x[at(k)]));
        for (Index k = 0; k < v.n; ++k)
          inner += std::exp(double(x[at(k)])) / total * double(g[at(k)]), all += double(g[at(k)]);
        for (Index k = 0; k < v.n; ++k) {
          const double p = std::exp(double(x[at(k)])) / total;
          ok = ok && std::abs(double(soft[at(k)]) - p) < tolerance &&
               std::abs(double(logs[at(k)]) - std::log(p)) < 60 * tolerance;
          ok = ok && std::abs(double(soft_slope[at(k)]) - p * (double(g[at(k)]) - inner)) < 10 * tolerance;
          ok = ok && std::abs(double(log_slope[at(k)]) - (double(g[at(k)]) - p * all)) < 200 * tolerance;
        }
      }
    CHECK(ok);
  }
}

TEST_CASE("the number of threads changes no bit") {
  const Threads restore;
  for (const Layout& v : layouts) {
    const std::vector<float> x = numbers<float>(v);
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      std::vector<float> out(std::size_t(v.outer * v.inner));
      kernels::reduce(ReduceOp::sum, x.data(), out.data(), v.outer, v.n, v.inner);
      results.push_back(out);
    }
    CHECK(results[0] == results[1]);
    CHECK(results[0] == results[2]);
  }
}
