// What shape does ELU have, and what does it cost?
//
// The properties that ELU is praised for, one by one, in numbers: its range, where it is bounded, how smooth it is at 0
// for which alpha, where floating point ends its saturation, whether it can be inverted, and the time that its
// exponential takes beside ReLU and GELU. The derivations are in docs/labs/elu_shape.md. Takes seconds. What you should
// see: a range of (-alpha, infinity); one continuous derivative, and that for alpha = 1 alone; half a million floats
// with three values; and a time of several ReLUs, of which little is left beside a matrix product.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/dead_units.hpp>
#include <gradus/theory/lipschitz.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

activations::Function elu_of(double alpha) { return activations::activation(fmt::format("elu({:.17g})", alpha)); }

std::vector<double> values(const activations::Function& f, const std::vector<double>& x) {
  std::vector<double> y(x.size());
  f.evaluate(0, x.data(), y.data(), Index(x.size()));
  return y;
}

std::vector<double> grid(double low, double high, int points) {
  std::vector<double> x;
  for (int i = 0; i < points; ++i) x.push_back(low + (high - low) * i / (points - 1));
  return x;
}

bool rises_strictly(const std::vector<double>& y) {
  return std::adjacent_find(y.begin(), y.end(), std::greater_equal<>()) == y.end();
}

// -- range and bounds

void range(lab::Run& run, lab::Claim& e14) {
  run.section("Range");
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double alpha : {0.5, 1.0, 2.0}) {
    const activations::Function f = elu_of(alpha);
    const std::string what = fmt::format("alpha = {:g}: ", alpha);
    const std::vector<double> left = values(f, grid(-36, 0, 400001)), x = grid(1e-300, 1e6, 100001),
                              right = values(f, x);
    e14.holds(what + "f > -alpha at 400001 places down to -36, and -alpha in the limit",
              *std::min_element(left.begin(), left.end()) > -alpha && f(-infinity) == -alpha);
    e14.at_most(what + "largest |f| for x < 0", alpha,
                std::max(-*std::min_element(left.begin(), left.end()), *std::max_element(left.begin(), left.end())));
    e14.holds(what + "f(x) is x, bit by bit, for x > 0: no saturation there, and no bound",
              right == x && f(infinity) == infinity);
    e14.holds(what + "f rises at 200001 places from -20 to 20, and nowhere falls below",
              std::is_sorted(left.begin(), left.end()) && rises_strictly(values(f, grid(-20, 20, 200001))));
  }
  e14.equal("largest slope, alpha = 1", 1, theory::lipschitz_constant(elu_of(1)).value, {.relative = 1e-12})
      .equal("largest slope, alpha = 2: alpha", 2, theory::lipschitz_constant(elu_of(2)).value, {.relative = 1e-9});
}

// -- smoothness, by differences of values

void smoothness(lab::Run& run, lab::Claim& e14) {
  run.section("Smoothness at 0");
  Table table({"activation", Column("slope, left").fixed(4), Column("right").fixed(4),
               Column("curvature, left").fixed(4), Column("right").fixed(4)});
  struct Case {
    std::string name;
    double slope, curvature;  // what they jump by at 0, from left to right
  };
  for (const Case& c :
       {Case{"elu(0.5)", 0.5, -0.5}, {"elu", 0, -1}, {"elu(2)", -1, -2}, {"celu(2)", 0, -0.5}, {"gelu", 0, 0}}) {
    const activations::Function f = activations::activation(c.name);
    // One-sided differences of f alone, of second order for the slope and of first order for the curvature.
    const double h = 1e-5, k = 1e-4;
    const auto slope = [&](double s) { return s * (4 * f(s * h) - f(2 * s * h) - 3 * f(0)) / (2 * h); };
    const auto curvature = [&](double s) { return (f(2 * s * k) - 2 * f(s * k) + f(0)) / (k * k); };
    e14.equal(c.name + ": jump of f' at 0, by differences of f", c.slope, slope(1) - slope(-1), {.absolute = 1e-8});
    e14.equal(c.name + ": jump of f'' at 0, by differences of f", c.curvature, curvature(1) - curvature(-1),
              {.absolute = 1e-3});
    table.row({c.name, slope(-1), slope(1), curvature(-1), curvature(1)});
  }
  run.table(table);
}

// -- floating point

// The x below which f(x) is -1 itself, by bisection over the floats or doubles.
template <class T>
double saturates_below(const activations::Function& f) {
  T low = -60, high = -5;
  for (int i = 0; i < 60; ++i) {
    const T middle = (low + high) / 2;
    T y;
    f.evaluate(0, &middle, &y, 1);
    (y == T(-1) ? low : high) = middle;
  }
  return double(low);
}

