#include "gradus/autograd/backward.hpp"

#include <algorithm>
#include <atomic>
#include <queue>
#include <span>

#include "gradus/autograd/algebra.hpp"
#include "gradus/autograd/observer.hpp"
#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/elementwise.hpp"

namespace gradus {
namespace autograd {
namespace {

std::atomic<std::uint64_t> last_pass{0};

// A sum that nobody else looks at, the tape included, may be changed in place.
bool exclusive(const Tensor& sum) {
  return !is_recording() && !sum.requires_grad() && sum.impl()->count.value() == 1 && sum.impl()->storage->owners() == 1;
}

// Gradients are scaled and clipped in place, so two leaves must not share one: a copy, unless this is the only handle to it. What is
// on the tape cannot be changed in place and may be shared.
Tensor own(const Tensor& gradient) {
  if (gradient.requires_grad()) return gradient;
  const bool alone = gradient.impl()->count.value() == 1 && gradient.impl()->storage->owners() == 1;
  return alone ? gradient : gradient.clone();
}

// One walk over the tape. Nodes wait in a heap and leave it in falling order of their numbers: whoever uses a value was recorded
// after it, so when a node's turn comes all gradients for its output have arrived.
class Pass {
 public:
  Pass(bool retain_graph, bool create_graph)
      : retain_graph_(retain_graph || create_graph), create_graph_(create_graph), id_(++last_pass) {}
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;
  ~Pass() {
    for (Node* node : touched_) node->notes = {};
  }

  // Restricts the walk to the nodes from which a target can be reached: gradients of weights cost nothing when only those of the
  // inputs are wanted. Without targets every leaf is one.
  void restrict_to(std::span<const Tensor> outputs, std::span<const Tensor> targets) {
    std::vector<Node*> reachable, stack;
    const auto reach = [&](Node* node) {
      if (enter(*node)) {
        reachable.push_back(node);
        stack.push_back(node);
      }
    };
    for (const Tensor& output : outputs)
      if (output.node()) reach(output.node().get());
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      for (const NodePtr& input : node->inputs)
        if (input) reach(input.get());
    }
    std::sort(reachable.begin(), reachable.end(), [](Node* a, Node* b) { return a->number() < b->number(); });
    for (Node* node : reachable) {
      node->notes.needed = false;
      for (const NodePtr& input : node->inputs)
        if (input && input->notes.needed) node->notes.needed = true;
      for (const Tensor& target : targets)
        if (target.node().get() == node) node->notes.needed = true;
    }
    targets_ = targets;
    captured_.resize(targets.size());
    for (const Tensor& target : targets) reached_.push_back(target.node()->notes.pass == id_);
  }

  void seed(Node& node, const Tensor& gradient) { send(node, gradient); }

  void run() {
    const RecordingGuard recording(create_graph_);
    while (!waiting_.empty()) {
      Node& node = *waiting_.top();
      waiting_.pop();
      const Tensor gradient = std::move(node.notes.incoming);
      node.notes.incoming = Tensor{};
      if (observers != nullptr) [[unlikely]]
        observe_gradient(node, gradient);
      arrive(node, gradient);
      if (node.is_leaf()) continue;
      std::uint64_t needs = 0;
      bool any = false;
      for (std::size_t i = 0; i < node.inputs.size(); ++i)
        if (wants(node.inputs[i])) {
          any = true;
          if (i < 64) needs |= std::uint64_t{1} << i;
        }
      if (!any) continue;
      Grads grads = observers == nullptr ? node.apply(gradient, Step(needs, &node)) : observed_apply(node, gradient, Step(needs));
      check_rule(node, grads);
      if (!retain_graph_) node.free();
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (!wants(node.inputs[i]) || !grads[i].defined()) continue;
        send(*node.inputs[i], std::move(grads[i]));
      }
    }
  }

  /// Whether there is a way from the outputs to target `i`, be its slope 0.
  bool reached(std::size_t i) const { return reached_[i]; }
  std::vector<Tensor> captured() { return std::move(captured_); }

 private:
  struct Earlier {
    bool operator()(const Node* a, const Node* b) const { return a->number() < b->number(); }
  };

  // True at the first visit. A pass inside a pass over the same nodes would mix up their notes.
  bool enter(Node& node) {
    if (node.notes.pass == id_) return false;
    if (node.notes.pass != 0)
      failf("backward", "{} (shape {}) is part of a backward pass that is still running", node.operation(), node.shape());
    node.notes.pass = id_;
    touched_.push_back(&node);
    return true;
  }

