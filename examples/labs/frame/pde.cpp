#include "pde.hpp"

#include <numbers>

#include <gradus/autograd/backward.hpp>
#include <gradus/autograd/mode.hpp>
#include <gradus/models/pinn_mlp.hpp>
#include <gradus/ops/ops.hpp>
#include <gradus/optim.hpp>
#include <gradus/tensor/factories.hpp>
#include <gradus/theory/pde.hpp>

#include "lab.hpp"

namespace lab {

using namespace gradus;

Tensor column(const Tensor& x, Index i) { return x.slice(1, i, i + 1); }

Tensor derivative(const Tensor& u, const Tensor& x) { return grad(u.sum(), x, {.create_graph = true}); }

void minimise(const Run& run, nn::Module& net, const std::function<Tensor()>& loss, const Training& training,
              const std::function<void(Index)>& watch) {
  if (training.adam > 0) {
    optim::Adam optimizer{net.parameters(), {.lr = training.lr}};
    optim::CosineAnnealingLR schedule{optimizer, {.T_max = training.adam}};
    for (Index step = 0; step < training.adam; ++step) {
      run.check_interrupt();
      if (watch) watch(step);
      optimizer.zero_grad();
      loss().backward();
      optimizer.step();
      schedule.step();
    }
  }
  optim::LBFGS optimizer{net.parameters(), {.max_iter = 20, .tolerance_grad = 0, .tolerance_change = 0, .history_size = 50}};
  while (optimizer.iterations() < training.lbfgs) {
    run.check_interrupt();
    const std::int64_t before = optimizer.iterations();
    if (watch) watch(training.adam + before);
    optimizer.step([&] {
      optimizer.zero_grad();
      const Tensor value = loss();
      value.backward();
      return value;
    });
    if (optimizer.iterations() == before) break;  // no step lowers the loss any more
  }
}

Tensor grid_line(double low, double high, Index count) { return linspace(low, high, count, {.dtype = float64}).reshape({count, 1}); }


Tensor pairs(const Tensor& a, const Tensor& b) {
  const Index n = a.size(0), m = b.size(0);
  return cat({a.expand({n, m}).reshape({n * m, 1}), b.reshape({1, m}).expand({n, m}).reshape({n * m, 1})}, 1);
}

Reference exact_burgers(double nu) {
  const Tensor points = pairs(grid_line(-1, 1, 101), grid_line(0.02, 1, 50));
  std::vector<double> values;
  for (Index i = 0; i < points.size(0); ++i) values.push_back(theory::burgers_sine(points.data<double>()[2 * i], points.data<double>()[2 * i + 1], nu).u);
  return {points, from_vector(values, {points.size(0), 1}), "Cole and Hopf's solution"};
}

BurgersNet::BurgersNet(const std::vector<Index>& hidden, const std::string& activation)
    : net(models::pinn_mlp(2, 1, {.hidden = hidden, .activation = activation})) {
  net.to(float64);
}

Tensor BurgersNet::operator()(const Tensor& points) {
  const Tensor x = column(points, 0), t = column(points, 1);
  return t * (1 - x * x) * net(cat({x, 2 * t - 1}, 1)) - sin(std::numbers::pi * x);
}

void learn_burgers(const Run& run, BurgersNet& u, double nu, Index points, const Training& training,
                   const std::function<void(Index)>& watch) {
  const TensorOptions in_double{.dtype = float64};
  const Index half = points / 2;
  const Tensor x = cat({uniform({half, 1}, -1, 1, in_double), clamp(0.1 * randn({half, 1}, in_double), -1, 1)}, 0);
  const Tensor at = cat({x, rand({2 * half, 1}, in_double)}, 1).requires_grad_();
  const auto loss = [&] {
    const Tensor value = u(at), slope = derivative(value, at), along = column(slope, 0);
    return square(column(slope, 1) + value * along - nu * column(derivative(along, at), 0)).mean();
  };
  minimise(run, u.net, loss, training, watch);
}

double relative_error(const Tensor& found, const Tensor& exact) {
  const NoGrad no_grad;
  return norm(found - exact).item() / norm(exact).item();
}

}  // namespace lab
