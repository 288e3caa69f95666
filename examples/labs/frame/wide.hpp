#pragma once
// What the labs on infinitely wide networks share: a network of any width in the parametrisation of the NTK, the two kernels that it
// has, and how fast something falls with the width.
#include <string>
#include <vector>

#include <gradus/activations/function.hpp>
#include <gradus/nn/module.hpp>
#include <gradus/theory/matrix.hpp>

namespace lab {

class Claim;
class Run;

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

// Angles of so many points of the circle, equal steps apart, the first at 0.
std::vector<double> equispaced(gradus::Index count);
// Points of the unit circle: (N, 2).
gradus::Tensor circle(const std::vector<double>& angles);
// The same with a third coordinate, which is what a bias is, and norm 1 again, x.x' = (1 + cos) / 2: (N, 3). Without it a kernel of
// the cosine has no odd harmonics above the first, for a line plus an even function such as ReLU and GELU.
gradus::Tensor circle_with_bias(const std::vector<double>& angles);
// e^cos sin: smooth, with all harmonics.
double smooth_on_circle(double angle);

// The NTK of one hidden layer between points of circle_with_bias.
gradus::theory::Matrix ntk_matrix(const std::string& activation, const std::vector<double>& rows, const std::vector<double>& columns);

// E f^(order)(u) f^(order)(v) for u, v of variance 1 and covariance c, |c| < 1, by two integrals, one inside the other: given u,
// v ~ N(c u, 1 - c^2).
double nested_pair(const gradus::activations::Function& f, double c, int order);

// The kernels of so many new networks between (1, 0) and the points of the unit circle with these cosines to it.
struct KernelSamples {
  std::vector<double> nngp, ntk;  // one number for each network
};
std::vector<KernelSamples> draw_kernels(const Run& run, const gradus::activations::Function& activation, gradus::Index width, int depth,
                                        gradus::Index networks, const std::vector<double>& cosines);

// The slope of log y against log x by least squares, when every y is known up to `relative_error` of itself.
struct PowerLaw {
  double exponent;
  double standard_error;
};
PowerLaw power_law(const std::vector<double>& x, const std::vector<double>& y, double relative_error);

// Puts to the test that the kernels of networks with one and three hidden layers deviate from their limit like width^(-1/2). Draws the
// figure "convergence".
void kernel_convergence(Run& run, Claim& claim, const std::vector<std::string>& activations);

// Puts to the test that networks trained by gradient descent come to kernel regression with the NTK like width^(-1/2), on six points of
// a smooth function. Draws the figure "training".
void training_and_regression(Run& run, Claim& claim, const std::vector<std::string>& activations);

}  // namespace lab
