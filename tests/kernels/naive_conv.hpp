#pragma once
// Convolutions by their definition, one product after another.
#include <cmath>
#include <random>
#include <vector>

#include "gradus/kernels/conv.hpp"

namespace gradus::testing {

using kernels::Conv2d;

inline Conv2d with_out_sizes(Conv2d s) {
  s.out_h = Conv2d::out_size(s.height, s.kernel_h, s.stride_h, s.padding_h, s.dilation_h);
  s.out_w = Conv2d::out_size(s.width, s.kernel_w, s.stride_w, s.padding_w, s.dilation_w);
  return s;
}

/// Calls visit(place in x, place in w, place in y) for every product.
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
                visit(std::size_t(((n * s.channels + channel) * s.height + row) * s.width + column),
                      std::size_t(((f * s.group_channels() + c) * s.kernel_h + p) * s.kernel_w + q),
                      std::size_t(((n * s.filters + f) * s.out_h + i) * s.out_w + j));
              }
}

/// Normal numbers.
template <class T>
struct ConvArrays {
  std::vector<T> x, w, g, bias;
  explicit ConvArrays(const Conv2d& s)
      : x(std::size_t(s.batch * s.channels * s.plane())),
        w(std::size_t(s.filters * s.window())),
        g(std::size_t(s.batch * s.filters * s.out_plane())),
        bias(std::size_t(s.filters)) {
    std::mt19937 engine(1);
    std::normal_distribution<T> normal;
    for (auto* v : {&x, &w, &g, &bias})
      for (T& e : *v) e = normal(engine);
  }
  /// The same numbers as another type.
  template <class U>
  ConvArrays(const Conv2d&, const ConvArrays<U>& a)
      : x(a.x.begin(), a.x.end()),
        w(a.w.begin(), a.w.end()),
        g(a.g.begin(), a.g.end()),
        bias(a.bias.begin(), a.bias.end()) {}
};

template <class T>
struct ConvResults {
  std::vector<T> y, dx, dw;
  ConvResults(const Conv2d& s, T fill)
      : y(std::size_t(s.batch * s.filters * s.out_plane()), fill),
        dx(std::size_t(s.batch * s.channels * s.plane()), fill),
        dw(std::size_t(s.filters * s.window()), fill) {}
};

template <class T>
ConvResults<T> naive_conv(const Conv2d& s, const ConvArrays<T>& a, bool with_bias = true) {
  ConvResults<T> r(s, T(0));
  if (with_bias)
    for (std::size_t i = 0; i < r.y.size(); ++i) r.y[i] = a.bias[i / std::size_t(s.out_plane()) % a.bias.size()];
  each_product(s, [&](std::size_t x, std::size_t w, std::size_t y) {
    r.y[y] += a.x[x] * a.w[w];
    r.dx[x] += a.g[y] * a.w[w];
    r.dw[w] += a.g[y] * a.x[x];
  });
  return r;
}

/// The largest difference; NaN when there is one.
template <class T>
double distance(const std::vector<T>& a, const std::vector<T>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double(a[i]) - double(b[i]));
    if (!(d <= most)) most = d;
  }
  return most;
}

}  // namespace gradus::testing
