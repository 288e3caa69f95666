// Is ELU a building block of normalising flows?
//
// ELU as a layer of its own: inverse, log-determinant, range, and what becomes of the density in either direction; then
// flows that are built with it, random and trained on two densities in the plane, beside Real NVP with ELU, ReLU and
// tanh inside. The derivations are in docs/labs/normalizing_flow.md. Takes two minutes. What you should see: everything
// exact in one direction, a density that misses 16 % of its mass in the other, and trained densities whose integral
// is 1.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/core/error.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/elu_flow.hpp>
#include <gradus/models/real_nvp.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/dead_units.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/matrix.hpp>
#include <gradus/theory/scalar_loss.hpp>
#include <gradus/train/kernel_density.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Interval;
using gradus::report::Table;
using lab::Verdict;

namespace {

constexpr TensorOptions exact{.dtype = float64};

bool throws(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error&) {
    return true;
  }
  return false;
}

// log |det| of the Jacobian at one point x (1, D), by autodiff and the singular values of the matrix.
double log_det_by_autodiff(nn::Flow& flow, const Tensor& x) {
  const Index d = x.size(1);
  const Tensor jacobian = autograd::jacobian(
      [&](const Tensor& p) {
        return flow(p.reshape({1, d})).reshape({d});
      },
      x.reshape({d}));
  const std::vector<double> singular = theory::singular_values({d, d, to_vector<double>(jacobian)});
  double sum = 0;
  for (const double s : singular) sum += std::log(s);
  return sum;
}

double largest_difference(const Tensor& a, const Tensor& b) { return abs(a - b).max().item(); }

// -- ELU alone

void bijection(lab::Run& run, lab::Claim& e7) {
  run.section("ELU as a layer");
  run.say("Log-determinants beside the sum of log f' and the Jacobian by autodiff; there and back again.");
  const Tensor x = tensor({{-2, -0.5, 0, 0.3, 1.5}}, exact);
  nn::ELUFlow elu;
  const activations::Function f = activations::activation("elu");
  double predicted = 0;
  for (const double value : to_vector<double>(x)) predicted += std::log(f(1, value));
  e7.equal("x = (-2, -0.5, 0, 0.3, 1.5), alpha = 1: log|det| is the sum of log f', -2.5", -2.5, predicted,
           {.absolute = 1e-14});
  e7.equal("the same, of the flow", predicted, elu.forward_and_log_det(x).log_det.item(), {.absolute = 1e-14});
  e7.equal("the same, of the Jacobian by autodiff", predicted, log_det_by_autodiff(elu, x), {.absolute = 1e-12});
  const Tensor many = 3 * randn({run.pick<Index>(20000, 2000), 1}, exact);
  for (const double alpha : {0.3, 1.0, 2.5}) {
    nn::ELUFlow layer(alpha);
    const nn::FlowForward forward = layer.forward_and_log_det(many);
    const nn::FlowInverse back = layer.inverse(forward.y);
    e7.at_most(fmt::format("alpha = {}: largest error of inverse(forward(x)), x ~ N(0, 9), times f'", alpha), 1e-14,
               (abs(back.x - many) * exp(forward.log_det).reshape(many.shape())).max().item(),
               "rounding of y, of size 1e-16, divided by the slope");
    e7.at_most(fmt::format("alpha = {}: log|det| forward and back add up to 0, times f'", alpha), 1e-14,
               (abs(forward.log_det + back.log_det) * exp(forward.log_det)).max().item());
  }
  nn::ELUFlow two(2);
  const auto log_slope = [&](double at) { return two.forward_and_log_det(full({1, 1}, at, exact)).log_det.item(); };
  e7.equal("alpha = 2: log|det| at 0 is that of the right side, 0", 0, log_slope(0), {.absolute = 1e-15});
  e7.equal("alpha = 2: its limit from the left, log alpha", std::log(2.0), log_slope(-1e-12), {.absolute = 1e-11});
  e7.holds("alpha = 0 and alpha = -1 are refused: no bijection",
           throws([] { nn::ELUFlow{0.0}; }) && throws([] { nn::ELUFlow{-1.0}; }));
}

