#include "gradus/optim/rmsprop.hpp"

#include "gradus/core/format.hpp"
#include "gradus/kernels/optimizer.hpp"

namespace gradus::optim {

void RMSpropOptions::visit(const OptionVisitor& v) {
  v("lr", lr);
  v("alpha", alpha);
  v("eps", eps);
  v("weight_decay", weight_decay);
  v("momentum", momentum);
  detail::visit_switch(v, "centered", centered);
  detail::visit_switch(v, "maximize", maximize);
}

void RMSpropOptions::check() const {
  detail::check_not_negative(name, "lr", lr);
  if (!(alpha >= 0 && alpha <= 1)) failf(name, "alpha is {}; it must be in [0, 1]", alpha);
  detail::check_not_negative(name, "eps", eps);
  detail::check_not_negative(name, "weight_decay", weight_decay);
  detail::check_not_negative(name, "momentum", momentum);
}

bool RMSprop::uses_state(std::size_t group, std::size_t index) const {
  return index == 0 || (index == 1 ? options(group).centered : options(group).momentum != 0);
}

void RMSprop::update(std::size_t group, DType dtype, std::span<const Update> updates) {
  const RMSpropOptions& o = options(group);
  dispatch_floating(RMSpropOptions::name, dtype, [&]<class T> {
    std::vector<kernels::RmspropPiece<T>> pieces;
    pieces.reserve(updates.size());
    for (const Update& u : updates) {
      const Slot& slot = *u.slot;
      pieces.push_back({slot.parameter.data<T>(), u.gradient.data<T>(), slot.state[0].data<T>(),
                        o.centered ? slot.state[1].data<T>() : nullptr,
                        o.momentum != 0 ? slot.state[2].data<T>() : nullptr, slot.parameter.numel()});
    }
    kernels::rmsprop<T>(pieces, {o.lr, o.alpha, o.eps, o.weight_decay, o.momentum, o.maximize});
  });
}

void AdagradOptions::visit(const OptionVisitor& v) {
  v("lr", lr);
  v("lr_decay", lr_decay);
  v("weight_decay", weight_decay);
  v("initial_accumulator_value", initial_accumulator_value);
  v("eps", eps);
  detail::visit_switch(v, "maximize", maximize);
}

void AdagradOptions::check() const {
  detail::check_not_negative(name, "lr", lr);
  detail::check_not_negative(name, "lr_decay", lr_decay);
  detail::check_not_negative(name, "weight_decay", weight_decay);
  detail::check_not_negative(name, "initial_accumulator_value", initial_accumulator_value);
  detail::check_not_negative(name, "eps", eps);
}

bool Adagrad::uses_state(std::size_t, std::size_t) const { return true; }
double Adagrad::initial_state(std::size_t group, std::size_t) const { return options(group).initial_accumulator_value; }

void Adagrad::update(std::size_t group, DType dtype, std::span<const Update> updates) {
  const AdagradOptions& o = options(group);
  dispatch_floating(AdagradOptions::name, dtype, [&]<class T> {
    std::vector<kernels::AdagradPiece<T>> pieces;
    pieces.reserve(updates.size());
    for (const Update& u : updates) {
      const Slot& slot = *u.slot;
      pieces.push_back({slot.parameter.data<T>(), u.gradient.data<T>(), slot.state[0].data<T>(),
                        o.lr / (1 + double(slot.steps - 1) * o.lr_decay), slot.parameter.numel()});
    }
    kernels::adagrad<T>(pieces, {o.eps, o.weight_decay, o.maximize});
  });
}

}  // namespace gradus::optim
