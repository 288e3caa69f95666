// Which activations can learn a second-order differential equation from its residual?
//
// Networks (models::pinn_mlp) learn Poisson's equation in one and two dimensions, plane-strain elasticity with a manufactured solution and
// Burgers' equation with a shock, from the mean squared residual: second derivatives by the tape, differentiated once more to train. In
// float64 and float32, with Adam and then L-BFGS, with tanh, GELU, and ReLU as the control. The derivations are in docs/labs/pinn.md.
// Takes some minutes. What you should see: errors below 1e-3 for Poisson and 1e-2 for elasticity and Burgers; a residual of ReLU that is
// pi^4 / 2 whatever its weights; ReLU that learns after all when only one derivative is asked for; and a spectral bias of every activation.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <gradus/data/npz.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/pinn_mlp.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/kernels.hpp>
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
using lab::pairs;
using lab::relative_error;
using lab::Verdict;

namespace {

constexpr double pi = std::numbers::pi;

// -- points, in float64

Tensor midpoints(Index count) { return ((arange(0.0, double(count), 1.0, {.dtype = float64}) + 0.5) / double(count)).reshape({count, 1}); }

// The edges of the unit square.
Tensor edges(Index count) {
  const Tensor side = grid_line(0, 1, count), ends = grid_line(0, 1, 2);
  return cat({pairs(side, ends), pairs(ends, side)}, 0);
}

// -- equations on the unit interval or square, with known values on its edge

struct Problem {
  std::string name;
  Tensor interior, edge, test;                                             // (N, d): where the residual, the edge, the error is taken
  std::function<Tensor(const Tensor& x)> exact;                            // (N, d) -> (N, unknowns)
  std::function<Tensor(const Tensor& u, const Tensor& x)> squared_residual;  // its mean over x, on the tape
};

// The product of sin(pi x_i).
Tensor bump(const Tensor& x) {
  Tensor product = sin(pi * column(x, 0));
  for (Index i = 1; i < x.size(1); ++i) product *= sin(pi * column(x, i));
  return product;
}

// The sum of the second derivatives: a gradient, and the gradient of each of its columns.
Tensor laplace(const Tensor& u, const Tensor& x) {
  const Tensor slope = derivative(u, x);
  Tensor sum = column(derivative(column(slope, 0), x), 0);
  for (Index i = 1; i < x.size(1); ++i) sum += column(derivative(column(slope, i), x), i);
  return sum;
}

// -laplace u = f with u = bump, so f = d pi^2 bump.
Problem poisson(Index dimensions, Index count) {
  const Tensor inner = midpoints(count), test = grid_line(0, 1, 41);
  const bool line = dimensions == 1;
  return {fmt::format("Poisson, {}-D", dimensions), line ? inner : pairs(inner, inner), line ? grid_line(0, 1, 2) : edges(count),
          line ? test : pairs(test, test), bump, [](const Tensor& u, const Tensor& x) {
            return square(laplace(u, x) + double(x.size(1)) * pi * pi * bump(x.detach())).mean();
          }};
}

constexpr double lame_lambda = 1, lame_mu = 0.5;

// Hooke's law in plane strain: sigma = lambda trace(strain) I + 2 mu strain, as (xx, xy, yy).
Tensor stress(const Tensor& u, const Tensor& x) {
  const Tensor first = derivative(column(u, 0), x), second = derivative(column(u, 1), x);
  const Tensor trace = lame_lambda * (column(first, 0) + column(second, 1));
  return cat({trace + 2 * lame_mu * column(first, 0), lame_mu * (column(first, 1) + column(second, 0)), trace + 2 * lame_mu * column(second, 1)}, 1);
}

// div sigma, as (x, y).
Tensor divergence_of_stress(const Tensor& u, const Tensor& x) {
  const Tensor sigma = stress(u, x);
  const Tensor xx = derivative(column(sigma, 0), x), xy = derivative(column(sigma, 1), x), yy = derivative(column(sigma, 2), x);
  return cat({column(xx, 0) + column(xy, 1), column(xy, 0) + column(yy, 1)}, 1);
}

Tensor manufactured(const Tensor& x) {
  return cat({cos(2 * pi * column(x, 0)) * sin(pi * column(x, 1)), sin(pi * column(x, 0)) * column(x, 1).pow(4)}, 1);
}

// The same by hand: Navier's form, (lambda + mu) grad div u + mu laplace u.
Tensor manufactured_divergence(const Tensor& x) {
  const Tensor a = column(x, 0), b = column(x, 1);
  const Tensor wave = cos(2 * pi * a) * sin(pi * b), sine = sin(pi * a);
  const Tensor first = (lame_lambda + lame_mu) * (4 * pi * cos(pi * a) * b.pow(3) - 4 * pi * pi * wave) - lame_mu * 5 * pi * pi * wave;
  const Tensor second = (lame_lambda + lame_mu) * (12 * sine * b.pow(2) - 2 * pi * pi * sin(2 * pi * a) * cos(pi * b)) +
                        lame_mu * sine * (12 * b.pow(2) - pi * pi * b.pow(4));
  return cat({first, second}, 1);
}

// div sigma + body force = 0. The body force is the one for which the manufactured displacement is right; the tape finds it.
Tensor body_force(const Tensor& points) {
  const Tensor x = points.clone().requires_grad_();
  return -divergence_of_stress(manufactured(x), x).detach();
}

Problem elasticity(Index count) {
  const Tensor inner = midpoints(count), test = grid_line(0, 1, 41), interior = pairs(inner, inner);
  const Tensor force = body_force(interior);
  return {"elasticity, 2-D", interior, edges(count), pairs(test, test), manufactured, [force](const Tensor& u, const Tensor& x) {
            return square(divergence_of_stress(u, x) + force.to(x.dtype())).sum() / double(x.size(0));
          }};
}

// -- networks that learn them

struct Settings {
  std::vector<Index> hidden;
  lab::Training training;
  double edge_weight = 100;
};

struct Solution {
  nn::Sequential net;
  double error;              // of the solution, relative, in the 2-norm over the test points
  double residual;           // mean squared
  double residual_gradient;  // the largest derivative of the residual alone by a parameter
};

Tensor value(nn::Sequential& net, const Tensor& x) { return net(2 * x - 1); }

Solution solve(const lab::Run& run, const Problem& problem, const std::string& activation, DType type, const Settings& settings) {
  manual_seed(run.seed());
  const Index unknowns = problem.exact(problem.edge).size(1);
  Solution s{models::pinn_mlp(problem.interior.size(1), unknowns, {.hidden = settings.hidden, .activation = activation}), 0, 0, 0};
  s.net.to(type);
  const Tensor x = problem.interior.to(type).clone().requires_grad_(), edge = problem.edge.to(type), edge_values = problem.exact(problem.edge).to(type);
  const auto residual = [&] { return problem.squared_residual(value(s.net, x), x); };
  lab::minimise(run, s.net, [&] { return residual() + settings.edge_weight * square(value(s.net, edge) - edge_values).mean(); }, settings.training);

  s.net.zero_grad();
  const Tensor left = residual();
  left.backward();
  s.residual = left.item();
  for (const Tensor& p : s.net.parameters())
    if (p.grad().defined()) s.residual_gradient = std::max(s.residual_gradient, abs(p.grad()).max().item());
  const NoGrad no_grad;
  s.error = relative_error(value(s.net, problem.test.to(type)).to(float64), problem.exact(problem.test));
  return s;
}

const char* name_of(DType type) { return type == float64 ? "float64" : "float32"; }

void second_order(lab::Run& run, lab::Claim& g12) {
  run.section("Poisson and elasticity by their residual");
  const auto settings = [&](const std::string& name) -> Settings {
    if (name == "Poisson, 1-D") return {{20, 20}, {.adam = 500, .lbfgs = 300}};
    if (name == "Poisson, 2-D") return {{24, 24}, run.pick<lab::Training>({.adam = 500, .lbfgs = 700}, {.adam = 300, .lbfgs = 300})};
    return {run.pick<std::vector<Index>>({32, 32, 32}, {24, 24}), run.pick<lab::Training>({.adam = 500, .lbfgs = 1500}, {.adam = 200, .lbfgs = 120})};
  };
  Table table({"equation", "activation", "type", Column("relative error").significant(3), Column("squared residual left").significant(4)});
  for (const Problem& problem : {poisson(1, 64), poisson(2, run.pick<Index>(20, 12)), elasticity(run.pick<Index>(20, 10))}) {
    const bool elastic = problem.name[0] == 'e';
    for (const char* activation : {"tanh", "gelu", "relu"})
      for (const DType type : {float64, float32}) {
        const bool relu = std::string(activation) == "relu";
        Settings how = settings(problem.name);
        if (relu) how.training = {.adam = 200, .lbfgs = 0};  // L-BFGS would find that its gradient comes from the edge alone
        const Solution s = solve(run, problem, activation, type, how);
        table.row({problem.name, activation, name_of(type), s.error, s.residual});
        const std::string what = fmt::format("{}, {}, {}", problem.name, activation, name_of(type));
        if (!relu) {
          const double wanted = elastic ? run.pick(1e-2, 0.1) : run.pick(1e-3, 2e-3);
          g12.at_most(what + ": relative error", wanted, s.error);
          continue;
        }
        g12.at_least(what + ": relative error", 0.5, s.error);
        g12.at_most(what + ": the residual's largest derivative by a parameter", 0, s.residual_gradient);
        if (!elastic) {
          const double floor = theory::poisson_residual_floor(int(problem.interior.size(1)));
          g12.equal(what + ": squared residual, and mean f^2", floor, s.residual, {.relative = type == float64 ? 1e-12 : 1e-5});
        }
      }
    table.rule();
  }
  run.table(table);
  g12.equal("mean f^2 in one dimension: pi^4 / 2", std::pow(pi, 4) / 2, theory::poisson_residual_floor(1), {.relative = 1e-14});
  g12.equal("mean f^2 in two dimensions: pi^4", std::pow(pi, 4), theory::poisson_residual_floor(2), {.relative = 1e-14});

  const Tensor points = pairs(midpoints(7), midpoints(7));
  g12.at_most("the body force by the tape (Hooke) and by hand (Navier) differ by", 1e-11, abs(body_force(points) + manufactured_divergence(points)).max().item());
}

// Second derivatives almost everywhere are enough for the strong form when u' is continuous (ELU), and one derivative for the energy.
void less_smooth(lab::Run& run, lab::Claim& g12) {
  run.section("Is C^2 necessary?");
  const Solution elu = solve(run, poisson(1, 64), "elu", float64, {{20, 20}, {.adam = 1000, .lbfgs = run.pick<Index>(1000, 300)}});
  g12.at_most("Poisson, 1-D, ELU, which is C^1 only: relative error by the same residual", 0.05, elu.error);

  // The solution is where the mean of u'^2 / 2 - f u is least (Ritz), u = 0 at the ends by a factor x (1 - x).
  manual_seed(run.seed());
  nn::Sequential net = models::pinn_mlp(1, 1, {.hidden = {32, 32}, .activation = "relu"});
  net.to(float64);
  const Tensor x = midpoints(256).requires_grad_(), test = grid_line(0, 1, 401), f = pi * pi * bump(x.detach());
  const auto u = [&](const Tensor& at) { return at * (1 - at) * value(net, at); };
  lab::minimise(run, net, [&] {
    const Tensor displacement = u(x);
    return (0.5 * square(derivative(displacement, x)) - f * displacement).mean();
  }, {.adam = run.pick<Index>(3000, 1000), .lbfgs = 0, .lr = 3e-3});
  const NoGrad no_grad;
  g12.at_most("Poisson, 1-D, ReLU, by the energy in place of the residual: relative error", 0.05, relative_error(u(test), bump(test)));
}

// -- Burgers' equation

lab::Reference stored_burgers(const std::string& path) {
  Tensor x, t, u;
  for (const auto& [name, array] : data::load_npz(path)) (name == "x" ? x : name == "t" ? t : u) = array;
  return {pairs(x, t), u.reshape({u.numel(), 1}), "burgers_shock"};
}

void burgers(lab::Run& run, lab::Claim& g12) {
  run.section("Burgers' equation");
  // The quick form has ten times the viscosity: a front of slope 10 in place of a shock.
  const double nu = run.pick(0.01, 0.1) / pi;
  const auto path = run.data("pinn/burgers_shock.npz");
  if (!run.quick() && !path) run.skip("the stored solution of Burgers' equation", "--data has no pinn/burgers_shock.npz; Cole and Hopf's solution stands in");
  const lab::Reference exact = lab::exact_burgers(nu), reference = path && !run.quick() ? stored_burgers(path->string()) : exact;
  if (path) {
    const lab::Reference stored = stored_burgers(path->string());
    double apart = 0;
    for (Index i = 0; i < stored.points.size(0); i += 97) {
      const double* at = stored.points.data<double>() + 2 * i;
      apart = std::max(apart, std::fabs(stored.values.data<double>()[i] - theory::burgers_sine(at[0], at[1], 0.01 / pi).u));
    }
    g12.at_most("nu = 0.01/pi: the stored solution and Cole and Hopf's differ by", 2e-3, apart);
  }

  manual_seed(run.seed());
  lab::BurgersNet u(run.pick<std::vector<Index>>({32, 32, 32, 32}, {20, 20, 20}), "tanh");
  std::vector<double> steps, errors;
  const lab::Training training = run.pick<lab::Training>({.adam = 1000, .lbfgs = 4000}, {.adam = 100, .lbfgs = 200});
  lab::learn_burgers(run, u, nu, run.pick<Index>(2000, 400), training, [&](Index step) {
    if (!steps.empty() && double(step) < steps.back() + 100) return;
    const NoGrad no_grad;
    steps.push_back(double(step) + 1);
    errors.push_back(relative_error(u(exact.points), exact.values));
  });

  const theory::BurgersFront front = theory::burgers_steepest(nu);
  const Tensor at_front = tensor({{0, front.time}}, {.dtype = float64}).requires_grad_();
  const double slope = derivative(u(at_front), at_front).data<double>()[0];
  const NoGrad no_grad;
  g12.at_most(fmt::format("Burgers, nu = {:g}/pi, tanh: relative error against {}", nu * pi, reference.source), run.pick(1e-2, 5e-2),
              relative_error(u(reference.points), reference.values));
  g12.report("Burgers: slope of the network where the front is steepest", slope);
  g12.report("Burgers: the exact slope there", front.slope);

  Figure figure("Burgers' equation by its residual");
  auto& profile = figure.panel("solution").x_label("x").y_label("u");
  const Tensor x = grid_line(-1, 1, 201);
  for (const double t : {0.25, 0.5, 1.0}) {
    std::vector<double> right;
    for (const double at : to_vector<double>(x)) right.push_back(theory::burgers_sine(at, t, nu).u);
    profile.line(fmt::format("network, t = {:g}", t), to_vector<double>(x), to_vector<double>(u(cat({x, full_like(x, t)}, 1))));
    profile.line(t == 1 ? "exact" : "", to_vector<double>(x), right, {.like = "identity", .dash = report::Dash::dotted, .width = 1});
  }
  figure.panel("error").x_label("step (Adam, then L-BFGS)").y_label("relative error").log_y().line("network, tanh", steps, errors);
  run.figure("burgers", std::move(figure), "The front at x = 0 is as thin as the viscosity.");
}

// -- spectral bias

const std::vector<Index> frequencies{1, 2, 4, 8};

Tensor waves(const Tensor& x) {
  Tensor sum = zeros_like(x);
  for (const Index k : frequencies) sum += sin(double(k) * pi * x);
  return sum;
}

// The step from which on the amplitude of each sin(k pi x) is right up to a half, and the amplitudes over time.
struct Learned {
  std::vector<double> since;
  std::vector<double> steps;
  std::vector<std::vector<double>> amplitude;  // one curve for each frequency
};

// By the values of waves(), or by the residual of -u'' = f.
Learned learn_waves(const lab::Run& run, const std::string& activation, bool by_residual, Index seed, Index steps) {
  manual_seed(run.seed() + std::uint64_t(seed));
  nn::Sequential net = models::pinn_mlp(1, 1, {.hidden = {64, 64}, .activation = activation});
  net.to(float64);
  const Tensor x = midpoints(64).requires_grad_(), ends = grid_line(0, 1, 2), target = waves(x.detach());
  Tensor force = zeros_like(target);
  for (const Index k : frequencies) force += std::pow(double(k) * pi, 2) * sin(double(k) * pi * x.detach());
  const auto loss = [&] {
    if (!by_residual) return square(value(net, x) - target).mean();
    return square(laplace(value(net, x), x) + force).mean() + 1e4 * square(value(net, ends)).mean();
  };
  Learned learned{std::vector<double>(frequencies.size(), 1.0), {}, std::vector<std::vector<double>>(frequencies.size())};
  lab::minimise(run, net, loss, {.adam = steps, .lbfgs = 0, .lr = 1e-3}, [&](Index step) {
    if (step % 5 != 0) return;
    const NoGrad no_grad;
    const Tensor found = value(net, x);
    learned.steps.push_back(double(step) + 1);
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
      // sin(k pi x) at midpoints are orthogonal, with squares of mean 1/2.
      learned.amplitude[i].push_back(2 * (found * sin(double(frequencies[i]) * pi * x.detach())).mean().item());
      if (std::fabs(learned.amplitude[i].back() - 1) > 0.5) learned.since[i] = double(step) + 5;
    }
  });
  return learned;
}

