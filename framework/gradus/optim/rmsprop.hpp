#pragma once
// RMSprop and Adagrad: the step of every coordinate is divided by the size that its gradients have had.
#include "gradus/optim/optimizer.hpp"

namespace gradus::optim {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;      ///< how much of the mean of g^2 is kept in a step
  double eps = 1e-8;        ///< added to the root
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  double momentum = 0;
  bool centered = false;  ///< divide by the standard deviation of g instead of its root mean square
  bool maximize = false;  ///< go uphill

  static constexpr const char* name = "RMSprop";
  static std::vector<const char*> state_names() { return {"square_avg", "grad_avg", "momentum_buffer"}; }
  void visit(const OptionVisitor& v);
  void check() const;
};

/// d = g + weight_decay p;  v = alpha v + (1 - alpha) d^2;  u = d / (sqrt(v) + eps);  p -= lr u, or with momentum p -=
/// lr b with b = momentum b + u. Centred: v - m^2 for v in the root, with m = alpha m + (1 - alpha) d. Tieleman and
/// Hinton, lecture 6e (2012); centred: Graves, "Generating Sequences With Recurrent Neural Networks" (2013), equations
/// 38 to 45.
class RMSprop final : public OptimizerWith<RMSpropOptions> {
 public:
  using OptimizerWith::OptimizerWith;

 private:
  void update(std::size_t group, DType dtype, std::span<const Update> updates) override;
  bool uses_state(std::size_t group, std::size_t index) const override;
};

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;                   ///< step t uses lr / (1 + (t - 1) lr_decay)
  double weight_decay = 0;               ///< added to the gradient, times the parameter
  double initial_accumulator_value = 0;  ///< what the sum of g^2 starts with
  double eps = 1e-10;                    ///< added to the root
  bool maximize = false;                 ///< go uphill

  static constexpr const char* name = "Adagrad";
  static std::vector<const char*> state_names() { return {"sum"}; }
  void visit(const OptionVisitor& v);
  void check() const;
};

/// d = g + weight_decay p;  s += d^2;  p -= lr d / (sqrt(s) + eps).
/// Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization" (2011).
class Adagrad final : public OptimizerWith<AdagradOptions> {
 public:
  using OptimizerWith::OptimizerWith;

 private:
  void update(std::size_t group, DType dtype, std::span<const Update> updates) override;
  bool uses_state(std::size_t group, std::size_t index) const override;
  double initial_state(std::size_t group, std::size_t index) const override;
};

}  // namespace gradus::optim
