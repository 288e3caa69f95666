#include "gradus/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/format.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::optim {

namespace detail {

void visit_switch(const OptionVisitor& visit, const char* name, bool& value) {
  double number = value ? 1 : 0;
  visit(name, number);
  if (number != 0 && number != 1) failf(name, "the switch is {}; it must be 0 or 1", number);
  value = number == 1;
}

void check_finite(const char* optimizer, const char* option, double value) {
  if (!std::isfinite(value)) failf(optimizer, "{} is {}; it must be a finite number", option, value);
}

void check_not_negative(const char* optimizer, const char* option, double value) {
  if (!std::isfinite(value) || value < 0) failf(optimizer, "{} is {}; it must be a finite number >= 0", option, value);
}

void check_fraction(const char* optimizer, const char* option, double value) {
  if (!(value >= 0 && value < 1)) failf(optimizer, "{} is {}; it must be in [0, 1)", option, value);
}

}  // namespace detail

Optimizer::~Optimizer() = default;

// -- parameters

void Optimizer::add_group(const Parameters& parameters) {
  const std::vector<Tensor>& params = parameters.tensors();
  const std::vector<std::string>& names = parameters.names();
  if (params.empty())
    failf(name_, "parameter group {} is empty; hint: did the model's visit() name its members?", groups_);
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& p = params[i];
    const std::string label = names.empty() ? std::to_string(slots_.size()) : names[i];
    if (!p.defined()) failf(name_, "parameter \"{}\" is undefined", label);
    if (!p.is_leaf())
      failf(name_,
            "parameter \"{}\" of shape {} is the result of an operation; only leaves can be trained. Use "
            "detach().clone()",
            label, p.shape());
    if (!is_floating(p.dtype())) failf(name_, "parameter \"{}\" of shape {} is {}", label, p.shape(), p.dtype());
    parameters_.push_back(p);
    slots_.push_back({p, label, groups_, 0, std::vector<Tensor>(state_names_.size())});
  }
  ++groups_;
}

void Optimizer::check_parameters() const {
  // Frozen parameters may be among them, as in model.parameters() of a model that is partly frozen: they never have a gradient.
  const bool any = std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.parameter.requires_grad(); });
  if (!any) fail(name_, "there are no parameters to train: none requires a gradient; call requires_grad_()");
  std::unordered_map<const Storage*, const Slot*> storages;
  std::unordered_map<std::string_view, const Slot*> names;
  for (const Slot& slot : slots_) {
    if (const auto [at, inserted] = storages.try_emplace(slot.parameter.impl()->storage.get(), &slot); !inserted)
      failf(name_, "parameters \"{}\" and \"{}\" (shape {}) are the same numbers; each may be given once",
            at->second->name, slot.name, slot.parameter.shape());
    if (!names.try_emplace(slot.name, &slot).second) failf(name_, "two parameters are called \"{}\"", slot.name);
  }
}

// -- steps

void Optimizer::step() { take_step(nullptr); }

void Optimizer::step(const std::vector<Tensor>& grads) {
  if (grads.size() != slots_.size())
    failf(name_, "step got {} gradients for {} parameters", grads.size(), slots_.size());
  take_step(&grads);
}

