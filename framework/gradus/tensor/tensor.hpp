#pragma once
// Tensor: a cheap handle to numbers in row-major order, and to the place on the tape that made them.
//
//   Tensor x = randn({64, 784});
//   Tensor y = relu(matmul(x, w) + b);
//   y.sum().backward();            // w.grad(), b.grad()
//
// Copying a Tensor copies the handle. A tensor is always contiguous: reshape shares the numbers, transpose, slice and permute
// copy them. Element types never mix: float32 with float64 throws, a C++ number takes the tensor's type.
#include <atomic>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "gradus/core/allocator.hpp"
#include "gradus/core/dtype.hpp"
#include "gradus/core/ref.hpp"
#include "gradus/core/shape.hpp"
#include "gradus/tensor/options.hpp"
#include "gradus/tensor/storage.hpp"

namespace gradus {

namespace autograd {
class Node;
void retain(Node* node) noexcept;
void release(Node* node) noexcept;
using NodePtr = Ref<Node>;
}  // namespace autograd

class Tensor;

/// The xtensor container that array<T>() gives; complete after including gradus/tensor/interop.hpp.
template <class T> struct XtensorArray;

/// What handles point to.
struct TensorImpl : memory::Pooled {
  TensorImpl(DType dtype_, const Shape& shape_, Ref<Storage> storage_)
      : dtype(dtype_), shape(shape_), numel(shape_.numel()), storage(std::move(storage_)) {}
  ~TensorImpl();

  RefCount count;
  DType dtype;
  Shape shape;
  Index numel;
  Ref<Storage> storage;
  autograd::NodePtr node;                  // set when a gradient is wanted
  std::atomic<void*> view{nullptr};        // the xtensor view, made when first asked for
  void (*delete_view)(void*) = nullptr;

  friend void retain(TensorImpl* impl) noexcept { impl->count.add(); }
  friend void release(TensorImpl* impl) noexcept {
    if (impl->count.drop()) delete impl;
  }
};

struct BackwardOptions {
  bool retain_graph = false;  ///< keep the tape for another backward
  bool create_graph = false;  ///< record the backward pass as well, for higher derivatives; keeps the tape too
};

class Tensor {
 public:
  /// An undefined tensor: no shape, no numbers. Stands for "none" in optional arguments.
  Tensor() = default;

  bool defined() const { return static_cast<bool>(impl_); }

  // -- what it is. All of these throw for an undefined tensor.
  const Shape& shape() const { return checked().shape; }
  /// The size of one axis; negative axes count from the back.
  Index size(Index axis) const;
  /// The number of axes.
  Index dim() const { return static_cast<Index>(checked().shape.size()); }
  Index numel() const { return checked().numel; }
  DType dtype() const { return checked().dtype; }

  // -- its numbers
  /// The elements, row-major. Throws unless T is the tensor's type. Writing through the pointer is not seen by the tape:
  /// do it before a tensor is used in an operation.
  template <class T> T* data() const {
    check_type(dtype_of<T>);
    return static_cast<T*>(impl_->storage->data());
  }
  void* raw_data() const { return checked().storage->data(); }
  /// The same as an xtensor container that looks at this tensor's storage (gradus/tensor/interop.hpp).
  template <class T> typename XtensorArray<T>::type& array() const;
  /// The value of a tensor with one element.
  double item() const;
  template <class T> T item() const;

  // -- conversion
  /// A copy with another element type; the same tensor when it has that type already. Differentiable between the floating types.
  Tensor to(DType dtype) const;
  /// A copy of the numbers. Differentiable.
  Tensor clone() const;
  /// The same numbers, off the tape.
  Tensor detach() const;

