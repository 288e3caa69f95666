#include "gradus/theory/residual.hpp"

#include "gradus/core/format.hpp"

namespace gradus::theory {

ResidualStack residual_stack(const activations::Function& f, int blocks, const ResidualOptions& options) {
  if (blocks < 0) failf("residual_stack", "{} blocks; the number must not be negative", blocks);
  (void)residual_gain(f, options);  // checks them, without blocks too
  ResidualStack stack{.variance = {options.variance}, .gain = 1};
  for (int block = 0; block < blocks; ++block) {
    ResidualOptions here = options;
    here.variance = stack.variance.back();
    stack.gain *= residual_gain(f, here);
    stack.variance.push_back(here.variance +
                             variance_map(f, here.variance, {.weight_variance = options.first * options.second}));
  }
  return stack;
}

ResidualStack pre_norm_stack(const activations::Function& f, int blocks, const ResidualOptions& options) {
  if (blocks < 0) failf("pre_norm_stack", "{} blocks; the number must not be negative", blocks);
  if (options.width != 0) failf("pre_norm_stack", "a width of {}; only 0, for infinite, is possible", options.width);
  if (!(options.first > 0)) failf("pre_norm_stack", "a variance sigma_1^2 of {}; it must be positive", options.first);
  (void)residual_gain(f, options);
  ResidualStack stack{.variance = {options.variance}, .gain = 1};
  const double growth = options.first * variance_map(f, options.first, {.weight_variance = options.second});
  for (int block = 0; block < blocks; ++block) {
    const double v = stack.variance.back() / options.first;
    stack.gain *= residual_gain(f, {.first = options.first, .second = options.second / v, .variance = options.first});
    stack.variance.push_back(stack.variance.back() + growth);
  }
  return stack;
}

double residual_geometric_gain(const activations::Function& f, const ResidualOptions& options) {
  ResidualOptions wide = options;
  wide.width = 0;
  const double radius = residual_gain(f, wide) - 1;
  if (radius > 1)
    failf("residual_geometric_gain", "sigma_1^2 sigma_2^2 E f'^2 is {} for {}; it must not exceed 1", radius, f.name());
  return 1;
}

}  // namespace gradus::theory
