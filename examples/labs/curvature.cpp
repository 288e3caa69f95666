// Does a smooth activation give a loss whose curvature helps the optimiser?
//
// First one weight: L(w) = (GELU(w) - t)^2 / 2, its second derivative by autodiff, and where Newton's method goes from every start. Then
// networks: the second derivative of a loss along a line through the weights, Hessians beside Gauss-Newton matrices, and training with
// L-BFGS and with gradient descent, on real digits. A minute. What you should see: curvature that is negative where Newton starts
// badly, a ReLU loss that is piecewise quadratic and not piecewise linear, and what L-BFGS gains on each activation.
#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/models/mlp.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/lipschitz.hpp>
#include <gradus/theory/scalar_loss.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Interval;
using gradus::report::Table;
using lab::Verdict;

namespace {

// ---- One weight ----

enum class End { minimum, maximum, flat, infinity };
struct NewtonLimit {
  End end;
  double at;
};
// Where Newton's method goes, by theory. Without a limit it is on its way to infinity; what it reaches may be any point without slope.
NewtonLimit newton_limit(const activations::Function& f, double target, double start) {
  const theory::NewtonPath path = theory::newton_path(f, target, start);
  const double at = path.weights.back(), curvature = theory::scalar_loss(f, target, at).curvature;
  if (!path.converged) return {End::infinity, at};
  return {curvature > 0 ? End::minimum : curvature < 0 ? End::maximum : End::flat, at};
}

// The loss of every w for itself, and its first two derivatives by autodiff.
struct Curves {
  Tensor loss, slope, curvature;
};
Curves curves(const activations::Function& f, double target, const Tensor& w) {
  Tensor leaf = w.clone().requires_grad_();
  const Tensor loss = square(activate(f, leaf) - target) * 0.5;
  const Tensor slope = grad(loss.sum(), leaf, {.create_graph = true});
  return {loss.detach(), slope.detach(), grad(slope.sum(), leaf)};
}

// Newton's method by autodiff, from every start at once: the places after so many steps.
Tensor newton(const activations::Function& f, double target, Tensor w, int steps) {
  for (int step = 0; step < steps; ++step) {
    const Curves at = curves(f, target, w);
    const NoGrad no_grad;
    w = clamp(w - where(at.curvature == 0.0, 0.0, at.slope / at.curvature), -1e6, 1e6);
  }
  return w;
}

void second_derivative(lab::Claim& g4) {
  const activations::Function gelu = activations::activation("gelu");
  const Tensor x = linspace(-6, 6, 12001, {.dtype = float64});
  Tensor leaf = x.clone().requires_grad_();
  const Tensor slope = grad(activate(gelu, leaf).sum(), leaf, {.create_graph = true});
  const Tensor bend = grad(slope.sum(), leaf);
  double off = 0;
  for (Index i = 0; i < x.numel(); ++i) {
    const double at = x.data<double>()[i];
    off = std::max(off, std::fabs(bend.data<double>()[i] - theory::normal_pdf(at) * (2 - at * at)));
  }
  g4.at_most("g'' by autodiff and phi(x) (2 - x^2) on [-6, 6] differ by", 1e-14, off);
  g4.equal("the largest g'', 2 phi(0), at 0", 2 * theory::normal_pdf(0), bend.max().item(), {.absolute = 1e-14});
  g4.equal("the smallest g'', -2 phi(2), at -2 and 2", -2 * theory::normal_pdf(2), bend.min().item(), {.absolute = 1e-12});
  const double change = gelu(2, std::numbers::sqrt2);
  g4.equal("g'' at sqrt 2: it is 0, and negative beyond", 0, change, {.absolute = 1e-15});
  g4.holds("g'' < 0 at 1.5 and at -1.5, g'' > 0 at 1.4 and -1.4",
           gelu(2, 1.5) < 0 && gelu(2, -1.5) < 0 && gelu(2, 1.4) > 0 && gelu(2, -1.4) > 0);
  g4.at_most("|g''| at 8: it goes to 0", 1e-11, std::fabs(gelu(2, 8)));
}

void one_weight(lab::Run& run, lab::Claim& g4) {
  const activations::Function gelu = activations::activation("gelu"), relu = activations::activation("relu");
  const std::vector<theory::Interval> concave = theory::negative_curvature(gelu, 1, {-10, 10});
  g4.equal("t = 1: stretches of w in [-10, 10] with L'' < 0", 1, double(concave.size()), {});
  const Tensor w = linspace(-4, 4, 8001, {.dtype = float64});
  const Curves smooth = curves(gelu, 1, w), pieces = curves(relu, 1, w);
  std::vector<double> negative;
  for (Index i = 0; i < w.numel(); ++i)
    if (smooth.curvature.data<double>()[i] < 0) negative.push_back(w.data<double>()[i]);
  g4.equal("the left end of L'' < 0", concave.at(0).low, negative.empty() ? std::nan("") : negative.front(), {.absolute = 1e-3});
  g4.equal("the right end of L'' < 0", concave.at(0).high, negative.empty() ? std::nan("") : negative.back(), {.absolute = 1e-3});
  const auto at = [&](const Tensor& values, double place) { return values.data<double>()[std::lround((place + 4) * 1000)]; };
  g4.equal("L''(0), GELU, t = 1", theory::scalar_loss(gelu, 1, 0).curvature, at(smooth.curvature, 0), {.absolute = 1e-14});
  g4.equal("L''(1), ReLU, t = 1: a loss that is piecewise linear would have 0", 1, at(pieces.curvature, 1), {});
  g4.equal("L''(3), ReLU, t = 1", theory::scalar_loss(relu, 1, 3).curvature, at(pieces.curvature, 3), {});

  const auto start = [&](double target, double from) { return newton(gelu, target, tensor({from}, {.dtype = float64}), 200).item(); };
  for (const double from : {0.5, 2.0}) {
    const NewtonLimit limit = newton_limit(gelu, 1, from);
    g4.equal(fmt::format("Newton from {:g}, t = 1: the minimum, where g = 1", from), limit.at, start(1, from), {.absolute = 1e-9});
    g4.equal("g there", 1, gelu(start(1, from)), {.absolute = 1e-12});
  }
  g4.at_most("Newton from 0.2, t = 1: L'' < 0 there, and w goes to minus infinity; after 200 steps w is", -15, start(1, 0.2));
  g4.holds("theory says so as well", newton_limit(gelu, 1, 0.2).end == End::infinity);
  const NewtonLimit top = newton_limit(gelu, 0.5, -0.5);
  g4.equal("Newton from -0.5, t = 0.5: a local maximum of L, where GELU is smallest", top.at, start(0.5, -0.5), {.absolute = 1e-9});
  g4.holds("its curvature is negative", top.end == End::maximum && theory::scalar_loss(gelu, 0.5, top.at).curvature < 0);

  Figure figure("L(w) = (f(w) - 1)^2 / 2");
  std::vector<double> x, loss[2], curvature[2];
  for (Index i = 0; i < w.numel(); i += 20) {
    x.push_back(w.data<double>()[i]);
    for (int f = 0; f < 2; ++f) {
      const Curves& c = f == 0 ? smooth : pieces;
      loss[f].push_back(c.loss.data<double>()[i]);
      curvature[f].push_back(c.curvature.data<double>()[i]);
    }
  }
  auto& left = figure.panel("loss").x_label("w").y_range(0, 1.2);
  auto& right = figure.panel("second derivative").x_label("w").horizontal(0);
  left.line("gelu", x, loss[0]).line("relu", x, loss[1]);
  right.line("gelu", x, curvature[0]).line("relu", x, curvature[1]);
  run.figure("scalar", std::move(figure), "For GELU the curvature is smooth and negative between -1.38 and 0.33; for ReLU it is 1 or 0.");
}

// Where Newton goes from 1601 starts in [-4, 4], by autodiff and by theory.
void basins(lab::Run& run, lab::Claim& g4) {
  Table table({"activation", "t", Column("to the minimum").percent(1), Column("to a maximum").percent(1),
               Column("nowhere: flat").percent(1), Column("to infinity").percent(1)});
  table.caption("where Newton's method ends, of starts spread evenly over [-4, 4]");
  Figure figure("Where Newton's method ends");
  for (const double target : {0.5, 1.0})
    for (const char* name : {"gelu", "relu", "softplus"}) {
      const activations::Function f = activations::activation(name);
      const Tensor starts = linspace(-4, 4, 801, {.dtype = float64});
      const Tensor found = newton(f, target, starts, 200);
      std::vector<double> share(4), ends;
      Index unlike = 0;
      for (Index i = 0; i < starts.numel(); ++i) {
        const NewtonLimit limit = newton_limit(f, target, starts.data<double>()[i]);
        const double end = found.data<double>()[i];
        share[std::size_t(limit.end)] += 1.0 / double(starts.numel());
        const bool same = limit.end == End::infinity ? std::fabs(end) > 15 : std::fabs(end - limit.at) < 1e-6;
        if (!same) ++unlike;
        ends.push_back(limit.end == End::infinity ? std::nan("") : limit.at);
      }
      // Starts at the edge of a basin may fall on either side by rounding.
      g4.at_most(fmt::format("{}, t = {:g}: of 801 starts, those that autodiff takes elsewhere than theory", name, target), 8,
                 double(unlike));
      table.row({name, target, share[0], share[1], share[2], share[3]});
      if (target == 1.0 && std::string(name) != "softplus") {
        figure.panel(name)
            .x_label("start")
            .y_label("end")
            .y_range(-4.2, 4.2)
            .points("t = 1", to_vector<double>(starts), ends)
            .horizontal(1, "t");
        g4.report(fmt::format("{}, t = 1: share of starts in [-4, 4] that reach the minimum", name), share[0]);
      }
    }
  run.table(table);
  run.figure(
      "basins", std::move(figure),
      "Starts without a point go to infinity. ReLU reaches the minimum in one step from the right, and no step leads away from the left.");
}

// ---- The landscape of a network ----

struct Digits {
  Tensor x, y;  // (n, 64), (n)
};
Digits digits(Index count, DType dtype) {
  const data::Dataset all = data::digits();
  const data::Standardize scale{all.x};
  return {scale(all.x).flatten(1).slice(0, 0, count).to(dtype), all.y.slice(0, 0, count)};
}

// Mean squared error of a network with one hidden layer, as a function of the first layer's weights.
struct FirstLayer {
  activations::Function f;
  Tensor x, target, weight2;
  Tensor outputs(const Tensor& weight1) const {
    return matmul(activate(f, matmul(x, weight1, {.transpose_b = true})), weight2, {.transpose_b = true});
  }
  Tensor loss(const Tensor& weight1) const { return square(outputs(weight1) - target).sum() * 0.5; }
};

FirstLayer first_layer(const char* name, const Digits& data, Index hidden) {
  manual_seed(11);
  return {activations::activation(name), data.x, one_hot(data.y, 10).to(float64),
          randn({10, hidden}, {.dtype = float64}) / std::sqrt(double(hidden))};
}

// H v and the Gauss-Newton product J^T J v, for the Hessian of the loss and the Jacobian of the outputs by the first layer's weights.
double gauss_newton_distance(const FirstLayer& net, const Tensor& weight, const Tensor& v) {
  const Tensor hessian = autograd::hvp([&](const Tensor& w) { return net.loss(w); }, weight, v).product;
  const auto outputs = [&](const Tensor& w) { return net.outputs(w); };
  const Tensor forward = autograd::jvp(outputs, weight, v).product;
  const Tensor gauss_newton = autograd::vjp(outputs, weight, forward).product;
  return norm(hessian - gauss_newton).item() / norm(gauss_newton).item();
}

struct Line {
  std::vector<double> s, slope, curvature, crossed;  // crossed[i]: how many pre-activations change sign between s[i] and s[i + 1]
};
// The loss along weight + s v: slope and curvature by autodiff.
Line along(const FirstLayer& net, const Tensor& weight, const Tensor& v, Index points) {
  Line line;
  Tensor before;
  for (const double s : to_vector<double>(linspace(-1, 1, points, {.dtype = float64}))) {
    const Tensor at = weight + v * s;
    const auto hessian = autograd::hvp([&](const Tensor& w) { return net.loss(w); }, at, v);
    const Tensor slope = autograd::vjp([&](const Tensor& w) { return net.loss(w); }, at, ones_like(hessian.value)).product;
    line.s.push_back(s);
    line.slope.push_back(sum(slope * v).item());
    line.curvature.push_back(sum(hessian.product * v).item());
    const NoGrad no_grad;
    const Tensor active = matmul(net.x, at, {.transpose_b = true}) > 0.0;
    if (before.defined()) line.crossed.push_back(sum(active != before).item());
    before = active;
  }
  return line;
}

void landscape(lab::Run& run, lab::Claim& g4) {
  run.section("The landscape of a network");
  const Digits data = digits(20, float64);
  const Index hidden = 6, points = run.pick<Index>(801, 401);
  Figure figure("Second derivative of the loss along a line through the first layer's weights");
  for (const char* name : {"relu", "gelu"}) {
    const FirstLayer net = first_layer(name, data, hidden);
    manual_seed(12);
    const Tensor weight = randn({hidden, 64}, {.dtype = float64}) / 8.0, v = randn({hidden, 64}, {.dtype = float64}) / 8.0;
    const double distance = gauss_newton_distance(net, weight, v);
    const Line line = along(net, weight, v, points);
    double still = 0, moved = 0, integral = 0, total = 0;
    for (std::size_t i = 0; i + 1 < line.s.size(); ++i) {
      const double jump = std::fabs(line.curvature[i + 1] - line.curvature[i]) / std::fabs(line.curvature[i]);
      if (line.crossed[i] == 0) still = std::max(still, jump);
      if (line.crossed[i] > 0) moved += 1;
      integral += (line.curvature[i] + line.curvature[i + 1]) / 2 * (line.s[i + 1] - line.s[i]);
    }
    total = line.slope.back() - line.slope.front();
    if (std::string(name) == "relu") {
      g4.at_most("ReLU: H v less Gauss-Newton J^T J v, relative, for the first layer's weights: no other curvature", 1e-12, distance);
      g4.at_most("ReLU: the largest relative change of d2L/ds2 where no unit changes its state: piecewise quadratic", 1e-10, still);
      g4.at_least("ReLU: the smallest d2L/ds2 on the line: not 0, the loss is not piecewise linear", 1,
                  *std::min_element(line.curvature.begin(), line.curvature.end()));
      g4.report("ReLU: share of the steps on the line in which a unit changes its state", moved / double(line.crossed.size()));
      g4.report(
          "ReLU: share of the change of slope that the second derivative accounts for; the rest is in the kinks, where autodiff sees none",
          integral / total);
    } else {
      g4.at_least("GELU: H v less Gauss-Newton J^T J v, relative: curvature of the activation", 1e-3, distance);
      g4.equal("GELU: the integral of d2L/ds2 is the change of the slope (relative to it)", 1, integral / total, {.absolute = 1e-3});
    }
    figure.panel(name).x_label("s").y_label("second derivative").line(name, line.s, line.curvature);
  }
  run.figure("landscape", std::move(figure), "20 digits, 6 hidden units, squared error: steps for ReLU, a smooth curve for GELU.");
}

// ---- Training ----

constexpr Index hidden_units = 32;

nn::Sequential network(const std::string& activation, std::uint64_t seed) {
  manual_seed(seed);
  nn::Sequential net = models::mlp(64, 10, {.hidden = {hidden_units}, .activation = activation});
  net.to(float64);
  return net;
}

struct Curve {
  std::vector<double> loss;  // after each evaluation of loss and gradient, the lowest so far
};

Curve lbfgs(const Digits& data, const std::string& activation, std::uint64_t seed, Index evaluations) {
  nn::Sequential net = network(activation, seed);
  optim::LBFGS optimizer{net.parameters(), {.max_iter = 1, .tolerance_grad = 0, .tolerance_change = 0, .history_size = 20}};
  Curve curve;
  while (Index(curve.loss.size()) < evaluations) {
    const std::size_t before = curve.loss.size();
    optimizer.step([&] {
      optimizer.zero_grad();
      Tensor loss = nn::cross_entropy(net(data.x), data.y);
      loss.backward();
      curve.loss.push_back(std::min(loss.item(), curve.loss.empty() ? loss.item() : curve.loss.back()));
      return loss;
    });
    if (curve.loss.size() == before) break;
  }
  curve.loss.resize(std::size_t(evaluations), curve.loss.back());
  return curve;
}

Curve descent(const Digits& data, const std::string& activation, std::uint64_t seed, Index evaluations, double lr) {
  nn::Sequential net = network(activation, seed);
  optim::SGD optimizer{net.parameters(), {.lr = lr, .momentum = 0.9}};
  Curve curve;
  for (Index i = 0; i < evaluations; ++i) {
    optimizer.zero_grad();
    Tensor loss = nn::cross_entropy(net(data.x), data.y);
    loss.backward();
    optimizer.step();
    curve.loss.push_back(std::min(std::isfinite(loss.item()) ? loss.item() : 1e9, curve.loss.empty() ? 1e9 : curve.loss.back()));
  }
  return curve;
}

// The learning rate is chosen on a network of its own, for each activation.
double best_rate(const Digits& data, const std::string& activation, Index evaluations) {
  double best = 0, lowest = 1e9;
  for (const double lr : {0.03, 0.1, 0.3, 1.0, 3.0, 10.0})
    if (const double loss = descent(data, activation, 1000, evaluations, lr).loss.back(); loss < lowest) lowest = loss, best = lr;
  return best;
}

std::string sentence(const std::string& what, const Interval& difference) {
  const std::string numbers =
      fmt::format("{:+.2f}, 95 % interval {:+.2f} to {:+.2f}", difference.center, difference.lower, difference.upper);
  if (difference.contains(0)) return fmt::format("{} cannot be told from none ({})", what, numbers);
  return fmt::format("{} is {} ({})", what, difference.center > 0 ? "positive" : "negative", numbers);
}

std::string training(lab::Run& run, lab::Claim& g4) {
  run.section("L-BFGS and gradient descent on real digits");
  const Digits data = digits(run.pick<Index>(1000, 200), float64);
  const Index evaluations = run.pick<Index>(80, 50);
  const int seeds = run.pick(30, 4);
  const std::vector<std::string> names{"gelu", "relu", "tanh"};
  std::vector<std::vector<std::vector<double>>> log_loss(2, std::vector<std::vector<double>>(names.size()));  // [method][activation][seed]
  Figure figure("Training loss on digits, all of them at every step");
  auto& panel = figure.panel().x_label("evaluations of loss and gradient").y_label("cross-entropy, geometric mean").log_y();
  std::vector<double> x;
  for (Index i = 1; i <= evaluations; ++i) x.push_back(double(i));
  Table table({"activation", "learning rate", Column("log10 loss, L-BFGS").fixed(2), Column("log10 loss, gradient descent").fixed(2)});
  table.caption(fmt::format("{} seeds, {} evaluations: mean and standard deviation", seeds, evaluations));
  for (std::size_t a = 0; a < names.size(); ++a) {
    const double lr = best_rate(data, names[a], evaluations);
    std::vector<std::vector<double>> mean_log(2, std::vector<double>(std::size_t(evaluations)));
    for (int seed = 1; seed <= seeds; ++seed)
      for (int method = 0; method < 2; ++method) {
        run.check_interrupt();
        const Curve curve = method == 0 ? lbfgs(data, names[a], std::uint64_t(seed), evaluations)
                                        : descent(data, names[a], std::uint64_t(seed), evaluations, lr);
        log_loss[std::size_t(method)][a].push_back(std::log10(curve.loss.back()));
        for (std::size_t i = 0; i < curve.loss.size(); ++i) mean_log[std::size_t(method)][i] += std::log10(curve.loss[i]) / seeds;
      }
    for (std::size_t method = 0; method < 2; ++method) {
      for (double& value : mean_log[method]) value = std::pow(10, value);
      panel.line(names[a] + (method == 0 ? ", L-BFGS" : ", gradient descent"), x, mean_log[method],
                 {.like = names[a], .dash = method == 0 ? report::Dash::solid : report::Dash::dashed});
    }
    table.row({names[a], lr, report::Measured{report::mean(log_loss[0][a]), report::sample_std(log_loss[0][a])},
               report::Measured{report::mean(log_loss[1][a]), report::sample_std(log_loss[1][a])}});
  }
  run.table(table);
  run.figure("training", std::move(figure),
             fmt::format("{} seeds; gradient descent with momentum 0.9 and the best of six learning rates.", seeds));

  const auto half = [](const Interval& interval) { return (interval.upper - interval.lower) / 2; };
  const Interval quasi = report::paired_difference_interval(log_loss[0][0], log_loss[0][1]);
  const Interval plain = report::paired_difference_interval(log_loss[1][0], log_loss[1][1]);
  std::vector<double> gain_gelu, gain_relu;
  for (std::size_t s = 0; s < log_loss[0][0].size(); ++s) {
    gain_gelu.push_back(log_loss[1][0][s] - log_loss[0][0][s]);
    gain_relu.push_back(log_loss[1][1][s] - log_loss[0][1][s]);
  }
  const Interval extra = report::paired_difference_interval(gain_gelu, gain_relu);
  g4.report("L-BFGS: log10 loss, GELU less ReLU (± half of the 95 % interval)", quasi.center, half(quasi));
  g4.report("gradient descent: log10 loss, GELU less ReLU (± half of the 95 % interval)", plain.center, half(plain));
  g4.report("decades that L-BFGS gains over gradient descent, GELU less ReLU (± half of the 95 % interval)", extra.center, half(extra));
  g4.at_least("decades that L-BFGS gains over gradient descent on GELU: it does use the curvature", 0, report::mean(gain_gelu));
  return sentence("the difference of log10 loss under L-BFGS, GELU less ReLU,", quasi) + "; " +
         sentence("what L-BFGS gains over gradient descent on GELU beyond what it gains on ReLU", extra);
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("curvature", "Curvature of the loss", "Does a smooth activation give a loss whose curvature helps the optimiser?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g4 = run.claim("G4",
                               "GELU's second derivative is continuous and non-zero, so that curvature is well defined everywhere and "
                               "quasi-Newton methods converge "
                               "faster; ReLU networks have piecewise linear losses without curvature.");
    second_derivative(g4);
    one_weight(run, g4);
    basins(run, g4);
    landscape(run, g4);
    const std::string empirical = training(run, g4);
    g4.verdict(Verdict::wrong,
               "g'' = phi(x)(2 - x^2) is continuous but 0 at +-sqrt 2, negative beyond, and vanishes at infinity. What is piecewise linear "
               "is a ReLU network's output; "
               "its squared loss is piecewise quadratic in each layer's weights, with Gauss-Newton curvature that is not 0 (L'' = 1 for w "
               "> 0) and slopes that jump at the "
               "kinks. Smooth is not convex: for t = 1 GELU has L'' < 0 on (-1.38, 0.33), where Newton's step goes uphill: to a "
               "maximum, to infinity, or to the minimum by chance. "
               "Measured on digits: " +
                   empirical + ".")
        .figure("scalar");
  });
}
