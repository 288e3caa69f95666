// With which variance should the weights of a deep network begin?
//
// Networks of 50 layers under He's, LeCun's, the variance-preserving rule and one with biases: the variance of
// pre-activations by layer, beside the map of the mean-field theory and what a finite width adds to it. Then the same
// rules in training, on digits and MNIST, several seeds. The derivations are in docs/labs/initialization.md. Takes
// about three minutes. What you should see: that 2.3517 keeps a variance of exactly 1 and drives every other one away
// from it; that ReLU's 2 lets GELU's signals die; and that a rule with biases draws all variances to 1.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/closed_moments.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/moments.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

activations::Function function(const std::string& name) { return activations::activation(name); }
double mean_square(const Tensor& x) { return mean(square(x)).item(); }

// How weights begin, and the variance of the pre-activations that the first layer gives.
struct Rule {
  std::string name, activation;
  theory::LayerVariances layer;
  double start = 1;
};

// ---- Numbers of the theory ----

void variances_and_slopes(lab::Run& run, lab::Claim& g2) {
  run.section("Rules that keep a variance of 1");
  Table table({"activation", Column("sigma_w^2").significant(10), Column("V'(1)").significant(6),
               "the fixed point 1 is", Column("chi_1").significant(6)});
  for (const std::string name : {"relu", "gelu", "gelu_tanh", "elu", "selu", "silu", "mish", "tanh"}) {
    const activations::Function f = function(name);
    const theory::LayerVariances keeping = theory::variance_preserving(f);
    const double slope = theory::variance_slope(f, 1, keeping);
    g2.equal(name + ": V(1) under its preserving rule", 1, theory::variance_map(f, 1, keeping), {.relative = 1e-13});
    // A difference quotient of V is what the formula for its slope says; so the verdict on stability hangs on two
    // computations.
    const double step = 1e-4;
    g2.equal(name + ": V'(1), and by differences of V", slope,
             (theory::variance_map(f, 1 + step, keeping) - theory::variance_map(f, 1 - step, keeping)) / (2 * step),
             {.relative = 1e-6});
    const bool neutral = std::fabs(slope - 1) < 1e-12;
    table.row({name, keeping.weight_variance, slope,
               neutral     ? "neutral"
               : slope > 1 ? "unstable"
                           : "stable",
               theory::chi_1(f, 1, keeping)});
    // The library's initialisation draws weights of that variance.
    Tensor weight = empty({400, 400}, {.dtype = float64});
    nn::init::variance_preserving_(weight, f);
    g2.measured(name + ": sigma_w^2 that nn::init::variance_preserving_ draws", keeping.weight_variance,
                400 * mean_square(weight), keeping.weight_variance * std::sqrt(2.0) / 400);
  }
  run.table(table);
  const auto slope = [](const char* name) {
    return theory::variance_slope(function(name), 1, theory::variance_preserving(function(name)));
  };
  g2.holds("the fixed point of GELU, SiLU and Mish is unstable, that of ELU, SELU and tanh stable",
           slope("gelu") > 1 && slope("silu") > 1 && slope("mish") > 1 && slope("elu") < 1 && slope("selu") < 1 &&
               slope("tanh") < 1);
  const auto closed = theory::closed_gaussian_moments("gelu");
  g2.equal("gelu: sigma_w^2, and 1 / E g^2 in closed form",
           theory::variance_preserving(function("gelu")).weight_variance, 1 / closed->second, {.relative = 1e-13});

  const activations::Function gelu = function("gelu");
  const double limit = theory::stable_weight_variance_limit(gelu);
  const theory::LayerVariances biased = theory::with_preserving_bias(gelu, 2);
  g2.report("gelu: with biases the variance 1 is stable for sigma_w^2 below", limit);
  g2.report("gelu: sigma_b^2 that goes with sigma_w^2 = 2", biased.bias_variance);
  g2.at_most("gelu: V'(1) with these two", 1, theory::variance_slope(gelu, 1, biased));
  g2.report("gelu: V'(1) with these two", theory::variance_slope(gelu, 1, biased));
  g2.report("gelu: chi_1 with these two", theory::chi_1(gelu, 1, biased));
  g2.holds("gelu: just below the limit the fixed point is stable, just above it is not",
           theory::variance_slope(gelu, 1, theory::with_preserving_bias(gelu, limit - 1e-6)) < 1 &&
               theory::variance_slope(gelu, 1, theory::with_preserving_bias(gelu, limit + 1e-6)) > 1);
}

