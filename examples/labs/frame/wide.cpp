#include "wide.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/autograd/mode.hpp>
#include <gradus/nn/functional.hpp>
#include <gradus/nn/per_sample.hpp>
#include <gradus/ops/activation.hpp>
#include <gradus/ops/ops.hpp>
#include <gradus/optim/sgd.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/tensor/factories.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/kernels.hpp>
#include <gradus/theory/quadrature.hpp>

#include "lab.hpp"

namespace lab {

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;

namespace {

Tensor row_major(const std::vector<double>& values, Index columns) { return from_vector(values, {Index(values.size()) / columns, columns}); }

// E f(mean + deviation z) over z ~ N(0, 1).
double expectation(const std::function<double(double)>& f, double mean, double deviation, const std::vector<double>& kinks) {
  std::vector<double> cuts{-10, 10};
  for (const double kink : kinks)
    if (const double z = (kink - mean) / deviation; std::fabs(z) < 10) cuts.insert(cuts.end() - 1, z);
  return theory::integrate([&](double z) { return f(mean + deviation * z) * theory::normal_pdf(z); }, cuts, {.rtol = 1e-13});
}

std::vector<double> values_of(double (*f)(double), const std::vector<double>& angles) {
  std::vector<double> values;
  for (const double a : angles) values.push_back(f(a));
  return values;
}

// Gradient descent on half the sum of squares, from an output that is 0: what the start gives is taken off.
struct Trained {
  Tensor train, test;
};
Trained train_wide(WideNet& net, const Tensor& x, const Tensor& y, const Tensor& test, double rate, Index steps, double momentum) {
  const Tensor start = net(x).detach(), start_test = net(test).detach();
  optim::SGD optimizer{net.parameters(), {.lr = rate, .momentum = momentum}};
  for (Index step = 0; step < steps; ++step) {
    optimizer.zero_grad();
    (0.5 * square(net(x) - start - y).sum()).backward();
    optimizer.step();
  }
  const NoGrad no_grad;
  return {net(x) - start, net(test) - start_test};
}

double root_mean_square(const Tensor& x) { return std::sqrt(square(x).mean().item()); }

}  // namespace

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

std::vector<double> equispaced(Index count) {
  std::vector<double> angles;
  for (Index i = 0; i < count; ++i) angles.push_back(2 * std::numbers::pi * double(i) / double(count));
  return angles;
}

Tensor circle(const std::vector<double>& angles) {
  std::vector<double> x;
  for (const double t : angles) x.insert(x.end(), {std::cos(t), std::sin(t)});
  return row_major(x, 2);
}

Tensor circle_with_bias(const std::vector<double>& angles) {
  std::vector<double> x;
  for (const double t : angles) x.insert(x.end(), {std::cos(t) / std::sqrt(2.0), std::sin(t) / std::sqrt(2.0), std::sqrt(0.5)});
  return row_major(x, 3);
}

double smooth_on_circle(double angle) { return std::exp(std::cos(angle)) * std::sin(angle); }

theory::Matrix ntk_matrix(const std::string& activation, const std::vector<double>& rows, const std::vector<double>& columns) {
  theory::Matrix k{Index(rows.size()), Index(columns.size()), {}};
  for (const double a : rows)
    for (const double b : columns) k.data.push_back(theory::neural_kernels(activation, {1, 1, (1 + std::cos(a - b)) / 2}).ntk);
  return k;
}

double nested_pair(const activations::Function& f, double c, int order) {
  const auto inner = [&](double u) { return expectation([&](double v) { return f(order, v); }, c * u, std::sqrt(1 - c * c), f.traits().kinks); };
  return expectation([&](double u) { return f(order, u) * inner(u); }, 0, 1, f.traits().kinks);
}

std::vector<KernelSamples> draw_kernels(const Run& run, const activations::Function& activation, Index width, int depth, Index networks,
                                        const std::vector<double>& cosines) {
  std::vector<double> angles{0};
  for (const double c : cosines) angles.push_back(std::acos(c));
  const Tensor x = circle(angles);
  std::vector<KernelSamples> drawn(cosines.size());
  for (Index n = 0; n < networks; ++n) {
    run.check_interrupt();
    WideNet net(2, width, depth, activation);
    const EmpiricalKernels k = empirical_kernels(net, x);
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      drawn[i].nngp.push_back(k.nngp.data<double>()[i + 1]);
      drawn[i].ntk.push_back(k.ntk.data<double>()[i + 1]);
    }
  }
  return drawn;
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

void kernel_convergence(Run& run, Claim& claim, const std::vector<std::string>& names) {
  run.section("How fast the kernels of networks converge");
  const Index networks = run.pick<Index>(200, 30);
  Figure figure("Deviation of the kernels from their limit, x.x' = 0.5");
  Table table({"activation", "hidden layers", "width", Column("std of NNGP").significant(3), Column("std of NTK").significant(3),
               Column("mean NTK").significant(5), Column("infinite width").significant(5)});
  for (const int depth : {1, 3}) {
    auto& panel = figure.panel(depth == 1 ? "one hidden layer" : "three hidden layers").x_label("width").y_label("standard deviation of the NTK").log_x().log_y();
    const std::vector<double> widths = depth == 1 ? std::vector<double>{64, 256, 1024, 4096} : run.pick<std::vector<double>>({32, 64, 128, 256, 512}, {32, 64, 128});
    for (const std::string& name : names) {
      std::vector<double> nngp, ntk;
      for (const double width : widths) {
        const KernelSamples drawn = draw_kernels(run, activations::activation(name), Index(width), depth, networks, {0.5})[0];
        nngp.push_back(report::sample_std(drawn.nngp));
        ntk.push_back(report::sample_std(drawn.ntk));
        const double limit = theory::neural_kernels(name, {1, 1, 0.5}, {.depth = depth}).ntk;
        table.row({name, depth, Index(width), nngp.back(), ntk.back(), report::Measured{report::mean(drawn.ntk), report::standard_error(drawn.ntk)}, limit});
      }
      // A standard deviation of n nearly normal numbers is known up to 1 / sqrt(2 (n - 1)) of itself.
      const double known = 1 / std::sqrt(2.0 * double(networks - 1));
      const PowerLaw a = power_law(widths, nngp, known), b = power_law(widths, ntk, known);
      // With several layers the next term of the expansion, one over the width, shows at the small end.
      const Claim::Measurement allowed{.systematic = depth == 1 ? 0.01 : 0.1};
      claim.measured(fmt::format("{}, {} hidden: the NNGP's deviation falls like the width to the power", name, depth), -0.5, a.exponent, a.standard_error, allowed);
      claim.measured(fmt::format("{}, {} hidden: the NTK's deviation falls like the width to the power", name, depth), -0.5, b.exponent, b.standard_error, allowed);
      panel.line(name, widths, ntk);
    }
  }
  run.table(table);
  run.figure("convergence", std::move(figure), "Straight lines of slope -1/2: the law of large numbers over the units.");
}

void training_and_regression(Run& run, Claim& claim, const std::vector<std::string>& names) {
  run.section("Wide networks, trained, beside kernel regression");
  const std::vector<double> train{0.2, 1.1, 2.3, 3.0, 4.2, 5.5}, test = equispaced(24);
  const std::vector<double> values = values_of(smooth_on_circle, train);
  const Tensor x = circle_with_bias(train), x_test = circle_with_bias(test), y = from_vector(values);
  const Index seeds = run.pick<Index>(10, 3), steps = run.pick<Index>(4000, 1500);
  const std::vector<double> widths = run.pick<std::vector<double>>({256, 1024, 4096}, {128, 512, 2048});
  Figure figure("Wide networks and kernel regression");
  for (const std::string& name : names) {
    const theory::Matrix k = ntk_matrix(name, train, train);
    const theory::Matrix kernel = theory::kernel_regression(k, ntk_matrix(name, test, train), {k.rows, 1, values});
    const Tensor prediction = from_vector(kernel.data);
    const double rate = 1 / theory::spectral_norm(k);
    std::vector<double> distance, last;
    double left = 0;
    for (const double width : widths) {
      std::vector<double> distances;
      for (Index s = 0; s < seeds; ++s) {
        run.check_interrupt();
        WideNet net(3, Index(width), 1, activations::activation(name));
        const Trained trained = train_wide(net, x, y, x_test, rate, steps, 0.95);
        distances.push_back(root_mean_square(trained.test - prediction));
        left = std::max(left, root_mean_square(trained.train - y));
        last = to_vector<double>(trained.test);
      }
      distance.push_back(root_mean_square(from_vector(distances)));
      claim.report(fmt::format("{}, width {:g}: distance of the trained network from kernel regression", name, width), distance.back());
    }
    claim.at_most(fmt::format("{}: what training leaves of the residual, at most", name), 0.01, left);
    // The distances of several seeds at 24 points: about as sure as so many independent numbers as there are harmonics in play.
    const PowerLaw fall = power_law(widths, distance, 1 / std::sqrt(2.0 * double(seeds)));
    claim.measured(fmt::format("{}: the distance falls like the width to the power", name), -0.5, fall.exponent, fall.standard_error, {.systematic = 0.1});
    figure.panel(name).x_label("angle").line("target", test, values_of(smooth_on_circle, test), {.like = "identity"}).line("kernel regression", test, kernel.data)
        .points(fmt::format("network of width {:g}", widths.back()), test, last);
  }
  run.figure("training", std::move(figure), "Six training points; the network (one seed) where kernel regression with the NTK says.");
}

}  // namespace lab
