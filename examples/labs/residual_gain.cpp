// How much does a residual block y = x + W2 GELU(W1 x) amplify gradients?
//
// Jacobians of real blocks by autodiff, their singular values, and stacks of 50 blocks, beside the mean-field formula and its exact form
// for finite width. The derivations are in docs/labs/residual_gain.md. Takes seconds. What you should see: the formula holds on average, a
// correction of 1/n that narrow blocks show, and a geometric mean of the singular values that is 1 all the same.
#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/matrix.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/moments.hpp>
#include <gradus/theory/residual.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

struct Block {
  activations::Function f;
  Tensor w1, w2;  // (h, n), (n, h)
  Tensor operator()(const Tensor& x) const { return x + matmul(w2, activate(f, matmul(w1, x))); }
};

// Weights of variance first / n and second / h.
Block random_block(const activations::Function& f, Index n, Index h, double first, double second) {
  const TensorOptions wide{.dtype = float64};
  return {f, randn({h, n}, wide) * std::sqrt(first / double(n)), randn({n, h}, wide) * std::sqrt(second / double(h))};
}

Tensor scaled(const Tensor& x) { return x * (std::sqrt(double(x.numel())) / norm(x).item()); }
// A direction with |x|^2 = n, so that the pre-activations have variance q = first.
Tensor random_input(Index n) { return scaled(randn({n}, {.dtype = float64})); }
double squared_norm(const Tensor& x) { return sum(square(x)).item(); }

// The mean squared singular value of the Jacobian by autodiff, for so many random blocks.
std::vector<double> block_gains(lab::Run& run, const activations::Function& f, Index n, Index h, Index draws, double first = 1,
                                double second = 1) {
  std::vector<double> gains;
  for (Index d = 0; d < draws; ++d) {
    run.check_interrupt();
    gains.push_back(squared_norm(autograd::jacobian(random_block(f, n, h, first, second), random_input(n))) / double(n));
  }
  return gains;
}

std::vector<double> singular_values(const Tensor& jacobian) {
  return theory::singular_values({jacobian.size(0), jacobian.size(1), to_vector<double>(jacobian)});
}

void one_block(lab::Run& run, lab::Claim& g3) {
  const activations::Function gelu = activations::activation("gelu");
  const theory::Moments m = theory::gaussian_moments(gelu);
  const double m2z = theory::gaussian_expectation([&](double z) { return std::pow(gelu(1, z) * z, 2); });
  g3.equal("m2 = E GELU'^2: 1/3 + 2/(3 sqrt 3 pi), and the integral", 1.0 / 3 + 2 / (3 * std::sqrt(3.0) * std::numbers::pi), m.slope_second,
           {.relative = 1e-12});
  g3.report("E GELU'^2 z^2, of the correction for finite width", m2z);
  const Index draws = run.pick<Index>(40000, 3000);
  for (const Index n : {Index(2), Index(4), Index(16), Index(64)}) {
    const double wide = theory::residual_gain(gelu), exact = theory::residual_gain(gelu, {.width = n});
    const std::vector<double> gains = block_gains(run, gelu, n, 2 * n, n > 10 ? draws / 200 : draws);
    g3.measured(fmt::format("n = {}: mean squared singular value, 1 + m2 + (m2z - m2)/n", n), exact, gains, {.sigmas = 5},
                fmt::format("{:.4f} for infinite width", wide));
  }
  // The width of the hidden layer does not matter, only that weights are scaled by their fan-in.
  g3.measured("n = 16, h = 3: the same", theory::residual_gain(gelu, {.width = 16}), block_gains(run, gelu, 16, 3, draws / 20),
              {.sigmas = 5});
  g3.measured("n = h = 16, entries of variance 1, not 1/n and 1/h",
              theory::residual_gain(gelu, {.first = 16, .second = 16, .variance = 16, .width = 16}),
              block_gains(run, gelu, 16, 16, draws / 20, 16, 16), {.sigmas = 5});
}

