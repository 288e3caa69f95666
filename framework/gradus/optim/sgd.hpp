#pragma once
// Stochastic gradient descent, with momentum if wanted.
#include "gradus/optim/optimizer.hpp"

namespace gradus::optim {

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;     ///< how much of a gradient stays out of the momentum
  double weight_decay = 0;  ///< added to the gradient, times the parameter
  bool nesterov = false;    ///< look ahead along the momentum; needs momentum > 0 and no dampening
  bool maximize = false;    ///< go uphill

  static constexpr const char* name = "SGD";
  static std::vector<const char*> state_names() { return {"momentum_buffer"}; }
  void visit(const OptionVisitor& v);
  void check() const;
};

/// d = g + weight_decay p;  b = momentum b + (1 - dampening) d, where b starts as d;
/// p -= lr (d without momentum, d + momentum b with nesterov, else b).
/// PyTorch's form: the learning rate multiplies the momentum when it is used, not when it is gathered, so changing lr
/// changes the next step at once (Sutskever et al., 2013, have it the other way).
class SGD final : public OptimizerWith<SGDOptions> {
 public:
  using OptimizerWith::OptimizerWith;

 private:
  void update(std::size_t group, DType dtype, std::span<const Update> updates) override;
  bool uses_state(std::size_t group, std::size_t index) const override;
};

}  // namespace gradus::optim