void Optimizer::take_step(const std::vector<Tensor>* grads) {
  const NoGrad no_grad;
  std::vector<Update> updates;
  updates.reserve(slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const Tensor& p = slot.parameter;
    Tensor gradient = grads != nullptr ? (*grads)[i] : p.grad();
    if (!gradient.defined()) continue;
    if (gradient.dtype() != p.dtype() || gradient.shape() != p.shape())
      failf(name_, "the gradient of parameter \"{}\" is {} {} but the parameter is {} {}", slot.name, gradient.dtype(),
            gradient.shape(), p.dtype(), p.shape());
    for (std::size_t k = 0; k < slot.state.size(); ++k)
      if (slot.state[k].defined() && (slot.state[k].dtype() != p.dtype() || slot.state[k].shape() != p.shape()))
        failf(name_,
              "parameter \"{}\" has become {} {} but its {} is {} {}; convert a model before its optimiser is made",
              slot.name, p.dtype(), p.shape(), state_names_[k], slot.state[k].dtype(), slot.state[k].shape());
    updates.push_back({&slot, std::move(gradient), 0});
  }
  for (Update& update : updates) {
    Slot& slot = *update.slot;
    for (std::size_t k = 0; k < slot.state.size(); ++k)
      if (!slot.state[k].defined() && uses_state(slot.group, k)) {
        slot.state[k] = full_like(slot.parameter, initial_state(slot.group, k));
        update.fresh |= std::uint32_t{1} << k;
      }
  }
  // One call for each group and type: mostly that is one.
  const auto before = [](const Update& a, const Update& b) {
    return std::pair(a.slot->group, a.gradient.dtype()) < std::pair(b.slot->group, b.gradient.dtype());
  };
  if (!std::is_sorted(updates.begin(), updates.end(), before)) std::stable_sort(updates.begin(), updates.end(), before);
  for (std::size_t first = 0, last = 0; first < updates.size(); first = last) {
    while (last < updates.size() && !before(updates[first], updates[last])) ++updates[last++].slot->steps;
    update(updates[first].slot->group, updates[first].gradient.dtype(),
           std::span(updates).subspan(first, last - first));
  }
  for (const Update& update : updates) update.slot->parameter.impl()->storage->bump_version();
}

void Optimizer::zero_grad() {
  for (const Tensor& p : parameters_) p.zero_grad();
}

// -- options

double Optimizer::option(std::string_view name, std::size_t group) const {
  if (group >= groups_) failf(name_, "there is no parameter group {}; it has {}", group, groups_);
  const double* found = nullptr;
  double value = 0;
  std::string known;
  // Looking changes nothing; the visitor's references are for set_option.
  const_cast<Optimizer*>(this)->visit_options(group, [&](std::string_view each, double& number) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", each);
    if (each == name) found = &(value = number);
  });
  if (found == nullptr) failf(name_, "there is no option \"{}\"; it has {}", name, known);
  return value;
}

bool Optimizer::has_option(std::string_view name) const {
  bool found = false;
  const_cast<Optimizer*>(this)->visit_options(0,
                                              [&](std::string_view each, double&) { found = found || each == name; });
  return found;
}

void Optimizer::set_option(std::string_view name, double value) {
  for (std::size_t group = 0; group < groups_; ++group) set_option(name, value, group);
}

void Optimizer::set_option(std::string_view name, double value, std::size_t group) {
  const double old = option(name, group);
  const auto put = [&](double number) {
    visit_options(group, [&](std::string_view each, double& slot) {
      if (each == name) slot = number;
    });
  };
  put(value);
  try {
    check_options(group);
  } catch (const Error&) {
    put(old);
    throw;
  }
}

// -- state

NamedTensors Optimizer::state_dict() const {
  const NoGrad no_grad;
  NamedTensors result;
  for (const Slot& slot : slots_) {
    if (slot.steps == 0) continue;
    result.emplace_back(slot.name + ".step", full({}, double(slot.steps), {.dtype = int64}));
    for (std::size_t k = 0; k < state_names_.size(); ++k) {
      // Wanted by options that were changed since the last step, but not made yet: an empty int64 tensor says so.
      if (!slot.state[k].defined() && !uses_state(slot.group, k)) continue;
      result.emplace_back(fmt::format("{}.{}", slot.name, state_names_[k]),
                          slot.state[k].defined() ? slot.state[k].clone() : zeros({0}, {.dtype = int64}));
    }
  }
  result.emplace_back(fmt::format("{}.groups", name_), full({}, double(groups_), {.dtype = int64}));
  for (std::size_t group = 0; group < groups_; ++group)
    const_cast<Optimizer*>(this)->visit_options(group, [&](std::string_view option, double& value) {
      result.emplace_back(fmt::format("{}.{}.{}", name_, group, option), full({}, value, {.dtype = float64}));
    });
  return result;
}