// The formula sigma_w^2 = q / Var(Y) would be right if the activations were centred first.
void second_moment_not_variance(lab::Run& run, lab::Claim& g2) {
  const NoGrad no_grad;
  const Index networks = run.pick<Index>(100, 40), width = run.pick<Index>(1000, 400);
  for (const std::string name : {"gelu", "relu"}) {
    const theory::Moments m = theory::gaussian_moments(name);
    const double weight_variance = 1 / m.variance;
    std::vector<double> plain, centred;
    for (Index i = 0; i < networks; ++i) {
      const Tensor y = activate(function(name), randn({1, width}, {.dtype = float64}));
      const Tensor weight = std::sqrt(weight_variance / double(width)) * randn({width, width}, {.dtype = float64});
      plain.push_back(mean_square(matmul(y, weight)));
      centred.push_back(mean_square(matmul(y - m.mean, weight)));
    }
    g2.report(name + ": 1 / Var(Y), which the variance in place of the second moment would give", weight_variance);
    g2.measured(name + ": variance of the next layer with 1 / Var(Y): E Y^2 / Var(Y), not 1", m.second / m.variance,
                plain, {.sigmas = 5});
    g2.measured(name + ": the same when the mean is taken off the activations first", 1, centred, {.sigmas = 5});
  }
}

// One layer back: the gradient's mean square is multiplied by chi_1 = sigma_w^2 E f'^2, which is not 1 where V(1) = 1.
void backward(lab::Run& run, lab::Claim& g2) {
  const Index networks = run.pick<Index>(100, 40), width = run.pick<Index>(500, 250);
  for (const std::string name : {"gelu", "elu", "selu", "relu"}) {
    const theory::LayerVariances keeping = theory::variance_preserving(function(name));
    std::vector<double> gains;
    for (Index i = 0; i < networks; ++i) {
      const Tensor z = randn({1, width}, {.dtype = float64}).requires_grad_(),
                   back = randn({width, 1}, {.dtype = float64});
      const Tensor weight =
          std::sqrt(keeping.weight_variance / double(width)) * randn({width, width}, {.dtype = float64});
      const Tensor output = matmul(matmul(activate(function(name), z), weight), back);
      gains.push_back(mean_square(grad(sum(output), z)) / mean_square(back));
    }
    g2.measured(name + ": mean square of a gradient behind a layer over that before it: chi_1",
                theory::chi_1(function(name), 1, keeping), gains, {.sigmas = 5});
  }
}

// ---- Depth ----

// samples[layer][network]: sigma_w^2 times the mean of f^2 over the units of the layer before, plus sigma_b^2.
using Samples = std::vector<std::vector<double>>;

// Networks with weights that are drawn. Rules share the draws, as rows of one batch: each sees its own network, scaled.
std::vector<Samples> random_networks(lab::Run& run, const std::vector<Rule>& rules, int layers, Index width,
                                     Index networks) {
  const NoGrad no_grad;
  std::vector<Samples> all(rules.size(), Samples(std::size_t(layers + 1)));
  for (Index n = 0; n < networks; ++n) {
    std::vector<Tensor> z;
    for (std::size_t r = 0; r < rules.size(); ++r) {
      z.push_back(std::sqrt(rules[r].start) * randn({1, width}));
      all[r][0].push_back(rules[r].start);
    }
    for (int l = 1; l <= layers; ++l) {
      run.check_interrupt();
      std::vector<Tensor> features;
      for (std::size_t r = 0; r < rules.size(); ++r) {
        features.push_back(activate(function(rules[r].activation), z[r]));
        all[r][std::size_t(l)].push_back(rules[r].layer.weight_variance * mean_square(features[r]) +
                                         rules[r].layer.bias_variance);
      }
      const Tensor sums = matmul(cat(features), randn({width, width})), bias = randn({1, width});
      for (std::size_t r = 0; r < rules.size(); ++r)
        z[r] = std::sqrt(rules[r].layer.weight_variance / double(width)) * sums.slice(0, Index(r), Index(r) + 1) +
               std::sqrt(rules[r].layer.bias_variance) * bias;
    }
  }
  return all;
}