void every_activation(lab::Run& run, lab::Claim& g3) {
  run.section("Every activation");
  Table table({"activation", Column("m2 = E f'^2, q = 1").significant(8), Column("gain, n = 16").significant(5),
               Column("measured").significant(5)});
  double smallest = 1e9;
  for (const std::string& name : activations::names()) {
    const activations::Function f = activations::activation(name);
    const double m2 = theory::gaussian_moments(f).slope_second, gain = theory::residual_gain(f, {.width = 16});
    const std::vector<double> gains = block_gains(run, f, 16, 16, run.pick<Index>(1000, 150));
    g3.measured(name + ", n = 16", gain, gains, {.sigmas = 5});
    table.row({name, m2, gain, report::mean(gains)});
    smallest = std::min(smallest, m2);
  }
  run.table(table);
  g3.at_least("the smallest m2 of all activations: more than 0, as E f'^2 is for every f that is not constant", 0.04, smallest);
}

// The geometric mean: log |det J|^2 / n.
void volumes(lab::Run& run, lab::Claim& g3) {
  const Index n = run.pick<Index>(64, 48), draws = run.pick<Index>(100, 20);
  Figure figure("Singular values of Jacobians, falling");
  for (const char* name : {"gelu", "relu"}) {
    const activations::Function f = activations::activation(name);
    std::vector<double> logs, largest;
    std::vector<double> values;
    for (Index d = 0; d < draws; ++d) {
      values = singular_values(autograd::jacobian(random_block(f, n, n, 1, 1), random_input(n)));
      double sum = 0;
      for (const double s : values) sum += 2 * std::log(s) / double(n);
      logs.push_back(sum);
      largest.push_back(values.front());
    }
    g3.measured(fmt::format("{}: mean of log s^2 over the singular values, n = {}", name, n), std::log(theory::residual_geometric_gain(f)),
                logs, {.sigmas = 5, .systematic = 2.0 / double(n)},
                "log of the mean of s^2 would be " + fmt::format("{:.3f}", std::log(theory::residual_gain(f))));
    g3.report(fmt::format("{}: the largest singular value, n = {}", name, n), report::mean(largest), report::standard_error(largest));
    std::vector<double> place;
    for (std::size_t i = 0; i < values.size(); ++i) place.push_back(double(i + 1) / double(values.size()));
    figure.panel(fmt::format("one block, {}", name)).x_label("place / n").y_range(0, 3).line(name, place, values).horizontal(1);
  }
  run.figure("spectrum", std::move(figure), "Variances 1: the mean of the squares is 1.46 or 1.50, the geometric mean 1.");
}

// |J^T v|^2 / |v|^2 after 1, 2, ... blocks whose input is scaled to q = 1 each time; v is random, so its mean is that of the squared
// singular values.
std::vector<double> held_gains(const activations::Function& f, Index n, int blocks, double second) {
  std::vector<double> gains;
  Tensor v = random_input(n);
  for (int b = 0; b < blocks; ++b) {
    v = autograd::vjp(random_block(f, n, n, 1, second), random_input(n), v).product;
    gains.push_back(squared_norm(v) / double(n));
  }
  return gains;
}

// The same for a whole stack whose stream grows as it will.
double stack_gain(const activations::Function& f, Index n, int blocks, double second) {
  std::vector<Block> stack;
  for (int b = 0; b < blocks; ++b) stack.push_back(random_block(f, n, n, 1, second));
  const auto forward = [&](Tensor x) {
    for (const Block& block : stack) x = block(x);
    return x;
  };
  return squared_norm(autograd::vjp(forward, random_input(n), random_input(n)).product) / double(n);
}

