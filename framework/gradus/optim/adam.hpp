#pragma once
// Adam, and AdamW, its form with decoupled weight decay.
#include <utility>

#include "gradus/optim/optimizer.hpp"

namespace gradus::optim {

struct AdamOptions {
  double lr = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};  ///< how much of the means of g and of g^2 is kept in a step
  double eps = 1e-8;                               ///< added to the root of the mean of g^2
  double weight_decay = 0;                         ///< added to the gradient, times the parameter
  bool amsgrad = false;                            ///< divide by the largest mean of g^2 so far
  bool maximize = false;                           ///< go uphill

  static constexpr const char* name = "Adam";
  static std::vector<const char*> state_names() { return {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}; }
  void visit(const OptionVisitor& v);
  void check() const;
};

struct AdamWOptions {
  double lr = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};  ///< how much of the means of g and of g^2 is kept in a step
  double eps = 1e-8;                               ///< added to the root of the mean of g^2
  double weight_decay = 0.01;                      ///< every step multiplies the parameter by 1 - lr weight_decay
  bool amsgrad = false;                            ///< divide by the largest mean of g^2 so far
  bool maximize = false;                           ///< go uphill

  static constexpr const char* name = "AdamW";
  static std::vector<const char*> state_names() { return AdamOptions::state_names(); }
  void visit(const OptionVisitor& v);
  void check() const;
};

/// d = g + weight_decay p;  m = beta1 m + (1 - beta1) d;  v = beta2 v + (1 - beta2) d^2;
/// p -= lr m/(1 - beta1^t) / (sqrt(v/(1 - beta2^t)) + eps) in the parameter's step t = 1, 2, ...
/// Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1. amsgrad: Reddi, Kale and Kumar, "On
/// the Convergence of Adam and Beyond" (2018), algorithm 2, with bias corrections as in PyTorch.
class Adam final : public OptimizerWith<AdamOptions> {
 public:
  using OptimizerWith::OptimizerWith;

 private:
  void update(std::size_t group, DType dtype, std::span<const Update> updates) override;
  bool uses_state(std::size_t group, std::size_t index) const override;
};

/// Adam with d = g, and p *= 1 - lr weight_decay before the step: Loshchilov and Hutter, "Decoupled Weight Decay
/// Regularization" (2019), algorithm 2.
class AdamW final : public OptimizerWith<AdamWOptions> {
 public:
  using OptimizerWith::OptimizerWith;

 private:
  void update(std::size_t group, DType dtype, std::span<const Update> updates) override;
  bool uses_state(std::size_t group, std::size_t index) const override;
};

}  // namespace gradus::optim