// Where ELU becomes -1 itself in this type, by bisection.
double saturates_below(DType type) {
  nn::ELUFlow elu;
  double low = -60, high = -5;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (elu(full({1, 1}, middle, {.dtype = type})).item() == -1 ? low : high) = middle;
  }
  return low;
}

void range(lab::Run& run, lab::Claim& e7) {
  run.section("The range");
  run.say("Where the inverse ends, in real numbers and in floating point.");
  nn::ELUFlow elu;
  const auto inverse_at = [&](double y, DType type) { elu.inverse(full({1, 1}, y, {.dtype = type})); };
  e7.holds("the inverse at y = -1 and y = -1.5 throws: ELU maps onto (-1, infinity) only",
           throws([&] { inverse_at(-1, float64); }) && throws([&] { inverse_at(-1.5, float64); }));
  // expm1 is right to one unit in the last place, and a unit next to -1 is a factor of 2 in what is left of 1 + y: log
  // 2 in x.
  for (const auto& [type, name, predicted] : {std::tuple{float64, "float64", theory::expm1_saturates_below<double>()},
                                              std::tuple{float32, "float32", theory::expm1_saturates_below<float>()}}) {
    const double end = saturates_below(type);
    e7.equal(fmt::format("{}: ELU is -1 itself below", name), predicted, end, {.absolute = std::log(2.0)},
             "to one unit in the last place of expm1");
    const double below = end - 0.01, above = end + 0.01;
    e7.holds(fmt::format("{}: there its inverse throws, and just above it does not", name),
             throws([&, t = type] {
               elu.inverse(elu(full({1, 1}, below, {.dtype = t})));
             }) &&
                 !throws([&, t = type] {
                   elu.inverse(elu(full({1, 1}, above, {.dtype = t})));
                 }));
  }
}

// -- one density in both directions

std::vector<double> midpoints(double low, double high, int cells) {
  std::vector<double> x;
  for (int i = 0; i < cells; ++i) x.push_back(low + (high - low) * (i + 0.5) / cells);
  return x;
}

std::vector<double> densities(nn::Flow& flow, const std::vector<double>& x) {
  const NoGrad no_grad;
  return to_vector<double>(exp(nn::flow_log_prob(flow, from_vector(x, {Index(x.size()), 1}))));
}

double integral(nn::Flow& flow, double low, double high) {
  const int cells = 30'000;
  double sum = 0;
  for (const double p : densities(flow, midpoints(low, high, cells))) sum += p * (high - low) / cells;
  return sum;
}

void both_directions(lab::Run& run, lab::Claim& e7) {
  run.section("A normal base pushed through ELU, and pulled back");
  run.say("The density of ELU(Z), and the mass of what the other direction takes for a density.");
  nn::InverseELUFlow pushed;  // data to base: the density of ELU(z)
  nn::FlowSequence pulled{nn::ELUFlow{}};
  const activations::Function f = activations::activation("elu");
  e7.equal("density of ELU(Z) at -0.5, Z ~ N(0, 1): phi(log 0.5) / 0.5, change of variables and flow",
           theory::pushforward_density(f, -0.5), densities(pushed, {-0.5})[0], {.relative = 1e-13});
  for (const double y : {-0.99, -0.1, 0.7, 2.0})
    e7.equal(fmt::format("density of ELU(Z) at {}", y), theory::pushforward_density(f, y), densities(pushed, {y})[0],
             {.relative = 1e-12});
  e7.equal("its mass below 0, P(Z < 0)", 0.5, integral(pushed, -1, 0), {.absolute = 1e-6});
  e7.equal("its whole mass", 1, integral(pushed, -1, 0) + integral(pushed, 0, 9), {.absolute = 1e-6});

  const Index batches = 40, draws = run.pick<Index>(20000, 2000);
  Generator generator = Generator(run.seed()).split("samples");
  std::vector<double> below, smallest;
  for (Index b = 0; b < batches; ++b) {
    const std::vector<double> y =
        to_vector<double>(nn::flow_sample(pushed, draws, generator, {.features = 1, .dtype = float64}));
    double count = 0, least = 0;
    for (const double value : y) count += value < -0.5, least = std::min(least, value);
    below.push_back(count / double(draws)), smallest.push_back(least);
  }
  e7.measured("share of samples below -0.5, Phi(log 0.5)", theory::normal_cdf(std::log(0.5)), below, {.sigmas = 5});
  e7.at_least("the smallest sample is above -alpha", -1, *std::min_element(smallest.begin(), smallest.end()));

  for (const double alpha : {0.5, 1.0, 2.0}) {
    nn::FlowSequence flow{nn::ELUFlow{alpha}};
    e7.equal(fmt::format(
                 "data to base by ELU, alpha = {}: the integral of the 'density' is P(Z > -alpha) = Phi(alpha), not 1",
                 alpha),
             theory::normal_cdf(alpha), integral(flow, -40, 0) + integral(flow, 0, 9), {.absolute = 1e-5},
             "the base's share below -alpha is reached by no data");
  }
  e7.holds("sampling it throws: base samples below -alpha have no inverse",
           throws([&] { nn::flow_sample(pulled, 1000, generator, {.features = 1, .dtype = float64}); }));

  const std::vector<double> y = midpoints(-0.999, 4, 1000), x = midpoints(-6, 4, 1000);
  Figure figure("A normal base and ELU");
  figure.panel("base pushed through ELU: mass 1, on (-1, infinity)")
      .x_label("y")
      .y_label("density")
      .line("density of ELU(Z)", y, densities(pushed, y))
      .vertical(-1, "-alpha");
  figure.panel("data taken to the base by ELU: mass 0.841")
      .x_label("x")
      .y_label("density")
      .line("phi(ELU(x)) ELU'(x)", x, densities(pulled, x));
  run.figure("directions", std::move(figure), "Only the left one is a density.");
}