// log of (steps for the highest frequency / steps for the lowest), and its confidence interval over seeds: above 0 is a bias to low ones.
report::Interval bias(const lab::Run& run, Figure& figure, const std::string& activation, bool by_residual, Index seeds, Index steps) {
  std::vector<double> logs;
  for (Index seed = 0; seed < seeds; ++seed) {
    const Learned learned = learn_waves(run, activation, by_residual, seed, steps);
    logs.push_back(std::log(learned.since.back() / learned.since.front()));
    if (seed > 0) continue;
    auto& panel = figure.panel(activation + (by_residual ? ", residual" : ", values")).x_label("step of Adam").y_label("amplitude").log_x();
    for (std::size_t i = 0; i < frequencies.size(); ++i) panel.line(fmt::format("sin {} pi x", frequencies[i]), learned.steps, learned.amplitude[i]);
    panel.horizontal(1);
  }
  return report::mean_interval(logs);
}

void spectral_bias(lab::Run& run, lab::Claim& g12) {
  run.section("Which frequencies come first");
  const Index seeds = run.pick<Index>(6, 3), steps = run.pick<Index>(4000, 1000);
  Figure figure("How much of each frequency is learned");
  Table table({"activation", "learns from", Column("log(steps, highest / lowest)").significant(3), Column("lower").significant(3), Column("upper").significant(3), "first"});
  const auto row = [&](const char* activation, const char* from, const report::Interval& i) {
    table.row({activation, from, i.center, i.lower, i.upper, i.lower > 0 ? "low frequencies" : i.upper < 0 ? "high frequencies" : "neither"});
  };
  double least = std::numeric_limits<double>::infinity();  // lower end of the intervals of those two that learn from a residual below
  for (const char* activation : {"relu", "gelu", "tanh"}) {
    const report::Interval interval = bias(run, figure, activation, false, seeds, steps);
    row(activation, "values", interval);
    if (std::string(activation) != "relu") least = std::min(least, interval.lower);
    g12.at_least(fmt::format("{}, fit of values: log of steps for sin 8 pi x over steps for sin pi x, lower end of the 95 % interval of {} seeds", activation, seeds), 0,
                 interval.lower);
  }
  for (const char* activation : {"gelu", "tanh"}) {
    const report::Interval interval = bias(run, figure, activation, true, seeds, steps);
    row(activation, "the residual of -u'' = f", interval);
    g12.report(fmt::format("{}, residual of -u'' = f: the same logarithm", activation), interval.center, (interval.upper - interval.lower) / 4,
               interval.lower > 0 ? "low frequencies first" : interval.upper < 0 ? "high frequencies first" : "undecided");
    g12.at_most(fmt::format("{}, residual: upper end of that interval, below the lower end of GELU and tanh on values", activation), least, interval.upper,
                "-u'' weights the squared error of frequency k by k^4");
  }
  run.table(table);
  run.figure("bias", std::move(figure), "Amplitudes of the four waves in the network (one seed); 1 is right.");

  // The bias of the kernel behind it (lab infinite_width): the smoother activation has more of it.
  const auto share = [](const char* activation) {
    const std::vector<double> a = theory::circle_spectrum([&](double c) { return theory::neural_kernels(activation, {1, 1, c}).ntk; }, 16);
    return a[16] / a[2];
  };
  g12.at_most("NTK on the circle, harmonic 16 over harmonic 2: GELU's over ReLU's", 1e-3, share("gelu") / share("relu"));
  g12.equal("the ratio at which GELU's spectrum falls: 2 - sqrt 3", 2 - std::sqrt(3.0), theory::gelu_spectral_ratio(), {.relative = 1e-14});
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("pinn", "Learning differential equations", "Which activations can learn a second-order differential equation from its residual?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g12 = run.claim("G12", "Second-order equations need an activation that is C^2 at least: with ReLU the training of a physics-informed network fails; GELU is an "
                                       "ideal choice, and has, like tanh, a spectral bias to low frequencies.");
    second_order(run, g12);
    less_smooth(run, g12);
    burgers(run, g12);
    spectral_bias(run, g12);
    g12.verdict(Verdict::holds_if,
                "It holds for the strong form: the squared residual of a ReLU network is mean f^2 (pi^4/2 for -u'' = pi^2 sin pi x), its gradient is 0, only the "
                "edge is learned; GELU and tanh reach 1e-3 and better. C^2 is enough, not necessary: ELU, C^1, learns from the same residual, and ReLU from the energy, which "
                "asks for one derivative. A fit of values has a spectral bias with every activation, ReLU too; in the strong form the second derivative weights frequency k "
                "by k^4, and little or nothing of the bias is left.")
        .figure("burgers");
  });
}
