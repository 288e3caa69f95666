// Tensor's methods that forward to operations.
#include "gradus/autograd/record.hpp"
#include "gradus/kernels/elementwise.hpp"
#include "gradus/ops/ops.hpp"

namespace gradus {

Tensor Tensor::to(DType wanted) const {
  if (wanted == dtype()) return *this;
  Tensor value = make("to", shape(), wanted);
  dispatch(dtype(), [&]<class From> {
    dispatch(wanted, [&]<class To> { kernels::convert(data<From>(), value.data<To>(), numel()); });
  });
  if (!is_floating(wanted) || !is_floating(dtype())) return value;
  return autograd::record("to", std::move(value), {*this},
                          [from = dtype()](const Tensor& g) { return autograd::Grads{g.to(from)}; });
}

Tensor Tensor::clone() const {
  Tensor value = make("clone", shape(), dtype());
  dispatch(dtype(), [&]<class T> { kernels::copy(data<T>(), value.data<T>(), numel()); });
  return autograd::record("clone", std::move(value), {*this}, [](const Tensor& g) { return autograd::Grads{g}; });
}

Tensor Tensor::reshape(const Shape& shape) const { return gradus::reshape(*this, shape); }
Tensor Tensor::flatten(Index first, Index last) const { return gradus::flatten(*this, first, last); }
Tensor Tensor::squeeze(Index axis) const { return gradus::squeeze(*this, axis); }
Tensor Tensor::unsqueeze(Index axis) const { return gradus::unsqueeze(*this, axis); }
Tensor Tensor::transpose(Index axis0, Index axis1) const { return gradus::transpose(*this, axis0, axis1); }
Tensor Tensor::t() const { return gradus::t(*this); }
Tensor Tensor::permute(const std::vector<Index>& axes) const { return gradus::permute(*this, axes); }
Tensor Tensor::slice(Index axis, Index start, Index stop, Index step) const {
  return gradus::slice(*this, axis, start, stop, step);
}
Tensor Tensor::operator[](Index index) const { return gradus::select(*this, 0, index); }
Tensor Tensor::expand(const Shape& shape) const { return gradus::expand(*this, shape); }
Tensor Tensor::sum(const ReduceOptions& options) const { return gradus::sum(*this, options); }
Tensor Tensor::mean(const ReduceOptions& options) const { return gradus::mean(*this, options); }
Tensor Tensor::var(const VarOptions& options) const { return gradus::var(*this, options); }
Tensor Tensor::std(const VarOptions& options) const { return gradus::std(*this, options); }
Tensor Tensor::max(const ReduceOptions& options) const { return gradus::max(*this, options); }
Tensor Tensor::min(const ReduceOptions& options) const { return gradus::min(*this, options); }
Tensor Tensor::prod(const ReduceOptions& options) const { return gradus::prod(*this, options); }
Tensor Tensor::argmax(Index axis) const { return gradus::argmax(*this, axis); }
Tensor Tensor::argmin(Index axis) const { return gradus::argmin(*this, axis); }
Tensor Tensor::abs() const { return gradus::abs(*this); }
Tensor Tensor::exp() const { return gradus::exp(*this); }
Tensor Tensor::log() const { return gradus::log(*this); }
Tensor Tensor::sqrt() const { return gradus::sqrt(*this); }
Tensor Tensor::square() const { return gradus::square(*this); }
Tensor Tensor::tanh() const { return gradus::tanh(*this); }
Tensor Tensor::sigmoid() const { return gradus::sigmoid(*this); }
Tensor Tensor::relu() const { return gradus::relu(*this); }
Tensor Tensor::pow(double exponent) const { return gradus::pow(*this, exponent); }
Tensor Tensor::clamp(double low, double high) const { return gradus::clamp(*this, low, high); }
Tensor Tensor::matmul(const Tensor& other) const { return gradus::matmul(*this, other); }
Tensor Tensor::softmax(Index axis) const { return gradus::softmax(*this, axis); }
Tensor Tensor::log_softmax(Index axis) const { return gradus::log_softmax(*this, axis); }

}  // namespace gradus
