#include "gradus/nn/per_sample_use.hpp"

#include <algorithm>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/kernels/conv.hpp"
#include "gradus/kernels/lane_sum.hpp"
#include "gradus/nn/conv_sizes.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::autograd::detail {
namespace {

// x (N, channels, places...) as (N, channels, places)
Tensor as_channels(const Tensor& x) {
  const Shape& s = x.shape();
  return x.reshape({s[0], s[1], s.product(2, s.size())});
}

// A convolution and its transpose have the same gradient of the weight, with image and slopes exchanged.
const Tensor& image(const Use& use, const Tensor& g) { return use.transposed ? g : use.x; }
const Tensor& slopes(const Use& use, const Tensor& g) { return use.transposed ? use.x : g; }

kernels::Conv2d conv_of_one(const Use& use, const Shape& weight, const Tensor& g) {
  const Shape &in = image(use, g).shape(), &out = slopes(use, g).shape();
  return nn::conv_sizes(use.conv, {1, in[1], in[2], in[3]}, weight, {out[2], out[3]});
}

// A weight that was broadcast to y (N, ...): its gradients are summed over all repeated axes but that of the samples.
// Where the weight itself counts the samples (a scalar that was expanded), sample n's gradient is in row n alone.
Tensor broadcast_gradient(const Tensor& g, const Shape& shape, Index first) {
  const Index n = g.shape()[0];
  const std::size_t missing = g.shape().size() - shape.size();
  std::vector<Index> repeated;
  for (std::size_t axis = 1; axis < g.shape().size(); ++axis)
    if (axis < missing || (shape[axis - missing] == 1 && g.shape()[axis] != 1)) repeated.push_back(Index(axis));
  const Tensor rows = repeated.empty() ? g : g.sum({.axes = repeated});
  if (missing > 0 || shape[0] == 1) return rows.reshape(with_samples(n, shape));
  const Tensor result = zeros(with_samples(n, shape), {.dtype = g.dtype()});
  const Index size = shape.numel() / shape[0];
  dispatch_floating("per_sample_gradients", g.dtype(), [&]<class T> {
    for (Index i = 0; i < n; ++i)
      std::copy_n(rows.data<T>() + i * size, size, result.data<T>() + (i * shape[0] + first + i) * size);
  });
  return result;
}

double inner(const Tensor& a, const Tensor& b) {
  return dispatch_floating("per_sample_squared_norms", a.dtype(),
                           [&]<class T> { return kernels::dot(a.data<T>(), b.data<T>(), a.numel()); });
}

// |g^T x|^2 for x (places, in) and g (places, out): by the products of places with each other, or of the columns,
// whichever takes less memory.
double squared_norm_of_product(const Tensor& x, const Tensor& g) {
  const Index places = x.shape()[0];
  if (2 * places * places < x.shape()[1] * g.shape()[1])
    return inner(matmul(x, x, {.transpose_b = true}), matmul(g, g, {.transpose_b = true}));
  const Tensor product = matmul(g, x, {.transpose_a = true});
  return inner(product, product);
}

// The windows that the filters of a group see, of image i: (places, window).
Tensor unfold(const kernels::Conv2d& s, const Tensor& x, Index i, Index group) {
  const Tensor rows = zeros({s.out_plane(), s.window()}, {.dtype = x.dtype()});
  dispatch_floating("per_sample_squared_norms", x.dtype(), [&]<class T> {
    const T* from = x.data<T>() + (i * s.channels + group * s.group_channels()) * s.plane();
    T* out = rows.data<T>();
    for (Index oh = 0; oh < s.out_h; ++oh)
      for (Index ow = 0; ow < s.out_w; ++ow)
        for (Index c = 0; c < s.group_channels(); ++c)
          for (Index p = 0; p < s.kernel_h; ++p)
            for (Index q = 0; q < s.kernel_w; ++q, ++out) {
              const Index h = oh * s.stride_h - s.padding_h + p * s.dilation_h;
              const Index w = ow * s.stride_w - s.padding_w + q * s.dilation_w;
              if (h >= 0 && h < s.height && w >= 0 && w < s.width) *out = from[c * s.plane() + h * s.width + w];
            }
  });
  return rows;
}

}  // namespace

Shape with_samples(Index n, const Shape& shape) {
  Shape result{n};
  for (const Index size : shape) result.push_back(size);
  return result;
}

Tensor as_places(const Tensor& x) {
  const Shape& s = x.shape();
  return x.reshape({s[0], s.product(1, s.size() - 1), s.back()});
}

