// How far can an input be moved before a network may change its mind?
//
// The steepest slope of each activation, exactly and by a scan with automatic differentiation; a two-layer network in
// the plane, whose distance to the boundary can be measured; then trained classifiers on digits and MNIST: certified
// radii by spectral norms and slopes, and an attack by projected gradient descent that must never succeed within them.
// Two ways to certify too much are shown to fail. The derivations are in docs/labs/robustness.md. Takes some minutes.
// What you should see: no attack within any radius, attacks that succeed at a few times the radius, and false
// certificates where a constant is used outside of what it was made for.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/certificate.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/lipschitz.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// ---- Slopes ----

void steepest(lab::Run& run, lab::Claim& g13) {
  run.section("The steepest slope");
  Table table({"activation", Column("sup |f'|").significant(10), Column("at").significant(6),
               Column("on [-2, 2]").significant(8), Column("on [-1, 1]").significant(8),
               Column("on [-0.5, 0.5]").significant(7), Column("inf f'").significant(7)});
  for (const std::string name :
       {"relu", "gelu", "gelu_tanh", "silu", "mish", "elu", "elu(2)", "selu", "hard_swish", "tanh", "softplus"}) {
    const activations::Function f = activations::activation(name);
    const theory::Extreme sup = theory::lipschitz_constant(f);
    const auto within = [&](double reach) { return theory::lipschitz_constant(f, {-reach, reach}).value; };
    // Not a search but a scan by the tape: it may not find more, and comes as near as its grid allows.
    const Tensor x = linspace(-40, 40, run.pick<Index>(4000001, 400001), {.dtype = float64}).requires_grad_();
    const double scanned = abs(grad(sum(activate(f, x)), x)).max().item();
    g13.at_most(name + ": sup |f'|, and the largest slope of a scan by automatic differentiation",
                sup.value * (1 + 1e-14), scanned);
    g13.equal(name + ": the same, how near the scan comes", sup.value, scanned, {.relative = 1e-3});
    table.row({name, sup.value, sup.at, within(2), within(1), within(0.5), theory::slope_range(f).lowest.value});
  }
  run.table(table);
  const double closed = theory::normal_cdf(std::sqrt(2.0)) + std::exp(-1.0) / std::sqrt(std::numbers::pi);
  g13.equal("gelu: Phi(sqrt 2) + 1 / (e sqrt pi), and the search", closed, theory::lipschitz_constant("gelu").value,
            {.relative = 1e-15});
  g13.equal("gelu: sup g' + inf g' = 1, for g'(x) + g'(-x) = 1", 1,
            closed + theory::slope_range(activations::activation("gelu")).lowest.value, {.absolute = 1e-14});
}

// ---- Networks ----

// Linear layers with an activation between them.
struct Network : nn::Module {
  std::vector<nn::Linear> layers;
  nn::Activation f;

  Network(const std::vector<Index>& widths, const std::string& activation) : f(nn::activation(activation)) {
    for (std::size_t l = 0; l + 1 < widths.size(); ++l) layers.emplace_back(widths[l], widths[l + 1]);
  }
  Tensor forward(const Tensor& x) override {
    Tensor y = layers[0](x);
    for (std::size_t l = 1; l < layers.size(); ++l) y = layers[l](f(y));
    return y;
  }
  void visit(nn::Visitor& v) override { v("layers", layers); }
};

theory::PlainNetwork plain(const Network& network) {
  theory::PlainNetwork copy{{}, network.f.function()};
  for (const nn::Linear& layer : network.layers) {
    const Tensor weight = layer.weight.to(float64);
    copy.layers.push_back(
        {{weight.size(0), weight.size(1), to_vector<double>(weight)}, to_vector<double>(layer.bias.to(float64))});
  }
  return copy;
}

// A row for each sample, of one number: as tensors of (n, 1).
Tensor column(const std::vector<double>& values) { return from_vector(values, {Index(values.size()), 1}); }
Tensor lengths(const Tensor& x) { return sqrt(sum(square(x), {.axes = {1}, .keepdim = true})); }