  // -- the tape
  bool requires_grad() const { return static_cast<bool>(checked().node); }
  /// Asks for gradients with respect to this tensor (or stops asking). Throws for int64, and for results of recorded operations.
  Tensor& requires_grad_(bool wanted = true);
  /// True unless a recorded operation made it.
  bool is_leaf() const;
  /// The gradient that backward has added up; undefined before the first.
  Tensor grad() const;
  /// Replaces the gradient; an undefined tensor clears it.
  void set_grad(const Tensor& grad) const;
  void zero_grad() const { set_grad(Tensor{}); }
  /// Also keep the gradient of this result of an operation when backward passes it.
  Tensor& retain_grad();
  /// Adds the derivative of this scalar to grad() of every leaf that it depends on. Frees the tape unless told otherwise.
  void backward(const BackwardOptions& options = {}) const;
  /// The same for any shape, with the gradient of the final quantity with respect to this tensor.
  void backward(const Tensor& gradient, const BackwardOptions& options = {}) const;

  // -- changing numbers in place. Throws for a leaf that requires a gradient while the tape records (use NoGrad), and for
  // -- results that are on the tape.
  Tensor& fill_(double value);
  Tensor& zero_() { return fill_(0); }
  /// Takes the numbers of `source`, which has the same shape and type.
  Tensor& copy_(const Tensor& source);
  Tensor& add_(const Tensor& other, double scale = 1);
  Tensor& mul_(double factor);
  /// Replaces numbers, shape and type, keeping the handle's identity: optimisers go on with it. Clears the gradient.
  void set_data(const Tensor& source);

  // -- operations, as methods where that reads well; gradus/ops/*.hpp has them all, with their documentation
  Tensor reshape(const Shape& shape) const;
  Tensor flatten(Index first = 0, Index last = -1) const;
  Tensor squeeze(Index axis) const;
  Tensor unsqueeze(Index axis) const;
  Tensor transpose(Index axis0, Index axis1) const;
  Tensor t() const;
  Tensor permute(const std::vector<Index>& axes) const;
  Tensor slice(Index axis, Index start, Index stop, Index step = 1) const;
  /// The sub-tensor at `index` of the first axis.
  Tensor operator[](Index index) const;
  Tensor expand(const Shape& shape) const;
  Tensor sum(const ReduceOptions& options = {}) const;
  Tensor mean(const ReduceOptions& options = {}) const;
  Tensor var(const VarOptions& options = {}) const;
  Tensor std(const VarOptions& options = {}) const;
  Tensor max(const ReduceOptions& options = {}) const;
  Tensor min(const ReduceOptions& options = {}) const;
  Tensor prod(const ReduceOptions& options = {}) const;
  Tensor argmax(Index axis) const;
  Tensor argmin(Index axis) const;
  Tensor abs() const;
  Tensor exp() const;
  Tensor log() const;
  Tensor sqrt() const;
  Tensor square() const;
  Tensor tanh() const;
  Tensor sigmoid() const;
  Tensor relu() const;
  Tensor pow(double exponent) const;
  Tensor clamp(double low, double high) const;
  Tensor matmul(const Tensor& other) const;
  Tensor softmax(Index axis) const;
  Tensor log_softmax(Index axis) const;

  // -- for the rooms that build on this one
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}
  /// Numbers not initialised. Throws, naming `operation`, when the shape is negative, too large or beyond memory.
  static Tensor make(const char* operation, const Shape& shape, DType dtype);
  TensorImpl* impl() const { return impl_.get(); }
  const autograd::NodePtr& node() const { return impl_->node; }
  /// A handle to the same numbers under another shape of as many elements, off the tape.
  Tensor alias(const Shape& shape) const;

 private:
  const TensorImpl& checked() const {
    if (!impl_) undefined();
    return *impl_;
  }
  void check_type(DType wanted) const {
    if (checked().dtype != wanted) wrong_type(wanted);
  }
  [[noreturn]] static void undefined();
  [[noreturn]] void wrong_type(DType wanted) const;

  Ref<TensorImpl> impl_;
};

/// Throws, naming both, unless the two have one dtype.
void check_same_dtype(const char* operation, const Tensor& a, const Tensor& b);
/// Throws unless `tensor` is float32 or float64.
void check_floating(const char* operation, const Tensor& tensor);

}  // namespace gradus
