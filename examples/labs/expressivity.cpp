// Which functions can networks of ReLU and of ELU represent?
//
// A hat from three ReLU units, which is not convex; any continuous piecewise linear function from as many units as it
// has pieces; what is convex and why; how fast ReLU comes near an exponential and ELU near a kink, beside the theory;
// and fits of mixed targets with equal numbers of parameters. The derivations are in docs/labs/expressivity.md. Takes
// about a minute. What you should see: everything exact to rounding that the chapter says is impossible.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/approximation.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

// One hidden layer on numbers: sum of out f(slope x + offset), plus a constant.
struct Network : nn::Module {
  nn::Linear hidden, output;
  nn::Activation f;
  Network(Index width, const std::string& activation)
      : hidden(1, width), output(width, 1), f(nn::activation(activation)) {}
  Tensor forward(const Tensor& x) override { return output(f(hidden(x))); }
  void visit(nn::Visitor& v) override { v("hidden", hidden), v("output", output); }
};

Network network(const std::string& activation, const theory::HiddenUnits& units) {
  const Index width = Index(units.slopes.size());
  Network net(width, activation);
  net.to(float64);
  const NoGrad no_grad;
  net.hidden.weight.copy_(from_vector(units.slopes, {width, 1}));
  net.hidden.bias.copy_(from_vector(units.offsets, {width}));
  net.output.weight.copy_(from_vector(units.weights, {1, width}));
  net.output.bias.fill_(units.constant);
  return net;
}

std::vector<double> grid(double low, double high, int points) {
  std::vector<double> x;
  for (int i = 0; i < points; ++i) x.push_back(low + (high - low) * i / (points - 1));
  return x;
}

std::vector<double> values(Network& net, const std::vector<double>& x) {
  const NoGrad no_grad;
  return to_vector<double>(net(from_vector(x, {Index(x.size()), 1})));
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(a[i] - b[i]));
  return largest;
}

// The least second difference on an even grid: negative where the function is not convex.
double least_bend(const std::vector<double>& y) {
  double least = 0;
  for (std::size_t i = 1; i + 1 < y.size(); ++i) least = std::min(least, y[i - 1] - 2 * y[i] + y[i + 1]);
  return least;
}

void hat(lab::Run& run, lab::Claim& e11) {
  Network net = network("relu", {{1, 1, 1}, {1, 0, -1}, {1, -2, 1}, 0});
  const std::vector<double> x = grid(-3, 3, 601), y = values(net, x);
  std::vector<double> expected;
  for (const double at : x) expected.push_back(std::max(0.0, 1 - std::fabs(at)));
  e11.equal("relu(x + 1) - 2 relu(x) + relu(x - 1), and the hat max(0, 1 - |x|): largest difference", 0,
            largest_difference(y, expected), {.absolute = 1e-14});
  e11.at_most("its least second difference on a grid of 0.01: not convex", -0.015, least_bend(y));
  Figure figure("A hat from three ReLU units, and from three ELU units");
  auto& panel = figure.panel().x_label("x").line("ReLU", x, y);
  for (const double sharpness : {2.0, 10.0}) {
    Network smooth = network("elu", {{sharpness, sharpness, sharpness},
                                     {sharpness, 0, -sharpness},
                                     {1 / sharpness, -2 / sharpness, 1 / sharpness},
                                     0});
    panel.line(fmt::format("ELU, k = {:g}", sharpness), x, values(smooth, x));
  }
  run.figure("hat", std::move(figure), "relu(x + 1) - 2 relu(x) + relu(x - 1), and the same with elu(k x) / k.");
}

// Any continuous piecewise linear function, convex or not: a unit for each piece.
void piecewise_linear(lab::Run& run, lab::Claim& e11) {
  double worst = 0;
  int not_convex = 0;
  const int functions = run.pick(200, 50);
  for (int k = 0; k < functions; ++k) {
    run.check_interrupt();
    const Index kinks = 2 + k % 20;
    std::vector<double> knots = to_vector<double>(uniform({kinks + 2}, -3, 3, {.dtype = float64}));
    std::sort(knots.begin(), knots.end());
    const std::vector<double> heights = to_vector<double>(randn({kinks + 2}, {.dtype = float64}));
    Network net = network("relu", theory::interpolating_units(knots, heights));
    // At the knots, and half-way between them, where a straight line has the mean of its ends.
    std::vector<double> x = knots, y = heights;
    for (std::size_t i = 0; i + 1 < knots.size(); ++i)
      x.push_back(0.5 * (knots[i] + knots[i + 1])), y.push_back(0.5 * (heights[i] + heights[i + 1]));
    const double steepest = [&] {
      double largest = 1;
      for (std::size_t i = 0; i + 1 < knots.size(); ++i)
        largest = std::max(largest, std::fabs((heights[i + 1] - heights[i]) / (knots[i + 1] - knots[i])));
      return largest;
    }();
    worst = std::max(worst, largest_difference(values(net, x), y) / steepest);
    not_convex += least_bend(values(net, grid(knots.front(), knots.back(), 1001))) < -1e-6 ? 1 : 0;
  }
  e11.at_most(
      fmt::format(
          "{} random piecewise linear functions as ReLU networks: largest error, relative to the steepest slope",
          functions),
      1e-12, worst);
  e11.at_least("of these not convex", 0.9 * functions, not_convex);
}

