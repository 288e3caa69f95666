#pragma once
// Double backpropagation (Drucker and Le Cun 1992): the strength that the gradient penalty R = (dy/dx)^2 / 2 needs, on
// one unit.
#include "gradus/activations/function.hpp"

namespace gradus::theory {

struct DoubleBackpropOptions {
  double bias = 0;
  double weight = 1;
  double target = 1;  ///< wanted size of lambda dR/dw
};

struct DoubleBackprop {
  double mean_gradient;  ///< E dR/dw
  double rms_gradient;   ///< sqrt E (dR/dw)^2
  double lambda_mean;    ///< target / |mean_gradient|: for the gradient of a whole batch
  double lambda_rms;     ///< target / rms_gradient: for that of single samples
};

/// For y = f(w x + bias), x ~ N(0, 1): R = w^2 f'^2 / 2 and dR/dw = w f'^2 + w^2 f' f'' x. The first term does not
/// vanish for relu; of f'' at kinks only the values on either side count, not the impulse, as automatic differentiation
/// has it. Throws for a weight of 0, a target that is not positive, and when f does not give f''.
DoubleBackprop double_backprop(const activations::Function& f, const DoubleBackpropOptions& options = {});

}  // namespace gradus::theory
