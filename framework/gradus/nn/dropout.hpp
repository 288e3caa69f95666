#pragma once
#include "gradus/nn/module.hpp"

namespace gradus::nn {

/// In training mode, each element is 0 with probability p and x / (1 - p) otherwise (Srivastava et al. 2014); in eval mode, x. Draws
/// from the stream for dropout. Throws unless 0 <= p <= 1.
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;
  double p() const { return p_; }

 private:
  double p_;
};

/// Dropout for self-normalising networks: dropped elements take SELU's negative limit, and an affine correction keeps mean 0 and
/// variance 1 (Klambauer et al. 2017, "Self-normalizing neural networks"). Throws unless 0 <= p <= 1.
class AlphaDropout : public Module {
 public:
  explicit AlphaDropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;
  double p() const { return p_; }

 private:
  double p_;
};

}  // namespace gradus::nn
