#include "gradus/kernels/conv.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/core/parallel.hpp"
#include "kernels/naive_conv.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

ConvResults<double> compute(const Conv2d& s, const ConvArrays<double>& a, bool with_bias) {
  ConvResults<double> r(s, NAN);
  kernels::conv2d(s, a.x.data(), a.w.data(), with_bias ? a.bias.data() : nullptr, r.y.data());
  kernels::conv2d_input_grad(s, a.g.data(), a.w.data(), r.dx.data());
  kernels::conv2d_weight_grad(s, a.g.data(), a.x.data(), r.dw.data());
  return r;
}

void check_one(Conv2d s) {
  s = with_out_sizes(s);
  const ConvArrays<double> a(s);
  CAPTURE(s.batch);
  CAPTURE(s.channels);
  CAPTURE(s.height);
  CAPTURE(s.filters);
  CAPTURE(s.kernel_h);
  CAPTURE(s.stride_h);
  CAPTURE(s.padding_h);
  CAPTURE(s.dilation_h);
  CAPTURE(s.groups);
  for (const bool with_bias : {false, true}) {
    const ConvResults<double> naive = naive_conv(s, a, with_bias), found = compute(s, a, with_bias);
    CHECK(distance(found.y, naive.y) < 1e-10);
    CHECK(distance(found.dx, naive.dx) < 1e-10);
    CHECK(distance(found.dw, naive.dw) < 1e-10);
  }
  if (s.batch < 2) return;
  const int before = num_threads();
  set_num_threads(1);
  const ConvResults<double> one = compute(s, a, true);
  set_num_threads(2);
  const ConvResults<double> two = compute(s, a, true);
  set_num_threads(before);
  CHECK(one.y == two.y);
  CHECK(one.dx == two.dx);
  CHECK(one.dw == two.dw);
}

// Groups are done in another way: all that is tested with one is tested with two.
void check(Conv2d s) {
  check_one(s);
  if (s.groups > 1) return;
  s.groups = 2;
  s.channels *= 2;
  s.filters *= 2;
  check_one(s);
}

}  // namespace

TEST_CASE("convolutions agree with their definition, for all strides, paddings, dilations and groups") {
  for (const Index kernel : {1, 2, 3})
    for (const Index stride : {1, 2, 3})
      for (const Index padding : {0, 1, 2})
        for (const Index dilation : {1, 2})
          check({.batch = 2,
                 .channels = 4,
                 .height = 7,
                 .width = 8,
                 .filters = 6,
                 .kernel_h = kernel,
                 .kernel_w = kernel,
                 .stride_h = stride,
                 .stride_w = stride,
                 .padding_h = padding,
                 .padding_w = padding,
                 .dilation_h = dilation,
                 .dilation_w = dilation,
                 .out_h = 0,
                 .out_w = 0});
}

TEST_CASE("1x1 kernels on planes that are short, and long enough to be rows of a product") {
  for (const Index width : {3, 13, 47})
    for (const Index filters : {1, 9, 33})
      for (const Index batch : {1, 3})
        check({.batch = batch,
               .channels = 19,
               .height = 11,
               .width = width,
               .filters = filters,
               .kernel_h = 1,
               .kernel_w = 1,
               .out_h = 0,
               .out_w = 0});
}

TEST_CASE("convolutions of rectangles, single pixels, prime sizes and long images") {
  check({.batch = 2,
         .channels = 6,
         .height = 15,
         .width = 17,
         .filters = 4,
         .kernel_h = 3,
         .kernel_w = 5,
         .stride_h = 2,
         .stride_w = 1,
         .padding_h = 1,
         .padding_w = 2,
         .groups = 2,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 1,
         .channels = 1,
         .height = 1,
         .width = 1,
         .filters = 1,
         .kernel_h = 1,
         .kernel_w = 1,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 3,
         .channels = 2,
         .height = 1,
         .width = 1,
         .filters = 3,
         .kernel_h = 3,
         .kernel_w = 3,
         .padding_h = 1,
         .padding_w = 1,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 5,
         .channels = 7,
         .height = 11,
         .width = 13,
         .filters = 3,
         .kernel_h = 5,
         .kernel_w = 2,
         .padding_h = 4,
         .padding_w = 3,
         .dilation_h = 2,
         .dilation_w = 3,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 2,
         .channels = 5,
         .height = 9,
         .width = 9,
         .filters = 5,
         .kernel_h = 3,
         .kernel_w = 3,
         .padding_h = 1,
         .padding_w = 1,
         .groups = 5,
         .out_h = 0,
         .out_w = 0});
  // Outputs as wide as the input: a kernel higher than wide, a dilation beyond the image, several tiles that end within
  // a row.
  check({.batch = 2,
         .channels = 3,
         .height = 9,
         .width = 7,
         .filters = 2,
         .kernel_h = 4,
         .kernel_w = 3,
         .padding_h = 5,
         .padding_w = 1,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 2,
         .channels = 3,
         .height = 6,
         .width = 5,
         .filters = 2,
         .kernel_h = 3,
         .kernel_w = 3,
         .padding_h = 8,
         .padding_w = 8,
         .dilation_h = 8,
         .dilation_w = 8,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 2,
         .channels = 130,
         .height = 13,
         .width = 29,
         .filters = 2,
         .kernel_h = 3,
         .kernel_w = 5,
         .padding_h = 0,
         .padding_w = 2,
         .out_h = 0,
         .out_w = 0});
  // Several tiles for one image, and channels split into parts.
  check({.batch = 1,
         .channels = 40,
         .height = 47,
         .width = 53,
         .filters = 3,
         .kernel_h = 3,
         .kernel_w = 3,
         .padding_h = 1,
         .padding_w = 1,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 18,
         .channels = 8,
         .height = 9,
         .width = 7,
         .filters = 26,
         .kernel_h = 1,
         .kernel_w = 1,
         .groups = 2,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 2,
         .channels = 37,
         .height = 61,
         .width = 31,
         .filters = 5,
         .kernel_h = 3,
         .kernel_w = 3,
         .stride_h = 2,
         .padding_h = 1,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 33,
         .channels = 3,
         .height = 5,
         .width = 5,
         .filters = 4,
         .kernel_h = 3,
         .kernel_w = 3,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 3,
         .channels = 40,
         .height = 9,
         .width = 7,
         .filters = 13,
         .kernel_h = 1,
         .kernel_w = 1,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 2,
         .channels = 3,
         .height = 1,
         .width = 301,
         .filters = 2,
         .kernel_h = 1,
         .kernel_w = 7,
         .padding_w = 3,
         .out_h = 0,
         .out_w = 0});
}

TEST_CASE("convolutions of nothing") {
  check({.batch = 0,
         .channels = 2,
         .height = 4,
         .width = 4,
         .filters = 3,
         .kernel_h = 3,
         .kernel_w = 3,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 2,
         .channels = 2,
         .height = 4,
         .width = 4,
         .filters = 0,
         .kernel_h = 3,
         .kernel_w = 3,
         .out_h = 0,
         .out_w = 0});
  check({.batch = 2,
         .channels = 0,
         .height = 4,
         .width = 4,
         .filters = 3,
         .kernel_h = 3,
         .kernel_w = 3,
         .out_h = 0,
         .out_w = 0});
}
