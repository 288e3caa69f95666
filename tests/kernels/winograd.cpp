#include "gradus/kernels/winograd.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gradus/core/environment.hpp"
#include "gradus/core/parallel.hpp"
#include "kernels/naive_conv.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

Conv2d shape(Index batch, Index channels, Index height, Index width, Index filters, Index padding_h, Index padding_w) {
  return with_out_sizes({.batch = batch,
                         .channels = channels,
                         .height = height,
                         .width = width,
                         .filters = filters,
                         .kernel_h = 3,
                         .kernel_w = 3,
                         .padding_h = padding_h,
                         .padding_w = padding_w,
                         .out_h = 0,
                         .out_w = 0});
}

template <class T>
ConvResults<T> by_winograd(const Conv2d& s, const ConvArrays<T>& a) {
  ConvResults<T> r(s, T(NAN));
  kernels::winograd_conv2d(s, a.x.data(), a.w.data(), a.bias.data(), r.y.data());
  kernels::winograd_input_grad(s, a.g.data(), a.w.data(), r.dx.data());
  kernels::winograd_weight_grad(s, a.g.data(), a.x.data(), r.dw.data());
  return r;
}

void check(const Conv2d& s) {
  CAPTURE(s.batch);
  CAPTURE(s.channels);
  CAPTURE(s.height);
  CAPTURE(s.width);
  CAPTURE(s.filters);
  CAPTURE(s.padding_h);
  CAPTURE(s.padding_w);
  REQUIRE(kernels::winograd_possible(s));
  const ConvArrays<double> a(s);
  const ConvResults<double> expected = naive_conv(s, a), found = by_winograd(s, a);
  CHECK(distance(found.y, expected.y) < 1e-11);
  CHECK(distance(found.dx, expected.dx) < 1e-11);
  CHECK(distance(found.dw, expected.dw) < 1e-10);
}

double rms_error(const std::vector<float>& found, const std::vector<double>& expected) {
  double total = 0;
  for (std::size_t i = 0; i < found.size(); ++i) total += std::pow(double(found[i]) - expected[i], 2);
  return std::sqrt(total / double(found.size()));
}

}  // namespace

TEST_CASE("Winograd's convolutions agree with the definition, for all sizes and paddings") {
  for (const Index height : {1, 2, 3, 4, 5, 7, 8, 13})
    for (const Index width : {1, 3, 4, 6, 11})
      for (const Index padding : {0, 1, 2}) {
        const Conv2d s = shape(2, 5, height, width, 3, padding, (padding + height) % 3);
        if (s.out_h > 0 && s.out_w > 0) check(s);
      }
  for (const Index channels : {1, 7, 8, 9, 16, 17, 33})
    for (const Index filters : {1, 8, 15, 31}) check(shape(3, channels, 6, 5, filters, 1, 1));
  check(shape(1, 3, 40, 37, 2, 1, 1));  // blocks are parts of an image
  check(shape(21, 2, 10, 3, 4, 1, 2));  // blocks of several images, the last one smaller
  check(shape(67, 3, 5, 9, 5, 0, 0));
  check(shape(1, 20, 3, 260, 10, 1, 1));
}

TEST_CASE(
    "Winograd's convolutions do not depend on the number of threads, nor forward and input gradient on the batch") {
  const int before = num_threads();
  for (const Conv2d& s : {shape(1, 9, 23, 23, 10, 1, 1), shape(5, 17, 14, 14, 9, 1, 1), shape(35, 8, 6, 7, 8, 0, 2)}) {
    const ConvArrays<float> a(s);
    set_num_threads(1);
    const ConvResults<float> one = by_winograd(s, a);
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      const ConvResults<float> more = by_winograd(s, a);
      CHECK(one.y == more.y);
      CHECK(one.dx == more.dx);
      CHECK(one.dw == more.dw);
    }
    Conv2d first = s;
    first.batch = 1;
    const ConvResults<float> alone = by_winograd(first, a);
    CHECK(std::equal(alone.y.begin(), alone.y.end(), one.y.begin()));
    CHECK(std::equal(alone.dx.begin(), alone.dx.end(), one.dx.begin()));
  }
  set_num_threads(before);
}

