#include "gradus/kernels/pool.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace gradus;

namespace {

// By the definition: the first among equals, and the first NaN before all others.
template <class T>
void check(const kernels::MaxPool2d& s) {
  const T special[] = {T(NAN), std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(), T(0), T(-0.0)};
  std::vector<T> x(std::size_t(s.planes * s.height * s.width));
  std::mt19937 engine(1);
  for (T& v : x) {
    const unsigned draw = engine() % 40;
    v = draw < 5 ? special[draw] : T(engine() % 9) - 4;  // many equals
  }
  const std::size_t count = std::size_t(s.planes * s.out_h * s.out_w);
  std::vector<T> y(count, T(77));
  std::vector<std::int64_t> places(count, -1);
  kernels::max_pool2d(s, x.data(), y.data(), places.data());
  CAPTURE(s.width);
  CAPTURE(s.kernel_w);
  std::size_t at = 0, wrong = 0;
  for (Index plane = 0; plane < s.planes; ++plane)
    for (Index i = 0; i < s.out_h; ++i)
      for (Index j = 0; j < s.out_w; ++j, ++at) {
        std::int64_t place = -1;
        T best{};
        for (Index r = i * s.stride_h - s.padding_h; r < i * s.stride_h - s.padding_h + s.kernel_h; ++r)
          for (Index c = j * s.stride_w - s.padding_w; c < j * s.stride_w - s.padding_w + s.kernel_w; ++c) {
            if (r < 0 || r >= s.height || c < 0 || c >= s.width) continue;
            const T v = x[std::size_t((plane * s.height + r) * s.width + c)];
            if (place >= 0 && (std::isnan(best) || !(v > best || std::isnan(v)))) continue;
            place = r * s.width + c;
            best = v;
          }
        if (places[at] != place || !(y[at] == best || (std::isnan(best) && std::isnan(y[at])))) ++wrong;
      }
  CHECK(wrong == 0);
}

kernels::MaxPool2d pool(Index height, Index width, Index kernel, Index stride, Index padding) {
  const auto out = [&](Index size) { return (size + 2 * padding - kernel) / stride + 1; };
  return {3, height, width, kernel, kernel, stride, stride, padding, padding, out(height), out(width)};
}

}  // namespace

TEST_CASE("max_pool2d takes the first largest element of each window, or the first NaN") {
  for (const Index width : {2, 3, 4, 7, 15, 16, 17, 31, 32, 33, 34, 65, 130}) {
    for (const Index height : {2, 5}) {
      check<float>(pool(height, width, 2, 2, 0));
      check<double>(pool(height, width, 2, 2, 0));
      check<float>(pool(height, width, 2, 1, 0));
      check<float>(pool(height, width, 2, 2, 1));
    }
    check<double>(pool(5, width + 1, 3, 2, 1));
  }
}
