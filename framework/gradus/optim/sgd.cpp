#include "gradus/optim/sgd.hpp"

#include "gradus/core/format.hpp"
#include "gradus/kernels/optimizer.hpp"

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
  dispatch_floating(SGDOptions::name, dtype, [&]<class T> {
    std::vector<kernels::SgdPiece<T>> pieces;
    pieces.reserve(updates.size());
    for (const Update& u : updates) {
      const Tensor& p = u.slot->parameter;
      T* buffer = o.momentum != 0 ? u.slot->state[0].data<T>() : nullptr;
      pieces.push_back({p.data<T>(), u.gradient.data<T>(), buffer, u.fresh != 0, p.numel()});
    }
    kernels::sgd<T>(pieces, {o.lr, o.momentum, o.dampening, o.weight_decay, o.nesterov, o.maximize});
  });
}

}  // namespace gradus::optim