void Optimizer::load_state_dict(const NamedTensors& state) {
  const NoGrad no_grad;
  std::vector<std::string> problems;
  const auto problem = [&]<class... A>(fmt::format_string<A...> text, A&&... values) {
    problems.push_back(fmt::format(text, std::forward<A>(values)...));
  };
  // What nobody asks for is left over.
  std::map<std::string_view, const Tensor*> entries;
  for (const auto& [name, value] : state) {
    if (!value.defined())
      problem("\"{}\" is undefined", name);
    else if (!entries.try_emplace(name, &value).second)
      problem("\"{}\" is there twice", name);
  }
  const auto take = [&](const std::string& name) -> const Tensor* {
    const auto at = entries.find(name);
    if (at == entries.end()) return nullptr;
    const Tensor* found = at->second;
    entries.erase(at);
    return found;
  };
  const auto take_number = [&](const std::string& name, DType dtype) -> const Tensor* {
    const Tensor* found = take(name);
    if (found == nullptr) {
      problem("missing \"{}\"", name);
    } else if (found->dtype() != dtype || found->numel() != 1) {
      problem("\"{}\" is {} {}, expected one {}", name, found->dtype(), found->shape(), dtype);
      found = nullptr;
    }
    return found;
  };

  const std::string count_name = fmt::format("{}.groups", name_);
  if (!entries.contains(count_name))
    failf(name_, "load_state_dict: this is not the state of {}: it has no \"{}\"", name_, count_name);
  if (const Tensor* count = take_number(count_name, int64);
      count != nullptr && count->item<std::int64_t>() != Index(groups_))
    failf(name_, "load_state_dict: the state has {} parameter groups, the optimiser {}", count->item<std::int64_t>(),
          groups_);

  // The options come first: they decide which state a parameter has.
  std::vector<std::vector<double>> options(groups_), old_options(groups_);
  for (std::size_t group = 0; group < groups_; ++group)
    visit_options(group, [&](std::string_view option, double& value) {
      const Tensor* found = take_number(fmt::format("{}.{}.{}", name_, group, option), float64);
      old_options[group].push_back(value);
      options[group].push_back(found != nullptr ? found->item() : value);
    });
  const auto put_options = [&](const std::vector<std::vector<double>>& values) {
    for (std::size_t group = 0; group < groups_; ++group) {
      std::size_t next = 0;
      visit_options(group, [&](std::string_view, double& value) { value = values[group][next++]; });
    }
  };
  std::vector<Slot> fresh = slots_;
  try {
    put_options(options);
    for (std::size_t group = 0; group < groups_; ++group) check_options(group);

    for (Slot& slot : fresh) {
      slot.steps = 0;
      std::fill(slot.state.begin(), slot.state.end(), Tensor{});
      const std::string step_name = slot.name + ".step";
      if (!entries.contains(step_name)) continue;  // this parameter never had a gradient
      if (const Tensor* steps = take_number(step_name, int64)) slot.steps = steps->item<std::int64_t>();
      if (slot.steps < 1) problem("\"{}\" is {}, expected at least 1", step_name, slot.steps);
      for (std::size_t k = 0; k < state_names_.size(); ++k) {
        const std::string name = fmt::format("{}.{}", slot.name, state_names_[k]);
        const Tensor* found = take(name);
        const Tensor& p = slot.parameter;
        if (found == nullptr) {
          if (uses_state(slot.group, k)) problem("missing \"{}\" {}", name, p.shape());
        } else if (found->dtype() == int64 && found->shape() == Shape{0}) {
          continue;
        } else if (found->dtype() != p.dtype() || found->shape() != p.shape()) {
          problem("\"{}\" is {} {}, expected {} {}", name, found->dtype(), found->shape(), p.dtype(), p.shape());
        } else {
          slot.state[k] = found->detach().clone();
        }
      }
    }
    for (const auto& [name, value] : entries) problem("unexpected \"{}\" {}", name, value->shape());
    if (!problems.empty()) {
      constexpr std::size_t most = 20;
      const std::size_t shown = std::min(problems.size(), most);
      std::string text = fmt::format("load_state_dict: the state does not fit, nothing was loaded:\n  {}",
                                     fmt::join(problems.begin(), problems.begin() + std::ptrdiff_t(shown), "\n  "));
      if (shown < problems.size()) text += fmt::format("\n  and {} more", problems.size() - shown);
      fail(name_, text);
    }
  } catch (...) {
    put_options(old_options);
    throw;
  }
  slots_ = std::move(fresh);
}

}  // namespace gradus::optim
