#pragma once
#include "gradus/nn/module.hpp"

namespace gradus::nn {

/// In training mode, each element is 0 with probability p and x / (1 - p) otherwise (Srivastava et al. 2014); in eval
/// mode, x. Draws from the stream for dropout. Throws unless 0 <= p <= 1.
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;
  double p() const { return p_; }

 private:
  double p_;
};

/// Dropout for self-normalising networks: dropped elements take SELU's negative limit, and an affine correction keeps
/// mean 0 and variance 1 (Klambauer et al. 2017, "Self-normalizing neural networks"). Throws unless 0 <= p <= 1.
class AlphaDropout : public Module {
 public:
  explicit AlphaDropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;
  double p() const { return p_; }

 private:
  double p_;
};

/// Stochastic depth: in training mode, each sample of x (N, ...) is 0 with probability p and x / (1 - p) otherwise; in
/// eval mode, x. At the end of the branch of a residual block it leaves out the branch, sample by sample:
///
///   y = x + drop_path(branch(x))
///
/// Draws one number for each sample from the stream for dropout. Huang, Sun, Liu, Sedra, Weinberger, "Deep networks
/// with stochastic depth", 2016, which scales by 1 - p in eval mode instead. Throws unless 0 <= p <= 1.
class DropPath : public Module {
 public:
  explicit DropPath(double p = 0.5);
  Tensor forward(const Tensor& x) override;
  double p() const { return p_; }

 private:
  double p_;
};

}  // namespace gradus::nn