// -- flows of several layers

// Moves all parameters away from their start, where the flow is the identity.
void shake(nn::Module& flow, double deviation) {
  const NoGrad no_grad;
  for (Tensor parameter : flow.parameters())
    parameter.add_(randn(parameter.shape(), {.dtype = parameter.dtype()}), deviation);
}

void random_flows(lab::Run& run, lab::Claim& e7) {
  run.section("Flows of several layers, with random weights");
  run.say(
      "Blocks of affine and ELU couplings: log-determinants beside Jacobians by autodiff, and there and back again.");
  for (const Index features : {2, 5}) {
    nn::FlowSequence flow = models::elu_flow(features, {.blocks = 3, .hidden = {16}, .activation = "elu"});
    flow.to(float64);
    shake(flow, 0.5);
    double off = 0;
    for (Index i = 0; i < run.pick<Index>(50, 10); ++i) {
      const Tensor x = randn({1, features}, exact);
      off = std::max(off, std::fabs(log_det_by_autodiff(flow, x) - flow.forward_and_log_det(x).log_det.item()));
    }
    e7.at_most(fmt::format("elu_flow, {} features: |log|det| - that of the Jacobian by autodiff|", features), 1e-9,
               off);
    const Tensor x = randn({500, features}, exact);
    e7.at_most(fmt::format("elu_flow, {} features: largest error of inverse(forward(x))", features), 1e-8,
               largest_difference(flow.inverse(flow(x)).x, x));
  }
}

// -- training

struct Problem {
  std::string name;
  std::function<data::Dataset(Index n, std::uint64_t seed, double noise)> draw;
  double noise;
};

const std::vector<Problem>& problems() {
  static const std::vector<Problem> all = {
      {"two moons",
       [](Index n, std::uint64_t seed, double noise) { return data::two_moons(n, {.noise = noise, .seed = seed}); },
       0.1},
      {"eight Gaussians",
       [](Index n, std::uint64_t seed, double noise) {
         return data::gaussian_ring(n, {.deviation = noise, .seed = seed});
       },
       0.2}};
  return all;
}

struct Model {
  std::string name;
  std::function<nn::FlowSequence()> build;
};

const std::vector<Model>& models_tried() {
  const auto real_nvp = [](const char* activation) {
    return [=] { return models::real_nvp(2, {.couplings = 6, .hidden = {32, 32}, .activation = activation}); };
  };
  static const std::vector<Model> all = {
      {"Real NVP, ELU inside", real_nvp("elu")},
      {"Real NVP, ReLU inside", real_nvp("relu")},
      {"Real NVP, tanh inside", real_nvp("tanh")},
      {"ELU couplings, ELU inside", [] {
         return models::elu_flow(2, {.blocks = 4, .hidden = {32, 32}, .activation = "elu"});
       }}};
  return all;
}

