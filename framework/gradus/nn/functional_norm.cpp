#include <algorithm>
#include <cmath>
#include <limits>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/norm.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/optional.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"

namespace gradus::nn::functional {

using autograd::Grads;
using autograd::is_recording;
using autograd::record;
using autograd::saves;
using autograd::Step;

namespace {

void check_eps(const char* operation, double eps) {
  if (!(eps >= 0)) failf(operation, "eps is {}; it must be at least 0", eps);
}

// weight or bias, which may be undefined.
void check_affine(const char* operation, const char* what, const Tensor& parameter, const Tensor& x,
                  const Shape& shape) {
  if (!parameter.defined()) return;
  check_same_dtype(operation, x, parameter);
  if (parameter.shape() != shape)
    failf(operation, "the {} has shape {} but shape {} is needed for an input of shape {}", what, parameter.shape(),
          shape, x.shape());
}

// x as rows of the trailing axes that `normalized` names.
struct Rows {
  Index rows, n;
  Rows(const char* operation, const Tensor& x, const Shape& normalized) {
    const Shape& shape = x.shape();
    const bool fits = !normalized.empty() && normalized.size() <= shape.size() &&
                      std::equal(normalized.begin(), normalized.end(), shape.end() - normalized.size());
    if (!fits)
      failf(operation, "the input has shape {}, whose last axes are not the normalized shape {}", shape, normalized);
    n = normalized.numel();
    rows = shape.product(0, shape.size() - normalized.size());
  }
};

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  check_floating("layer_norm", x);
  check_eps("layer_norm", eps);
  const Rows size("layer_norm", x, normalized_shape);
  check_affine("layer_norm", "weight", weight, x, normalized_shape);
  check_affine("layer_norm", "bias", bias, x, normalized_shape);
  Tensor value = Tensor::make("layer_norm", x.shape(), x.dtype());
  const Tensor mean_of_rows = Tensor::make("layer_norm", {size.rows}, x.dtype());
  const Tensor rstd_of_rows = Tensor::make("layer_norm", {size.rows}, x.dtype());
  dispatch_floating("layer_norm", x.dtype(), [&]<class T> {
    kernels::layer_norm(x.data<T>(), data_or_null<T>(weight), data_or_null<T>(bias), eps, value.data<T>(),
                        mean_of_rows.data<T>(), rstd_of_rows.data<T>(), size.rows, size.n);
  });
  // With h = (x - mean) rstd and q = g weight: dx = rstd (q - mean(q) - h mean(q h)), dweight = sum g h, dbias = sum g.
  return record("layer_norm", std::move(value), {x, weight, bias}, saves(x, weight, mean_of_rows, rstd_of_rows),
                [size, normalized_shape, eps](const Tensor& g, const Tensor& v, const Tensor& w,
                                              const Tensor& mean_saved, const Tensor& rstd_saved, const Step& step) {
                  Grads grads(3);
                  if (!is_recording()) {
                    if (step.needs(0)) grads[0] = Tensor::make("layer_norm", v.shape(), v.dtype());
                    if (step.needs(1)) grads[1] = Tensor::make("layer_norm", normalized_shape, v.dtype());
                    if (step.needs(2)) grads[2] = Tensor::make("layer_norm", normalized_shape, v.dtype());
                    dispatch_floating("layer_norm", v.dtype(), [&]<class T> {
                      kernels::layer_norm_backward(g.data<T>(), v.data<T>(), data_or_null<T>(w), mean_saved.data<T>(),
                                                   rstd_saved.data<T>(), data_or_null<T>(grads[0]),
                                                   data_or_null<T>(grads[1]), data_or_null<T>(grads[2]), size.rows,
                                                   size.n);
                    });
                    return grads;
                  }
                  const ReduceOptions along{.axes = {1}, .keepdim = true};
                  const Tensor rows = reshape(v, {size.rows, size.n}), up = reshape(g, rows.shape());
                  const Tensor centred = rows - mean(rows, along);
                  const Tensor rstd = rsqrt(mean(square(centred), along) + eps);
                  const Tensor h = centred * rstd;
                  if (step.needs(0)) {
                    const Tensor q = w.defined() ? up * reshape(w, {size.n}) : up;
                    grads[0] = reshape(rstd * (q - mean(q, along) - h * mean(q * h, along)), v.shape());
                  }
                  if (step.needs(1)) grads[1] = reshape(sum(up * h, {.axes = {0}}), normalized_shape);
                  if (step.needs(2)) grads[2] = reshape(sum(up, {.axes = {0}}), normalized_shape);
                  return grads;
                });
}

Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, std::optional<double> epsilon) {
  check_floating("rms_norm", x);
  const double spacing =
      x.dtype() == float32 ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
  const double eps = epsilon.value_or(spacing);
  check_eps("rms_norm", eps);
  const Rows size("rms_norm", x, normalized_shape);
  check_affine("rms_norm", "weight", weight, x, normalized_shape);
  Tensor value = Tensor::make("rms_norm", x.shape(), x.dtype());
  const Tensor rstd_of_rows = Tensor::make("rms_norm", {size.rows}, x.dtype());
  dispatch_floating("rms_norm", x.dtype(), [&]<class T> {
    kernels::layer_norm<T>(x.data<T>(), data_or_null<T>(weight), nullptr, eps, value.data<T>(), nullptr,
                           rstd_of_rows.data<T>(), size.rows, size.n);
  });
  // layer_norm's derivatives without the mean.
  return record("rms_norm", std::move(value), {x, weight}, saves(x, weight, rstd_of_rows),
                [size, normalized_shape, eps](const Tensor& g, const Tensor& v, const Tensor& w,
                                              const Tensor& rstd_saved, const Step& step) {
                  Grads grads(2);
                  if (!is_recording()) {
                    if (step.needs(0)) grads[0] = Tensor::make("rms_norm", v.shape(), v.dtype());
                    if (step.needs(1)) grads[1] = Tensor::make("rms_norm", normalized_shape, v.dtype());
                    dispatch_floating("rms_norm", v.dtype(), [&]<class T> {
                      kernels::layer_norm_backward<T>(g.data<T>(), v.data<T>(), data_or_null<T>(w), nullptr,
                                                      rstd_saved.data<T>(), data_or_null<T>(grads[0]),
                                                      data_or_null<T>(grads[1]), nullptr, size.rows, size.n);
                    });
                    return grads;
                  }
                  const ReduceOptions along{.axes = {1}, .keepdim = true};
                  const Tensor rows = reshape(v, {size.rows, size.n}), up = reshape(g, rows.shape());
                  const Tensor rstd = rsqrt(mean(square(rows), along) + eps);
                  const Tensor h = rows * rstd;
                  if (step.needs(0)) {
                    const Tensor q = w.defined() ? up * reshape(w, {size.n}) : up;
                    grads[0] = reshape(rstd * (q - h * mean(q * h, along)), v.shape());
                  }
                  if (step.needs(1)) grads[1] = reshape(sum(up * h, {.axes = {0}}), normalized_shape);
                  return grads;
                });
}