void floating_point(lab::Run& run, lab::Claim& e14) {
  run.section("Saturation in floating point");
  const activations::Function f = elu_of(1);
  e14.equal("float32: f is -1 itself below x = -25 ln 2", theory::expm1_saturates_below<float>(),
            saturates_below<float>(f), {.absolute = std::log(2.0)}, "to one unit in the last place of expm1");
  e14.equal("float64: f is -1 itself below x = -54 ln 2", theory::expm1_saturates_below<double>(),
            saturates_below<double>(f), {.absolute = std::log(2.0)}, "to one unit in the last place of expm1");
  Table table({"x from", "to", "floats", "values of f", Column("e^x differs by so many units of 2^-24").fixed(1)});
  for (const auto& [low, high] : {std::pair{-17.0, -16.0}, {-12.0, -11.0}, {-9.0, -8.5}}) {
    std::set<float> found;
    Index floats = 0;
    for (float x = float(low); x < float(high); x = std::nextafter(x, 0.0f), ++floats) {
      float y;
      f.evaluate(0, &x, &y, 1);
      found.insert(y);
    }
    const double units = (std::exp(high) - std::exp(low)) / std::exp2(-24);
    table.row({low, high, floats, Index(found.size()), units});
    e14.equal(
        fmt::format("float32, x from {:g} to {:g}: values of f, (e^{:g} - e^{:g}) 2^24 + 1", low, high, high, low),
        units + 1, double(found.size()), {.absolute = 2}, fmt::format("of {} floats", floats));
  }
  run.table(table);
}

// -- the inverse

double inverse(double y, double alpha) { return y > 0 ? y : std::log1p(y / alpha); }

void invertible(lab::Run& run, lab::Claim& e14) {
  run.section("The inverse");
  const Index draws = run.pick<Index>(1000000, 50000);
  for (const double alpha : {0.5, 1.0, 2.0}) {
    const activations::Function f = elu_of(alpha);
    const std::vector<double> x = to_vector<double>(3 * randn({draws}, {.dtype = float64})), y = values(f, x);
    double error = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      error = std::max(error, std::fabs(inverse(y[i], alpha) - x[i]) * std::min(1.0, f(1, x[i])));
    e14.at_most(fmt::format("alpha = {:g}: largest error of the inverse of f(x), x ~ N(0, 9), times the slope", alpha),
                1e-14, error);
  }
  e14.holds("log1p(y / alpha) is not a number below -alpha: nothing is mapped there", std::isnan(inverse(-1.5, 1)));
  // GELU meets values twice, ReLU 0 everywhere on the left.
  const activations::Function gelu = activations::activation("gelu");
  double low = -5, high = -0.7518;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (gelu(middle) > gelu(-0.5) ? low : high) = middle;
  }
  e14.equal("GELU is not invertible: GELU(-0.5), and GELU elsewhere", gelu(-0.5), gelu(low), {.relative = 1e-12});
  e14.report("that other place", low);
  e14.equal("nor is ReLU: ReLU(-1), and ReLU(-2)", activations::activation("relu")(-1.0),
            activations::activation("relu")(-2.0), {});
}

// -- time

// The least time of a pass over n floats, in nanoseconds per float, by activation; in turns, so that what else the
// machine does meets all.
std::vector<double> fastest(const std::vector<activations::Function>& functions, int order, Index n, int rounds) {
  const Tensor x = randn({n}), g = randn({n}), y = empty({n});
  std::vector<double> best(functions.size(), std::numeric_limits<double>::infinity());
  const Index passes = std::max<Index>(1, 200000 / n);
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < functions.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      for (Index pass = 0; pass < passes; ++pass)
        if (order == 0)
          functions[i].evaluate(0, x.data<float>(), y.data<float>(), n);
        else
          functions[i].product(1, x.data<float>(), g.data<float>(), y.data<float>(), n);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      best[i] = std::min(best[i], 1e9 * seconds / double(n * passes));
    }
  return best;
}

// The least time of y = x W^T, (256, 512) by (512, 512), on one thread, in nanoseconds per number of y.
double product_time(int rounds) {
  const NoGrad no_grad;
  const Tensor x = randn({256, 512}), w = randn({512, 512});
  const int threads = num_threads();
  set_num_threads(1);
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const Tensor y = matmul(x, w);
    best = std::min(best, 1e9 * std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                              double(y.numel()));
  }
  set_num_threads(threads);
  return best;
}