// By maximum likelihood, on new points in every step.
nn::FlowSequence learn(lab::Run& run, const Model& model, const Problem& problem, int steps, std::uint64_t seed) {
  manual_seed(seed);
  nn::FlowSequence flow = model.build();
  optim::AdamW optimizer{flow.parameters(), {.lr = 3e-3}};
  optim::CosineAnnealingLR schedule{optimizer, {.T_max = steps}};
  for (int step = 0; step < steps; ++step) {
    if (step % 20 == 0) run.check_interrupt();
    const Tensor x = problem.draw(200, seed * 1'000'000 + std::uint64_t(step), problem.noise).x;
    optimizer.zero_grad();
    (-mean(nn::flow_log_prob(flow, x))).backward();
    nn::clip_grad_norm(flow.parameters(), 5.0);
    optimizer.step();
    schedule.step();
  }
  return flow;
}

std::vector<double> log_densities(nn::FlowSequence& flow, const Tensor& x) {
  const NoGrad no_grad;
  std::vector<double> all;
  for (Index from = 0; from < x.size(0); from += 1024)
    for (const double value :
         to_vector<double>(nn::flow_log_prob(flow, x.slice(0, from, std::min(x.size(0), from + 1024))).to(float64)))
      all.push_back(value);
  return all;
}

// Midpoints of cells x cells fields of the square [-half, half]^2.
Tensor grid(double half, Index cells) {
  std::vector<float> points;
  for (Index i = 0; i < cells; ++i)
    for (Index j = 0; j < cells; ++j)
      points.insert(points.end(), {float(half * (2 * (double(j) + 0.5) / double(cells) - 1)),
                                   float(half * (2 * (double(i) + 0.5) / double(cells) - 1))});
  return from_vector(points, {cells * cells, 2});
}

double mass(nn::FlowSequence& flow, double half, Index cells) {
  double sum = 0;
  for (const double value : log_densities(flow, grid(half, cells)))
    sum += std::exp(value) * 4 * half * half / double(cells * cells);
  return sum;
}

Tensor samples_of(nn::FlowSequence& flow, Index n) {
  const NoGrad no_grad;
  Generator generator = Generator(1).split("samples");
  return nn::flow_sample(flow, n, generator);
}

double share_outside(const Tensor& x, double half) {
  double count = 0;
  const std::vector<double> values = to_vector<double>(x.to(float64));
  for (std::size_t i = 0; i < values.size(); i += 2)
    count += std::fabs(values[i]) > half || std::fabs(values[i + 1]) > half;
  return 2 * count / double(values.size());
}

// On cells x cells fields, and the first samples beside them.
void draw_density(Figure& figure, const std::string& name, nn::FlowSequence& flow, const Tensor& samples, Index cells) {
  std::vector<double> p = log_densities(flow, grid(3, cells)), first, second;
  for (double& value : p) value = std::exp(value);
  const std::vector<double> values = to_vector<double>(samples.slice(0, 0, 20 * cells).to(float64));
  for (std::size_t i = 0; i < values.size(); i += 2)
    if (std::fabs(values[i]) < 3 && std::fabs(values[i + 1]) < 3)
      first.push_back(values[i]), second.push_back(values[i + 1]);
  const double edge = 3 - 3 / double(cells);
  figure.panel(name + ": density")
      .heat_map(p, std::size_t(cells), std::size_t(cells),
                {.label = "density", .x_span = std::pair{-edge, edge}, .y_span = std::pair{-edge, edge}});
  figure.panel(name + ": samples").x_range(-3, 3).y_range(-3, 3).points("", first, second);
}

// How likely points are under what the problem draws from: a hill of the noise's width on each of many points without
// noise.
std::vector<double> true_log_densities(const Problem& problem, const Tensor& x) {
  return train::KernelDensity(problem.draw(4000, 11, 0).x, problem.noise).log_density(x);
}