// Networks too wide for that: given the layer before, Gaussian weights make the units of the next one independent and
// normal, exactly.
Samples wide_networks(lab::Run& run, const Rule& rule, int layers, Index width, Index networks) {
  const NoGrad no_grad;
  Samples samples(std::size_t(layers + 1));
  for (Index n = 0; n < networks; ++n) {
    double v = rule.start;
    for (int l = 0; l <= layers; ++l) {
      run.check_interrupt();
      samples[std::size_t(l)].push_back(v);
      v = rule.layer.weight_variance * mean_square(activate(function(rule.activation), std::sqrt(v) * randn({width}))) +
          rule.layer.bias_variance;
    }
  }
  return samples;
}

// The number of layers over which the theory of a finite width holds: while spread and shift are small beside the
// variance.
int reach(const std::vector<theory::WidthSpread>& predicted, const std::vector<double>& map) {
  std::size_t l = 0;
  while (l < map.size() && predicted[l].deviation <= 0.25 * map[l] &&
         std::fabs(predicted[l].mean - map[l]) <= 0.1 * map[l])
    ++l;
  return int(l) - 1;
}

// Mean and spread beside the theory, as far as it reaches.
void compare(lab::Claim& g2, const Rule& rule, const Samples& found, Index width, const std::vector<int>& depths) {
  const int layers = int(found.size()) - 1;
  const auto predicted =
      theory::finite_width_trajectory(function(rule.activation), rule.start, layers, rule.layer, width);
  const int last =
      reach(predicted, theory::variance_trajectory(function(rule.activation), rule.start, layers, rule.layer));
  for (const int depth : depths) {
    if (depth > last) continue;
    const theory::WidthSpread& at = predicted[std::size_t(depth)];
    const std::vector<double>& samples = found[std::size_t(depth)];
    const double spread = at.deviation / at.mean;
    const std::string what =
        fmt::format("{}, from {:g}, width {}, after {} layers", rule.name, rule.start, width, depth);
    // The first terms that the theory leaves out are of third order in the spread. The standard errors are those of the
    // prediction: a mean of n samples is known to 1 / sqrt n of their deviation, the deviation itself to 1 / sqrt(2 n).
    const double n = double(samples.size());
    g2.measured("variance of " + what, at.mean, report::mean(samples), at.deviation / std::sqrt(n),
                {.sigmas = 5, .systematic = (spread * spread * spread + 1e-4) * at.mean});
    g2.measured("its deviation from network to network", at.deviation, report::sample_std(samples),
                at.deviation / std::sqrt(2 * (n - 1)), {.sigmas = 5, .systematic = spread * at.deviation});
  }
}

std::vector<Rule> rules_of_depth() {
  const auto keeping = [](const char* name) { return theory::variance_preserving(function(name)); };
  return {{"GELU, preserving", "gelu", keeping("gelu"), 1},
          {"GELU, preserving", "gelu", keeping("gelu"), 0.9},
          {"GELU, preserving", "gelu", keeping("gelu"), 1.1},
          {"GELU, He", "gelu", {2, 0}, 1},
          {"GELU, LeCun", "gelu", {1, 0}, 1},
          {"GELU, with biases", "gelu", theory::with_preserving_bias(function("gelu"), 2), 1},
          {"GELU, with biases", "gelu", theory::with_preserving_bias(function("gelu"), 2), 0.5},
          {"ReLU, He", "relu", {2, 0}, 1},
          {"ELU, preserving", "elu", keeping("elu"), 0.5},
          {"SELU, LeCun", "selu", {1, 0}, 2},
          {"tanh, preserving", "tanh", keeping("tanh"), 0.5}};
}

