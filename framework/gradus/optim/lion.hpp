#pragma once
// Lion: steps of one size, in the direction of the sign of a mean gradient.
#include <utility>

#include "gradus/optim/optimizer.hpp"

namespace gradus::optim {

struct LionOptions {
  double lr = 1e-4;                               ///< every element moves by this: 3 to 10 times less than for AdamW
  std::pair<double, double> betas = {0.9, 0.99};  ///< how much of the mean is kept in the sign, and in the mean
  double weight_decay = 0;                        ///< every step multiplies the parameter by 1 - lr weight_decay
  bool maximize = false;                          ///< go uphill

  static constexpr const char* name = "Lion";
  static std::vector<const char*> state_names() { return {"exp_avg"}; }
  void visit(const OptionVisitor& v);
  void check() const;
};

/// p *= 1 - lr weight_decay;  p -= lr sign(beta1 m + (1 - beta1) g);  m = beta2 m + (1 - beta2) g.
/// Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023), algorithm 2. sign(0) is 0.
class Lion final : public OptimizerWith<LionOptions> {
 public:
  using OptimizerWith::OptimizerWith;

 private:
  void update(std::size_t group, DType dtype, std::span<const Update> updates) override;
  bool uses_state(std::size_t, std::size_t) const override { return true; }
};

}  // namespace gradus::optim