// What is convex: non-negative output weights on a convex activation, be it ReLU or ELU.
void convexity(lab::Run& run, lab::Claim& e11) {
  const int nets = run.pick(300, 60);
  Table table({"activation", "output weights", Column("convex").percent(0)});
  for (const std::string name : {"relu", "elu", "softplus", "gelu"})
    for (const bool positive : {true, false}) {
      int convex = 0;
      for (int k = 0; k < nets; ++k) {
        theory::HiddenUnits units;
        units.slopes = to_vector<double>(randn({12}, {.dtype = float64})),
        units.offsets = to_vector<double>(randn({12}, {.dtype = float64}));
        units.weights = to_vector<double>(randn({12}, {.dtype = float64}));
        if (positive)
          for (double& w : units.weights) w = std::fabs(w);
        Network net = network(name, units);
        convex += least_bend(values(net, grid(-4, 4, 401))) > -1e-12 ? 1 : 0;
      }
      const std::string sign = positive ? "none negative" : "any";
      table.row({name, sign, double(convex) / nets});
      if (positive && name != "gelu")
        e11.equal(name + ", output weights none negative: networks that are convex", nets, convex, {});
      if (!positive)
        e11.at_most(name + ", output weights of any sign: share of networks that are convex", 0.5,
                    double(convex) / nets);
    }
  run.section("What is convex");
  run.table(table);
}

// ReLU near an exponential, ELU near a kink.
void rates(lab::Run& run, lab::Claim& e11) {
  run.section("How fast they come near each other");
  const double k = 1.5, c = 0.7, low = -3;
  const auto target = [&](double x) { return c * std::expm1(k * x); };
  const std::vector<double> x = grid(low, 0, 20001);
  std::vector<double> y;
  for (const double at : x) y.push_back(target(at));
  Table table({"pieces N", Column("error of ReLU").significant(5),
               Column("(integral of sqrt f'')^2 / (8 N^2)").significant(5)});
  std::vector<double> pieces, found, predicted;
  for (const int n : {4, 8, 16, 32, 64}) {
    const std::vector<double> knots = theory::exponential_knots(k, low, 0, n);
    std::vector<double> heights;
    for (const double at : knots) heights.push_back(target(at));
    Network net = network("relu", theory::interpolating_units(knots, heights));
    const double error = largest_difference(values(net, x), y),
                 expected = theory::exponential_interpolation_error(c, k, low, 0, n);
    pieces.push_back(n), found.push_back(error), predicted.push_back(expected);
    table.row({n, error, expected});
    e11.equal(fmt::format("largest error of a ReLU network of {} pieces for 0.7 (e^(1.5 x) - 1) on [-3, 0]", n),
              expected, error, {.relative = 2.0 / n});
  }
  run.table(table);
  Network one = network("elu", {{k}, {0}, {c}, 0});
  e11.equal("the same with one ELU unit: largest error", 0, largest_difference(values(one, x), y), {.absolute = 1e-14});
  const std::vector<double> wide = grid(-3, 3, 6001);
  std::vector<double> kink;
  for (const double at : wide) kink.push_back(std::max(0.0, at));
  for (const double sharpness : {10.0, 100.0, 1000.0}) {
    Network sharp = network("elu", {{sharpness}, {0}, {1 / sharpness}, 0});
    e11.equal(fmt::format("elu({:g} x) / {:g} for relu(x) on [-3, 3]: largest error, (1 - e^(-3 k)) / k", sharpness,
                          sharpness),
              -std::expm1(-3 * sharpness) / sharpness, largest_difference(values(sharp, wide), kink),
              {.relative = 1e-10});
  }
  Figure figure("Error of ReLU networks for an exponential");
  figure.panel()
      .x_label("pieces")
      .y_label("largest error")
      .log_x()
      .log_y()
      .points("found", pieces, found)
      .line("predicted", pieces, predicted);
  run.figure("rates", std::move(figure),
             "Interpolation at knots that are dense where the exponential bends. Four times the pieces, a sixteenth of "
             "the error.");
}