void trained(lab::Run& run, lab::Claim& e7, const Problem& problem) {
  const int steps = run.pick(3000, 40), seeds = run.pick(5, 2);
  run.section(fmt::format("Trained on {}: {} steps, {} seeds", problem.name, steps, seeds));
  const Tensor test = problem.draw(run.pick<Index>(2000, 500), 7, problem.noise).x;
  const double truth = report::mean(true_log_densities(problem, test));
  Table table({"flow", Column("test log-likelihood, nats").fixed(3), Column("standard error over seeds").fixed(3),
               Column("mass").fixed(5), Column("true log-density of its samples").fixed(3)});
  Figure figure("Learned densities and samples: " + problem.name);
  std::vector<std::vector<double>> scores;
  for (const Model& model : models_tried()) {
    scores.emplace_back();
    for (int seed = 1; seed <= seeds; ++seed) {
      nn::FlowSequence flow = learn(run, model, problem, steps, std::uint64_t(seed));
      scores.back().push_back(report::mean(log_densities(flow, test)));
      if (seed < seeds) continue;
      const Tensor samples = samples_of(flow, 2000);
      const double half = 5, inside = mass(flow, half, run.pick<Index>(500, 160)),
                   outside = share_outside(samples, half);
      e7.equal(fmt::format("{}, {}: mass in the square of side 10, and the share of its samples outside", problem.name,
                           model.name),
               1, inside + outside, {.absolute = 0.01});
      table.row({model.name, report::mean(scores.back()), report::standard_error(scores.back()), inside,
                 report::mean(true_log_densities(problem, samples))});
      draw_density(figure, model.name, flow, samples, run.pick<Index>(60, 20));
    }
    e7.report(fmt::format("{}, {}: test log-likelihood", problem.name, model.name), report::mean(scores.back()),
              report::standard_error(scores.back()), fmt::format("of the truth {:.3f}", truth));
  }
  table.row({"the truth", truth, "", 1.0, truth});
  run.table(table);
  run.figure(problem.name == "two moons" ? "moons" : "ring", std::move(figure.columns(2).panel_height(360)),
             "Of the last seed.");
  for (std::size_t other = 1; other < scores.size(); ++other) {
    const Interval difference = report::paired_difference_interval(scores[0], scores[other]);
    const char* sense = difference.lower > 0   ? "ELU inside Real NVP is better"
                        : difference.upper < 0 ? "ELU inside Real NVP is worse"
                                               : "not decided";
    std::vector<double> differences;
    for (std::size_t i = 0; i < scores[0].size(); ++i) differences.push_back(scores[0][i] - scores[other][i]);
    e7.report(fmt::format("{}: {} minus {}", problem.name, models_tried()[0].name, models_tried()[other].name),
              difference.center, report::standard_error(differences),
              fmt::format("95 % interval {:.3f} to {:.3f}: {}", difference.lower, difference.upper, sense));
  }
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("normalizing_flow", "ELU in normalising flows", "Is ELU a building block of normalising flows?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e7 = run.claim("E7",
                               "ELU rises strictly, so it is invertible, with inverse y for y >= 0 and log(1 + "
                               "y/alpha) below; its log-determinant is the sum of log f'(x_i), and it can be used "
                               "directly to build flows with exact densities.");
    bijection(run, e7);
    range(run, e7);
    both_directions(run, e7);
    random_flows(run, e7);
    for (const Problem& problem : problems()) trained(run, e7, problem);
    e7.verdict(
          Verdict::holds_if,
          "Inverse and log-determinant are right for alpha > 0 and -alpha < y < 0 in the second branch (the signs are "
          "lost in the text). But ELU maps onto (-alpha, infinity), not onto all numbers: pushed through it, a "
          "normal base gives an exact density there and 0 below; used from data to base the 'density' has mass "
          "Phi(alpha), 0.841 for alpha = 1, and cannot be sampled. Between ELU and its inverse, with a map of that "
          "half "
          "line onto itself, it is a bijection of the line, whose learned densities have mass 1. In floating point the "
          "inverse ends where ELU is -alpha itself, at -37.4 (float64) and -17.3 (float32), or up to log 2 above with "
          "an expm1 that is right to one unit only. Inside a coupling's network any activation will do.")
        .figure("directions");
  });
}