// The logit of the label less the largest other one: (n, 1).
Tensor margins(Network& network, const Tensor& x, const Tensor& labels) {
  const Tensor logits = network(x), own = one_hot(labels, logits.size(1), {.dtype = float64});
  return sum(logits * own, {.axes = {1}, .keepdim = true}) - max(logits - 1e9 * own, {.axes = {1}, .keepdim = true});
}

// Projected gradient descent on the margin, in the Euclidean ball of each sample's radius (Madry et al. 2018): which
// samples fall.
std::vector<bool> attack(Network& network, const Tensor& x, const Tensor& labels, const std::vector<double>& radii,
                         int starts, int steps) {
  const Tensor radius = column(radii);
  std::vector<bool> fallen(radii.size());
  for (int start = 0; start < starts; ++start) {
    Tensor d = randn_like(x);
    d = d * (radius / lengths(d));
    for (int step = 0; step <= steps; ++step) {
      d = d.detach().requires_grad_();
      const Tensor margin = margins(network, x + d, labels);
      const std::vector<double> values = to_vector<double>(margin);
      for (std::size_t i = 0; i < fallen.size(); ++i) fallen[i] = fallen[i] || values[i] < 0;
      const Tensor slope = grad(sum(margin), d);
      const NoGrad no_grad;
      d = d - 0.2 * radius * slope / (lengths(slope) + 1e-300);
      d = d * minimum(ones_like(radius), radius / lengths(d));
    }
  }
  return fallen;
}

Index count(const std::vector<bool>& of) { return std::count(of.begin(), of.end(), true); }

// A network of layers that are written out: weights row by row.
theory::PlainNetwork written(const std::string& activation, std::vector<theory::AffineLayer> layers) {
  return {std::move(layers), activations::activation(activation)};
}

theory::AffineLayer affine(Index outputs, std::vector<double> weights, std::vector<double> biases) {
  const Index inputs = Index(weights.size()) / outputs;
  return {{outputs, inputs, std::move(weights)}, std::move(biases)};
}

// ---- Two layers in the plane ----

// The nearest point where the sign changes, by rays in all directions.
double distance_to_boundary(const theory::PlainNetwork& network, const std::vector<double>& x, double reach, int rays) {
  const auto positive = [&](double angle, double r) {
    return theory::evaluate(network, {x[0] + r * std::cos(angle), x[1] + r * std::sin(angle)})[0] > 0;
  };
  const bool here = theory::evaluate(network, x)[0] > 0;
  double nearest = reach;
  for (int i = 0; i < rays; ++i) {
    const double angle = 2 * std::numbers::pi * i / rays;
    for (double r = reach / 400; r < nearest; r += reach / 400)
      if (positive(angle, r) != here) {
        double inside = r - reach / 400, outside = r;
        for (int k = 0; k < 50; ++k)
          (positive(angle, 0.5 * (inside + outside)) == here ? inside : outside) = 0.5 * (inside + outside);
        nearest = outside;
      }
  }
  return nearest;
}