// ---- Fits ----

struct Target {
  std::string name;
  std::function<double(double)> f;
};

double fitted(lab::Run& run, const std::string& activation, const Target& target, Index width, int steps,
              std::uint64_t seed) {
  manual_seed(seed);
  const std::vector<double> at = grid(-3, 3, 200);
  std::vector<double> heights;
  for (const double x : at) heights.push_back(target.f(x));
  const Tensor x = from_vector(at, {200, 1}), y = from_vector(heights, {200, 1});
  Network net(width, activation);
  net.to(float64);
  {
    // Bends all over the interval, for every activation.
    const NoGrad no_grad;
    net.hidden.weight.copy_(randn({width, 1}, {.dtype = float64}));
    net.hidden.bias.copy_(net.hidden.weight.reshape({width}) * uniform({width}, -3, 3, {.dtype = float64}));
  }
  optim::Adam optimizer{net.parameters(), {.lr = 0.02}};
  optim::CosineAnnealingLR schedule{optimizer, {.T_max = steps}};
  for (int step = 0; step < steps; ++step) {
    if (step % 100 == 0) run.check_interrupt();
    optimizer.zero_grad();
    nn::mse_loss(net(x), y).backward();
    optimizer.step();
    schedule.step();
  }
  const NoGrad no_grad;
  return std::sqrt(nn::mse_loss(net(x), y).item());
}

void fits(lab::Run& run, lab::Claim& e11) {
  const std::vector<Target> targets = {
      {"linear and exponential",
       [](double x) { return x > 0 ? x : 0.7 * std::expm1(1.5 * x) + 0.4 * std::exp(-(x + 1.5) * (x + 1.5)); }},
      {"zigzag", [](double x) { return std::fabs(std::fabs(std::fabs(x) - 1) - 0.5); }},
      {"sine", [](double x) { return std::sin(2.5 * x); }}};
  const int seeds = run.pick(10, 3), steps = run.pick(5000, 200);
  const Index width = 12;
  run.section(fmt::format("Fits with {} hidden units each, {} seeds, {} steps", width, seeds, steps));
  Table table({"target", Column("ReLU").significant(3), Column("ELU").significant(3), Column("GELU").significant(3),
               Column("tanh").significant(3)});
  for (const Target& target : targets) {
    std::vector<report::Cell> row{target.name};
    std::vector<std::vector<double>> logarithms;
    for (const char* name : {"relu", "elu", "gelu", "tanh"}) {
      std::vector<double> errors, logs;
      for (int seed = 0; seed < seeds; ++seed)
        errors.push_back(fitted(run, name, target, width, steps, run.seed() + std::uint64_t(seed)));
      for (const double e : errors) logs.push_back(std::log10(e));
      row.emplace_back(report::Measured{report::mean(errors), report::sample_std(errors)});
      logarithms.push_back(logs);
      e11.report(fmt::format("fit of {}, {}: root mean squared error", target.name, name), report::mean(errors),
                 report::standard_error(errors));
    }
    table.row(row);
    const report::Interval d = report::paired_difference_interval(logarithms[0], logarithms[1]);
    run.say(fmt::format(
        "{}: the error of ReLU is {:.2f} times that of ELU, with 95 % confidence between {:.2f} and {:.2f}: {}.",
        target.name, std::pow(10, d.center), std::pow(10, d.lower), std::pow(10, d.upper),
        d.contains(0)  ? "no difference beyond the noise"
        : d.center > 0 ? "ELU is ahead"
                       : "ReLU is ahead"));
  }
  run.table(table);
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("expressivity", "What ReLU and ELU can represent",
               "Which functions can networks of ReLU and of ELU represent?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e11 = run.claim("E11",
                                "ReLU units can only be combined into convex piecewise linear functions; ELU, linear "
                                "and exponential, goes beyond that.");
    hat(run, e11);
    piecewise_linear(run, e11);
    convexity(run, e11);
    rates(run, e11);
    fits(run, e11);
    e11.verdict(Verdict::wrong,
                "Every continuous piecewise linear function is a ReLU network, convex or not: relu(x + 1) - 2 relu(x) "
                "+ relu(x - 1) is a hat. Only output weights none of "
                "which is negative make it convex, and with them ELU networks are convex as well. Both come near every "
                "continuous function: ReLU near an exponential like "
                "1 / N^2 in the number of pieces, ELU near a kink like 1 / k in its sharpness.")
        .figure("hat");
  });
}
