#pragma once
// Initialisation of weights, in place. `generator` defaults to the stream for initialisation, which nothing else draws from.
//
// fan_in and fan_out of a weight (out, in, k1, k2, ...): in k1 k2 ... and out k1 k2 ..., the numbers of terms in a forward and in a
// backward sum. Each function throws for a tensor of fewer than two axes.
#include <string_view>

#include "gradus/activations/function.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus::nn::init {

struct Fans {
  Index in, out;
};
Fans fans(const Tensor& weight);

/// The factor by which PyTorch scales the standard deviation for an activation: sqrt(2) for relu, 5/3 for tanh, 3/4 for selu,
/// sqrt(2 / (1 + slope^2)) for leaky_relu, 1 otherwise. For what keeps the variance exactly see variance_preserving_.
double calculate_gain(std::string_view nonlinearity, double slope = 0.01);

enum class Fan { in, out };

struct KaimingOptions {
  double a = 0;  ///< the negative slope, for leaky_relu
  Fan mode = Fan::in;
  std::string_view nonlinearity = "leaky_relu";
  Generator* generator = nullptr;
};

void constant_(Tensor& tensor, double value);
void zeros_(Tensor& tensor);
void ones_(Tensor& tensor);
void uniform_(Tensor& tensor, double low = 0, double high = 1, Generator* generator = nullptr);
void normal_(Tensor& tensor, double mean = 0, double deviation = 1, Generator* generator = nullptr);
/// Normal within [low, high], drawn again outside of it.
void trunc_normal_(Tensor& tensor, double mean = 0, double deviation = 1, double low = -2, double high = 2,
                   Generator* generator = nullptr);
/// Variance gain^2 2 / (fan_in + fan_out) (Glorot and Bengio 2010).
void xavier_uniform_(Tensor& weight, double gain = 1, Generator* generator = nullptr);
void xavier_normal_(Tensor& weight, double gain = 1, Generator* generator = nullptr);
/// Variance gain^2 / fan (He et al. 2015).
void kaiming_uniform_(Tensor& weight, const KaimingOptions& options = {});
void kaiming_normal_(Tensor& weight, const KaimingOptions& options = {});
/// Variance 1 / fan_in (LeCun et al. 1998); what self-normalising networks need.
void lecun_uniform_(Tensor& weight, Generator* generator = nullptr);
void lecun_normal_(Tensor& weight, Generator* generator = nullptr);
/// Rows (or columns, if there are more rows) orthonormal, times gain: uniformly distributed over such matrices (Saxe et al. 2014).
void orthogonal_(Tensor& weight, double gain = 1, Generator* generator = nullptr);
/// The identity, padded with zeros.
void eye_(Tensor& weight);

struct PreservingOptions {
  double variance = 1;  ///< of the pre-activations that are to be kept
  Generator* generator = nullptr;
};
/// Normal with the variance that, after `activation`, gives pre-activations of the same variance again:
/// var(w) = q / (fan_in E[f(sqrt(q) z)^2]), computed by theory::preserving_weight_variance.
void variance_preserving_(Tensor& weight, const activations::Function& activation, const PreservingOptions& options = {});
void variance_preserving_(Tensor& weight, std::string_view activation, const PreservingOptions& options = {});

}  // namespace gradus::nn::init
