#pragma once
// How an operation gets onto the tape.
//
//   // d(a b) = b da + a db
//   Tensor mul(const Tensor& a, const Tensor& b) {
//     return record("mul", value, {a, b}, saves(a, b),
//                   [](const Tensor& g, const Tensor& a, const Tensor& b) { return Grads{g * b, g * a}; });
//   }
//
// A rule is a function of the output's gradient and of the values it saved, written in the library's own operations: when the
// backward pass is itself recorded (create_graph), its derivative follows. It captures numbers, never tensors: those go through
// saves(), which notices changes in place, knows what the tape holds, and lets go as early as it can.
#include <initializer_list>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "gradus/autograd/mode.hpp"
#include "gradus/autograd/node.hpp"

namespace gradus::autograd {

/// The inputs of an operation, by reference.
class Inputs {
 public:
  struct Item {
    Item(const Tensor& t) : tensor(&t) {}
    const Tensor* tensor;
  };
  Inputs(std::initializer_list<Item> few) : few_(few) {}
  Inputs(std::span<const Tensor> many) : many_(many) {}

  std::size_t size() const { return few_.size() + many_.size(); }
  const Tensor& operator[](std::size_t i) const { return few_.size() != 0 ? *few_.begin()[i].tensor : many_[i]; }
  bool any_requires_grad() const {
    for (std::size_t i = 0; i < size(); ++i)
      if ((*this)[i].defined() && (*this)[i].requires_grad()) return true;
    return false;
  }

 private:
  std::initializer_list<Item> few_;
  std::span<const Tensor> many_;
};

/// Stands for the operation's own result in saves(): the rule gets it as a tensor on the tape, without a cycle of ownership.
struct Output {};
inline constexpr Output output{};

class SavedInput {
 public:
  SavedInput(const Tensor& tensor, const Tensor& /*value*/)
      : tensor_(tensor), version_(tensor.defined() ? tensor.impl()->storage->version() : 0) {}
  const Tensor& unpack(Node& node) const {
    if (tensor_.defined() && tensor_.impl()->storage->version() != version_) changed(node);
    return tensor_;
  }
  void free() { tensor_ = Tensor{}; }
  std::size_t bytes() const { return tensor_.defined() ? tensor_.impl()->storage->bytes() : 0; }
  [[noreturn]] static void changed(const Node& node);

 private:
  Tensor tensor_;
  std::uint32_t version_;
};

class SavedOutput {
 public:
  SavedOutput(Output, const Tensor& value) : storage_(value.impl()->storage), version_(storage_->version()) {}
  /// On the tape while the backward pass is recorded.
  Tensor unpack(Node& node) const {
    if (storage_->version() != version_) SavedInput::changed(node);
    Tensor value(Ref<TensorImpl>::adopt(new TensorImpl(node.dtype(), node.shape(), storage_)));
    if (is_recording()) value.impl()->node = NodePtr(&node);
    return value;
  }
  void free() { storage_ = {}; }
  std::size_t bytes() const { return storage_ ? storage_->bytes() : 0; }

 private:
  Ref<Storage> storage_;
  std::uint32_t version_;
};

/// How a node keeps a T that saves() names. A room may give a kind of its own; it has the four members of SavedInput.
template <class T> struct SavedAs { using type = SavedInput; };
template <> struct SavedAs<Output> { using type = SavedOutput; };
template <class T> using SavedFor = typename SavedAs<std::decay_t<T>>::type;

/// Names the tensors whose values the rule will read, in the order of its parameters.
template <class... Saved> std::tuple<const Saved&...> saves(const Saved&... saved) { return {saved...}; }

[[noreturn]] void fail_freed(const Node& node);
void attach(const Tensor& value, Node* node, const Inputs& inputs);

class Observer;
/// Who is told of each operation on this thread (observer.hpp): the head of a list, null when nobody is.
extern constinit thread_local Observer* observers;
void observe(const char* operation, const Tensor& value, const Inputs& inputs);

template <class Rule, class... Saved> class RuleNode final : public Node {
 public:
  RuleNode(const char* operation, const Tensor& value, const std::tuple<const Saved&...>& saved, Rule rule)
      : Node(operation, value),
        rule_(std::move(rule)),
        saved_(std::apply([&](const Saved&... s) { return std::tuple<SavedFor<Saved>...>(SavedFor<Saved>(s, value)...); },
                          saved)) {}

  Grads apply(const Tensor& gradient, const Step& step) override {
    if (freed_) fail_freed(*this);
    return std::apply(
        [&](const auto&... saved) -> Grads {
          if constexpr (std::is_invocable_v<Rule&, const Tensor&, decltype(saved.unpack(*this))..., const Step&>)
            return rule_(gradient, saved.unpack(*this)..., step);
          else
            return rule_(gradient, saved.unpack(*this)...);
        },
        saved_);
  }
  void free() override {
    std::apply([](auto&... saved) { (saved.free(), ...); }, saved_);
    freed_ = true;
  }
  bool freed() const override { return freed_; }
  std::size_t bytes_held() const override {
    return std::apply([](const auto&... saved) { return (std::size_t{0} + ... + saved.bytes()); }, saved_);
  }

 private:
  Rule rule_;
  std::tuple<SavedFor<Saved>...> saved_;
  bool freed_ = false;
};

/// Puts `value`, the fresh result of `operation`, on the tape if recording is on and an input wants a gradient; returns it.
/// `operation` must be a string that lives as long as the program.
template <class... Saved, class Rule>
Tensor record(const char* operation, Tensor value, Inputs inputs, const std::tuple<const Saved&...>& saved, Rule rule) {
  if (is_recording() && inputs.any_requires_grad())
    attach(value, new RuleNode<Rule, Saved...>(operation, value, saved, std::move(rule)), inputs);
  if (observers != nullptr) [[unlikely]]
    observe(operation, value, inputs);
  return value;
}

/// The same for a rule that reads no values.
template <class Rule> Tensor record(const char* operation, Tensor value, Inputs inputs, Rule rule) {
  return record(operation, std::move(value), inputs, std::tuple<>{}, std::move(rule));
}

/// Measures, while one lives on this thread, how long each operation takes to record; tape_table() shows it.
class Stopwatch {
 public:
  Stopwatch();
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
};

}  // namespace gradus::autograd