void depth(lab::Run& run, lab::Claim& g2) {
  run.section("Fifty layers");
  const std::vector<Rule> rules = rules_of_depth();
  const int layers = run.pick(50, 30);
  const Index width = run.pick<Index>(1000, 200), networks = run.pick<Index>(50, 20);
  const std::vector<Samples> found = random_networks(run, rules, layers, width, networks);
  Table table(
      {"rule", "from", Column("5 layers").significant(4), Column("10").significant(4), Column("20").significant(4),
       Column("30").significant(4), Column("50").significant(4),
       Column(fmt::format("median of {} networks of width {}, {} layers", networks, width, layers)).significant(3)});
  Figure figure("Variance of pre-activations by layer");
  figure.columns(2).panel_height(280);
  for (const std::string part : {"GELU, preserving", "GELU, He", "GELU, with biases", "tanh, preserving"}) {
    auto& panel = figure.panel(part).x_label("layer").log_y();
    for (std::size_t r = 0; r < rules.size(); ++r) {
      if (rules[r].name != part) continue;
      const std::vector<double> map =
          theory::variance_trajectory(function(rules[r].activation), rules[r].start, layers, rules[r].layer);
      std::vector<double> steps, low, middle, high;
      for (int l = 0; l <= layers; ++l) {
        steps.push_back(l);
        low.push_back(report::quantile(found[r][std::size_t(l)], 0.1)),
            middle.push_back(report::quantile(found[r][std::size_t(l)], 0.5));
        high.push_back(report::quantile(found[r][std::size_t(l)], 0.9));
      }
      const std::string label = fmt::format("from {:g}", rules[r].start);
      panel.line(label, steps, report::Band{middle, low, high})
          .line("", steps, map, {.like = label, .dash = report::Dash::dotted});
    }
  }
  run.figure(
      "depth", std::move(figure),
      fmt::format("Medians and 80 % of {} networks of width {}; dotted: the map of infinite width.", networks, width));

  for (std::size_t r = 0; r < rules.size(); ++r) {
    const std::vector<double> map =
        theory::variance_trajectory(function(rules[r].activation), rules[r].start, 50, rules[r].layer);
    table.row(
        {rules[r].name, rules[r].start, map[5], map[10], map[20], map[30], map[50], report::median(found[r].back())});
    compare(g2, rules[r], found[r], width, {1, 2, 5, 10, 20, 50});
  }
  run.table(table);
  run.say(
      "Columns 5 to 50: the map of infinite width. A spread that is not small beside the mean is shown and not judged: "
      "near an unstable fixed point a "
      "width of a thousand is not wide.");

  const auto deviation_of_log = [&](std::size_t r) {
    std::vector<double> logarithms;
    for (const double v : found[r].back()) logarithms.push_back(std::log10(v));
    return report::sample_std(logarithms);
  };
  const std::string last_layer = fmt::format(" over networks of width {}, after {} layers", width, layers);
  g2.at_least("GELU, preserving, from 1: deviation of log10 of the variance" + last_layer, 1, deviation_of_log(0));
  g2.at_most("GELU, with biases, from 1: the same", 0.6, deviation_of_log(5));

  const Index wide = run.pick<Index>(1 << 20, 1 << 16), few = run.pick<Index>(8, 6);
  for (const Rule& rule : rules)
    if (rule.activation == "gelu" && rule.name != "GELU, LeCun")
      compare(g2, rule, wide_networks(run, rule, 30, wide, few), wide, {5, 10, 20, 30});

  const auto after = [](const Rule& rule, int layers_) {
    return theory::variance_trajectory(function(rule.activation), rule.start, layers_, rule.layer).back();
  };
  g2.at_most("GELU, preserving, from 0.9, after 30 layers: dead", 0.01, after(rules[1], 30));
  g2.at_least("GELU, preserving, from 1.1, after 30 layers: exploded", 5, after(rules[2], 30));
  g2.at_most("GELU under He's rule, after 20 layers: dead", 1e-4, after(rules[3], 20));
  g2.at_most("GELU, with biases, from 0.5, after 300 layers: distance from 1", 0.01,
             std::fabs(after(rules[6], 300) - 1));
}