void in_the_plane(lab::Run& run, lab::Claim& g13) {
  run.section("A two-layer network in the plane");
  const theory::PlainNetwork network =
      written("gelu", {affine(4, {1.5, -0.5, -1, 1.2, 0.3, 2, -0.8, -1.1}, {0.2, -0.4, 0.1, 0.5}),
                       affine(1, {1.2, -0.9, 0.7, -1.1}, {-0.3})});
  const std::vector<double> x{0.8, 0.6};
  const theory::SlopeRange slopes = theory::slope_range(network.f);
  const double value = theory::evaluate(network, x)[0], product = theory::product_bound(network);
  const double vertices = theory::slope_interval_bound(
      network, std::vector<theory::Interval>(4, {slopes.lowest.value, slopes.highest.value}));
  const Index label = value > 0;
  const theory::Certificate everywhere = theory::certify(network, x, label),
                            local = theory::certify_local(network, x, label);
  const double distance = distance_to_boundary(network, x, 4, run.pick(7200, 1440));
  Table table({"bound", Column("Lipschitz constant").significant(8), Column("radius").significant(7)});
  table.row({"product of spectral norms and sup |g'|", product, everywhere.radius});
  table.row({"largest gradient with slopes in their interval", vertices, std::fabs(value) / vertices});
  table.row({"the same, with slopes where the ball can lead", local.lipschitz, local.radius});
  table.row({"distance to the boundary, by rays", "", distance});
  run.table(table);
  g13.equal("two layers: radius = |margin| / product bound", std::fabs(value) / product, everywhere.radius,
            {.relative = 1e-10});
  g13.at_most("two layers: the bound by slope intervals, and the product", product, vertices);
  g13.at_least("two layers: the radius by slope intervals, and that by the product", everywhere.radius,
               std::fabs(value) / vertices);
  g13.at_least("two layers: the local radius, and that by slope intervals", std::fabs(value) / vertices * (1 - 1e-9),
               local.radius);
  g13.at_most("two layers: the local radius, and the distance to the boundary", distance, local.radius);
}

// ---- False certificates ----

void false_certificates(lab::Run& run, lab::Claim& g13) {
  run.section("Certificates that are none");
  // Logits (x, y): the map has the constant 1, the difference of logits has sqrt 2. At (1, 0) the boundary is 1 / sqrt
  // 2 away.
  const theory::PlainNetwork identity = written("relu", {affine(2, {1, 0, 0, 1}, {})});
  const theory::Certificate difference = theory::certify(identity, {1, 0}, 0);
  const double too_far = difference.margin / theory::product_bound(identity), distance = 1 / std::sqrt(2.0);
  g13.equal("logits (x, y) at (1, 0): certified radius, and the distance to the boundary", distance, difference.radius,
            {.relative = 1e-10});
  g13.at_least("margin over the constant of all logits together: beyond the boundary", distance * 1.4, too_far);

  // One unit g(x) - g(1) at x = 1.9: the slope between is above what it is on [-1, 1].
  const activations::Function gelu = activations::activation("gelu");
  const theory::PlainNetwork unit = written("gelu", {affine(1, {1}, {}), affine(1, {1}, {-gelu(1.0)})});
  const double margin = theory::evaluate(unit, {1.9})[0], interval = theory::lipschitz_constant(gelu, {-1, 1}).value;
  g13.at_least("g(x) - g(1) at 1.9, 0.9 from the boundary: margin over the constant of [-1, 1]", 0.9, margin / interval,
               "a false certificate");
  g13.at_most("the same with the constant of all reals", 0.9, theory::certify(unit, {1.9}, 1).radius);
}

// ---- Trained classifiers ----

struct Problem {
  std::string name;
  data::Dataset train, test;
  std::vector<Index> hidden;  // widths of the hidden layers
  int epochs;
  Index images;  // of the test set
  int local;     // so many images are certified locally as well
};

struct Outcome {
  double accuracy = 0, mean_radius = 0, ratio = 0, reached = 0, inside = 0;
  Index correct = 0, broken = 0, broken_local = 0;
  double local_gain = std::nan(""), least_local_gain = infinity, all_logits = 0, worst_certify = 0;
  std::vector<double> radii;
};

// Lipschitz constants of all differences of two logits. (They share all layers but the last; theory::certify finds the
// same.)
std::vector<std::vector<double>> constants(const theory::PlainNetwork& network, Index classes) {
  const double first = theory::product_bound(theory::logit_difference(network, 0, 1));
  const auto row = [&](Index a, Index b) {
    double squares = 0;
    const theory::Matrix& w = network.layers.back().weight;
    for (Index j = 0; j < w.cols; ++j) squares += std::pow(w(a, j) - w(b, j), 2);
    return std::sqrt(squares);
  };
  const auto n = static_cast<std::size_t>(classes);
  std::vector<std::vector<double>> all(n, std::vector<double>(n));
  for (Index a = 0; a < classes; ++a)
    for (Index b = 0; b < classes; ++b) all[std::size_t(a)][std::size_t(b)] = first / row(0, 1) * row(a, b);
  return all;
}

