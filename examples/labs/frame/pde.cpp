#include "pde.hpp"

#include <algorithm>

#include <gradus/autograd/backward.hpp>
#include <gradus/autograd/mode.hpp>
#include <gradus/ops/ops.hpp>
#include <gradus/optim.hpp>

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

double relative_error(const Tensor& found, const Tensor& exact) {
  const NoGrad no_grad;
  return norm(found - exact).item() / norm(exact).item();
}

}  // namespace lab
