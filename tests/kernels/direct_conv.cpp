#include "gradus/kernels/direct_conv.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/planar_conv.hpp"
#include "kernels/naive_conv.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

template <class T>
ConvResults<T> directly(const Conv2d& s, const ConvArrays<T>& a) {
  ConvResults<T> r(s, T(NAN));
  kernels::direct_conv2d(s, a.x.data(), a.w.data(), a.bias.data(), r.y.data());
  kernels::direct_input_grad(s, a.g.data(), a.w.data(), r.dx.data());
  kernels::direct_weight_grad(s, a.g.data(), a.x.data(), r.dw.data());
  return r;
}

// With few results.
template <class T>
ConvResults<T> in_planes(const Conv2d& s, const ConvArrays<T>& a) {
  ConvResults<T> r(s, T(NAN));
  if (s.filters <= kernels::most_planar_results)
    kernels::planar_conv2d(s, a.x.data(), a.w.data(), a.bias.data(), r.y.data());
  if (s.channels <= kernels::most_planar_results) kernels::planar_input_grad(s, a.g.data(), a.w.data(), r.dx.data());
  return r;
}

void check(Conv2d s) {
  s = with_out_sizes(s);
  if (s.out_plane() == 0) return;
  CAPTURE(s.batch);
  CAPTURE(s.channels);
  CAPTURE(s.height);
  CAPTURE(s.width);
  CAPTURE(s.filters);
  CAPTURE(s.kernel_h);
  CAPTURE(s.kernel_w);
  CAPTURE(s.stride_h);
  CAPTURE(s.stride_w);
  CAPTURE(s.padding_h);
  CAPTURE(s.dilation_h);
  const ConvArrays<double> a(s);
  const ConvResults<double> expected = naive_conv(s, a), found = directly(s, a), planar = in_planes(s, a);
  CHECK(distance(found.y, expected.y) < 1e-10);
  CHECK(distance(found.dx, expected.dx) < 1e-10);
  CHECK(distance(found.dw, expected.dw) < 1e-10);
  const bool few_filters = s.filters <= kernels::most_planar_results;
  const bool few_channels = s.channels <= kernels::most_planar_results;
  if (few_filters) CHECK(distance(planar.y, expected.y) < 1e-10);
  if (few_channels) CHECK(distance(planar.dx, expected.dx) < 1e-10);
  const int before = num_threads();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const ConvResults<double> again = directly(s, a);
    CHECK(again.y == found.y);
    CHECK(again.dx == found.dx);
    CHECK(again.dw == found.dw);
    const ConvResults<double> planar_again = in_planes(s, a);
    if (few_filters) CHECK(planar_again.y == planar.y);
    if (few_channels) CHECK(planar_again.dx == planar.dx);
  }
  set_num_threads(before);
}

// Squares, with the same stride along both axes.
Conv2d square(Index batch, Index channels, Index size, Index filters, Index kernel, Index stride, Index padding) {
  return {.batch = batch,
          .channels = channels,
          .height = size,
          .width = size,
          .filters = filters,
          .kernel_h = kernel,
          .kernel_w = kernel,
          .stride_h = stride,
          .stride_w = stride,
          .padding_h = padding,
          .padding_w = padding,
          .out_h = 0,
          .out_w = 0};
}

}  // namespace

TEST_CASE("direct convolutions agree with the definition, for all kernels, strides, paddings and dilations") {
  for (const Index kernel_h : {1, 2, 3, 5})
    for (const Index kernel_w : {1, 3, 4})
      for (const Index stride_h : {1, 2, 3})
        for (const Index stride_w : {1, 2, 4})
          for (const Index padding : {0, 1, 2})
            for (const Index dilation : {1, 2})
              check({.batch = 2,
                     .channels = 1 + 4 * padding,
                     .height = 7,
                     .width = 9,
                     .filters = 8 * dilation - 3,
                     .kernel_h = kernel_h,
                     .kernel_w = kernel_w,
                     .stride_h = stride_h,
                     .stride_w = stride_w,
                     .padding_h = padding,
                     .padding_w = padding + kernel_w / 3,
                     .dilation_h = dilation,
                     .dilation_w = dilation,
                     .out_h = 0,
                     .out_w = 0});
}

TEST_CASE("direct convolutions of few and many channels, prime sizes and images in bands") {
  for (const Index channels : {1, 3, 7, 8, 17, 40})
    for (const Index filters : {1, 8, 33}) check(square(3, channels, 6, filters, 3, 2, 1));
  check(square(1, 1, 1, 1, 1, 1, 0));
  check(square(2, 3, 1, 5, 3, 1, 1));
  check(square(1, 3, 101, 9, 3, 2, 1));
  check(square(1, 30, 71, 9, 1, 1, 0));
  check(square(9, 20, 23, 18, 1, 2, 0));
  check(square(19, 5, 13, 8, 5, 1, 2));
  check(square(2, 64, 5, 70, 3, 1, 1));
  check(square(2, 9, 6, 9, 2, 5, 0));  // most inputs are seen by nobody
  check(square(1, 6, 71, 5, 5, 1, 2));
  check(square(2, 2, 35, 6, 3, 2, 1));
  check(square(1, 2, 2, 9, 2, 7, 3));  // a stride beyond the image
}

TEST_CASE("direct convolutions do not depend on the other images of the batch") {
  const Conv2d s = with_out_sizes(square(7, 6, 14, 16, 5, 1, 0));
  Conv2d first = s;
  first.batch = 1;
  const ConvArrays<float> a(s);
  const ConvResults<float> all = directly(s, a), alone = directly(first, a);
  CHECK(std::equal(alone.y.begin(), alone.y.end(), all.y.begin()));
  CHECK(std::equal(alone.dx.begin(), alone.dx.end(), all.dx.begin()));
}