Tensor materialise(const Use& use, const Shape& shape, const Tensor& g, Index first) {
  const Index n = g.shape()[0];
  switch (use.role) {
    case Role::linear_weight:
      return matmul(as_places(g), as_places(use.x), {.transpose_a = true});
    case Role::linear_bias:
      return as_places(g).sum({.axes = {1}});
    case Role::channel_bias:
      return as_channels(g).sum({.axes = {2}});
    case Role::elementwise:
      return broadcast_gradient(use.x.defined() ? g * use.x : g, shape, first);
    case Role::row_shift:
    case Role::row_scale: {
      const Tensor product = use.role == Role::row_scale ? g * use.x : g;
      const Index width = shape.numel();
      return product.reshape({n, product.shape().product(1, product.shape().size() - shape.size()), width})
          .sum({.axes = {1}})
          .reshape(with_samples(n, shape));
    }
    case Role::conv_weight: {
      const kernels::Conv2d one = conv_of_one(use, shape, g);
      const Tensor result = zeros(with_samples(n, shape), {.dtype = g.dtype()});
      const Index from = one.channels * one.plane(), out = one.filters * one.out_plane();
      dispatch_floating("per_sample_gradients", g.dtype(), [&]<class T> {
        for (Index i = 0; i < n; ++i)
          kernels::conv2d_weight_grad(one, slopes(use, g).data<T>() + i * out, image(use, g).data<T>() + i * from,
                                      result.data<T>() + i * shape.numel());
      });
      return result;
    }
    case Role::embedding: {
      const Tensor result = zeros(with_samples(n, shape), {.dtype = g.dtype()});
      const Index places = n == 0 ? 0 : use.x.numel() / n, width = shape[1];
      const std::int64_t* tokens = use.x.data<std::int64_t>();
      dispatch_floating("per_sample_gradients", g.dtype(), [&]<class T> {
        for (Index i = 0; i < n * places; ++i) {
          if (use.padding_idx && tokens[i] == *use.padding_idx) continue;
          T* row = result.data<T>() + (i / places * shape[0] + tokens[i]) * width;
          for (Index j = 0; j < width; ++j) row[j] += g.data<T>()[i * width + j];
        }
      });
      return result;
    }
  }
  fail("per_sample_gradients", "the role of a weight is none");
}

void add_squared_rows(const Tensor& gradients, double* norms) {
  const Index n = gradients.shape()[0], size = n == 0 ? 0 : gradients.numel() / n;
  dispatch_floating("per_sample_squared_norms", gradients.dtype(), [&]<class T> {
    for (Index i = 0; i < n; ++i) norms[i] += kernels::dot(gradients.data<T>() + i * size, gradients.data<T>() + i * size, size);
  });
}

void add_squared_norms(const Use& use, const Shape& shape, const Tensor& g, double* norms) {
  const Index n = g.shape()[0];
  switch (use.role) {
    case Role::linear_weight: {
      const Tensor x3 = as_places(use.x), g3 = as_places(g);
      const Index in = x3.shape()[2], out = g3.shape()[2];
      if (x3.shape()[1] != 1) {
        for (Index i = 0; i < n; ++i) norms[i] += squared_norm_of_product(x3[i], g3[i]);
        return;
      }
      dispatch_floating("per_sample_squared_norms", g.dtype(), [&]<class T> {
        const T *a = x3.data<T>(), *b = g3.data<T>();
        for (Index i = 0; i < n; ++i)
          norms[i] += kernels::dot(a + i * in, a + i * in, in) * kernels::dot(b + i * out, b + i * out, out);
      });
      return;
    }
    case Role::conv_weight: {
      const kernels::Conv2d one = conv_of_one(use, shape, g);
      const Index places = one.out_plane(), filters = one.group_filters();
      if (2 * places * places < filters * one.window()) {
        const Tensor all = as_channels(slopes(use, g));
        for (Index i = 0; i < n; ++i)
          for (Index group = 0; group < one.groups; ++group) {
            const Tensor windows = unfold(one, image(use, g), i, group);
            const Tensor own = all[i].slice(0, group * filters, (group + 1) * filters);
            norms[i] += inner(matmul(windows, windows, {.transpose_b = true}), matmul(own, own, {.transpose_a = true}));
          }
        return;
      }
      for (Index i = 0; i < n; ++i) {
        Use single = use;
        single.x = use.x.slice(0, i, i + 1);
        add_squared_rows(materialise(single, shape, g.slice(0, i, i + 1)), norms + i);
      }
      return;
    }
    case Role::embedding: {
      const Index places = n == 0 ? 0 : use.x.numel() / n, width = shape[1];
      const std::int64_t* tokens = use.x.data<std::int64_t>();
      dispatch_floating("per_sample_squared_norms", g.dtype(), [&]<class T> {
        for (Index i = 0; i < n; ++i)
          for (Index s = i * places; s < (i + 1) * places; ++s) {
            if (use.padding_idx && tokens[s] == *use.padding_idx) continue;
            for (Index t = i * places; t <= s; ++t)
              if (tokens[s] == tokens[t])
                norms[i] += (s == t ? 1 : 2) * kernels::dot(g.data<T>() + s * width, g.data<T>() + t * width, width);
          }
      });
      return;
    }
    default:
      add_squared_rows(materialise(use, shape, g), norms);
  }
}

}  // namespace gradus::autograd::detail
