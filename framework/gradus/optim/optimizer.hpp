#pragma once
// What all optimisers share: parameters in groups, steps, and a state that can be saved.
//
//   optim::AdamW optimizer{net.parameters(), {.lr = 1e-2}};
//   for (...) {
//     optimizer.zero_grad();
//     loss(net).backward();
//     optimizer.step();
//   }
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradus/tensor/named.hpp"

namespace gradus::optim {

/// Called with the name of an option and a reference to it; switches are shown as 0 or 1.
using OptionVisitor = std::function<void(std::string_view name, double& value)>;

/// What an optimiser trains: net.parameters(), net.named_parameters(), or a list of tensors.
class Parameters {
 public:
  Parameters(std::initializer_list<Tensor> tensors) : tensors_(tensors) {}
  Parameters(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {}
  Parameters(const NamedTensors& named) {
    for (const auto& [name, tensor] : named) {
      names_.push_back(name);
      tensors_.push_back(tensor);
    }
  }
  const std::vector<Tensor>& tensors() const { return tensors_; }
  /// One for each tensor, or none.
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::string> names_;
};

/// Parameters that share options.
template <class Options>
struct ParameterGroup {
  Parameters params;
  Options options = {};
};

class Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Changes every parameter that has a gradient. A gradient that is NaN or inf goes into the parameter and can be seen
  /// there. Throws, before anything is changed, when a gradient or the state does not fit its parameter's type and
  /// shape.
  virtual void step();
  /// The same with gradients that grad() returned, one for each parameter; an undefined one leaves its parameter alone.
  virtual void step(const std::vector<Tensor>& grads);
  /// Drops the gradients of all parameters.
  void zero_grad();

  const std::vector<Tensor>& parameters() const { return parameters_; }
  std::size_t groups() const { return groups_; }

  double lr(std::size_t group = 0) const { return option("lr", group); }
  /// For all groups, or for one.
  void set_lr(double lr) { set_option("lr", lr); }
  void set_lr(double lr, std::size_t group) { set_option("lr", lr, group); }
  /// Any option by its name: "momentum", "weight_decay", "beta1", ... Switches are 0 or 1. Throws, naming the option,
  /// when there is none of that name or the value is out of its range.
  double option(std::string_view name, std::size_t group = 0) const;
  bool has_option(std::string_view name) const;
  void set_option(std::string_view name, double value);
  void set_option(std::string_view name, double value, std::size_t group);

  /// Everything that the next step depends on besides parameters and gradients, under names such as
  /// "fc1.weight.exp_avg", "fc1.weight.step" and "Adam.0.lr" (group 0); a parameter given without a name is called by
  /// its number. Copies.
  virtual NamedTensors state_dict() const;
  /// Continues where state_dict() was taken, to the same bits. Throws, and changes nothing, unless the state is that of
  /// the same kind of optimiser over parameters of the same names, shapes and types; the message lists all that is
  /// wrong.
  virtual void load_state_dict(const NamedTensors& state);

 protected:
  /// A parameter and its state. A state tensor that has not been needed so far is undefined.
  struct Slot {
    Tensor parameter;
    std::string name;
    std::size_t group = 0;
    std::int64_t steps = 0;
    std::vector<Tensor> state;
  };
  /// A slot to be updated, with its gradient: same shape and type as the parameter. Bit i of `fresh` is set when state
  /// tensor i was made for this step.
  struct Update {
    Slot* slot;
    Tensor gradient;
    std::uint32_t fresh = 0;
  };

  /// `name` is that of the class, `state_names` those of the tensors of state that a parameter may have; both must
  /// outlive it.
  Optimizer(const char* name, std::vector<const char*> state_names)
      : name_(name), state_names_(std::move(state_names)) {}
  void add_group(const Parameters& params);
  /// To be called after the last add_group: throws when there is no parameter, or one twice.
  void check_parameters() const;
  /// What parameters()[i] is called in messages and in the state.
  const std::string& parameter_name(std::size_t i) const { return slots_[i].name; }

  /// Changes the parameters of `updates`, all of one group and of type `dtype`. Their steps are counted already, and
  /// the state that uses_state() asks for is there. Nothing is recorded.
  virtual void update(std::size_t group, DType dtype, std::span<const Update> updates) = 0;
  /// Whether the parameters of a group need the state tensor `index`.
  virtual bool uses_state(std::size_t group, std::size_t index) const = 0;
  /// What a new state tensor is filled with.
  virtual double initial_state(std::size_t /*group*/, std::size_t /*index*/) const { return 0; }
  virtual void visit_options(std::size_t group, const OptionVisitor& visit) = 0;
  /// Throws, naming it, when an option of the group is out of its range.
  virtual void check_options(std::size_t group) const = 0;

 private:
  void take_step(const std::vector<Tensor>* grads);

  const char* name_;
  std::vector<const char*> state_names_;
  std::vector<Tensor> parameters_;
  std::vector<Slot> slots_;
  std::size_t groups_ = 0;
};

/// An optimiser whose options are an aggregate with `name`, `state_names()`, `visit(const OptionVisitor&)` and
/// `check()`. Made from parameters, from named parameters, or from groups that have options of their own.
template <class Options>
class OptimizerWith : public Optimizer {
 public:
  using Group = ParameterGroup<Options>;

  explicit OptimizerWith(std::vector<Tensor> params, const Options& options = {})
      : OptimizerWith(std::vector<Group>{Group{std::move(params), options}}) {}
  explicit OptimizerWith(const NamedTensors& params, const Options& options = {})
      : OptimizerWith(std::vector<Group>{Group{params, options}}) {}
  explicit OptimizerWith(const std::vector<Group>& groups) : Optimizer(Options::name, Options::state_names()) {
    for (const Group& group : groups) {
      group.options.check();
      options_.push_back(group.options);
      add_group(group.params);
    }
    check_parameters();
  }

  const Options& options(std::size_t group = 0) const { return options_.at(group); }

 protected:
  void visit_options(std::size_t group, const OptionVisitor& visit) final { options_[group].visit(visit); }
  void check_options(std::size_t group) const final { options_[group].check(); }

 private:
  std::vector<Options> options_;
};

namespace detail {
/// A switch, shown as a number.
void visit_switch(const OptionVisitor& visit, const char* name, bool& value);
/// Throw, naming optimiser and option: unless value is finite; finite and >= 0; in [0, 1).
void check_finite(const char* optimizer, const char* option, double value);
void check_not_negative(const char* optimizer, const char* option, double value);
void check_fraction(const char* optimizer, const char* option, double value);
}  // namespace detail

}  // namespace gradus::optim