  // A rule written outside of the library may be wrong; a gradient that is missing or misshapen must not pass for a zero.
  static void check_rule(const Node& node, const Grads& grads) {
    if (grads.size() != node.inputs.size())
      failf("backward", "the rule of {} gives {} gradients for {} inputs; an undefined tensor stands for zero", node.operation(),
            grads.size(), node.inputs.size());
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!grads[i].defined() || !node.inputs[i]) continue;
      const Node& input = *node.inputs[i];
      if (grads[i].dtype() != input.dtype() || !broadcasts_to(input.shape(), grads[i].shape()))
        failf("backward", "the rule of {} gives a gradient of {} {} for input {}, which is {} {}", node.operation(),
              grads[i].dtype(), grads[i].shape(), i, input.dtype(), input.shape());
    }
  }

  bool wants(const NodePtr& input) const { return input && (targets_.empty() || input->notes.needed); }

  void send(Node& node, Tensor gradient) {
    enter(node);
    if (gradient.shape() != node.shape()) gradient = sum_to(gradient, node.shape());
    Tensor& slot = node.notes.incoming;
    if (!slot.defined()) {
      slot = std::move(gradient);
      waiting_.push(&node);
    } else {
      accumulate(slot, gradient);
    }
  }

  static void accumulate(Tensor& slot, const Tensor& gradient) {
    if (exclusive(slot))
      slot.add_(gradient);
    else
      slot = add(slot, gradient);
  }

  void arrive(Node& node, const Tensor& gradient) {
    for (std::size_t i = 0; i < targets_.size(); ++i)
      if (targets_[i].node().get() == &node) captured_[i] = gradient;
    if (!targets_.empty() || !(node.is_leaf() || node.keeps_grad)) return;
    if (node.grad.defined()) {
      accumulate(node.grad, gradient);
    } else {
      node.grad = own(gradient);
    }
  }

  bool retain_graph_, create_graph_;
  std::uint64_t id_;
  std::span<const Tensor> targets_;
  std::vector<Tensor> captured_;
  std::vector<bool> reached_;
  std::priority_queue<Node*, std::vector<Node*>, Earlier> waiting_;
  std::vector<Node*> touched_;
};

Tensor ones_like(const Tensor& x) {
  Tensor one = Tensor::make("backward", x.shape(), x.dtype());
  return one.fill_(1);
}

Tensor checked_seed(const char* operation, const Tensor& output, const Tensor& gradient) {
  if (!output.requires_grad())
    failf(operation,
          "the output (shape {}) is not on the tape: no input of it requires a gradient, or it was made under NoGrad",
          output.shape());
  if (!gradient.defined()) {
    if (output.numel() != 1)
      failf(operation, "needs a scalar to start from, but the output has shape {}; reduce it, or pass the gradient of a scalar "
            "with respect to it", output.shape());
    return ones_like(output);
  }
  if (gradient.shape() != output.shape())
    failf(operation, "the gradient has shape {} but the output has shape {}", gradient.shape(), output.shape());
  check_same_dtype(operation, gradient, output);
  return gradient;
}

}  // namespace

Tensor* Step::sum(std::size_t i) const {
  if (node_ == nullptr || !needs(i) || !node_->inputs[i]) return nullptr;
  Tensor& sum = node_->inputs[i]->notes.incoming;
  return sum.defined() && exclusive(sum) ? &sum : nullptr;
}

std::vector<Tensor> gradients(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs,
                              const std::vector<Tensor>& inputs, const GradOptions& options) {
  if (inputs.empty()) return {};
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].requires_grad())
      failf("grad", "input {} (shape {}) does not require a gradient; call requires_grad_() before it is used", i,
            inputs[i].shape());
  std::vector<Tensor> result;
  std::vector<bool> reached;
  {
    Pass pass(options.retain_graph, options.create_graph);
    pass.restrict_to(outputs, inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].node() && outputs[i].node()->notes.needed) pass.seed(*outputs[i].node(), grad_outputs[i]);
    pass.run();
    result = pass.captured();
    for (std::size_t i = 0; i < inputs.size(); ++i) reached.push_back(pass.reached(i));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (result[i].defined()) continue;
    if (!reached[i] && !options.allow_unused)
      failf("grad",
            "input {} (shape {}) is unused: the output does not depend on it. Pass {{.allow_unused = true}} to get zeros", i,
            inputs[i].shape());
    result[i] = Tensor::make("grad", inputs[i].shape(), inputs[i].dtype()).zero_();
  }
  for (Tensor& gradient : result) gradient = own(gradient);
  return result;
}

}  // namespace autograd

std::vector<Tensor> grad(const Tensor& output, const std::vector<Tensor>& inputs, const GradOptions& options) {
  return autograd::gradients({output}, {autograd::checked_seed("grad", output, options.grad_output)}, inputs, options);
}

Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options) {
  return grad(output, std::vector<Tensor>{input}, options)[0];
}

