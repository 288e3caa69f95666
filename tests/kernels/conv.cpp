#include "gradus/kernels/conv.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "gradus/core/parallel.hpp"

using namespace gradus;
using kernels::Conv2d;

namespace {

// The definition: calls visit(place in x, place in w, place in y) for every product.
template <class Visit>
void each_product(const Conv2d& s, Visit&& visit) {
  for (Index n = 0; n < s.batch; ++n)
    for (Index f = 0; f < s.filters; ++f)
      for (Index i = 0; i < s.out_h; ++i)
        for (Index j = 0; j < s.out_w; ++j)
          for (Index c = 0; c < s.group_channels(); ++c)
            for (Index p = 0; p < s.kernel_h; ++p)
              for (Index q = 0; q < s.kernel_w; ++q) {
                const Index row = i * s.stride_h - s.padding_h + p * s.dilation_h;
                const Index column = j * s.stride_w - s.padding_w + q * s.dilation_w;
                if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
                const Index channel = f / s.group_filters() * s.group_channels() + c;
                visit(((n * s.channels + channel) * s.height + row) * s.width + column,
                      ((f * s.group_channels() + c) * s.kernel_h + p) * s.kernel_w + q,
                      ((n * s.filters + f) * s.out_h + i) * s.out_w + j);
              }
}

struct Arrays {
  std::vector<double> x, w, g, bias;
  explicit Arrays(const Conv2d& s)
      : x(std::size_t(s.batch * s.channels * s.plane())),
        w(std::size_t(s.filters * s.window())),
        g(std::size_t(s.batch * s.filters * s.out_plane())),
        bias(std::size_t(s.filters)) {
    std::mt19937 engine(1);
    std::normal_distribution<double> normal;
    for (auto* v : {&x, &w, &g, &bias})
      for (double& e : *v) e = normal(engine);
  }
};

struct Results {
  std::vector<double> y, dx, dw;
};

Results compute(const Conv2d& s, const Arrays& a, bool with_bias) {
  Results r{std::vector<double>(a.g.size(), NAN), std::vector<double>(a.x.size(), NAN),
            std::vector<double>(a.w.size(), NAN)};
  kernels::conv2d(s, a.x.data(), a.w.data(), with_bias ? a.bias.data() : nullptr, r.y.data());
  kernels::conv2d_input_grad(s, a.g.data(), a.w.data(), r.dx.data());
  kernels::conv2d_weight_grad(s, a.g.data(), a.x.data(), r.dw.data());
  return r;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]);
    if (!(d <= most)) most = d;
  }
  return most;
}

void check(Conv2d s) {
  s.out_h = Conv2d::out_size(s.height, s.kernel_h, s.stride_h, s.padding_h, s.dilation_h);
  s.out_w = Conv2d::out_size(s.width, s.kernel_w, s.stride_w, s.padding_w, s.dilation_w);
  const Arrays a(s);
  Results naive{std::vector<double>(a.g.size(), 0.0), std::vector<double>(a.x.size(), 0.0),
                std::vector<double>(a.w.size(), 0.0)};
  each_product(s, [&](Index x, Index w, Index y) {
    naive.y[std::size_t(y)] += a.x[std::size_t(x)] * a.w[std::size_t(w)];
    naive.dx[std::size_t(x)] += a.g[std::size_t(y)] * a.w[std::size_t(w)];
    naive.dw[std::size_t(w)] += a.g[std::size_t(y)] * a.x[std::size_t(x)];
  });
  CAPTURE(s.batch);
  CAPTURE(s.channels);
  CAPTURE(s.height);
  CAPTURE(s.filters);
  CAPTURE(s.kernel_h);
  CAPTURE(s.stride_h);
  CAPTURE(s.padding_h);
  CAPTURE(s.dilation_h);
  CAPTURE(s.groups);
  const Results plain = compute(s, a, false);
  CHECK(distance(plain.y, naive.y) < 1e-10);
  CHECK(distance(plain.dx, naive.dx) < 1e-10);
  CHECK(distance(plain.dw, naive.dw) < 1e-10);
  for (std::size_t i = 0; i < naive.y.size(); ++i) naive.y[i] += a.bias[i / std::size_t(s.out_plane()) % a.bias.size()];
  CHECK(distance(compute(s, a, true).y, naive.y) < 1e-10);
  if (s.batch < 2) return;
  const int before = num_threads();
  set_num_threads(1);
  const Results one = compute(s, a, true);
  set_num_threads(2);
  const Results two = compute(s, a, true);
  set_num_threads(before);
  CHECK(one.y == two.y);
  CHECK(one.dx == two.dx);
  CHECK(one.dw == two.dw);
}

}  // namespace

TEST_CASE("convolutions agree with their definition, for all strides, paddings, dilations and groups") {
  for (const Index kernel : {1, 2, 3})
    for (const Index stride : {1, 2, 3})
      for (const Index padding : {0, 1, 2})
        for (const Index dilation : {1, 2})
          for (const Index groups : {1, 2})
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
                   .groups = groups,
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
