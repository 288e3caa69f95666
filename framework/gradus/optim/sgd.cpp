#include "gradus/optim/sgd.hpp"

#include "gradus/core/format.hpp"
#include "gradus/optim/sgd_update.hpp"

namespace gradus::optim {

void SGDOptions::visit(const OptionVisitor& v) {
  v("lr", lr);
  v("momentum", momentum);
  v("dampening", dampening);
  v("weight_decay", weight_decay);
  detail::visit_switch(v, "nesterov", nesterov);
  detail::visit_switch(v, "maximize", maximize);
}

void SGDOptions::check() const {
  detail::check_not_negative(name, "lr", lr);
  detail::check_not_negative(name, "momentum", momentum);
  detail::check_finite(name, "dampening", dampening);
  detail::check_not_negative(name, "weight_decay", weight_decay);
  if (nesterov && (momentum <= 0 || dampening != 0))
    failf(name, "nesterov needs momentum > 0 and dampening 0, got momentum {} and dampening {}", momentum, dampening);
}

bool SGD::uses_state(std::size_t group, std::size_t) const { return options(group).momentum != 0; }

void SGD::update(std::size_t group, DType dtype, std::span<const Update> updates) {
  const SGDOptions& o = options(group);
  detail::sgd_update(SGDOptions::name, dtype, updates,
                     {o.lr, o.momentum, o.dampening, o.weight_decay, o.nesterov, o.maximize});
}

}  // namespace gradus::optim