void fifty_blocks(lab::Run& run, lab::Claim& g3) {
  run.section("Fifty blocks");
  const Index n = 64, draws = run.pick<Index>(600, 60);
  const int blocks = 50;
  const double second = 0.02;
  Table table({"activation", Column("(1 + 0.02 m2)^50").significant(6), Column("measured, q held at 1").significant(4),
               Column("theory, stream left alone").significant(6), Column("measured").significant(4),
               Column("its q after 50 blocks").significant(4), Column("log-average gain").significant(4)});
  Figure figure("Gradient gain of residual blocks, sigma_1^2 = 1, sigma_2^2 = 0.02");
  auto& panel = figure.panel().x_label("blocks").y_label("mean |J^T v|^2 / |v|^2");
  for (const char* name : {"gelu", "relu", "selu"}) {
    const activations::Function f = activations::activation(name);
    const double limit = std::pow(theory::residual_gain(f, {.second = second}), blocks);
    const double exact = std::pow(theory::residual_gain(f, {.second = second, .width = n}), blocks);
    const theory::ResidualStack stack = theory::residual_stack(f, blocks, {.second = second, .width = n});
    std::vector<std::vector<double>> held;
    std::vector<double> last, logs, alone;
    for (Index d = 0; d < draws; ++d) {
      run.check_interrupt();
      held.push_back(held_gains(f, n, blocks, second));
      last.push_back(held.back().back());
      logs.push_back(std::log(last.back()));
      alone.push_back(stack_gain(f, n, blocks, second));
    }
    g3.measured(fmt::format("{}, 50 blocks, q held at 1 ({:.5f} for infinite width)", name, limit), exact, last, {.sigmas = 5});
    g3.measured(fmt::format("{}, 50 blocks, the stream left alone: q grows to {:.2f}", name, stack.variance.back()), stack.gain, alone,
                {.sigmas = 5, .systematic = 2 * (stack.gain - 1) / double(n)});
    g3.report(fmt::format("{}, 50 blocks: exp of the mean of log |J^T v|^2", name), std::exp(report::mean(logs)),
              std::exp(report::mean(logs)) * report::standard_error(logs), "a typical gain, less than the mean square");
    table.row({name, limit, report::mean(last), stack.gain, report::mean(alone), stack.variance.back(), std::exp(report::mean(logs))});
    std::vector<double> x, predicted, found;
    for (int b = 0; b < blocks; ++b) {
      x.push_back(b + 1);
      predicted.push_back(std::pow(limit, double(b + 1) / blocks));
      double sum = 0;
      for (const auto& gains : held) sum += gains[std::size_t(b)];
      found.push_back(sum / double(draws));
    }
    panel.line(name, x, found, {.dash = report::Dash::solid})
        .line(fmt::format("{}, theory", name), x, predicted, {.like = name, .dash = report::Dash::dotted, .width = 3});
  }
  run.table(table);
  run.figure("depth", std::move(figure), fmt::format("Width {}, {} stacks.", n, draws));
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("residual_gain", "Gradients through residual blocks", "How much does a residual block x + W2 f(W1 x) amplify gradients?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g3 = run.claim(
        "G3",
        "The Jacobian of x + W2 GELU(W1 x) has mean squared singular value 1 + m2 sigma1^2 sigma2^2 with m2 = E GELU'(z)^2, usually "
        "positive: every block amplifies gradients.");
    one_block(run, g3);
    fifty_blocks(run, g3);
    volumes(run, g3);
    every_activation(run, g3);
    g3.verdict(Verdict::holds_if,
               "It holds when sigma_i^2 are variances times the fan-in and the width is infinite; for width n the exact value is 1 + "
               "sigma1^2 sigma2^2 "
               "[m2 + (E f'^2 z^2 - m2)/n] with z ~ N(0, q), q = sigma1^2 |x|^2 / n. m2 > 0 always. It is the mean square: the geometric "
               "mean of the squared singular values "
               "tends to 1 for m2 sigma1^2 sigma2^2 <= 1, so directions are amplified and damped in equal measure of volume.")
        .figure("depth");
  });
}