Outcome certify_and_attack(lab::Run& run, Network& network, const Problem& problem) {
  Outcome outcome;
  const Index classes = 10;
  const theory::PlainNetwork theory = plain(network);
  const auto lipschitz = constants(theory, classes);
  const double all_logits = theory::product_bound(theory);

  // The images that are classified as they should be.
  const Tensor x = problem.test.x.slice(0, 0, problem.images), y = problem.test.y.slice(0, 0, problem.images);
  const std::vector<double> logits = to_vector<double>(network(x).detach());
  const std::vector<std::int64_t> labels = to_vector<std::int64_t>(y);
  std::vector<Index> kept;
  double sum_ratio = 0;
  for (Index i = 0; i < problem.images; ++i) {
    const double* z = &logits[std::size_t(i * classes)];
    const Index label = labels[std::size_t(i)];
    double radius = infinity, margin = infinity;
    for (Index b = 0; b < classes; ++b) {
      if (b == label) continue;
      margin = std::min(margin, z[label] - z[b]);
      radius = std::min(radius, (z[label] - z[b]) / lipschitz[std::size_t(label)][std::size_t(b)]);
    }
    if (margin <= 0) continue;
    kept.push_back(i);
    outcome.radii.push_back(radius * (1 - 1e-12));
    sum_ratio += radius / (margin / (std::sqrt(2.0) * all_logits));
  }
  outcome.correct = Index(kept.size());
  outcome.accuracy = double(kept.size()) / double(problem.images);
  outcome.mean_radius = report::mean(outcome.radii);
  outcome.all_logits = sum_ratio / double(kept.size());

  const std::vector<std::int64_t> places(kept.begin(), kept.end());
  const Tensor right = index_select(x, 0, from_vector(places)), right_labels = index_select(y, 0, from_vector(places));
  const std::vector<double> first = to_vector<double>(network.layers[0](right).detach());
  outcome.inside = double(std::count_if(first.begin(), first.end(), [](double z) { return std::fabs(z) <= 2; })) /
                   double(first.size());

  // First inside, then further and further off.
  const int steps = run.pick(40, 20);
  outcome.broken = count(attack(network, right, right_labels, outcome.radii, run.pick(4, 2), steps));
  std::vector<double> fallen_at(outcome.radii.size(), infinity);
  for (double factor = 1.25; factor < 50; factor *= 1.25) {
    run.check_interrupt();
    std::vector<double> wider = outcome.radii;
    for (double& r : wider) r *= factor;
    const std::vector<bool> fallen = attack(network, right, right_labels, wider, 1, steps);
    for (std::size_t i = 0; i < fallen.size(); ++i)
      if (fallen[i]) fallen_at[i] = std::min(fallen_at[i], factor);
  }
  outcome.reached = double(std::count_if(fallen_at.begin(), fallen_at.end(), [](double f) { return f < infinity; })) /
                    double(fallen_at.size());
  outcome.ratio = report::median(fallen_at);

  std::vector<double> gains;
  std::vector<double> local_radii;
  for (int i = 0; i < std::min<int>(problem.local, int(kept.size())); ++i) {
    run.check_interrupt();
    const std::vector<double> image = to_vector<double>(right[i]);
    const Index label = labels[std::size_t(kept[std::size_t(i)])];
    const double everywhere = theory::certify(theory, image, label).radius,
                 here = theory::certify_local(theory, image, label).radius;
    outcome.worst_certify = std::max(outcome.worst_certify, std::fabs(everywhere / outcome.radii[std::size_t(i)] - 1));
    gains.push_back(here / everywhere);
    local_radii.push_back(here);
  }
  if (!gains.empty()) {
    const Index n = Index(gains.size());
    outcome.local_gain = report::median(gains);
    outcome.least_local_gain = *std::min_element(gains.begin(), gains.end());
    outcome.broken_local =
        count(attack(network, right.slice(0, 0, n), right_labels.slice(0, 0, n), local_radii, run.pick(8, 4), steps));
  }
  return outcome;
}