// ---- Training ----

struct Training {
  Rule rule;
  std::vector<double> accuracy, first_loss;
  int diverged = 0;
};

nn::Sequential network(const Rule& rule, Index features, Index width, int layers) {
  nn::Sequential net;
  for (int l = 0; l < layers; ++l) {
    nn::Linear linear{l == 0 ? features : width, width};
    // The first layer turns standardised features into pre-activations of variance 1 under every rule.
    const theory::LayerVariances layer = l == 0 ? theory::LayerVariances{1, 0} : rule.layer;
    nn::init::normal_(linear.weight, 0, std::sqrt(layer.weight_variance / double(linear.weight.size(1))));
    nn::init::normal_(linear.bias, 0, std::sqrt(layer.bias_variance));
    net.push_back(linear);
    net.push_back(nn::activation(rule.activation));
  }
  nn::Linear last{width, 10};
  nn::init::lecun_normal_(last.weight);
  nn::init::zeros_(last.bias);
  net.push_back(last);
  return net;
}

std::vector<Rule> rules_of_training() {
  const auto keeping = [](const char* name) { return theory::variance_preserving(function(name)); };
  return {{"GELU, preserving", "gelu", keeping("gelu")},
          {"GELU, He", "gelu", {2, 0}},
          {"GELU, with biases", "gelu", theory::with_preserving_bias(function("gelu"), 2)},
          {"ReLU, He", "relu", {2, 0}},
          {"ELU, preserving", "elu", keeping("elu")}};
}

// Says how the rules compare, and returns the first two sentences.
std::string train(lab::Run& run, lab::Claim& g2, const std::string& name, const data::Dataset& train_set,
                  const data::Dataset& test_set, int epochs, int seeds) {
  const int layers = 30;
  const Index width = 64;
  std::vector<Training> all;
  for (const Rule& rule : rules_of_training()) {
    Training training{rule, {}, {}};
    for (int seed = 0; seed < seeds; ++seed) {
      run.check_interrupt();
      manual_seed(run.seed() + std::uint64_t(seed));
      nn::Sequential net = network(rule, train_set.x.size(1), width, layers);
      training.first_loss.push_back(gradus::train::evaluate(net, test_set).loss);
      optim::SGD optimizer{net.parameters(), {.lr = 0.01, .momentum = 0.9}};
      data::DataLoader loader{train_set, {.batch_size = 64, .shuffle = true, .seed = std::uint64_t(seed)}};
      const auto history = gradus::train::fit(net, optimizer, loader, {.epochs = epochs, .clip_norm = 1});
      if (history.divergence) ++training.diverged;
      training.accuracy.push_back(history.divergence ? 0.1 : gradus::train::evaluate(net, test_set).metric);
    }
    all.push_back(training);
  }
  run.section(fmt::format("Training on {}: {} layers of {}, {} epochs, {} seeds", name, layers, width, epochs, seeds));
  Table table({"rule", Column("test accuracy ± deviation").percent(1), Column("loss before training").significant(4),
               "diverged"});
  for (const Training& t : all) {
    table.row({t.rule.name, report::Measured{report::mean(t.accuracy), report::sample_std(t.accuracy)},
               report::Measured{report::mean(t.first_loss), report::sample_std(t.first_loss)}, t.diverged});
    g2.report(fmt::format("{}: test accuracy of {}", name, t.rule.name), report::mean(t.accuracy),
              report::standard_error(t.accuracy));
  }
  run.table(table);
  const auto sentence = [&](const Training& a, const Training& b) {
    const report::Interval d = report::paired_difference_interval(a.accuracy, b.accuracy);
    const std::string who = d.contains(0) || !d.defined() ? "no difference beyond the noise"
                            : d.center > 0                ? "\"" + a.rule.name + "\" is ahead"
                                                          : "\"" + b.rule.name + "\" is ahead";
    const std::string text = fmt::format(
        "{}: accuracy of \"{}\" less that of \"{}\" is {:+.1f} points, with 95 % confidence between {:+.1f} and "
        "{:+.1f}: {}.",
        name, a.rule.name, b.rule.name, 100 * d.center, 100 * d.lower, 100 * d.upper, who);
    run.say(text);
    return text;
  };
  const std::string first = sentence(all[0], all[1]), second = sentence(all[2], all[0]);
  sentence(all[3], all[0]), sentence(all[4], all[0]);
  return first + " " + second;
}

