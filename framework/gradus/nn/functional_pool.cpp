#include <memory>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/movement.hpp"
#include "gradus/kernels/pool.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/ops/reduce.hpp"

namespace gradus::nn::functional {

using autograd::Grads;
using autograd::record;
using autograd::saves;

namespace {

void check_image(const char* operation, const Tensor& x) {
  check_floating(operation, x);
  if (x.dim() != 4)
    failf(operation, "the input has shape {}; it must have four axes, (N, channels, height, width){}", x.shape(),
          x.dim() == 3 ? "; unsqueeze(0) makes one image a batch" : "");
}

IntPair stride_of(IntPair stride, IntPair kernel) {
  return {stride.height == 0 ? kernel.height : stride.height, stride.width == 0 ? kernel.width : stride.width};
}

Index out_size(Index size, Index kernel, Index stride, Index padding) {
  return (size + 2 * padding - kernel) / stride + 1;
}

// What max and average pooling ask of their sizes.
void check_windows(const char* operation, const Tensor& x, IntPair kernel, IntPair stride, IntPair padding) {
  check_image(operation, x);
  static constexpr Index most = Index{1} << 31;
  const auto in_range = [operation](const char* what, IntPair v, Index least) {
    if (v.height < least || v.width < least || v.height > most || v.width > most)
      failf(operation, "the {} is ({}, {}); it must be at least {} and at most {}", what, v.height, v.width, least,
            most);
  };
  in_range("kernel", kernel, 1);
  in_range("stride", stride, 1);
  in_range("padding", padding, 0);
  if (2 * padding.height > kernel.height || 2 * padding.width > kernel.width)
    failf(operation, "the padding ({}, {}) is more than half of the kernel ({}, {}): a window could miss the input",
          padding.height, padding.width, kernel.height, kernel.width);
  if (kernel.height > x.shape()[2] + 2 * padding.height || kernel.width > x.shape()[3] + 2 * padding.width)
    failf(operation, "the kernel ({}, {}) is larger than the input of shape {} with a padding of ({}, {})",
          kernel.height, kernel.width, x.shape(), padding.height, padding.width);
}

// The largest elements are a choice of elements: their gradient goes back to the places they came from, and the
// gradient of that is the same choice.
Tensor choose(const Tensor& x, const Tensor& places, const Shape& shape);

Tensor put_back(const Tensor& g, const Tensor& places, const Shape& shape) {
  Tensor value = Tensor::make("max_pool2d_backward", shape, g.dtype()).zero_();
  const Index planes = shape[0] * shape[1], out_plane = g.shape()[2] * g.shape()[3];
  dispatch_floating("max_pool2d_backward", g.dtype(), [&]<class T> {
    kernels::scatter_add(g.data<T>(), places.data<std::int64_t>(), value.data<T>(), planes, shape[2] * shape[3], 1,
                         out_plane);
  });
  return record("max_pool2d_backward", std::move(value), {g}, saves(places),
                [out = g.shape()](const Tensor& up, const Tensor& p) { return Grads{choose(up, p, out)}; });
}

Tensor choose(const Tensor& x, const Tensor& places, const Shape& shape) {
  Tensor value = Tensor::make("max_pool2d_choose", shape, x.dtype());
  const Index planes = shape[0] * shape[1], plane = x.shape()[2] * x.shape()[3];
  dispatch_floating("max_pool2d_choose", x.dtype(), [&]<class T> {
    kernels::gather(x.data<T>(), places.data<std::int64_t>(), value.data<T>(), planes, plane, 1, shape[2] * shape[3]);
  });
  return record("max_pool2d_choose", std::move(value), {x}, saves(places),
                [in = x.shape()](const Tensor& up, const Tensor& p) { return Grads{put_back(up, p, in)}; });
}

// Averaging is linear, so it and its transpose are each other's rule.
using Plan = std::shared_ptr<const kernels::AveragePool2d>;

Tensor spread(const char* operation, const Plan& plan, const Tensor& g, const Shape& shape);

Tensor average(const char* operation, const Plan& plan, const Tensor& x) {
  Tensor value = Tensor::make(
      operation, {x.shape()[0], x.shape()[1], Index(plan->rows.size()), Index(plan->columns.size())}, x.dtype());
  dispatch_floating(operation, x.dtype(),
                    [&]<class T> { kernels::average_pool2d(*plan, x.data<T>(), value.data<T>()); });
  return record(operation, std::move(value), {x}, [operation, plan, shape = x.shape()](const Tensor& g) {
    return Grads{spread(operation, plan, g, shape)};
  });
}

Tensor spread(const char* operation, const Plan& plan, const Tensor& g, const Shape& shape) {
  Tensor value = Tensor::make(operation, shape, g.dtype());
  dispatch_floating(operation, g.dtype(),
                    [&]<class T> { kernels::average_pool2d_backward(*plan, g.data<T>(), value.data<T>()); });
  return record(operation, std::move(value), {g},
                [operation, plan](const Tensor& up) { return Grads{average(operation, plan, up)}; });
}

std::vector<kernels::Window> sliding(Index size, Index kernel, Index stride, Index padding, bool count_padding) {
  std::vector<kernels::Window> windows;
  for (Index i = 0; i < out_size(size, kernel, stride, padding); ++i) {
    const Index start = i * stride - padding, begin = std::max<Index>(start, 0), end = std::min(start + kernel, size);
    windows.push_back({begin, end, double(count_padding ? kernel : end - begin)});
  }
  return windows;
}

// Window i covers the part i / count to (i + 1) / count of the axis, and the elements it cuts in full.
std::vector<kernels::Window> adaptive(Index size, Index count) {
  std::vector<kernels::Window> windows;
  for (Index i = 0; i < count; ++i) {
    const Index begin = i * size / count, end = ((i + 1) * size + count - 1) / count;
    windows.push_back({begin, end, double(end - begin)});
  }
  return windows;
}

}  // namespace

Tensor max_pool2d(const Tensor& x, IntPair kernel, const MaxPool2dOptions& options) {
  const IntPair stride = stride_of(options.stride, kernel), padding = options.padding;
  check_windows("max_pool2d", x, kernel, stride, padding);
  const Shape& s = x.shape();
  const Shape shape{s[0], s[1], out_size(s[2], kernel.height, stride.height, padding.height),
                    out_size(s[3], kernel.width, stride.width, padding.width)};
  Tensor value = Tensor::make("max_pool2d", shape, x.dtype());
  const Tensor places = Tensor::make("max_pool2d", shape, int64);
  const kernels::MaxPool2d sizes{s[0] * s[1],   s[2],          s[3],         kernel.height,
                                 kernel.width,  stride.height, stride.width, padding.height,
                                 padding.width, shape[2],      shape[3]};
  dispatch_floating("max_pool2d", x.dtype(), [&]<class T> {
    kernels::max_pool2d(sizes, x.data<T>(), value.data<T>(), places.data<std::int64_t>());
  });
  return record("max_pool2d", std::move(value), {x}, saves(places),
                [in = s](const Tensor& g, const Tensor& p) { return Grads{put_back(g, p, in)}; });
}

Tensor avg_pool2d(const Tensor& x, IntPair kernel, const AvgPool2dOptions& options) {
  const IntPair stride = stride_of(options.stride, kernel), padding = options.padding;
  check_windows("avg_pool2d", x, kernel, stride, padding);
  const Shape& s = x.shape();
  const bool all = options.count_include_pad;
  return average("avg_pool2d",
                 std::make_shared<kernels::AveragePool2d>(kernels::AveragePool2d{
                     s[0] * s[1], s[2], s[3], sliding(s[2], kernel.height, stride.height, padding.height, all),
                     sliding(s[3], kernel.width, stride.width, padding.width, all)}),
                 x);
}

Tensor adaptive_avg_pool2d(const Tensor& x, IntPair size) {
  check_image("adaptive_avg_pool2d", x);
  const Shape& s = x.shape();
  constexpr Index most = 1 << 24;
  if (size.height < 1 || size.width < 1 || size.height > most || size.width > most)
    failf("adaptive_avg_pool2d", "the output size is ({}, {}); it must be at least 1 and at most {}", size.height,
          size.width, most);
  if (s[2] == 0 || s[3] == 0) failf("adaptive_avg_pool2d", "the input of shape {} has nothing to average", s);
  return average("adaptive_avg_pool2d",
                 std::make_shared<kernels::AveragePool2d>(kernels::AveragePool2d{
                     s[0] * s[1], s[2], s[3], adaptive(s[2], size.height), adaptive(s[3], size.width)}),
                 x);
}

Tensor global_avg_pool2d(const Tensor& x) {
  check_image("global_avg_pool2d", x);
  return mean(x, {.axes = {2, 3}});
}

}  // namespace gradus::nn::functional
