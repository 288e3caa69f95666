#include "gradus/autograd/checkpoint.hpp"

#include <array>
#include <unordered_set>
#include <utility>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/observer.hpp"
#include "gradus/core/format.hpp"
#include "gradus/core/generator.hpp"

namespace gradus::autograd {
namespace {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

constexpr std::array streams{Stream::general, Stream::init, Stream::dropout, Stream::shuffle};
using States = std::array<Generator::State, streams.size()>;

States generator_states() {
  States states;
  for (std::size_t i = 0; i < streams.size(); ++i) states[i] = default_generator(streams[i]).state();
  return states;
}

void set_generator_states(const States& states) {
  for (std::size_t i = 0; i < streams.size(); ++i) default_generator(streams[i]).set_state(states[i]);
}

// Takes the default generators back to an earlier state in a scope.
class Rewound {
 public:
  explicit Rewound(const States& states) : before_(generator_states()) { set_generator_states(states); }
  ~Rewound() { set_generator_states(before_); }
  Rewound(const Rewound&) = delete;
  Rewound& operator=(const Rewound&) = delete;

 private:
  States before_;
};

// Finds the tensors that a function takes from outside: those on the tape since before it began.
class Discovery final : public Observer {
 public:
  void ran(const char* /*operation*/, const Tensor& /*value*/, const Inputs& inputs, bool /*in_rule*/) override {
    for (std::size_t i = 0; i < inputs.size(); ++i) add(inputs[i]);
  }
  void add(const Tensor& x) {
    if (!x.defined() || !x.requires_grad() || x.node()->number() > latest_) return;
    if (known_.insert(x.impl()).second) found.push_back(x);
  }
  std::vector<Tensor> found;

 private:
  std::uint64_t latest_ = latest_number();
  std::unordered_set<const TensorImpl*> known_;
};

// Gives tensors new leaves in a scope, in place: the function's handles to them see these as well. A pass over the
// recomputed tape then ends at them, and does not run into the nodes of the pass that is under way.
class StandIns {
 public:
  explicit StandIns(const std::vector<Tensor>& tensors) : tensors_(tensors) {
    for (const Tensor& t : tensors_) before_.push_back(std::exchange(t.impl()->node, NodePtr::adopt(new Leaf(t))));
  }
  ~StandIns() {
    for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].impl()->node = std::move(before_[i]);
  }
  StandIns(const StandIns&) = delete;
  StandIns& operator=(const StandIns&) = delete;

 private:
  std::vector<Tensor> tensors_;
  std::vector<NodePtr> before_;
};

class CheckpointNode final : public Node {
 public:
  // The values: `given` arguments of f, then what it takes from outside.
  CheckpointNode(const Tensor& value, Function f, const std::vector<Tensor>& values, std::size_t given,
                 const States& states)
      : Node("checkpoint", value), f_(std::move(f)), given_(given), states_(states) {
    for (const Tensor& v : values) saved_.emplace_back(v, value);
  }

  Grads apply(const Tensor& gradient, const Step& step) override {
    if (freed_) fail_freed(*this);
    if (is_recording())
      fail("checkpoint",
           "the backward pass is recorded (create_graph), but a checkpoint has first derivatives only; call the "
           "function without it");
    std::vector<Tensor> arguments, outside;
    for (std::size_t i = 0; i < saved_.size(); ++i) {
      const Tensor& value = saved_[i].unpack(*this);
      if (i >= given_)
        outside.push_back(value);
      else
        arguments.push_back(value.defined() ? value.detach() : value);
      if (i < given_ && inputs[i]) arguments[i].requires_grad_();
    }
    const StandIns stand_ins(outside);
    const Tensor value = recompute(arguments);
    if (!value.defined() || value.shape() != shape() || value.dtype() != dtype())
      failf("checkpoint", "the function gave {} {} in forward but {} in backward; it must do the same at both calls",
            dtype(), shape(),
            value.defined() ? fmt::format("{} {}", value.dtype(), value.shape()) : "an undefined tensor");
    Grads grads(saved_.size());
    if (!value.requires_grad()) return grads;
    std::vector<Tensor> targets;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < saved_.size(); ++i) {
      if (!inputs[i] || !step.needs(i)) continue;
      targets.push_back(i < given_ ? arguments[i] : outside[i - given_]);
      places.push_back(i);
    }
    std::vector<Tensor> found = gradients({value}, {gradient}, targets, {.allow_unused = true});
    for (std::size_t i = 0; i < places.size(); ++i) grads[places[i]] = std::move(found[i]);
    return grads;
  }
  void free() override {
    f_ = nullptr;
    saved_.clear();
    freed_ = true;
  }
  bool freed() const override { return freed_; }
  std::size_t bytes_held() const override {
    std::size_t bytes = 0;
    for (const SavedInput& s : saved_) bytes += s.bytes();
    return bytes;
  }

 private:
  Tensor recompute(const std::vector<Tensor>& arguments) const {
    const Rewound rewound(states_);
    const EnableGrad recording;
    return f_(arguments);
  }

  Function f_;
  std::size_t given_;
  States states_;
  std::vector<SavedInput> saved_;
  bool freed_ = false;
};

}  // namespace

Tensor checkpoint(const Function& f, const std::vector<Tensor>& inputs) {
  if (!f) fail("checkpoint", "the function is empty");
  if (!is_recording()) return f(inputs);
  const States states = generator_states();
  std::vector<Tensor> used = inputs;
  Tensor value;
  {
    const NoGrad no_grad;
    Discovery discovery;
    std::vector<Tensor> arguments;
    for (const Tensor& x : inputs) arguments.push_back(x.defined() ? x.detach() : x);
    value = f(arguments);
    if (!value.defined()) fail("checkpoint", "the function gave an undefined tensor");
    discovery.add(value);
    used.insert(used.end(), discovery.found.begin(), discovery.found.end());
  }
  // The function may have given a tensor that it keeps, and that must not be put on the tape.
  Tensor result = value.alias(value.shape());
  const Inputs on_tape{std::span<const Tensor>(used)};
  if (is_floating(result.dtype()) && on_tape.any_requires_grad())
    attach(result, new CheckpointNode(result, f, used, inputs.size(), states), on_tape);
  if (observers != nullptr) observe("checkpoint", result, on_tape);
  return result;
}

Tensor checkpoint(const std::function<Tensor(const Tensor&)>& f, const Tensor& input) {
  if (!f) fail("checkpoint", "the function is empty");
  return checkpoint([f](const std::vector<Tensor>& inputs) { return f(inputs[0]); }, std::vector<Tensor>{input});
}

}  // namespace gradus::autograd
