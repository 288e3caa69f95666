#pragma once
// xtensor in and out. Expressions are evaluated into tensors; a tensor shows its storage as an xtensor container.
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "gradus/core/xtensor.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// A row-major container over memory that the tensor owns; valid as long as a handle to the tensor lives.
template <class T> struct XtensorArray {
  using type = xt::xarray_adaptor<xt::xbuffer_adaptor<T*, xt::no_ownership>, xt::layout_type::row_major,
                                  xt::svector<std::size_t, 4>>;
};

template <class T> typename XtensorArray<T>::type& Tensor::array() const {
  using Array = typename XtensorArray<T>::type;
  T* elements = data<T>();
  void* view = impl_->view.load(std::memory_order_acquire);
  if (view == nullptr) {
    xt::svector<std::size_t, 4> sizes(shape().begin(), shape().end());
    auto* made = new Array(xt::xbuffer_adaptor<T*, xt::no_ownership>(elements, std::size_t(numel())), sizes);
    impl_->delete_view = [](void* pointer) { delete static_cast<Array*>(pointer); };
    if (impl_->view.compare_exchange_strong(view, made, std::memory_order_acq_rel)) return *made;
    delete made;  // another thread was first
  }
  return *static_cast<Array*>(view);
}

struct FromXtensorOptions {
  bool requires_grad = false;
};

/// A tensor with the values of any xtensor expression; its element type decides the dtype: float, double and the integers.
template <class E> Tensor from_xtensor(const xt::xexpression<E>& expression, const FromXtensorOptions& options = {}) {
  const E& e = expression.derived_cast();
  using Value = std::decay_t<typename E::value_type>;
  static_assert(std::is_arithmetic_v<Value>, "from_xtensor takes expressions of numbers");
  static_assert(!std::is_same_v<Value, long double>, "long double has no tensor type; cast to double");
  using T = std::conditional_t<std::is_integral_v<Value>, std::int64_t, Value>;
  Shape shape = Shape::of(e.dimension(), 0);
  for (std::size_t i = 0; i < e.dimension(); ++i) shape[i] = static_cast<Index>(e.shape()[i]);
  Tensor tensor = Tensor::make("from_xtensor", shape, dtype_of<T>);
  std::transform(e.template begin<xt::layout_type::row_major>(), e.template end<xt::layout_type::row_major>(),
                 tensor.data<T>(), [](const auto& value) { return static_cast<T>(value); });
  return options.requires_grad ? tensor.requires_grad_() : tensor;
}

}  // namespace gradus
