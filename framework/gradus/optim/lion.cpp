#include "gradus/optim/lion.hpp"

#include "gradus/kernels/optimizer.hpp"

namespace gradus::optim {

void LionOptions::visit(const OptionVisitor& v) {
  v("lr", lr);
  v("beta1", betas.first);
  v("beta2", betas.second);
  v("weight_decay", weight_decay);
  detail::visit_switch(v, "maximize", maximize);
}

void LionOptions::check() const {
  detail::check_not_negative(name, "lr", lr);
  detail::check_fraction(name, "beta1", betas.first);
  detail::check_fraction(name, "beta2", betas.second);
  detail::check_not_negative(name, "weight_decay", weight_decay);
}

void Lion::update(std::size_t group, DType dtype, std::span<const Update> updates) {
  const LionOptions& o = options(group);
  dispatch_floating(LionOptions::name, dtype, [&]<class T> {
    std::vector<kernels::LionPiece<T>> pieces;
    pieces.reserve(updates.size());
    for (const Update& u : updates) {
      const Tensor& p = u.slot->parameter;
      pieces.push_back({p.data<T>(), u.gradient.data<T>(), u.slot->state[0].data<T>(), p.numel()});
    }
    kernels::lion<T>(pieces, {o.lr, o.betas.first, o.betas.second, o.weight_decay, o.maximize});
  });
}

}  // namespace gradus::optim