Network trained(const Problem& problem, const std::string& activation, std::uint64_t seed) {
  manual_seed(seed);
  std::vector<Index> widths{problem.train.x.size(1)};
  widths.insert(widths.end(), problem.hidden.begin(), problem.hidden.end());
  widths.push_back(10);
  Network network(widths, activation);
  data::Dataset set = problem.train;
  set.x = set.x.to(float32);
  optim::AdamW optimizer{network.parameters(), {.lr = 3e-3, .weight_decay = 0.01}};
  data::DataLoader loader{set, {.batch_size = 64, .shuffle = true, .seed = seed}};
  (void)train::fit(network, optimizer, loader, {.epochs = problem.epochs});
  // Certificates and attacks in double: the same weights, without the rounding of float.
  network.to(float64);
  network.requires_grad_(false);
  network.eval();
  return network;
}

std::string plural(const std::vector<Index>& hidden) { return fmt::format("{}", fmt::join(hidden, ", ")); }

void classifiers(lab::Run& run, lab::Claim& g13, const Problem& problem, const std::vector<std::string>& names,
                 int seeds) {
  run.section(fmt::format("{}: hidden layers of {}, {} seeds, {} images", problem.name, plural(problem.hidden), seeds,
                          problem.images));
  Table table({"activation", Column("accuracy ±").percent(1), Column("mean certified radius ±").significant(3),
               Column("attack succeeds at (median, times the radius)").significant(3),
               Column("radius over margin / (sqrt 2 L of all logits)").significant(3),
               Column("pre-activations in [-2, 2]").percent(0),
               Column("local over global radius (median)").significant(3)});
  std::vector<std::vector<double>> radii;
  Figure figure(fmt::format("Share of {} test images that are certified", problem.name));
  auto& panel = figure.panel().x_label("radius (Euclidean)").y_label("certified and right");
  for (const std::string& name : names) {
    std::vector<double> accuracy, radius, ratio, logits, inside, gain;
    std::vector<std::vector<double>> curves;
    Index broken = 0, broken_local = 0, attacked = 0;
    double reached = 1, least_gain = infinity, worst_certify = 0;
    for (int seed = 0; seed < seeds; ++seed) {
      Network network = trained(problem, name, run.seed() + std::uint64_t(seed));
      const Outcome o = certify_and_attack(run, network, problem);
      accuracy.push_back(o.accuracy), radius.push_back(o.mean_radius), ratio.push_back(o.ratio),
          logits.push_back(o.all_logits);
      inside.push_back(o.inside), gain.push_back(o.local_gain);
      broken += o.broken, broken_local += o.broken_local, attacked += o.correct;
      reached = std::min(reached, o.reached), least_gain = std::min(least_gain, o.least_local_gain),
      worst_certify = std::max(worst_certify, o.worst_certify);
      std::vector<double> curve;
      for (int k = 0; k <= 60; ++k)
        curve.push_back(double(std::count_if(o.radii.begin(), o.radii.end(), [&](double r) { return r >= 0.02 * k; })) /
                        double(problem.images));
      curves.push_back(curve);
    }
    const std::string what = fmt::format("{}, {}, hidden {}", problem.name, name, plural(problem.hidden));
    g13.equal(fmt::format("{}: attacks that succeed within the certified radius, of {} images", what, attacked), 0,
              double(broken), {});
    g13.at_least(what + ": share of the images that the attack takes further off (it is able to)", 0.9, reached);
    if (problem.local > 0) {
      g13.equal(what + ": attacks that succeed within the local radius", 0, double(broken_local), {});
      g13.at_least(what + ": local over global radius, the least", 1, least_gain);
      g13.at_most(what + ": the radii here and those of theory::certify differ, relatively, by", 1e-9, worst_certify);
    }
    g13.report(what + ": mean certified radius", report::mean(radius), report::standard_error(radius));
    radii.push_back(radius);
    table.row({name, report::Measured{report::mean(accuracy), report::sample_std(accuracy)},
               report::Measured{report::mean(radius), report::sample_std(radius)}, report::mean(ratio),
               report::mean(logits), report::mean(inside), report::mean(gain)});
    std::vector<double> at;
    for (int k = 0; k <= 60; ++k) at.push_back(0.02 * k);
    panel.line(name, at, report::band(curves));
  }
  run.table(table);
  for (std::size_t i = 1; i < names.size(); ++i) {
    const report::Interval d = report::paired_difference_interval(radii[0], radii[i]);
    if (!d.defined()) continue;
    run.say(fmt::format(
        "Mean certified radius of {} less that of {}: {:+.4f}, with 95 % confidence between {:+.4f} and {:+.4f}: {}.",
        names[0], names[i], d.center, d.lower, d.upper,
        d.contains(0)  ? "no difference beyond the noise"
        : d.center > 0 ? names[0] + " is ahead"
                       : names[i] + " is ahead"));
  }
  run.figure(fmt::format("{}_{}", problem.name, problem.hidden.size()), std::move(figure),
             "By the product of spectral norms and sup |f'|. Mean and deviation over seeds.");
}