data::Dataset flat(data::Dataset set) {
  set.x = set.x.flatten(1);
  return set;
}

std::string training(lab::Run& run, lab::Claim& g2) {
  const auto [digits_train, digits_test] = data::split(data::digits(), {.test_fraction = 0.2, .stratify = true});
  const data::Standardize scale(digits_train.x.flatten(1));
  const std::string found =
      train(run, g2, "digits", scale(flat(digits_train)), scale(flat(digits_test)), run.pick(20, 2), run.pick(10, 2));
  const auto folder = run.data("mnist");
  if (!folder) {
    run.skip("training on MNIST", "the folder mnist is not in that of --data");
    return found;
  }
  if (run.quick()) return found;
  const data::Dataset train_set = data::mnist(folder->string(), data::Split::train),
                      test_set = data::mnist(folder->string(), data::Split::test);
  std::vector<Index> first(10000);
  for (std::size_t i = 0; i < first.size(); ++i) first[i] = Index(i);
  const data::Dataset part = flat(train_set.subset(first));
  // One mean and deviation for all pixels: many are empty in nearly all images.
  const auto scaled = [](data::Dataset set) {
    set.x = (set.x - 0.1307) / 0.3081;
    return set;
  };
  train(run, g2, "10000 images of MNIST", scaled(part), scaled(flat(test_set)), 3, 5);
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("initialization", "Initialisation for GELU",
               "With which variance should the weights of a deep network begin?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g2 = run.claim("G2",
                               "The variance of GELU's output gives weights that keep the variance q* = 1 of "
                               "pre-activations, so that training is stable; "
                               "ReLU's rule must not be reused.");
    variances_and_slopes(run, g2);
    second_moment_not_variance(run, g2);
    backward(run, g2);
    depth(run, g2);
    const std::string trained = training(run, g2);
    const activations::Function gelu = function("gelu");
    const theory::LayerVariances keeping = theory::variance_preserving(gelu),
                                 biased = theory::with_preserving_bias(gelu, 2);
    g2.verdict(Verdict::holds_if,
               fmt::format("sigma_w^2 = 1 / E g^2 = {:.4f} (the second moment, not the variance) keeps q = 1, and He's "
                           "2 lets GELU's signals die. But q = 1 is "
                           "an unstable fixed point, V'(1) = {:.4f}: from 0.9 the variance dies, from 1.1 it explodes, "
                           "and at width 1000 chance decides between the "
                           "two. With biases, sigma_w^2 = 2 and sigma_b^2 = {:.4f}, it is stable (V' = {:.3f}). "
                           "Gradients are another matter: chi_1 = {:.4f} and {:.4f}. {}",
                           keeping.weight_variance, theory::variance_slope(gelu, 1, keeping), biased.bias_variance,
                           theory::variance_slope(gelu, 1, biased), theory::chi_1(gelu, 1, keeping),
                           theory::chi_1(gelu, 1, biased), trained))
        .figure("depth");
  });
}
