#include <algorithm>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/norm.hpp"
#include "gradus/nn/functional.hpp"
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

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}
template <class T>
T* out_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

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
                                                   rstd_saved.data<T>(), out_or_null<T>(grads[0]),
                                                   out_or_null<T>(grads[1]), out_or_null<T>(grads[2]), size.rows,
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

}  // namespace gradus::nn::functional
