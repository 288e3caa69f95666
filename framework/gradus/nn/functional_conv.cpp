#include <algorithm>
#include <string>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/conv.hpp"
#include "gradus/nn/conv_sizes.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"

namespace gradus::nn::functional {

using autograd::Grads;
using autograd::is_recording;
using autograd::record;
using autograd::saves;
using autograd::Step;

namespace {

// Sizes computed from strides, paddings and dilations up to this stay far from overflow.
constexpr Index most = Index{1} << 31;

// How the two axes of an image, or the one of a series, are spoken of.
struct Speech {
  const char* operation;
  bool line;  // one axis, which stands as the width of an image of height 1
  std::string both(IntPair v) const {
    return line ? fmt::format("{}", v.width) : fmt::format("({}, {})", v.height, v.width);
  }
  void in_range(const char* what, IntPair v, Index least) const {
    if (v.height < least || v.width < least || v.height > most || v.width > most)
      failf(operation, "the {} is {}; it must be at least {} and at most {}", what, both(v), least, most);
  }
  void check_axes(const Tensor& x, const Tensor& weight, const char* weight_axes) const {
    check_floating(operation, x);
    check_same_dtype(operation, x, weight);
    const Index axes = line ? 3 : 4;
    const char* count = line ? "three" : "four";
    if (x.dim() != axes)
      failf(operation, "the input has shape {}; it must have {} axes, (N, channels, {}){}", x.shape(), count,
            line ? "length" : "height, width", x.dim() == axes - 1 ? "; unsqueeze(0) makes one sample a batch" : "");
    if (weight.dim() != axes)
      failf(operation, "the weight has shape {}; it must have {} axes, {}", weight.shape(), count, weight_axes);
  }
  void check_bias(const Tensor& x, const Tensor& weight, const Tensor& bias, Index filters) const {
    if (!bias.defined()) return;
    check_same_dtype(operation, x, bias);
    if (bias.shape() != Shape{filters})
      failf(operation, "the bias has shape {} but the weight of shape {} needs {}", bias.shape(), weight.shape(),
            Shape{filters});
  }
};

// Checks all that a convolution needs and fills in its sizes.
kernels::Conv2d plan(const Speech& speech, const Tensor& x, const Tensor& weight, const Tensor& bias,
                     const Conv2dOptions& o) {
  const char* const operation = speech.operation;
  speech.check_axes(x, weight,
                    speech.line ? "(filters, channels / groups, kernel)"
                                : "(filters, channels / groups, kernel height, kernel width)");
  speech.in_range("stride", o.stride, 1);
  speech.in_range("dilation", o.dilation, 1);
  speech.in_range("padding", o.padding, 0);
  const Shape &sx = x.shape(), &sw = weight.shape();
  if (o.groups < 1) failf(operation, "there are {} groups; at least 1 is needed", o.groups);
  if (o.groups > sx[1] && o.groups > 1)
    failf(operation, "the {} channels of the input of shape {} cannot be split into {} groups", sx[1], sx, o.groups);
  if (sx[1] != sw[1] * o.groups)
    failf(operation,
          "the input of shape {} has {} channels but the weight of shape {} expects {}{}: axis 1 of the input must "
          "equal axis 1 of the weight times the groups",
          sx, sx[1], sw, sw[1] * o.groups, o.groups > 1 ? fmt::format(", in {} groups", o.groups) : "");
  if (sw[0] % o.groups != 0)
    failf(operation, "the {} filters of the weight of shape {} cannot be split into {} groups", sw[0], sw, o.groups);
  const Index height = speech.line ? 1 : sx[2], kernel_h = speech.line ? 1 : sw[2];
  const Index width = sx[speech.line ? 2 : 3], kernel_w = sw[speech.line ? 2 : 3];
  if (kernel_h < 1 || kernel_w < 1) failf(operation, "the weight of shape {} has an empty kernel", sw);
  speech.check_bias(x, weight, bias, sw[0]);
  const auto fits = [&](const char* axis, Index size, Index kernel, Index padding, Index dilation) {
    if (dilation * (kernel - 1) + 1 > size + 2 * padding)
      failf(operation,
            "the kernel is larger than the input: its {} is {}{}, but the input of shape {} with a padding of {} on "
            "either side has only {}",
            axis, kernel,
            dilation > 1 ? fmt::format(", spread over {} by the dilation", dilation * (kernel - 1) + 1) : "", sx,
            padding, size + 2 * padding);
  };
  fits("height", height, kernel_h, o.padding.height, o.dilation.height);
  fits(speech.line ? "length" : "width", width, kernel_w, o.padding.width, o.dilation.width);
  return conv_sizes(
      o, {sx[0], sx[1], height, width}, {sw[0], sw[1], kernel_h, kernel_w},
      {kernels::Conv2d::out_size(height, kernel_h, o.stride.height, o.padding.height, o.dilation.height),
       kernels::Conv2d::out_size(width, kernel_w, o.stride.width, o.padding.width, o.dilation.width)});
}

// The sizes of the convolution whose transpose is asked for: it leads from the result back to x.
kernels::Conv2d plan_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias,
                               const ConvTranspose2dOptions& o) {
  static constexpr const char* operation = "conv_transpose2d";
  const Speech speech{operation, false};
  speech.check_axes(x, weight, "(channels, filters / groups, kernel height, kernel width)");
  speech.in_range("stride", o.stride, 1);
  speech.in_range("dilation", o.dilation, 1);
  speech.in_range("padding", o.padding, 0);
  speech.in_range("output padding", o.output_padding, 0);
  const auto small = [](Index extra, Index stride, Index dilation) { return extra < stride || extra < dilation; };
  if (!small(o.output_padding.height, o.stride.height, o.dilation.height) ||
      !small(o.output_padding.width, o.stride.width, o.dilation.width))
    failf(operation, "the output padding is {}; it must be less than the stride {} or the dilation {}",
          speech.both(o.output_padding), speech.both(o.stride), speech.both(o.dilation));
  const Shape &sx = x.shape(), &sw = weight.shape();
  if (sx[1] != sw[0])
    failf(operation,
          "the input of shape {} has {} channels but the weight of shape {} expects {}: axis 1 of the input must equal "
          "axis 0 of the weight",
          sx, sx[1], sw, sw[0]);
  if (o.groups < 1) failf(operation, "there are {} groups; at least 1 is needed", o.groups);
  if (sx[1] % o.groups != 0 || o.groups > std::max<Index>(sx[1], 1))
    failf(operation, "the {} channels of the input of shape {} cannot be split into {} groups", sx[1], sx, o.groups);
  if (sw[2] < 1 || sw[3] < 1) failf(operation, "the weight of shape {} has an empty kernel", sw);
  speech.check_bias(x, weight, bias, sw[1] * o.groups);
  const auto size = [&](const char* axis, Index in, Index kernel, Index stride, Index padding, Index dilation,
                        Index extra) {
    if (in > most || kernel > most)
      failf(operation, "an input of shape {} and a weight of shape {} are too large", sx, sw);
    const Index out = (in - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1;
    if (out > most)
      failf(operation, "the {} would be {}, from the input of shape {} and the weight of shape {}: too large", axis,
            out, sx, sw);
    if (in < 1 || out < 1)
      failf(operation, "nothing is left of the {}: with a padding of {}, the input of shape {} gives {}", axis, padding,
            sx, out);
    return out;
  };
  const Index height =
      size("height", sx[2], sw[2], o.stride.height, o.padding.height, o.dilation.height, o.output_padding.height);
  const Index width =
      size("width", sx[3], sw[3], o.stride.width, o.padding.width, o.dilation.width, o.output_padding.width);
  return conv_sizes(o, {sx[0], sw[1] * o.groups, height, width}, sw, {sx[2], sx[3]});
}

// With C(x, w) the convolution, and I(g, w) and G(g, x) its transposes as a map of x and of w, <g, C(x, w)> = <I(g, w),
// x> = <G(g, x), w>. The one trilinear form gives all derivatives: each of the three is the others' rule.
Tensor input_grad(const kernels::Conv2d& s, const Tensor& g, const Tensor& w);
Tensor weight_grad(const kernels::Conv2d& s, const Tensor& g, const Tensor& x);
// The values of both, while nothing records.
void both_grads(const kernels::Conv2d& s, const Tensor& g, const Tensor& x, const Tensor& w, Tensor& dx, Tensor& dw);

Tensor convolve(const kernels::Conv2d& s, const Tensor& x, const Tensor& w, const Tensor& bias) {
  Tensor value = Tensor::make("conv2d", {s.batch, s.filters, s.out_h, s.out_w}, x.dtype());
  dispatch_floating("conv2d", x.dtype(), [&]<class T> {
    kernels::conv2d(s, x.data<T>(), w.data<T>(), bias.defined() ? bias.data<T>() : nullptr, value.data<T>());
  });
  return record("conv2d", std::move(value), {x, w, bias}, saves(x, w),
                [s](const Tensor& g, const Tensor& v, const Tensor& u, const Step& step) {
                  Grads grads(3);
                  if (step.needs(0) && step.needs(1) && !is_recording()) {
                    both_grads(s, g, v, u, grads[0], grads[1]);
                  } else {
                    if (step.needs(0)) grads[0] = input_grad(s, g, u);
                    if (step.needs(1)) grads[1] = weight_grad(s, g, v);
                  }
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

void both_grads(const kernels::Conv2d& s, const Tensor& g, const Tensor& x, const Tensor& w, Tensor& dx, Tensor& dw) {
  dx = Tensor::make("conv2d_input_grad", {s.batch, s.channels, s.height, s.width}, g.dtype());
  dw = Tensor::make("conv2d_weight_grad", {s.filters, s.group_channels(), s.kernel_h, s.kernel_w}, g.dtype());
  dispatch_floating("conv2d", g.dtype(), [&]<class T> {
    kernels::conv2d_grads(s, g.data<T>(), x.data<T>(), w.data<T>(), dx.data<T>(), dw.data<T>());
  });
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  return convolve(plan({"conv2d", false}, x, weight, bias, options), x, weight, bias);
}

bool winograd_enabled() { return kernels::winograd_enabled(); }
void set_winograd(bool enabled) { kernels::set_winograd(enabled); }

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& o) {
  const kernels::Conv2d s =
      plan({"conv1d", true}, x, weight, bias,
           {.stride = {1, o.stride}, .padding = {0, o.padding}, .dilation = {1, o.dilation}, .groups = o.groups});
  return convolve(s, x.unsqueeze(2), weight.unsqueeze(2), bias).squeeze(2);
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose2dOptions& options) {
  const Tensor y = input_grad(plan_transpose(x, weight, bias, options), x, weight);
  return bias.defined() ? y + reshape(bias, {bias.shape()[0], 1, 1}) : y;
}

}  // namespace gradus::nn::functional
