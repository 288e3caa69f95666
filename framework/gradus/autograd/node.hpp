#pragma once
// The tape: one node per recorded operation, numbered in the order of recording. A node knows its inputs' nodes and a rule that
// turns the gradient of its output into gradients of its inputs. Leaves, the tensors that somebody asked a gradient for, have
// nodes without a rule.
#include <cstdint>

#include "gradus/core/small_vector.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus::autograd {

/// Gradients with respect to the inputs of an operation, in their order. An undefined tensor means zero.
using Grads = SmallVector<Tensor, 3>;

class Node;

/// What a rule may ask of the engine while it runs.
class Step {
 public:
  /// `node` is whose rule runs, if its rule may add to what has arrived at its inputs.
  explicit Step(std::uint64_t needed, Node* node = nullptr) : needed_(needed), node_(node) {}
  /// Whether anybody wants the gradient of input `i`: a rule with an expensive part may leave it out (an undefined tensor).
  bool needs(std::size_t i) const { return i >= 64 || ((needed_ >> i) & 1) != 0; }
  /// The sum of the gradients that other uses of input `i` have sent, with the input's shape, if this rule may add its own
  /// to the numbers in place, which spares a temporary and a pass; the rule then leaves out that gradient (an undefined
  /// tensor). Null if there is none yet, if somebody else holds it, or if the backward pass is recorded or observed.
  Tensor* sum(std::size_t i) const;

 private:
  std::uint64_t needed_;
  Node* node_;
};

class Node : public memory::Pooled {
 public:
  Node(const char* operation, const Tensor& value);
  virtual ~Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  std::uint64_t number() const { return number_; }
  const char* operation() const { return operation_; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  virtual bool is_leaf() const { return false; }

  /// Gradients of the inputs, given that of the output. Throws when the saved values are gone or were changed in place.
  virtual Grads apply(const Tensor& gradient, const Step& step) = 0;
  /// Lets go of the saved values; apply() is an error from now on.
  virtual void free() = 0;
  virtual bool freed() const = 0;
  /// Bytes of the values saved for apply().
  virtual std::size_t bytes_held() const = 0;

  SmallVector<NodePtr, 3> inputs;  ///< an empty pointer where an input needs no gradient
  Tensor grad;                     ///< what backward added up: leaves, and results with retain_grad()
  bool keeps_grad = false;
  float seconds = 0;  ///< time since the recording before this one, when an autograd::Stopwatch runs

  /// The engine's notes about the pass that it is in.
  struct Notes {
    std::uint64_t pass = 0;
    bool needed = true;
    Tensor incoming;
  } notes;

 private:
  friend void retain(Node* node) noexcept;
  friend void release(Node* node) noexcept;
  friend class Leaf;

  RefCount count_;
  std::uint64_t number_;
  const char* operation_;
  Shape shape_;
  DType dtype_;
  Node* next_to_delete_ = nullptr;
};

/// The highest number that a node has been given so far.
std::uint64_t latest_number();

/// A tensor that gradients are collected for.
class Leaf final : public Node {
 public:
  explicit Leaf(const Tensor& value) : Node("leaf", value) {}
  bool is_leaf() const override { return true; }
  Grads apply(const Tensor&, const Step&) override { return {}; }
  void free() override {}
  bool freed() const override { return false; }
  std::size_t bytes_held() const override { return 0; }
  /// After the tensor's numbers were replaced by others.
  void reset(const Tensor& value) {
    shape_ = value.shape();
    dtype_ = value.dtype();
    grad = Tensor{};
  }
};

}  // namespace gradus::autograd
