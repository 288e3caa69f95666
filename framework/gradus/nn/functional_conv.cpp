#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/conv.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/ops/reduce.hpp"

namespace gradus::nn::functional {

using autograd::Grads;
using autograd::record;
using autograd::saves;
using autograd::Step;

namespace {

// Checks all that a convolution needs and fills in its sizes.
kernels::Conv2d plan(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o) {
  check_floating("conv2d", x);
  check_same_dtype("conv2d", x, weight);
  if (x.dim() != 4)
    failf("conv2d", "the input has shape {}; it must have four axes, (N, channels, height, width){}", x.shape(),
          x.dim() == 3 ? "; unsqueeze(0) makes one image a batch" : "");
  if (weight.dim() != 4)
    failf("conv2d",
          "the weight has shape {}; it must have four axes, (filters, channels / groups, kernel height, kernel width)",
          weight.shape());
  const auto in_range = [](const char* what, IntPair v, Index least) {
    static constexpr Index most = Index{1} << 31;  // sizes computed from them stay far from overflow
    if (v.height < least || v.width < least || v.height > most || v.width > most)
      failf("conv2d", "the {} is ({}, {}); it must be at least {} and at most {}", what, v.height, v.width, least,
            most);
  };
  in_range("stride", o.stride, 1);
  in_range("dilation", o.dilation, 1);
  in_range("padding", o.padding, 0);
  if (o.groups < 1) failf("conv2d", "there are {} groups; at least 1 is needed", o.groups);
  if (o.groups > x.shape()[1] && o.groups > 1)
    failf("conv2d", "the {} channels of the input of shape {} cannot be split into {} groups", x.shape()[1], x.shape(),
          o.groups);
  const Shape &sx = x.shape(), &sw = weight.shape();
  if (sx[1] != sw[1] * o.groups)
    failf("conv2d",
          "the input of shape {} has {} channels but the weight of shape {} expects {}{}: axis 1 of the input must "
          "equal axis 1 of "
          "the weight times the groups",
          sx, sx[1], sw, sw[1] * o.groups, o.groups > 1 ? fmt::format(", in {} groups", o.groups) : "");
  if (sw[0] % o.groups != 0)
    failf("conv2d", "the {} filters of the weight of shape {} cannot be split into {} groups", sw[0], sw, o.groups);
  if (sw[2] < 1 || sw[3] < 1) failf("conv2d", "the weight of shape {} has an empty kernel", sw);
  if (bias.defined()) {
    check_same_dtype("conv2d", x, bias);
    if (bias.shape() != Shape{sw[0]})
      failf("conv2d", "the bias has shape {} but the weight of shape {} needs {}", bias.shape(), sw, Shape{sw[0]});
  }
  const auto fits = [&](const char* axis, Index size, Index kernel, Index padding, Index dilation) {
    if (dilation * (kernel - 1) + 1 > size + 2 * padding)
      failf("conv2d",
            "the kernel is larger than the input: its {} is {}{}, but the input of shape {} with a padding of {} on "
            "either side has "
            "only {}",
            axis, kernel,
            dilation > 1 ? fmt::format(", spread over {} by the dilation", dilation * (kernel - 1) + 1) : "", sx,
            padding, size + 2 * padding);
  };
  fits("height", sx[2], sw[2], o.padding.height, o.dilation.height);
  fits("width", sx[3], sw[3], o.padding.width, o.dilation.width);
  return {.batch = sx[0],
          .channels = sx[1],
          .height = sx[2],
          .width = sx[3],
          .filters = sw[0],
          .kernel_h = sw[2],
          .kernel_w = sw[3],
          .stride_h = o.stride.height,
          .stride_w = o.stride.width,
          .padding_h = o.padding.height,
          .padding_w = o.padding.width,
          .dilation_h = o.dilation.height,
          .dilation_w = o.dilation.width,
          .groups = o.groups,
          .out_h = kernels::Conv2d::out_size(sx[2], sw[2], o.stride.height, o.padding.height, o.dilation.height),
          .out_w = kernels::Conv2d::out_size(sx[3], sw[3], o.stride.width, o.padding.width, o.dilation.width)};
}

// With C(x, w) the convolution, and I(g, w) and G(g, x) its transposes as a map of x and of w, <g, C(x, w)> = <I(g, w),
// x> = <G(g, x), w>. The one trilinear form gives all derivatives: each of the three is the others' rule.
Tensor input_grad(const kernels::Conv2d& s, const Tensor& g, const Tensor& w);
Tensor weight_grad(const kernels::Conv2d& s, const Tensor& g, const Tensor& x);

Tensor convolve(const kernels::Conv2d& s, const Tensor& x, const Tensor& w, const Tensor& bias) {
  Tensor value = Tensor::make("conv2d", {s.batch, s.filters, s.out_h, s.out_w}, x.dtype());
  dispatch_floating("conv2d", x.dtype(), [&]<class T> {
    kernels::conv2d(s, x.data<T>(), w.data<T>(), bias.defined() ? bias.data<T>() : nullptr, value.data<T>());
  });
  return record("conv2d", std::move(value), {x, w, bias}, saves(x, w),
                [s](const Tensor& g, const Tensor& v, const Tensor& u, const Step& step) {
                  Grads grads(3);
                  if (step.needs(0)) grads[0] = input_grad(s, g, u);
                  if (step.needs(1)) grads[1] = weight_grad(s, g, v);
                  if (step.needs(2)) grads[2] = sum(g, {.axes = {0, 2, 3}});
                  return grads;
                });
}

Tensor input_grad(const kernels::Conv2d& s, const Tensor& g, const Tensor& w) {
  Tensor value = Tensor::make("conv2d_input_grad", {s.batch, s.channels, s.height, s.width}, g.dtype());
  dispatch_floating("conv2d_input_grad", g.dtype(),
                    [&]<class T> { kernels::conv2d_input_grad(s, g.data<T>(), w.data<T>(), value.data<T>()); });
  return record("conv2d_input_grad", std::move(value), {g, w}, saves(g, w),
                [s](const Tensor& up, const Tensor& v, const Tensor& u, const Step& step) {
                  return Grads{step.needs(0) ? convolve(s, up, u, {}) : Tensor{},
                               step.needs(1) ? weight_grad(s, v, up) : Tensor{}};
                });
}

Tensor weight_grad(const kernels::Conv2d& s, const Tensor& g, const Tensor& x) {
  Tensor value = Tensor::make("conv2d_weight_grad", {s.filters, s.group_channels(), s.kernel_h, s.kernel_w}, g.dtype());
  dispatch_floating("conv2d_weight_grad", g.dtype(),
                    [&]<class T> { kernels::conv2d_weight_grad(s, g.data<T>(), x.data<T>(), value.data<T>()); });
  return record("conv2d_weight_grad", std::move(value), {g, x}, saves(g, x),
                [s](const Tensor& up, const Tensor& v, const Tensor& u, const Step& step) {
                  return Grads{step.needs(0) ? convolve(s, u, up, {}) : Tensor{},
                               step.needs(1) ? input_grad(s, v, up) : Tensor{}};
                });
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  return convolve(plan(x, weight, bias, options), x, weight, bias);
}

}  // namespace gradus::nn::functional