TEST_CASE("both gradients of Winograd's convolutions at once are those made one by one") {
  const int before = num_threads();
  // With the tiles of x and y the same or not, with one piece of filters or several, and in strips.
  for (const Conv2d& s : {shape(5, 17, 14, 14, 9, 1, 1), shape(3, 8, 30, 37, 5, 1, 1), shape(2, 5, 9, 9, 7, 0, 2),
                          shape(4, 3, 8, 8, 3, 0, 0), shape(1, 4, 5, 5, 70, 1, 1), shape(2, 3, 41, 130, 4, 2, 2)}) {
    const ConvArrays<float> a(s);
    const ConvResults<float> expected = by_winograd(s, a);
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      ConvResults<float> found(s, NAN);
      kernels::winograd_grads(s, a.g.data(), a.x.data(), a.w.data(), found.dx.data(), found.dw.data());
      CHECK(found.dx == expected.dx);
      CHECK(found.dw == expected.dw);
    }
  }
  set_num_threads(before);
}

TEST_CASE("the error of Winograd's convolutions in float32 is at most three times that of the direct ones") {
  for (const Conv2d& s : {shape(4, 64, 28, 28, 64, 1, 1), shape(3, 128, 14, 14, 40, 1, 1),
                          shape(16, 16, 32, 32, 16, 1, 1), shape(5, 8, 13, 11, 24, 2, 0)}) {
    const ConvArrays<float> a(s);
    const ConvResults<double> exact = naive_conv(s, ConvArrays<double>(s, a));
    const ConvResults<float> direct = naive_conv(s, a), found = by_winograd(s, a);
    CAPTURE(s.channels);
    CHECK(rms_error(found.y, exact.y) < 3 * rms_error(direct.y, exact.y));
    CHECK(rms_error(found.dx, exact.dx) < 3 * rms_error(direct.dx, exact.dx));
    CHECK(rms_error(found.dw, exact.dw) < 3 * rms_error(direct.dw, exact.dw));
  }
}

TEST_CASE("Winograd's convolutions spread an infinity or NaN over the tiles that read it, and no further") {
  const Conv2d s = shape(2, 8, 12, 12, 8, 1, 1);
  for (const float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    ConvArrays<float> a(s);
    a.x[std::size_t(5 * s.width + 6)] = value;  // channel 0 of image 0; read by the tile of rows and columns 4 to 7
    const std::vector<float> y = by_winograd(s, a).y;
    for (Index f = 0; f < s.filters; ++f)
      for (Index i = 0; i < s.out_h; ++i)
        for (Index j = 0; j < s.out_w; ++j) {
          const bool same_tile = i / 4 == 1 && j / 4 == 1, seen = std::abs(i - 5) < 2 && std::abs(j - 6) < 2;
          const Index at = (f * s.out_h + i) * s.out_w + j;
          if (seen) CHECK(!std::isfinite(y[std::size_t(at)]));
          if (!same_tile && !seen) CHECK(std::isfinite(y[std::size_t(at)]));
          CHECK(std::isfinite(y[std::size_t(at + s.filters * s.out_plane())]));
        }
  }
}

TEST_CASE("Winograd's convolutions can be switched off") {
  const Conv2d s = shape(16, 16, 9, 9, 16, 1, 1);
  REQUIRE(kernels::winograd_suits(s));
  const ConvArrays<float> a(s);
  const auto forward = [&] {
    std::vector<float> y(a.g.size());
    kernels::conv2d(s, a.x.data(), a.w.data(), a.bias.data(), y.data());
    return y;
  };
  const bool before = kernels::winograd_enabled();
  kernels::set_winograd(true);
  CHECK(forward() == by_winograd(s, a).y);
  kernels::set_winograd(false);
  CHECK(!kernels::winograd_enabled());
  CHECK(forward() != by_winograd(s, a).y);
  kernels::set_winograd(before);
}

TEST_CASE("Winograd's convolutions are for 3x3 kernels without stride, dilation and groups") {
  const Conv2d s = shape(2, 16, 9, 9, 16, 1, 1);
  const auto changed = [&](auto&& change) {
    Conv2d other = s;
    change(other);
    return kernels::winograd_possible(other);
  };
  CHECK(kernels::winograd_possible(s));
  CHECK(!changed([](Conv2d& c) { c.kernel_w = 1; }));
  CHECK(!changed([](Conv2d& c) { c.stride_h = 2; }));
  CHECK(!changed([](Conv2d& c) { c.dilation_w = 2; }));
  CHECK(!changed([](Conv2d& c) { c.groups = 2; }));
  CHECK(!changed([](Conv2d& c) { c.padding_h = 3; }));
}

TEST_CASE("the environment can switch Winograd's convolutions off") {
  CHECK(kernels::winograd_enabled() == left_on("GRADUS_WINOGRAD"));
}
