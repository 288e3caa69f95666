#pragma once
// Looking over the engine's shoulder: what runs forward, and which gradients flow back.
#include "gradus/activations/function.hpp"
#include "gradus/autograd/record.hpp"

namespace gradus::autograd {

/// While one lives, it is told of all that the engine does on the thread that made it. An override may throw, which
/// ends the operation or the backward pass. Nobody observing costs one test of a thread-local pointer per operation.
class Observer {
 public:
  Observer();
  virtual ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  /// `operation` gave `value`, whether or not it was recorded. `in_rule`: as a part of a derivative rule.
  virtual void ran(const char* /*operation*/, const Tensor& /*value*/, const Inputs& /*inputs*/, bool /*in_rule*/) {}
  /// `ran` of an activation: which one it was, y = f(x).
  virtual void activated(const activations::Function& /*f*/, const Tensor& /*x*/, const Tensor& /*y*/) {}
  /// All gradients of a node's output have arrived, and this is their sum.
  virtual void arrives(const Node& /*node*/, const Tensor& /*gradient*/) {}
  /// A node's rule gave gradients of its inputs.
  virtual void applied(const Node& /*node*/, const Grads& /*gradients*/) {}

 private:
  friend void observe(const char* operation, const Tensor& value, const Inputs& inputs);
  friend void observe_activation(const activations::Function& f, const Tensor& x, const Tensor& y);
  friend void observe_gradient(const Node& node, const Tensor& gradient);
  friend Grads observed_apply(Node& node, const Tensor& gradient, const Step& step);
  Observer* next_;
};

/// Tells of an activation, after record() has told of the operation.
void observe_activation(const activations::Function& f, const Tensor& x, const Tensor& y);
void observe_gradient(const Node& node, const Tensor& gradient);
/// node.apply, and tells of it.
Grads observed_apply(Node& node, const Tensor& gradient, const Step& step);

}  // namespace gradus::autograd
