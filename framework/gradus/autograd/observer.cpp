#include "gradus/autograd/observer.hpp"

namespace gradus::autograd {

constinit thread_local Observer* observers = nullptr;

namespace {

constinit thread_local int rules_running = 0;

struct InRule {
  InRule() { ++rules_running; }
  ~InRule() { --rules_running; }
  InRule(const InRule&) = delete;
  InRule& operator=(const InRule&) = delete;
};

}  // namespace

Observer::Observer() : next_(observers) { observers = this; }

Observer::~Observer() {
  Observer** link = &observers;
  while (*link != nullptr && *link != this) link = &(*link)->next_;
  if (*link == this) *link = next_;
}

void observe(const char* operation, const Tensor& value, const Inputs& inputs) {
  for (Observer* o = observers; o != nullptr; o = o->next_) o->ran(operation, value, inputs, rules_running > 0);
}

void observe_activation(const activations::Function& f, const Tensor& x, const Tensor& y) {
  for (Observer* o = observers; o != nullptr; o = o->next_) o->activated(f, x, y);
}

void observe_gradient(const Node& node, const Tensor& gradient) {
  for (Observer* o = observers; o != nullptr; o = o->next_) o->arrives(node, gradient);
}

Grads observed_apply(Node& node, const Tensor& gradient, const Step& step) {
  Grads grads;
  {
    const InRule in_rule;
    grads = node.apply(gradient, step);
  }
  for (Observer* o = observers; o != nullptr; o = o->next_) o->applied(node, grads);
  return grads;
}

}  // namespace gradus::autograd
