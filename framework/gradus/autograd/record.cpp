#include "gradus/autograd/record.hpp"

#include <chrono>

#include "gradus/core/format.hpp"

namespace gradus::autograd {
namespace {

using Clock = std::chrono::steady_clock;
constinit thread_local int stopwatches = 0;
thread_local Clock::time_point last_recording;

}  // namespace

void SavedInput::changed(const Node& node) {
  failf("backward",
        "a value that {} (shape {}) saved was changed in place after the operation had read it; its derivative would be wrong. "
        "Change a clone(), or change it after backward",
        node.operation(), node.shape());
}

void fail_freed(const Node& node) {
  failf("backward",
        "the tape was freed by an earlier backward, at {} (shape {}); pass {{.retain_graph = true}} to the first one to go "
        "through it twice",
        node.operation(), node.shape());
}

void attach(const Tensor& value, Node* node, const Inputs& inputs) {
  NodePtr owner = NodePtr::adopt(node);
  node->inputs.resize(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].defined()) node->inputs[i] = inputs[i].node();
  if (stopwatches > 0) {
    const Clock::time_point now = Clock::now();
    node->seconds = std::chrono::duration<float>(now - last_recording).count();
    last_recording = now;
  }
  value.impl()->node = std::move(owner);
}

Stopwatch::Stopwatch() {
  ++stopwatches;
  last_recording = Clock::now();
}
Stopwatch::~Stopwatch() { --stopwatches; }

}  // namespace gradus::autograd
