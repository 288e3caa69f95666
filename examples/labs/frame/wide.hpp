#pragma once
// What the labs on infinitely wide networks share: a network of any width in the parametrisation of the NTK, the two kernels that it
// has, and how fast something falls with the width.
#include <vector>

#include <gradus/activations/function.hpp>
#include <gradus/nn/module.hpp>

namespace lab {

// z_1 = W_0 x, z_(l+1) = W_l f(z_l) / sqrt(width), and w f(z_depth) / sqrt(width) at the end; no biases, all weights normal with
// variance 1, in float64 (Jacot et al. 2018). x: (N, inputs) -> (N).
class WideNet : public gradus::nn::Module {
 public:
  WideNet(gradus::Index inputs, gradus::Index width, int depth, gradus::activations::Function activation);
  // f(z_depth): (N, inputs) -> (N, width).
  gradus::Tensor features(const gradus::Tensor& x);
  gradus::Tensor forward(const gradus::Tensor& x) override;
  void visit(gradus::nn::Visitor& v) override;  // weight0, weight1, ...

  std::vector<gradus::Tensor> weight;

 private:
  gradus::activations::Function activation_;
  double scale_;
};

// The kernels of one network at its present weights, between all rows of x: (N, N) each.
struct EmpiricalKernels {
  gradus::Tensor nngp;  // inner products of the features, over the width
  gradus::Tensor ntk;   // inner products of the gradients by all weights
};
EmpiricalKernels empirical_kernels(WideNet& net, const gradus::Tensor& x);

// The slope of log y against log x by least squares, when every y is known up to `relative_error` of itself.
struct PowerLaw {
  double exponent;
  double standard_error;
};
PowerLaw power_law(const std::vector<double>& x, const std::vector<double>& y, double relative_error);

}  // namespace lab
