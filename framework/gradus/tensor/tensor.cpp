#include "gradus/tensor/tensor.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include "gradus/core/format.hpp"

namespace gradus {

Ref<Storage> Storage::make(std::size_t bytes) {
  void* block = memory::allocate(header + bytes);
  return Ref<Storage>::adopt(new (block) Storage(bytes));
}

void release(Storage* storage) noexcept {
  if (!storage->count_.drop()) return;
  const std::size_t bytes = storage->bytes_;
  storage->~Storage();
  memory::release(storage, Storage::header + bytes);
}

TensorImpl::~TensorImpl() {
  if (void* made = view.load(std::memory_order_acquire)) delete_view(made);
}

Tensor Tensor::make(const char* operation, const Shape& shape, DType dtype) {
  Index numel = 1;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] < 0)
      failf(operation, "size {} at axis {} of shape {} is negative", shape[axis], axis, shape);
    // The sizes around a 0 count, too: they are multiplied when the shape is taken apart.
    if (__builtin_mul_overflow(numel, std::max<Index>(shape[axis], 1), &numel) || numel > std::numeric_limits<Index>::max() / 16)
      failf(operation, "a tensor of shape {} is too large for any memory", shape);
  }
  numel = shape.numel();
  const std::size_t bytes = std::size_t(numel) * size_of(dtype);
  constexpr std::size_t small = std::size_t{1} << 20;
  if (bytes <= small) return Tensor(Ref<TensorImpl>::adopt(new TensorImpl(dtype, shape, Storage::make(bytes))));
  try {
    return Tensor(Ref<TensorImpl>::adopt(new TensorImpl(dtype, shape, Storage::make(bytes))));
  } catch (const Error&) {
    failf(operation, "out of memory for a {} tensor of shape {}: {:.3g} GiB", dtype, shape, double(bytes) / (1 << 30));
  }
}

Tensor Tensor::alias(const Shape& shape) const {
  return Tensor(Ref<TensorImpl>::adopt(new TensorImpl(dtype(), shape, impl_->storage)));
}

Tensor Tensor::detach() const { return alias(shape()); }

Index Tensor::size(Index axis) const { return shape()[normalize_axis("size", axis, shape())]; }

template <class T> T Tensor::item() const {
  if (numel() != 1) failf("item", "a tensor of shape {} has {} elements; only one element has a value to give", shape(), numel());
  return dispatch(dtype(), [this]<class S>() -> T {
    const S value = *data<S>();
    if constexpr (std::is_integral_v<T> && !std::is_integral_v<S>) {
      // 2^63 is the first double beyond int64.
      if (!(value >= S(-9223372036854775808.0) && value < S(9223372036854775808.0)))
        failf("item", "the value {} of a {} tensor does not fit an integer", value, dtype());
    }
    return static_cast<T>(value);
  });
}
template float Tensor::item<float>() const;
template double Tensor::item<double>() const;
template std::int64_t Tensor::item<std::int64_t>() const;
template int Tensor::item<int>() const;

double Tensor::item() const { return item<double>(); }

void Tensor::undefined() {
  fail("tensor", "it is undefined: a default-constructed Tensor, or a gradient before any backward, has no numbers");
}

void Tensor::wrong_type(DType wanted) const {
  failf("tensor", "its elements are {}, not {}; convert with .to({})", dtype(), wanted, wanted);
}

void check_same_dtype(const char* operation, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    failf(operation, "the operands are {} {} and {} {}; element types never mix, convert one with .to()", a.dtype(), a.shape(),
          b.dtype(), b.shape());
}

void check_floating(const char* operation, const Tensor& tensor) {
  if (!is_floating(tensor.dtype()))
    failf(operation, "needs float32 or float64, got {} {}; convert with .to(float32)", tensor.dtype(), tensor.shape());
}

}  // namespace gradus
