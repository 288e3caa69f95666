// Is ELU, linear on one side and exponential on the other, made for stiff equations?
//
// First what a forward difference makes of an activation's slope, beside h f'' / 2, and across ELU's kink. Then three stiff problems, a
// boundary layer, an ordinary differential equation and Burgers' equation, learned from their residual with ELU, tanh and GELU from the
// same seeds. The derivations are in docs/labs/stiff_pde.md. Takes a few minutes. What you should see: an error of h f'' / 2 where no kink
// is near, three quarters of it where one is in the middle; second derivatives that jump in a trained ELU network; and
// differences between the activations that the confidence intervals, not this comment, sort out.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/pinn_mlp.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/finite_difference.hpp>
#include <gradus/theory/pde.hpp>

#include "frame/lab.hpp"
#include "frame/pde.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::column;
using lab::derivative;
using lab::grid_line;
using lab::relative_error;
using lab::Verdict;

namespace {

constexpr double pi = std::numbers::pi;

// -- forward differences

// (f(x + h) - f(x)) / h - f'(x), on tensors, the slope by the tape.
double difference_error(const std::string& activation, double x, double h) {
  nn::Activation f = nn::activation(activation);
  const Tensor at = full({1}, x, {.dtype = float64}).requires_grad_();
  const double slope = grad(f(at).sum(), at).item();
  const NoGrad no_grad;
  return (f(full({1}, x + h, {.dtype = float64})) - f(at)).item() / h - slope;
}

void forward_differences(lab::Run& run, lab::Claim& e9) {
  run.section("Forward differences");
  const auto theory = [](const char* name, double x, double h) { return theory::forward_difference_error(activations::activation(name), x, h); };
  struct Case {
    const char *activation, *where;
    double x;
  };
  const double h = 0.01;
  Table table({"activation", "x", Column("error, found").significant(6), Column("predicted").significant(6), Column("h f''/2").significant(6)});
  for (const Case& c : {Case{"elu", " on the exponential side", -1}, {"elu", " on the linear side", 0.5}, {"elu", " at the kink, from the right", 1e-12},
                        {"elu", " across the kink", -0.005}, {"tanh", "", 1}, {"gelu", "", 0}}) {
    const theory::DifferenceError predicted = theory(c.activation, c.x, h);
    const double found = difference_error(c.activation, c.x, h);
    table.row({c.activation, c.x, found, predicted.error, predicted.leading});
    e9.equal(fmt::format("{}{}, x = {:g}, h = 0.01: error of the forward difference", c.activation, c.where, c.x), predicted.error, found, {.absolute = 1e-12});
    e9.report(fmt::format("{}{}, x = {:g}: h f''/2", c.activation, c.where, c.x), predicted.leading);
  }
  run.table(table);
  for (const char* name : {"elu", "tanh", "gelu"}) {
    // What is left beside the leading term falls like h^2: halving h quarters it.
    const auto rest = [&](double step) { return difference_error(name, -1, step) - theory(name, -1, step).leading; };
    e9.equal(fmt::format("{}, x = -1: what is left beside h f''/2 falls by this factor when h halves", name), 4, rest(0.02) / rest(0.01), {.absolute = 0.1});
  }
  // Across the kink in the middle: f' rises by t up to h/2 and not beyond, (h/8 + h/4) in place of h/2, as far as e^x is 1.
  e9.equal("elu, the kink in the middle, small h: error over h f''/2", 0.75, difference_error("elu", -5e-5, 1e-4) / theory("elu", -5e-5, 1e-4).leading, {.absolute = 1e-4});

  std::vector<double> x, found, leading;
  for (double at = -0.04; at <= 0.03; at += 0.0005) {
    x.push_back(at);
    found.push_back(difference_error("elu", at, h));
    leading.push_back(theory("elu", at, h).leading);
  }
  Figure figure("Forward difference of ELU, h = 0.01");
  figure.panel().x_label("x").y_label("error").line("found", x, found).line("leading term", x, leading, {.dash = report::Dash::dashed}).vertical(-h, "x + h = 0").vertical(0, "kink");
  run.figure("difference", std::move(figure), "The error is h f''/2 except where the kink lies between x and x + h.");
}

// -- stiff problems

struct Problem {
  std::string name;
  // The relative error reached with an activation from a seed.
  std::function<double(const std::string& activation, std::uint64_t seed)> solve;
};

using Residual = std::function<Tensor(const Tensor& u, const Tensor& x)>;
using Ansatz = std::function<Tensor(const Tensor& net, const Tensor& x)>;

struct Ode {
  Tensor points;       // (N, 1) in [0, 1]
  Residual residual;   // (N, 1)
  Ansatz ansatz;       // makes u of the network, right at the boundary
  std::function<double(double)> exact;
};

// A boundary layer of width epsilon at x = 1: -epsilon u'' + u' = 1, u(0) = u(1) = 0.
Ode boundary_layer(double epsilon) {
  // Half of the points near the layer: x = 1 - s^2 is dense at 1.
  const Tensor s = grid_line(0.0025, 0.9975, 100);
  return {cat({s, 1 - square(s)}, 0),
          [epsilon](const Tensor& u, const Tensor& x) {
            const Tensor slope = derivative(u, x);
            return slope - epsilon * derivative(slope, x) - 1;
          },
          [](const Tensor& net, const Tensor& x) { return x * (1 - x) * net; },
          [epsilon](double x) { return x - (std::exp((x - 1) / epsilon) - std::exp(-1 / epsilon)) / (1 - std::exp(-1 / epsilon)); }};
}

// A fast decay to a slow solution: u' = -rate (u - cos t), u(0) = 0.
Ode fast_decay(double rate) {
  const Tensor s = grid_line(0.0025, 0.9975, 100);
  return {cat({s, square(s)}, 0), [rate](const Tensor& u, const Tensor& t) { return derivative(u, t) / rate + u - cos(t.detach()); },
          [](const Tensor& net, const Tensor& t) { return t * net; },
          [rate](double t) { return (rate * rate * (std::cos(t) - std::exp(-rate * t)) + rate * std::sin(t)) / (1 + rate * rate); }};
}

nn::Sequential learn(const lab::Run& run, const Ode& ode, const std::string& activation, std::uint64_t seed, const lab::Training& training) {
  manual_seed(seed);
  nn::Sequential net = models::pinn_mlp(1, 1, {.hidden = {20, 20}, .activation = activation});
  net.to(float64);
  const Tensor x = ode.points.clone().requires_grad_();
  lab::minimise(run, net, [&] { return square(ode.residual(ode.ansatz(net(2 * x - 1), x), x)).mean(); }, training);
  return net;
}

double error_of(const Ode& ode, nn::Sequential& net) {
  const NoGrad no_grad;
  const Tensor x = grid_line(0, 1, 1001);
  std::vector<double> exact;
  for (const double at : to_vector<double>(x)) exact.push_back(ode.exact(at));
  return relative_error(ode.ansatz(net(2 * x - 1), x), from_vector(exact, {1001, 1}));
}

// The largest jump of u'' of a trained network: between points 1e-7 apart, where neighbours of 2000 places differ most.
double largest_jump(nn::Sequential& net) {
  const double gap = 1e-7;
  const Tensor places = grid_line(0.001, 0.999, 2000);
  const auto curvature = [&](const Tensor& at) {
    const Tensor x = at.clone().requires_grad_();
    return derivative(derivative(net(2 * x - 1), x), x).detach();
  };
  // A jump lies between neighbours; where they differ most, bisect for it.
  const Tensor here = curvature(places);
  const double* values = here.data<double>();
  Index most = 0;
  for (Index i = 1; i + 1 < places.size(0); ++i)
    if (std::fabs(values[i + 1] - values[i]) > std::fabs(values[most + 1] - values[most])) most = i;
  double low = places.data<double>()[most], high = places.data<double>()[most + 1];
  const auto at = [&](double x) { return curvature(full({1, 1}, x, {.dtype = float64})).item(); };
  while (high - low > gap) {
    const double middle = (low + high) / 2;
    (std::fabs(at(middle) - at(low)) > std::fabs(at(high) - at(middle)) ? high : low) = middle;
  }
  return std::fabs(at(high) - at(low));
}

std::string compared(const std::string& activation, const report::Interval& log_ratio) {
  if (!log_ratio.defined() || log_ratio.contains(0)) return activation + " and tanh undecided";
  return fmt::format("{} {} than tanh", activation, log_ratio.center < 0 ? "better" : "worse");
}

// The standard error of the mean of a[i] - b[i].
double difference_error_of(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return report::standard_error(a);
}

std::string stiff_problems(lab::Run& run, lab::Claim& e9) {
  run.section("Stiff problems by their residual");
  const Ode layer = boundary_layer(0.05), decay = fast_decay(50);
  const double nu = run.pick(0.05, 0.1) / pi;
  const lab::Training training = run.pick<lab::Training>({.adam = 500, .lbfgs = 1000}, {.adam = 200, .lbfgs = 100});
  const auto ode = [&](const Ode& problem) {
    return [&run, &problem, training](const std::string& activation, std::uint64_t seed) {
      nn::Sequential net = learn(run, problem, activation, seed, training);
      return error_of(problem, net);
    };
  };
  const lab::Reference exact = lab::exact_burgers(nu);
  const auto burgers = [&](const std::string& activation, std::uint64_t seed) {
    manual_seed(seed);
    lab::BurgersNet u({20, 20, 20}, activation);
    lab::learn_burgers(run, u, nu, run.pick<Index>(600, 200), run.pick<lab::Training>({.adam = 300, .lbfgs = 400}, {.adam = 100, .lbfgs = 60}));
    const NoGrad no_grad;
    return relative_error(u(exact.points), exact.values);
  };
  const std::vector<Problem> problems{{"boundary layer, width 0.05", ode(layer)}, {"u' = -50 (u - cos t)", ode(decay)},
                                      {fmt::format("Burgers, nu = {:g}/pi", nu * pi), burgers}};
  const Index seeds = run.pick<Index>(5, 3);
  Table table({"problem", Column("ELU").significant(3), Column("tanh").significant(3), Column("GELU").significant(3), "ELU beside tanh", "GELU beside tanh"});
  Figure figure("Relative errors on stiff problems");
  std::string sentence;
  for (const Problem& problem : problems) {
    const std::vector<std::string> names{"elu", "tanh", "gelu"};
    std::vector<std::vector<double>> logs(names.size());
    for (std::size_t a = 0; a < names.size(); ++a)
      for (Index s = 0; s < seeds; ++s) {
        run.check_interrupt();
        logs[a].push_back(std::log10(problem.solve(names[a], run.seed() + std::uint64_t(s))));
      }
    const report::Interval elu = report::paired_difference_interval(logs[0], logs[1]), gelu = report::paired_difference_interval(logs[2], logs[1]);
    const auto typical = [](const std::vector<double>& values) { return std::pow(10, report::mean(values)); };
    table.row({problem.name, typical(logs[0]), typical(logs[1]), typical(logs[2]), compared("ELU", elu), compared("GELU", gelu)});
    sentence += fmt::format("{}{}: {}, {}", sentence.empty() ? "" : "; ", problem.name, compared("ELU", elu), compared("GELU", gelu));
    e9.report(problem.name + ": log10 of ELU's error over tanh's, same seeds", elu.center, difference_error_of(logs[0], logs[1]), compared("ELU", elu));
    e9.report(problem.name + ": log10 of GELU's error over tanh's, same seeds", gelu.center, difference_error_of(logs[2], logs[1]), compared("GELU", gelu));
    auto& panel = figure.panel(problem.name).log_y().y_label("relative error").categories({"elu", "tanh", "gelu"});
    for (std::size_t a = 0; a < names.size(); ++a) {
      std::vector<double> errors;
      for (const double log : logs[a]) errors.push_back(std::pow(10, log));
      panel.points(names[a], std::vector<double>(errors.size(), double(a)), errors);
    }
    // What anyone would reach who learned nothing is 1.
    e9.at_most(problem.name + ": the best activation's typical relative error", run.pick(0.1, 0.3), std::min({typical(logs[0]), typical(logs[1]), typical(logs[2])}));
  }
  run.table(table);
  run.figure("errors", std::move(figure), "Each point is a seed.");

  nn::Sequential elu = learn(run, layer, "elu", run.seed(), training), smooth = learn(run, layer, "tanh", run.seed(), training);
  const double jump = largest_jump(elu), none = largest_jump(smooth);
  e9.report("largest jump of u'' in the trained ELU network", jump);
  e9.at_least("the same over that of the trained tanh network", 100, jump / none);

  const theory::BurgersFront front = theory::burgers_steepest(0.01 / pi);
  const double h = 1e-6;
  const auto u = [&](double x) { return theory::burgers_sine(x, front.time, 0.01 / pi).u; };
  e9.equal("Burgers, nu = 0.01/pi: steepest slope, and by a central difference of the solution", front.slope, (u(h) - u(-h)) / (2 * h), {.relative = 1e-4});
  e9.report("when it is steepest", front.time);
  e9.report("u(0.01, 1)", theory::burgers_sine(0.01, 1, 0.01 / pi).u);
  return sentence;
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("stiff_pde", "Differences, kinks and stiff equations", "Is ELU, linear on one side and exponential on the other, made for stiff equations?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e9 = run.claim("E9", "The error of a forward difference is proportional to f''; ELU, with f'' = 0 on one side and exponential on the other, may suit solutions "
                                     "with linear and exponential regions, such as those of stiff equations, better than tanh.");
    forward_differences(run, e9);
    const std::string found = stiff_problems(run, e9);
    e9.verdict(Verdict::holds_if,
               "The error is h f''/2 to leading order, and only while no kink lies between x and x + h: with ELU's kink in the middle it is 3/4 of that. Linear here, "
               "exponential there is true of one unit; a network of several layers has a second derivative that jumps. Stiff problems by their residual, same seeds: " +
                   found + ".")
        .figure("difference");
  });
}