Tensor group_norm(const Tensor& x, Index groups, const Tensor& weight, const Tensor& bias, double eps) {
  check_floating("group_norm", x);
  check_eps("group_norm", eps);
  if (x.dim() < 2) failf("group_norm", "the input has shape {}; it must be (N, channels, ...)", x.shape());
  const Shape& s = x.shape();
  if (groups < 1 || s[1] % groups != 0)
    failf("group_norm", "the {} channels of the input of shape {} cannot be split into {} groups", s[1], s, groups);
  check_affine("group_norm", "weight", weight, x, {s[1]});
  check_affine("group_norm", "bias", bias, x, {s[1]});
  // A group is a row of layer_norm; the factors of the channels come after it.
  const Index inner = s.product(2, s.size()), n = s[1] / groups * inner;
  const Tensor rows = layer_norm(reshape(x, {s[0] * groups, n}), {n}, {}, {}, eps);
  Tensor channels = reshape(rows, {s[0], s[1], inner});
  if (weight.defined()) channels = channels * reshape(weight, {s[1], 1});
  if (bias.defined()) channels = channels + reshape(bias, {s[1], 1});
  return reshape(channels, s);
}

Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                  const Tensor& bias, bool training, double momentum, double eps) {
  check_floating("batch_norm", x);
  check_eps("batch_norm", eps);
  if (x.dim() < 2)
    failf("batch_norm", "the input has shape {}; it must be (N, channels) or (N, channels, ...)", x.shape());
  const Shape& shape = x.shape();
  const kernels::Channels size{shape[0], shape[1], shape.product(2, shape.size())};
  const Shape channels{size.channels};
  check_affine("batch_norm", "weight", weight, x, channels);
  check_affine("batch_norm", "bias", bias, x, channels);
  check_affine("batch_norm", "running mean", running_mean, x, channels);
  check_affine("batch_norm", "running variance", running_var, x, channels);
  if (running_mean.defined() != running_var.defined())
    fail("batch_norm", "the running mean and the running variance come together, or not at all");
  const bool of_batch = training || !running_mean.defined();
  if (of_batch && size.count() < 2)
    failf("batch_norm",
          "an input of shape {} has {} value(s) for each channel, which have no variance; training needs at least 2: "
          "use a larger "
          "batch, or eval()",
          shape, size.count());
  Tensor value = Tensor::make("batch_norm", shape, x.dtype());
  const Tensor means = Tensor::make("batch_norm", channels, x.dtype()),
               rstds = Tensor::make("batch_norm", channels, x.dtype());
  if (of_batch) {
    const Tensor variance = Tensor::make("batch_norm", channels, x.dtype());
    dispatch_floating("batch_norm", x.dtype(), [&]<class T> {
      kernels::batch_norm(size, x.data<T>(), data_or_null<T>(weight), data_or_null<T>(bias), eps, value.data<T>(),
                          means.data<T>(), variance.data<T>(), rstds.data<T>());
    });
    if (training && running_mean.defined()) {
      const NoGrad no_grad;
      const double count = double(size.count());
      Tensor(running_mean).mul_(1 - momentum).add_(means, momentum);
      Tensor(running_var).mul_(1 - momentum).add_(variance, momentum * count / (count - 1));
    }
  } else {
    // Copies, so that training in between does not change what this step's derivative needs.
    dispatch_floating("batch_norm", x.dtype(), [&]<class T> {
      for (Index c = 0; c < size.channels; ++c) {
        means.data<T>()[c] = running_mean.data<T>()[c];
        rstds.data<T>()[c] = T(1 / std::sqrt(double(running_var.data<T>()[c]) + eps));
      }
      kernels::batch_norm_apply(size, x.data<T>(), data_or_null<T>(weight), data_or_null<T>(bias), means.data<T>(),
                                rstds.data<T>(), value.data<T>());
    });
  }
  return record(
      "batch_norm", std::move(value), {x, weight, bias}, saves(x, weight, means, rstds),
      [size, of_batch, eps](const Tensor& g, const Tensor& v, const Tensor& w, const Tensor& mean_saved,
                            const Tensor& rstd_saved, const Step& step) {
        Grads grads(3);
        const Shape per_channel{size.channels};
        if (!is_recording()) {
          if (step.needs(0)) grads[0] = Tensor::make("batch_norm", v.shape(), v.dtype());
          if (step.needs(1)) grads[1] = Tensor::make("batch_norm", per_channel, v.dtype());
          if (step.needs(2)) grads[2] = Tensor::make("batch_norm", per_channel, v.dtype());
          dispatch_floating("batch_norm", v.dtype(), [&]<class T> {
            kernels::batch_norm_backward(size, g.data<T>(), v.data<T>(), data_or_null<T>(w), mean_saved.data<T>(),
                                         rstd_saved.data<T>(), !of_batch, data_or_null<T>(grads[0]),
                                         data_or_null<T>(grads[1]), data_or_null<T>(grads[2]));
          });
          return grads;
        }
        const ReduceOptions along{.axes = {0, 2}, .keepdim = true};
        const Shape column{size.channels, 1};
        const Tensor in = reshape(v, {size.batch, size.channels, size.inner}), up = reshape(g, in.shape());
        const Tensor centred = in - (of_batch ? mean(in, along) : reshape(mean_saved, column));
        const Tensor rstd = of_batch ? rsqrt(mean(square(centred), along) + eps) : reshape(rstd_saved, column);
        const Tensor h = centred * rstd;
        if (step.needs(0)) {
          const Tensor q = w.defined() ? up * reshape(w, column) : up;
          grads[0] = reshape(of_batch ? rstd * (q - mean(q, along) - h * mean(q * h, along)) : rstd * q, v.shape());
        }
        if (step.needs(1)) grads[1] = sum(up * h, {.axes = {0, 2}});
        if (step.needs(2)) grads[2] = sum(up, {.axes = {0, 2}});
        return grads;
      });
}

}  // namespace gradus::nn::functional
