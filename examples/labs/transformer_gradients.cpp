// Is it GELU's smoothness that keeps the gradients of deep networks at one size?
//
// Gradients of random deep networks by autodiff, with GELU and ELU under the same rule of initialisation: their size
// layer by layer, how it fluctuates over layers and over networks, with and without layer normalisation, and in whole
// Transformers; beside mean-field theory, where only E f'^2 and E f'^4 matter. The derivations are in
// docs/labs/transformer_gradients.md. Takes a minute. What you should see: gradients that stay closer to one size with
// ELU, and ReLU, the least smooth of all, with the flattest profile.
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/residual.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Interval;
using gradus::report::Table;
using lab::Verdict;

namespace {

constexpr int depth = 30;  // pre-activations, so 29 layers from the first to the last

Tensor draw(const Shape& shape) { return randn(shape, {.dtype = float64}); }
activations::Function function(const std::string& name) { return activations::activation(name); }

// -- one layer: the law of its gain |W^T (f' d)|^2 / |d|^2

// Gains of layers z -> W f(z) of width n with entries of variance 1 / n, each with weights, input and direction of its
// own.
std::vector<double> layer_gains(const std::string& name, Index n, Index layers) {
  const Tensor z = draw({layers, 1, n}).requires_grad_(), d = draw({layers, 1, n});
  const Tensor y = bmm(nn::activation(name)(z), draw({layers, n, n}) / std::sqrt(double(n)));
  const Tensor g = grad(y, z, {.grad_output = d});
  return to_vector<double>(sum(square(g), {.axes = {1, 2}}) / sum(square(d), {.axes = {1, 2}}));
}

struct GainLaw {
  std::vector<double> mean,
      fluctuation;  // of batches: mean gain, and n times the relative variance around the predicted mean
};

GainLaw gain_law(lab::Run& run, const std::string& name, Index n, int batches, Index layers) {
  const double predicted = theory::chi_1(function(name), 1, {});
  GainLaw law;
  for (int b = 0; b < batches; ++b) {
    run.check_interrupt();
    const std::vector<double> gains = layer_gains(name, n, layers);
    std::vector<double> squares;
    for (const double gain : gains) squares.push_back(double(n) * std::pow(gain / predicted - 1, 2));
    law.mean.push_back(report::mean(gains));
    law.fluctuation.push_back(report::mean(squares));
  }
  return law;
}

void one_layer(lab::Run& run, lab::Claim& e6) {
  run.section("One layer");
  const int batches = run.pick(60, 30);
  const Index n = 24, layers = run.pick<Index>(1000, 300);
  Table table({"activation", Column("E f'^2").significant(7), Column("measured").significant(5),
               Column("3 k - 1").significant(6), Column("measured").significant(4)});
  for (const char* name : {"relu", "gelu", "elu", "selu", "tanh"}) {
    const activations::Function f = function(name);
    const double mean = theory::chi_1(f, 1, {}), fluctuation = theory::gain_fluctuation(f);
    const GainLaw law = gain_law(run, name, n, batches, layers);
    e6.measured(fmt::format("{}: mean gain of a layer, E f'^2", name), mean, law.mean, {.sigmas = 5});
    e6.measured(fmt::format("{}: its relative variance times the width, 3 k - 1", name), fluctuation, law.fluctuation,
                {.sigmas = 5});
    table.row({name, mean, report::mean(law.mean), fluctuation, report::mean(law.fluctuation)});
  }
  run.table(table);
  e6.holds("GELU's layers fluctuate more than ELU's: 3 k - 1 is larger",
           theory::gain_fluctuation(function("gelu")) > theory::gain_fluctuation(function("elu")));
}

// -- deep networks

struct Rule {
  std::string name;
  std::function<double(const activations::Function&)> weight_variance;  // times the fan-in
  bool layer_norm;
};

const std::vector<Rule>& rules() {
  static const std::vector<Rule> all = {
      {"LeCun, 1 / fan-in", [](const activations::Function&) { return 1.0; }, false},
      {"He, 2 / fan-in", [](const activations::Function&) { return 2.0; }, false},
      {"variance kept, 1 / (fan-in E f^2)",
       [](const activations::Function& f) { return theory::variance_preserving(f).weight_variance; }, false},
      {"He, with layer normalisation", [](const activations::Function&) { return 2.0; }, true}};
  return all;
}

// ln of the mean square of gradients at the first pre-activations, over that at the last. A normalised layer divides by
// its own variance sigma_w^2 E f^2, so that whatever the rule is, its gain is that of the one that keeps the variance.
double predicted_log_gain(const activations::Function& f, const Rule& rule) {
  const theory::LayerVariances layer =
      rule.layer_norm ? theory::variance_preserving(f) : theory::LayerVariances{rule.weight_variance(f), 0};
  return std::log(theory::gradient_gain(f, 1, depth, layer));
}

// ln |g_l|^2 / |g_last|^2 for l = first, ..., last, for each of `nets` random networks z -> W f(z), or W f(LN(z)), of
// width n.
std::vector<std::vector<double>> log_gradients(const std::string& name, const Rule& rule, Index n, Index nets) {
  const nn::Activation f = nn::activation(name);
  const double deviation = std::sqrt(rule.weight_variance(f.function()) / double(n));
  std::vector<Tensor> z{draw({nets, 1, n}).requires_grad_()};
  while (int(z.size()) < depth) {
    const Tensor x = rule.layer_norm ? nn::functional::layer_norm(z.back(), {n}) : z.back();
    z.push_back(bmm(nn::activation(name)(x), draw({nets, n, n}) * deviation));
  }
  const std::vector<Tensor> g = grad(z.back(), z, {.grad_output = draw({nets, 1, n})});
  std::vector<std::vector<double>> logs(std::size_t(nets), std::vector<double>{});
  const std::vector<double> last = to_vector<double>(sum(square(g.back()), {.axes = {1, 2}}));
  for (const Tensor& gradient : g) {
    const std::vector<double> size = to_vector<double>(sum(square(gradient), {.axes = {1, 2}}));
    for (std::size_t i = 0; i < logs.size(); ++i) logs[i].push_back(std::log(size[i] / last[i]));
  }
  return logs;
}

std::vector<std::vector<double>> many_log_gradients(lab::Run& run, const std::string& name, const Rule& rule, Index n,
                                                    Index nets) {
  std::vector<std::vector<double>> all;
  for (Index done = 0; done < nets; done += 10) {
    run.check_interrupt();
    for (auto& logs : log_gradients(name, rule, n, 10)) all.push_back(std::move(logs));
  }
  return all;
}

std::vector<double> first_layer(const std::vector<std::vector<double>>& logs) {
  std::vector<double> values;
  for (const auto& one : logs) values.push_back(one.front());
  return values;
}

// How much the gradient's variance changes from layer to layer, for each network: the standard deviation over layers of
// its logarithm.
std::vector<double> spread_over_layers(const std::vector<std::vector<double>>& logs) {
  std::vector<double> spreads;
  for (const auto& one : logs) spreads.push_back(report::sample_std(one));
  return spreads;
}

// Squared deviations from the mean, whose mean is the variance over networks.
std::vector<double> squared_deviations(const std::vector<double>& values) {
  std::vector<double> squares;
  for (const double value : values) squares.push_back(std::pow(value - report::mean(values), 2));
  return squares;
}

std::string steadier(const Interval& gelu_minus_elu) {
  if (gelu_minus_elu.lower > 0) return "ELU";
  if (gelu_minus_elu.upper < 0) return "GELU";
  return "not decided";
}

// The difference of GELU's and ELU's fluctuation, as a line of a table and in the claim.
void compare(lab::Claim& e6, Table& table, const std::string& what, const std::vector<double>& gelu,
             const std::vector<double>& elu) {
  const Interval difference = report::difference_interval(gelu, elu);
  table.row({what, report::mean(gelu), report::mean(elu), difference.lower, difference.upper, steadier(difference)});
  e6.report(what + ": GELU minus ELU", difference.center, (difference.upper - difference.lower) / 3.92,
            "steadier: " + steadier(difference));
}

Table comparison() {
  return Table({"fluctuation", Column("GELU").significant(4), Column("ELU").significant(4),
                Column("difference, from").significant(3), Column("to").significant(3), "steadier"});
}

// Gains found at widths n and 2 n differ from those of infinite width by a term in 1 / n, which 2 m(2 n) - m(n) does
// not have.
void check_depth(lab::Claim& e6, const std::string& what, double predicted, const std::vector<double>& wide,
                 const std::vector<double>& narrow) {
  const double ten = std::log(10.0), value = (2 * report::mean(wide) - report::mean(narrow)) / ten;
  const double error = std::hypot(2 * report::standard_error(wide), report::standard_error(narrow)) / ten;
  e6.measured(what, predicted / ten, value, error, {.sigmas = 4, .systematic = 0.2},
              "extrapolated in 1 / width from two widths");
}

theory::LayerVariances layer_of(const activations::Function& f, const Rule& rule) {
  return {rule.weight_variance(f), 0};
}

// V'(1) > 1: a variance that starts off 1, as that of a network of finite width does, moves away from it, layer by
// layer.
bool drifts_away(const activations::Function& f, const Rule& rule) {
  const theory::LayerVariances layer = layer_of(f, rule);
  return !rule.layer_norm && std::fabs(theory::variance_map(f, 1, layer) - 1) < 1e-9 &&
         theory::variance_slope(f, 1, layer) > 1 + 1e-9;
}

// What theory says about the 29 layers from z_1 to z_30, and about those from z_2 to z_31, where the first layer's
// variance is not yet 1.
void predictions(lab::Run& run) {
  Table table({"rule", "activation", Column("log10 gain, z_1 to z_30").significant(5),
               Column("z_2 to z_31").significant(5), Column("slope of the variance map at 1").significant(5)});
  for (const Rule& rule : rules()) {
    if (rule.layer_norm) continue;
    for (const char* name : {"gelu", "elu", "relu", "selu", "tanh"}) {
      const activations::Function f = function(name);
      const theory::LayerVariances layer = layer_of(f, rule);
      table.row({rule.name, name, std::log10(theory::gradient_gain(f, 1, depth, layer)),
                 std::log10(theory::gradient_gain(f, theory::variance_map(f, 1, layer), depth, layer)),
                 theory::variance_slope(f, 1, layer)});
    }
  }
  run.say("Mean field, for infinite width.");
  run.table(table);
}

void deep_networks(lab::Run& run, lab::Claim& e6) {
  run.section("Thirty layers");
  predictions(run);
  const Index n = run.pick<Index>(128, 64), nets = run.pick<Index>(300, 100);
  run.say(
      fmt::format("log10 of the gradients' mean square at the first layer over that at the last, {} networks of width "
                  "{} and {} of width {}.",
                  nets, n / 2, nets, n));
  Table gains({"rule", "activation", Column("mean field").significant(4),
               Column(fmt::format("width {}", n / 2)).significant(4), Column(fmt::format("width {}", n)).significant(4),
               Column("deviation over networks").significant(3), Column("sqrt(29 (3k-1) / width)").significant(3)});
  Table table = comparison();
  Figure figure("Mean square of gradients, over that at the last layer");
  figure.palette({"gelu", "elu", "relu"});
  const double ten = std::log(10.0);
  for (const Rule& rule : rules()) {
    report::Panel& panel = figure.panel(rule.name).x_label("layer").y_label("log10");
    std::vector<std::vector<std::vector<double>>> found;
    for (const char* name : {"gelu", "elu", "relu"}) {
      const activations::Function f = function(name);
      const double predicted = predicted_log_gain(f, rule);
      const auto narrow = many_log_gradients(run, name, rule, n / 2, nets);
      found.push_back(many_log_gradients(run, name, rule, n, nets));
      const std::vector<double> wide_first = first_layer(found.back()), narrow_first = first_layer(narrow);
      const std::string what = fmt::format("{}, {}: log10 of the gain over 29 layers", rule.name, name);
      if (drifts_away(f, rule))
        e6.report(what, report::mean(wide_first) / ten, report::standard_error(wide_first) / ten,
                  fmt::format("{:.3f} for infinite width; but V'(1) = {:.3f} > 1, so narrow networks leave q = 1",
                              predicted / ten, theory::variance_slope(f, 1, layer_of(f, rule))));
      else
        check_depth(e6, what, predicted, wide_first, narrow_first);
      gains.row({rule.name, name, predicted / ten, report::mean(narrow_first) / ten, report::mean(wide_first) / ten,
                 report::sample_std(wide_first) / ten,
                 std::sqrt(theory::gain_fluctuation(f) * (depth - 1) / double(n)) / ten});
      report::Band band = report::band(found.back());
      for (auto* curve : {&band.center, &band.lower, &band.upper})
        for (double& value : *curve) value /= ten;
      std::vector<double> layer;
      for (int l = 1; l <= depth; ++l) layer.push_back(l);
      panel.line(name, layer, band);
    }
    const std::vector<double> gelu = spread_over_layers(found[0]), elu = spread_over_layers(found[1]);
    compare(e6, table, rule.name + ", over layers", gelu, elu);
    compare(e6, table, rule.name + ", over networks (variance)", squared_deviations(first_layer(found[0])),
            squared_deviations(first_layer(found[1])));
    e6.holds(
        rule.name + ": mean field predicts the gradients of ELU to stay nearer to one size than those of GELU",
        std::fabs(predicted_log_gain(function("elu"), rule)) < std::fabs(predicted_log_gain(function("gelu"), rule)));
    if (!rule.layer_norm)
      e6.holds(rule.name + ": GELU is not steadier over layers: the 95 % interval of the difference is not below 0",
               report::difference_interval(gelu, elu).upper > 0);
  }
  run.table(gains);
  run.say(
      "Natural logarithms of the gradients' mean square: standard deviation over layers, and variance over networks at "
      "the first layer; 95 % intervals of the difference.");
  run.table(table);
  run.figure("layers", std::move(figure), "Mean over networks, and the standard deviation between them.");
  e6.equal("ReLU, kept variance: its gain, without any fluctuation in theory, though it is the least smooth", 0,
           predicted_log_gain(function("relu"), rules()[2]), {.absolute = 1e-12});
}

// -- residual blocks with layer normalisation in front, and Transformers

// Inputs of `blocks` blocks x + W2 f(W1 LN(x)) of width and hidden width n; the last entry is the output.
std::vector<Tensor> pre_norm_inputs(const std::string& name, Index n, int blocks, Index nets) {
  std::vector<Tensor> x{draw({nets, 1, n}).requires_grad_()};
  const double deviation = 1 / std::sqrt(double(n));
  for (int b = 0; b < blocks; ++b) {
    const Tensor hidden =
        nn::activation(name)(bmm(nn::functional::layer_norm(x.back(), {n}), draw({nets, n, n}) * deviation));
    x.push_back(x.back() + bmm(hidden, draw({nets, n, n}) * deviation));
  }
  return x;
}

void pre_norm_blocks(lab::Run& run, lab::Claim& e6) {
  run.section("Residual blocks with layer normalisation in front");
  const int blocks = 20, batches = run.pick(30, 10);
  const Index n = run.pick<Index>(128, 96), nets = 4;
  Table table(
      {"activation", Column("predicted gain over 20 blocks").significant(5), Column("measured").significant(4)});
  for (const char* name : {"gelu", "elu", "relu"}) {
    const theory::ResidualStack stack = theory::pre_norm_stack(function(name), blocks);
    std::vector<double> gains;
    for (int b = 0; b < batches; ++b) {
      run.check_interrupt();
      const std::vector<Tensor> x = pre_norm_inputs(name, n, blocks, nets);
      const Tensor v = draw(x.back().shape());
      gains.push_back((sum(square(grad(x.back(), x.front(), {.grad_output = v}))) / sum(square(v))).item());
    }
    e6.measured(fmt::format("{}: mean gain over {} blocks x + W2 f(W1 LN(x))", name, blocks), stack.gain, gains,
                {.sigmas = 5, .systematic = 8 * stack.gain / double(n)}, "a power of the depth, for every activation");
    table.row({name, stack.gain, report::mean(gains)});
  }
  run.table(table);
}

// ln of the gradient's mean square at the input of each block of a Transformer as it is built, over that at its output.
std::vector<double> transformer_log_gradients(const std::string& name, bool norm_first, int blocks) {
  const Index width = 32, length = 8;
  nn::TransformerEncoder net(width, 4, blocks, {.feed_forward = name, .norm_first = norm_first});
  std::vector<Tensor> x{randn({2, length, width}).requires_grad_()};
  for (nn::TransformerBlock& block : net.layers) x.push_back(block(x.back()));
  const std::vector<Tensor> g = grad(x.back(), x, {.grad_output = randn(x.back().shape())});
  std::vector<double> logs;
  for (const Tensor& gradient : g)
    logs.push_back(std::log(sum(square(gradient)).item() / sum(square(g.back())).item()));
  return logs;
}

void transformers(lab::Run& run, lab::Claim& e6) {
  run.section("Transformers");
  const int blocks = 12, nets = run.pick(60, 15);
  Table table = comparison();
  Figure figure("Transformers of twelve blocks as they are initialised");
  for (const bool norm_first : {true, false}) {
    const std::string what = norm_first ? "normalisation in front of each part" : "normalisation behind each sum";
    report::Panel& panel = figure.panel(what).x_label("block").y_label("ln of the gradients' mean square");
    std::vector<std::vector<std::vector<double>>> found(2);
    for (std::size_t i = 0; i < 2; ++i) {
      const char* name = i == 0 ? "gelu" : "elu";
      for (int net = 0; net < nets; ++net) {
        run.check_interrupt();
        found[i].push_back(transformer_log_gradients(name, norm_first, blocks));
      }
      std::vector<double> place;
      for (int b = 0; b <= blocks; ++b) place.push_back(b);
      panel.line(name, place, report::band(found[i]));
    }
    compare(e6, table, "Transformer, " + what + ", over blocks", spread_over_layers(found[0]),
            spread_over_layers(found[1]));
    compare(e6, table, "Transformer, " + what + ", over networks (variance)", squared_deviations(first_layer(found[0])),
            squared_deviations(first_layer(found[1])));
  }
  run.table(table);
  run.figure("transformers", std::move(figure),
             fmt::format("Mean and standard deviation over {} networks of width 32.", nets));
}

// -- the smoothness itself

void smoothness(lab::Run& run, lab::Claim& e6) {
  run.section("Smoothness");
  const auto jump = [](const activations::Function& f, int order) {
    return std::fabs(f(order, 1e-9) - f(order, -1e-9));
  };
  const activations::Function elu = function("elu"), two = nn::ELU(2).function(), celu = nn::CELU(2).function();
  e6.equal("ELU, alpha = 1: jump of f' at 0", 0, jump(elu, 1), {.absolute = 1e-8});
  e6.equal("ELU, alpha = 1: jump of f'' at 0, alpha", 1, jump(elu, 2), {.absolute = 1e-8});
  e6.equal("ELU, alpha = 2: jump of f' at 0, alpha - 1", 1, jump(two, 1), {.absolute = 1e-8});
  e6.equal("CELU, alpha = 2: jump of f' at 0", 0, jump(celu, 1), {.absolute = 1e-8});
  Table table({"activation", "continuous derivatives", Column("ln gain over 29 layers, variance kept").significant(4),
               Column("3 k - 1").significant(4)});
  for (const auto& [name, smooth] : std::vector<std::pair<std::string, std::string>>{
           {"relu", "0"}, {"elu", "1"}, {"gelu", "all"}, {"silu", "all"}, {"mish", "all"}, {"tanh", "all"}})
    table.row({name, smooth, predicted_log_gain(function(name), rules()[2]), theory::gain_fluctuation(function(name))});
  run.table(table);
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("transformer_gradients", "Gradients through deep networks: GELU and ELU",
               "Is it GELU's smoothness that keeps the gradients of deep networks at one size?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e6 = run.claim("E6",
                               "Exact backpropagation through a deep feed-forward network shows that the smoother GELU "
                               "gives gradient variances that fluctuate less from layer to "
                               "layer than ELU's, which is only once continuously differentiable.");
    one_layer(run, e6);
    deep_networks(run, e6);
    pre_norm_blocks(run, e6);
    transformers(run, e6);
    smoothness(run, e6);
    e6.verdict(Verdict::wrong,
               "In wide networks a layer multiplies the gradients' mean square by sigma_w^2 E f'^2 and the relative "
               "variance of this factor is (3 k - 1) / width, k = E f'^4 / (E f'^2)^2: "
               "no derivative but the first enters. Under LeCun's, He's and the variance-keeping rule the gradients of "
               "ELU stay nearer to one size (over 30 layers 10^0.44 against "
               "10^0.88 where the variance is kept, 10^-1.9 against 10^-17 under LeCun's), and its layers fluctuate "
               "less (2.995 against 5.265); ReLU, the least smooth, is the flattest where the variance is kept. "
               "Layer normalisation makes the gain that of the variance-keeping rule whatever the weights are. In "
               "pre-norm residual blocks gradients grow like a power of the depth; GELU's grow less than "
               "ELU's there (11.0 against 15.1 over 20 blocks), not because GELU is smooth, as ReLU's grow like GELU's "
               "(11.0), but because its E f'^2 is smaller. "
               "What the chapter says of smoothness holds: ELU is C^1 for alpha = 1, with a jump of alpha in f'' at 0, "
               "and only C^0 for other alpha (CELU is C^1 for all).")
        .figure("layers");
  });
}
