#include "wide.hpp"

#include <cmath>
#include <string>
#include <utility>

#include <gradus/autograd/mode.hpp>
#include <gradus/nn/functional.hpp>
#include <gradus/nn/per_sample.hpp>
#include <gradus/ops/activation.hpp>
#include <gradus/ops/ops.hpp>
#include <gradus/tensor/factories.hpp>

namespace lab {

using namespace gradus;

WideNet::WideNet(Index inputs, Index width, int depth, activations::Function activation)
    : activation_(std::move(activation)), scale_(1 / std::sqrt(double(width))) {
  const auto draw = [&](Index rows, Index columns) {
    weight.push_back(randn({rows, columns}, {.dtype = float64}).requires_grad_());
  };
  draw(width, inputs);
  for (int layer = 1; layer < depth; ++layer) draw(width, width);
  draw(1, width);
}

void WideNet::visit(nn::Visitor& v) {
  for (std::size_t i = 0; i < weight.size(); ++i) v("weight" + std::to_string(i), weight[i]);
}

Tensor WideNet::features(const Tensor& x) {
  Tensor hidden = activate(activation_, nn::functional::linear(x, weight[0]));
  for (std::size_t layer = 1; layer + 1 < weight.size(); ++layer)
    hidden = activate(activation_, nn::functional::linear(hidden, weight[layer]) * scale_);
  return hidden;
}

Tensor WideNet::forward(const Tensor& x) { return nn::functional::linear(features(x), weight.back()).squeeze(1) * scale_; }

EmpiricalKernels empirical_kernels(WideNet& net, const Tensor& x) {
  const auto gram = [](const Tensor& rows) { return matmul(rows, rows, {.transpose_b = true}); };
  // The "loss" of a sample is the network's output itself.
  const auto output = [](const Tensor& y, const Tensor&) { return y.sum(); };
  const NamedTensors gradients = autograd::per_sample_gradients(net, output, x, x, {.reduction = nn::Reduction::sum});
  const NoGrad no_grad;
  const Tensor features = net.features(x);
  EmpiricalKernels kernels{gram(features) / double(features.size(1)), zeros({x.size(0), x.size(0)}, {.dtype = float64})};
  for (const auto& [name, gradient] : gradients) kernels.ntk += gram(gradient.flatten(1));
  return kernels;
}

PowerLaw power_law(const std::vector<double>& x, const std::vector<double>& y, double relative_error) {
  const double count = double(x.size());
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mean_x += std::log(x[i]) / count, mean_y += std::log(y[i]) / count;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = std::log(x[i]) - mean_x;
    xx += dx * dx;
    xy += dx * (std::log(y[i]) - mean_y);
  }
  return {xy / xx, relative_error / std::sqrt(xx)};
}

}  // namespace lab
