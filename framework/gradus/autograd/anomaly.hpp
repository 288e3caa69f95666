#pragma once
// Where the first NaN came from.
#include "gradus/autograd/observer.hpp"
#include "gradus/core/error.hpp"

namespace gradus::autograd {

/// What DetectAnomaly throws.
class AnomalyError : public Error {
 public:
  using Error::Error;
};

struct DetectAnomalyOptions {
  bool infinite = true;  ///< infinities are anomalies too, not NaN alone
};

/// While one lives, the values of all operations on this thread, recorded or not, and all gradients of a backward pass
/// are looked through, and the first that is not finite is answered with an AnomalyError: operation, shape, forward or
/// backward, and which of its inputs were not finite before.
///
///   const autograd::DetectAnomaly guard;
///   loss_of(model(x)).backward();   // "detect_anomaly: forward of log (shape (64)) gave NaN in 1 of 64 elements, ..."
///
/// An infinity is meant, and passes, where masked_fill writes it or an input of the operation holds one; a NaN never
/// passes. Reads every value once more, and costs nothing while none lives.
class DetectAnomaly final : public Observer {
 public:
  using Options = DetectAnomalyOptions;
  explicit DetectAnomaly(const Options& options = {}) : options_(options) {}

  void ran(const char* operation, const Tensor& value, const Inputs& inputs, bool in_rule) override;
  void arrives(const Node& node, const Tensor& gradient) override;
  void applied(const Node& node, const Grads& gradients) override;

 private:
  Options options_;
};

}  // namespace gradus::autograd