void Tensor::backward(const BackwardOptions& options) const { backward(Tensor{}, options); }

void Tensor::backward(const Tensor& gradient, const BackwardOptions& options) const {
  const Tensor seed = autograd::checked_seed("backward", *this, gradient);
  autograd::Pass pass(options.retain_graph, options.create_graph);
  pass.seed(*node(), seed);
  pass.run();
}

// -- the part of Tensor that knows the tape

Tensor& Tensor::requires_grad_(bool wanted) {
  if (requires_grad() && !is_leaf())
    failf("requires_grad_", "this tensor of shape {} is the result of {}; only leaves can be asked for gradients. Use detach()",
          shape(), node()->operation());
  if (wanted && !is_floating(dtype())) failf("requires_grad_", "int64 tensors have no gradients; convert with .to(float32)");
  if (wanted && !impl_->node) impl_->node = autograd::NodePtr::adopt(new autograd::Leaf(*this));
  if (!wanted) impl_->node = nullptr;
  return *this;
}

bool Tensor::is_leaf() const { return !requires_grad() || node()->is_leaf(); }

Tensor Tensor::grad() const { return requires_grad() ? node()->grad : Tensor{}; }

void Tensor::set_grad(const Tensor& grad) const {
  if (!requires_grad()) {
    if (grad.defined()) fail("set_grad", "the tensor does not require a gradient");
    return;
  }
  if (grad.defined()) {
    if (grad.shape() != shape()) failf("set_grad", "the gradient has shape {}, the tensor {}", grad.shape(), shape());
    check_same_dtype("set_grad", grad, *this);
  }
  node()->grad = grad;
}

Tensor& Tensor::retain_grad() {
  if (!requires_grad()) fail("retain_grad", "the tensor does not require a gradient");
  node()->keeps_grad = true;
  return *this;
}

namespace {

// Writing into a value that the tape knows would make its derivatives wrong.
void check_in_place(const char* operation, const Tensor& x) {
  if (!x.requires_grad()) return;
  if (!x.is_leaf())
    failf(operation, "the tensor (shape {}) is the result of {} and on the tape; change a detach().clone() of it", x.shape(),
          x.node()->operation());
  if (autograd::is_recording())
    failf(operation, "the tensor (shape {}) requires a gradient; change it under NoGrad", x.shape());
}

void check_same_shape(const char* operation, const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) failf(operation, "the tensor has shape {} and the other {}", a.shape(), b.shape());
  check_same_dtype(operation, a, b);
}

}  // namespace

Tensor& Tensor::fill_(double value) {
  check_in_place("fill_", *this);
  dispatch(dtype(), [&]<class T> {
    kernels::fill(data<T>(), kernels::number_as<T>("fill_", value), numel());
  });
  impl_->storage->bump_version();
  return *this;
}

Tensor& Tensor::copy_(const Tensor& source) {
  check_in_place("copy_", *this);
  check_same_shape("copy_", *this, source);
  dispatch(dtype(), [&]<class T> { kernels::copy(source.data<T>(), data<T>(), numel()); });
  impl_->storage->bump_version();
  return *this;
}

Tensor& Tensor::add_(const Tensor& other, double scale) {
  check_in_place("add_", *this);
  check_same_shape("add_", *this, other);
  dispatch(dtype(), [&]<class T> {
    kernels::add_scaled(other.data<T>(), kernels::number_as<T>("add_", scale), data<T>(), numel());
  });
  impl_->storage->bump_version();
  return *this;
}

Tensor& Tensor::mul_(double factor) {
  check_in_place("mul_", *this);
  dispatch(dtype(), [&]<class T> { kernels::scale(kernels::number_as<T>("mul_", factor), data<T>(), numel()); });
  impl_->storage->bump_version();
  return *this;
}

void Tensor::set_data(const Tensor& source) {
  if (requires_grad() && !is_leaf())
    failf("set_data", "the tensor (shape {}) is the result of {}", shape(), node()->operation());
  if (requires_grad() && !is_floating(source.dtype()))
    failf("set_data", "the tensor (shape {}) requires a gradient, which int64 numbers have not", shape());
  const Tensor fresh = source.detach().clone();
  fresh.impl()->storage->follow(*impl_->storage);
  if (void* made = impl_->view.exchange(nullptr)) impl_->delete_view(made);
  impl_->dtype = fresh.dtype();
  impl_->shape = fresh.shape();
  impl_->numel = fresh.numel();
  impl_->storage = fresh.impl()->storage;
  if (impl_->node) static_cast<autograd::Leaf&>(*impl_->node).reset(*this);
}

}  // namespace gradus
