#pragma once
#include <string>
#include <vector>

#include "gradus/nn/flow.hpp"

namespace gradus::models {

struct EluCouplingOptions {
  std::vector<Index> hidden = {64, 64};  ///< widths of the conditioner's hidden layers
  std::string activation = "relu";       ///< of the conditioner: any name that nn::activation knows
  double bound = 2;                      ///< |log scale| stays below this
  double alpha = 1;                      ///< of the ELU
};

/// An affine coupling between ELU and its inverse. ELU maps the line onto (-alpha, inf) only, so that a flow must not
/// end behind it; but the maps u -> (u + alpha) exp(r) - alpha take that half line onto itself, and between ELU and its
/// inverse they make a bijection of the whole line. With x = (a, b), the a being the first D / 2 features, and
/// r = bound tanh(conditioner(a) / bound):
///   y = (a, ELU^-1((ELU(b) + alpha) exp(r) - alpha)).
/// Far below 0 this shifts b by r; far above, it scales b by exp(r). With L(b) = log((ELU(b) + alpha) / alpha), which is
/// b below 0 and log(1 + b / alpha) above, it is y = L^-1(L(b) + r), which is how it is computed: no exponential is
/// ever close to -alpha. log |det| = sum of log L'(b) - log L'(y). The identity at the start.
/// State: "conditioner.1.weight", ...: that of mlp(D / 2, D - D / 2). x: (N, D), D at least 2.
class EluCoupling : public nn::Flow {
 public:
  using Options = EluCouplingOptions;
  nn::AnyModule conditioner;

  explicit EluCoupling(Index features, const Options& options = {});
  nn::FlowForward forward_and_log_det(const Tensor& x) override;
  nn::FlowInverse inverse(const Tensor& y) override;
  Index features() const override { return features_; }
  void visit(nn::Visitor& v) override { v("conditioner", conditioner); }

 private:
  nn::FlowForward move(const char* operation, const Tensor& x, double sign);

  Index features_;
  double bound_, alpha_;
};

struct EluFlowOptions {
  Index blocks = 6;                      ///< how many
  std::vector<Index> hidden = {64, 64};  ///< widths of each conditioner's hidden layers
  std::string activation = "relu";       ///< of the conditioners: any name that nn::activation knows
  double bound = 2;                      ///< |log scale| of a coupling stays below this
  double alpha = 1;                      ///< of the ELU
  Generator* generator = nullptr;        ///< permutations are drawn from here; default: they reverse the order
};

/// AffineCoupling - EluCoupling - (Permutation - AffineCoupling - EluCoupling)*: real_nvp with an ELU bent by its
/// neighbours in every coupling. The identity up to the permutations at the start. x: (N, features), at least 2, ->
/// (N, features).
nn::FlowSequence elu_flow(Index features, const EluFlowOptions& options = {});

}  // namespace gradus::models
