#pragma once
// A running average of the weights, which often generalises better than the weights of the last step.
#include <cstdint>

#include "gradus/optim/optimizer.hpp"

namespace gradus::optim {

struct EMAOptions {
  double decay = 0.999;  ///< how much of the average is kept in an update, in [0, 1]
  bool warm_up = false;  ///< keep (1 + n) / (10 + n) in update n = 1, 2, ... while that is less than decay
};

/// average = decay average + (1 - decay) weight, starting as a copy of the weights: about the mean of the last
/// 1 / (1 - decay) steps. Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992), with
/// exponential weights.
///
///   optim::EMA ema{net.parameters()};
///   for (...) { ...; optimizer.step(); ema.update(); }
///   ema.apply();    // net computes with the averages
///   evaluate(net);
///   ema.restore();  // and goes on training where it was
///
/// Made from net.state_dict(), it averages the running statistics of batch norm as well; tensors that are not floating
/// are copied. Averages are kept in the type of their weights.
class EMA {
 public:
  explicit EMA(std::vector<Tensor> weights, const EMAOptions& options = {});
  explicit EMA(const NamedTensors& weights, const EMAOptions& options = {});
  EMA(const EMA&) = delete;
  EMA& operator=(const EMA&) = delete;

  /// To be called after the optimiser's step. Throws between apply() and restore().
  void update();
  std::int64_t updates() const { return updates_; }

  /// Puts the averages into the weights, and the weights aside.
  void apply();
  /// Brings back the weights that apply() put aside.
  void restore();
  bool applied() const { return !aside_.empty(); }

  /// Writes the averages into `weights`, given in the same order with the same shapes and types: those of a clone.
  void copy_to(const std::vector<Tensor>& weights) const;
  /// Copies, under the names of the weights: what a model's load_state_dict takes.
  NamedTensors averages() const;

  /// "fc1.weight.average" for each weight, "EMA.updates", "EMA.decay", "EMA.warm_up". Copies.
  NamedTensors state_dict() const;
  /// Continues where state_dict() was taken. Throws, with all that is wrong and nothing changed, unless all fit.
  void load_state_dict(const NamedTensors& state);

 private:
  void start(const Parameters& weights);
  void check_unchanged(const char* operation) const;

  EMAOptions options_;
  std::vector<Tensor> weights_, averages_, aside_;
  std::vector<std::string> names_;
  std::int64_t updates_ = 0;
};

}  // namespace gradus::optim