// Returns what ELU and GELU cost.
std::string cost(lab::Run& run, lab::Claim& e14) {
  run.section("Time");
  const std::vector<std::string> names{"relu",      "leaky_relu", "elu",  "selu", "gelu",
                                       "gelu_tanh", "silu",       "mish", "tanh"};
  std::vector<activations::Function> functions;
  for (const std::string& name : names) functions.push_back(activations::activation(name));
  const int rounds = run.pick(200, 20);
  const Index small = 4096, large = run.pick<Index>(Index(1) << 24, Index(1) << 21);
  const std::vector<double> forward = fastest(functions, 0, small, rounds),
                            backward = fastest(functions, 1, small, rounds);
  const std::vector<double> memory = fastest(functions, 0, large, run.pick(40, 4));
  const double product = product_time(rounds);
  run.say(
      fmt::format("float32, one thread, the least of many passes: {} floats, which stay in the cache, and {} floats "
                  "from memory. A product of "
                  "(256, 512) by (512, 512) takes {:.3g} ns for each of its numbers.",
                  small, large, product));
  Table table({"activation", Column("forward, ns per float").significant(3), Column("over ReLU").significant(3),
               Column("backward, ns per float").significant(3), Column("over ReLU").significant(3),
               Column("forward from memory, over ReLU").significant(3),
               Column("forward over the product, %").significant(2)});
  Figure figure("Time of a pass over 4096 floats, ns per float");
  figure.panel().categories(names).y_label("ns per float").bars("forward", forward).bars("backward", backward);
  for (std::size_t i = 0; i < names.size(); ++i) {
    table.row({names[i], forward[i], forward[i] / forward[0], backward[i], backward[i] / backward[0],
               memory[i] / memory[0], 100 * forward[i] / product});
    if (i == 0) continue;
    e14.report(names[i] + ": time forward over ReLU's, in the cache", forward[i] / forward[0]);
    e14.report(names[i] + ": time backward over ReLU's, in the cache", backward[i] / backward[0]);
    e14.report(names[i] + ": time forward over ReLU's, from memory", memory[i] / memory[0]);
    e14.report(names[i] + ": time forward over that of a product with a 512 x 512 matrix, %",
               100 * forward[i] / product);
  }
  run.table(table);
  run.figure("time", std::move(figure), "One thread; the least of many passes.");
  const auto times = [&](const std::string& name) {
    const std::size_t i = std::size_t(std::find(names.begin(), names.end(), name) - names.begin());
    return fmt::format(
        "{:.2g} times ReLU's forward and {:.2g} times backward in the cache, {:.2g} times forward from memory",
        forward[i] / forward[0], backward[i] / backward[0], memory[i] / memory[0]);
  };
  return fmt::format(
      "Time on one thread of this machine: ELU {}; GELU {}. Beside a product with a 512 x 512 matrix ELU takes {:.2g} "
      "%.",
      times("elu"), times("gelu"), 100 * forward[2] / product);
}

void shapes(lab::Run& run) {
  const std::vector<double> x = grid(-4, 2, 601);
  Figure figure("ELU, its slope and its curvature");
  for (const auto& [title, order] : {std::pair{"f", 0}, {"f'", 1}, {"f''", 2}}) {
    auto& panel = figure.panel(title).x_label("x");
    for (const double alpha : {0.5, 1.0, 2.0}) {
      const activations::Function f = elu_of(alpha);
      std::vector<double> y;
      for (const double at : x) y.push_back(at == 0 ? std::nan("") : f(order, at));
      panel.line(fmt::format("alpha = {:g}", alpha), x, y);
    }
  }
  run.figure("shape", std::move(figure), "At 0 the slope jumps unless alpha is 1, the curvature always.");
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("elu_shape", "ELU's shape and what it costs",
               "Which of the properties that ELU is praised for does it have, and what do they cost?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e14 = run.claim("E14",
                                "ELU does not saturate for positive inputs, saturates smoothly for negative ones and "
                                "is invertible, which makes it fit "
                                "for uses from deep networks to flows.");
    range(run, e14);
    smoothness(run, e14);
    floating_point(run, e14);
    invertible(run, e14);
    shapes(run);
    const std::string time = cost(run, e14);
    e14.verdict(
           Verdict::holds_if,
           "It is the identity for x > 0, |f| <= alpha for x < 0, and rises strictly. But smooth means C^1, for alpha "
           "= 1 "
           "alone: f' jumps by 1 - alpha, f'' by -alpha, where CELU has C^1 for all alpha and GELU all derivatives. "
           "Invertible it is onto (-alpha, infinity) only, and in floating point only as far as 1 - e^x tells inputs "
           "apart: from -17 to -16 half a million floats have two or three values, and below -17.3 (float64: -37.4) "
           "there "
           "is but one. " +
               time)
        .figure("shape");
  });
}