data::Dataset flat(data::Dataset set) {
  set.x = set.x.flatten(1).to(float64);
  return set;
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("robustness", "Certified robustness",
               "How far can an input be moved before a network may change its mind?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g13 = run.claim("G13",
                                "The bound of GELU's slope, e.g. on [-2, 2], and the layers' norms give a Lipschitz "
                                "constant L; a margin m then certifies the "
                                "radius m / L.");
    steepest(run, g13);
    in_the_plane(run, g13);
    false_certificates(run, g13);
    const auto [train, test] = data::split(data::digits(), {.test_fraction = 0.3, .stratify = true});
    Problem digits{"digits",       flat(train), flat(test), {24}, run.pick(20, 6), run.pick<Index>(500, 100),
                   run.pick(20, 2)};
    const std::vector<std::string> names = run.quick()
                                               ? std::vector<std::string>{"gelu", "relu"}
                                               : std::vector<std::string>{"gelu", "relu", "tanh", "elu", "silu"};
    classifiers(run, g13, digits, names, run.pick(5, 1));
    digits.hidden = {24, 24, 24}, digits.local = 0;
    classifiers(run, g13, digits,
                run.quick() ? std::vector<std::string>{"gelu"} : std::vector<std::string>{"gelu", "relu"},
                run.pick(5, 1));
    const auto folder = run.data("mnist");
    if (!folder) {
      run.skip("MNIST", "the folder mnist is not in that of --data");
    } else if (!run.quick()) {
      const Problem mnist{"MNIST",
                          flat(data::mnist(folder->string(), data::Split::train)),
                          flat(data::mnist(folder->string(), data::Split::test)),
                          {32},
                          2,
                          500,
                          0};
      classifiers(run, g13, mnist, {"gelu", "relu", "tanh"}, 3);
    }
    g13.verdict(
           Verdict::holds_if,
           fmt::format(
               "With sup |g'| = Phi(sqrt 2) + 1 / (e sqrt pi) = {:.6f} over all reals and L the constant of the "
               "difference of the two logits, no attack succeeds "
               "within m / L. With the constant of all logits together it has to be m / (sqrt 2 L); a constant of an "
               "interval certifies only while every "
               "pre-activation stays in it over the whole ball. Bounds with slopes where the ball can lead are never "
               "worse and reach further. ReLU and tanh "
               "have sup |f'| = 1, so that GELU starts with a handicap of 11 % for each hidden layer at equal weights.",
               theory::lipschitz_constant("gelu").value))
        .figure("digits_1");
  });
}
