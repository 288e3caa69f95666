#include "gradus/optim/adam.hpp"

#include <cmath>

#include "gradus/kernels/optimizer.hpp"

namespace gradus::optim {
namespace {

template <class Options>
void visit_all(Options& o, const OptionVisitor& v) {
  v("lr", o.lr);
  v("beta1", o.betas.first);
  v("beta2", o.betas.second);
  v("eps", o.eps);
  v("weight_decay", o.weight_decay);
  detail::visit_switch(v, "amsgrad", o.amsgrad);
  detail::visit_switch(v, "maximize", o.maximize);
}

template <class Options>
void check_all(const Options& o) {
  detail::check_not_negative(Options::name, "lr", o.lr);
  detail::check_fraction(Options::name, "beta1", o.betas.first);
  detail::check_fraction(Options::name, "beta2", o.betas.second);
  detail::check_not_negative(Options::name, "eps", o.eps);
  detail::check_not_negative(Options::name, "weight_decay", o.weight_decay);
}

template <class Updates, class Options>
void update_all(DType dtype, const Updates& updates, const Options& o, double l2, double decay) {
  dispatch_floating(Options::name, dtype, [&]<class T> {
    std::vector<kernels::AdamPiece<T>> pieces;
    pieces.reserve(updates.size());
    // Parameters mostly share their step, and pow is dear.
    std::int64_t steps = -1;
    double correction1 = 0, correction2 = 0;
    for (const auto& u : updates) {
      auto& slot = *u.slot;
      if (slot.steps != steps) {
        steps = slot.steps;
        correction1 = 1 - std::pow(o.betas.first, double(steps));
        correction2 = 1 - std::pow(o.betas.second, double(steps));
      }
      T* largest = o.amsgrad ? slot.state[2].template data<T>() : nullptr;
      pieces.push_back({slot.parameter.template data<T>(), u.gradient.template data<T>(),
                        slot.state[0].template data<T>(), slot.state[1].template data<T>(), largest, correction1,
                        correction2, slot.parameter.numel()});
    }
    kernels::adam<T>(pieces, {o.lr, o.betas.first, o.betas.second, o.eps, l2, decay, o.maximize});
  });
}

}  // namespace

void AdamOptions::visit(const OptionVisitor& v) { visit_all(*this, v); }
void AdamOptions::check() const { check_all(*this); }
void AdamWOptions::visit(const OptionVisitor& v) { visit_all(*this, v); }
void AdamWOptions::check() const { check_all(*this); }

bool Adam::uses_state(std::size_t group, std::size_t index) const { return index < 2 || options(group).amsgrad; }
bool AdamW::uses_state(std::size_t group, std::size_t index) const { return index < 2 || options(group).amsgrad; }

void Adam::update(std::size_t group, DType dtype, std::span<const Update> updates) {
  update_all(dtype, updates, options(group), options(group).weight_decay, 0);
}

void AdamW::update(std::size_t group, DType dtype, std::span<const Update> updates) {
  update_all(dtype, updates, options(group), 0, options(group).weight_decay);
}

}  // namespace gradus::optim
