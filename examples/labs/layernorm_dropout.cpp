// What do layer normalisation and dropout make of the outputs of GELU?
//
// Draws of layers of 2 to 16 independent units go through every activation and nn::LayerNorm (without epsilon); means, squares and
// products stand beside the theory of exchangeable units. Then layers that are not exchangeable, real digits, and dropout as a gate.
// The derivations are in docs/labs/layernorm_dropout.md. Takes seconds. What you should see: a mean of 0 for every activation, although
// not one output has a symmetric law; and a mean that is not 0 as soon as the units differ.
#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/layer_norm.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/moments.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

constexpr double pi = std::numbers::pi;

Tensor draw(Index rows, Index units) { return randn({rows, units}, {.dtype = float64}); }
double mean_of(const Tensor& x) { return mean(x).item(); }
Tensor unit(const Tensor& x, Index index) { return x.slice(1, index, index + 1); }

// The smallest epsilon does nothing but keep 0 / 0 away where all units of a row are equal.
Tensor normalised(const Tensor& x) { return nn::functional::layer_norm(x, {x.size(1)}, {}, {}, 1e-300); }

struct Samples {
  std::vector<double> mean, second, product, sum;
};

// Batch means of LN_0, LN_0^2 and LN_0 LN_1, and the largest |sum of a row|, for layers that `layer` draws.
template <class Layer>
Samples layer_norms(Index batches, Layer layer) {
  const NoGrad no_grad;
  Samples samples;
  for (Index b = 0; b < batches; ++b) {
    const Tensor y = normalised(layer()), first = unit(y, 0);
    samples.mean.push_back(mean_of(first));
    samples.second.push_back(mean_of(square(first)));
    samples.product.push_back(mean_of(first * unit(y, 1)));
    samples.sum.push_back(abs(sum(y, {.axes = {1}})).max().item());
  }
  return samples;
}

void every_activation(lab::Run& run, lab::Claim& g6) {
  run.section("Layers of independent units");
  const Index batches = run.pick<Index>(100, 50), rows = run.pick<Index>(10000, 500);
  double largest_sum = 0;
  Table table({"activation", "units", Column("E LN").significant(3), Column("E LN^2").significant(5), Column("predicted").significant(5),
               Column("E LN_i LN_j").significant(5), Column("predicted").significant(5)});
  for (const std::string& name : activations::names())
    for (const Index n : {Index(2), Index(4), Index(16)}) {
      run.check_interrupt();
      const nn::Activation f = nn::activation(name);
      const theory::LayerNormMoments theory = theory::layer_norm_moments(f.function(), n);
      const Samples found = layer_norms(batches, [&] { return nn::activation(name)(draw(rows, n)); });
      largest_sum = std::max(largest_sum, *std::max_element(found.sum.begin(), found.sum.end()));
      const std::string what = fmt::format("{}, {} units", name, n);
      g6.measured("E LN_i, " + what, theory.mean, found.mean, {.sigmas = 5});
      // What happens once in as many draws, a layer of hard_swish that is constant, may well not be seen, nor show in the spread.
      const double unseen = 5.0 / double(batches * rows);
      g6.measured("E LN_i^2, " + what, theory.second, found.second, {.sigmas = 5, .systematic = unseen});
      g6.measured("E LN_i LN_j, " + what, theory.product, found.product, {.sigmas = 5, .systematic = unseen});
      table.row(
          {name, n, report::mean(found.mean), report::mean(found.second), theory.second, report::mean(found.product), theory.product});
    }
  g6.at_most("the largest |sum of LN over a layer| of all draws", 1e-6, largest_sum, "rounding, magnified where units are nearly equal");
  run.table(table);
}

// The third central moment of f(Z) over the deviation's third power.
double skewness(const activations::Function& f) {
  const theory::Moments m = theory::gaussian_moments(f);
  const auto cubed = [&](double x) { return std::pow((f(x) - m.mean) / std::sqrt(m.variance), 3); };
  return theory::gaussian_expectation(cubed, {}, f.traits().kinks);
}

void no_symmetry(lab::Run& run, lab::Claim& g6) {
  const NoGrad no_grad;
  const activations::Function gelu = activations::activation("gelu");
  const theory::Moments m = theory::gaussian_moments(gelu);
  const Index batches = run.pick<Index>(100, 50), rows = run.pick<Index>(20000, 2000);
  std::vector<double> mean_gelu, skew, median, shown;
  for (Index b = 0; b < batches; ++b) {
    const Tensor x = activate(gelu, draw(rows, 4)), y = unit(normalised(x), 0);
    mean_gelu.push_back(mean_of(x));
    skew.push_back(mean_of(((x - m.mean) / std::sqrt(m.variance)).pow(3)));
    median.push_back(report::median(to_vector<double>(y)));
    if (b == 0) shown = to_vector<double>(y);
  }
  g6.measured("E GELU(Z)", m.mean, mean_gelu);
  g6.measured("skewness of GELU(Z): not 0, so its law is not symmetric", skewness(gelu), skew);
  g6.at_most("median of LN_i of 4 GELU units (0 if LN were symmetric; its mean is 0)", -0.35, report::mean(median));
  g6.report("median of LN_i of 4 GELU units", report::mean(median), report::standard_error(median));

  std::vector<double> share, value, mirrored;
  for (double part = 0; part <= 1.0001; part += 0.005) {
    share.push_back(std::min(1.0, part));
    value.push_back(report::quantile(shown, share.back()));
    mirrored.push_back(-report::quantile(shown, 1 - share.back()));
  }
  Figure figure("LN_i of four GELU units: mean 0, not symmetric");
  figure.panel()
      .x_label("value")
      .y_label("share of draws below it")
      .line("LN_i", value, share)
      .line("-LN_i", mirrored, share)
      .vertical(0, "mean");
  run.figure("median", std::move(figure), "The two curves would be one if the law of LN_i were symmetric.");
}

// Exchangeable is all that is needed: units may depend on each other. And it is needed: units of unlike laws have unlike means.
void other_layers(lab::Run& run, lab::Claim& g6) {
  const Index batches = run.pick<Index>(100, 50), rows = run.pick<Index>(10000, 1000);
  const auto check = [&](const std::string& what, double predicted, const std::string& name, auto pre_activations) {
    const Samples found = layer_norms(batches, [&] { return nn::activation(name)(pre_activations()); });
    g6.measured(what, predicted, found.mean, {.sigmas = 5});
  };
  check("GELU units that share half of their variance: exchangeable, not independent; E LN_i", 0, "gelu",
        [&] { return (draw(rows, 4) + draw(rows, 1)) / std::sqrt(2.0); });

  const double shift = 1, wide = 3;
  const Tensor means = tensor({{shift, 0}}, {.dtype = float64}), deviations = tensor({{1, wide}}, {.dtype = float64});
  // Two units: LN is (1, -1) or (-1, 1), so E LN_0 = P(x_0 > x_1) - P(x_0 < x_1).
  check("two softplus units of means 1 and 0: 2 Phi(1/sqrt 2) - 1; E LN_0", 2 * theory::normal_cdf(shift / std::sqrt(2.0)) - 1, "softplus",
        [&] { return draw(rows, 2) + means; });
  check("two ReLU units of deviations 1 and 3: 1/4 - atan(3)/pi; E LN_0", 0.25 - std::atan(wide) / pi, "relu",
        [&] { return draw(rows, 2) * deviations; });
  check("two units without activation, of deviations 1 and 3: each law is symmetric, they differ; E LN_0", 0, "identity",
        [&] { return draw(rows, 2) * deviations; });
  const Samples unlike = layer_norms(batches, [&] { return nn::activation("gelu")(draw(rows, 2) * deviations); });
  g6.report("two GELU units of deviations 1 and 3, E LN_0", report::mean(unlike.mean), report::standard_error(unlike.mean),
            "not exchangeable");
  g6.at_least("the same, its distance from 0 in standard errors", 10,
              std::fabs(report::mean(unlike.mean)) / report::standard_error(unlike.mean));

  const Tensor beta = tensor({0.5, -1, 2, 0}, {.dtype = float64});
  const NoGrad no_grad;
  std::vector<double> third;
  for (Index b = 0; b < batches; ++b)
    third.push_back(mean_of(unit(nn::functional::layer_norm(gelu(draw(rows, 4)), {4}, 3 * ones_like(beta), beta), 2)));
  g6.measured("with a gain of 3 and an offset of 2, E of the output is the offset", 2, third, {.sigmas = 5});
}

// Over random weights the units of a layer are exchangeable; over data, with the weights fixed, they are not.
void real_layer(lab::Run& run, lab::Claim& g6) {
  run.section("A layer on real digits");
  const NoGrad no_grad;
  const Tensor x = data::Standardize(data::digits().x)(data::digits().x).flatten(1);
  const Index units = 32, networks = run.pick<Index>(400, 40);
  std::vector<double> first, spread;
  for (Index n = 0; n < networks; ++n) {
    nn::Linear layer{x.size(1), units};
    const Tensor means = mean(nn::functional::layer_norm(gelu(layer(x)), {units}, {}, {}), {.axes = {0}});
    first.push_back(means.data<float>()[0]);
    spread.push_back(std::sqrt(mean_of(square(means))));
  }
  g6.measured("digits, unit 0 of 32: mean over images and over random weights", 0, first, {.sigmas = 5});
  g6.report("digits: root mean square of the units' means over images, weights fixed", report::mean(spread),
            report::standard_error(spread));
  g6.at_least("the same, not a mean of 0 by far", 0.3, report::mean(spread));
  run.say(
      "With its weights fixed, a unit's mean over the images is far from 0: the theorem is about random, exchangeable units, not about a "
      "trained layer.");
}

void dropout(lab::Run& run) {
  lab::Claim& g7 = run.claim(
      "G7", "With dropout as an independent random gate, the expectation of gate times GELU is the product of the two expectations.");
  const NoGrad no_grad;
  const Index batches = run.pick<Index>(100, 50), draws = run.pick<Index>(20000, 4000);
  for (const char* name : {"gelu", "relu", "elu"})
    for (const double keep : {0.9, 0.5}) {
      const theory::DropoutMoments theory = theory::dropout_moments(activations::activation(name), keep);
      nn::Dropout layer{1 - keep};
      std::vector<double> gated, inverted, variance;
      for (Index b = 0; b < batches; ++b) {
        const Tensor y = nn::activation(name)(randn({draws}, {.dtype = float64}));
        gated.push_back(mean_of(bernoulli({draws}, keep, {.dtype = float64}) * y));
        const Tensor dropped = layer(y);
        inverted.push_back(mean_of(dropped));
        variance.push_back(mean_of(square(dropped - theory.inverted_mean)));
      }
      const std::string what = fmt::format("{}, keep {:g}", name, keep);
      g7.measured("E D f, " + what, theory.mean, gated, {.sigmas = 5});
      g7.measured("E of nn::Dropout(f), " + what, theory.inverted_mean, inverted, {.sigmas = 5});
      g7.measured("Var of nn::Dropout(f), " + what, theory.inverted_variance, variance, {.sigmas = 5});
    }

  // GELU itself is the mean of such a gate, one whose chance depends on its input.
  for (const double x : {-1.0, 1.0}) {
    std::vector<double> mean, variance;
    const double keep = theory::normal_cdf(x), g = activations::activation("gelu")(x);
    for (Index b = 0; b < batches; ++b) {
      const Tensor gated = x * bernoulli({draws}, keep, {.dtype = float64});
      mean.push_back(mean_of(gated));
      variance.push_back(mean_of(square(gated - g)));
    }
    g7.measured(fmt::format("E of {:g} times a gate open with chance Phi({:g}): GELU({:g})", x, x, x), g, mean, {.sigmas = 5});
    g7.measured(fmt::format("its variance: x^2 Phi (1 - Phi) at {:g}", x), x * x * keep * (1 - keep), variance, {.sigmas = 5});
  }
  // A gate that sees its input: E D = 1/2, but E D g = E X Phi^2 = 2 E Phi phi = E phi = E g.
  std::vector<double> dependent;
  for (Index b = 0; b < batches; ++b) {
    const Tensor x = randn({draws}, {.dtype = float64});
    dependent.push_back(mean_of(bernoulli(0.5 * erfc(x / -std::sqrt(2.0))) * gelu(x)));
  }
  const double mean = theory::gaussian_moments("gelu").mean;
  g7.measured("a second gate of chance Phi(x) on GELU(x): E D g = E g, not E D E g = E g / 2", mean, dependent, {.sigmas = 5});

  Figure figure("GELU with dropout");
  std::vector<double> keeps, plain, scaled, spread;
  for (double keep = 0.1; keep <= 1.0001; keep += 0.05) {
    const theory::DropoutMoments m = theory::dropout_moments(activations::activation("gelu"), std::min(1.0, keep));
    keeps.push_back(keep), plain.push_back(m.mean), scaled.push_back(m.inverted_mean), spread.push_back(m.inverted_variance);
  }
  figure.panel("means").x_label("chance to be kept").line("D f", keeps, plain).line("D f / keep", keeps, scaled);
  figure.panel("variance of D f / keep").x_label("chance to be kept").log_y().line("variance", keeps, spread);
  run.figure("dropout", std::move(figure), "Dividing by the chance to be kept saves the mean and pays in variance.");
  g7.verdict(
        Verdict::holds,
        "E[D g] = keep E g for a gate that is independent of its input, and nn::Dropout, which divides by keep, leaves E g alone; the "
        "variance "
        "becomes E g^2 / keep - (E g)^2. A gate that depends on its input does not factor: GELU itself is such a gate, of chance Phi(x).")
      .figure("dropout");
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("layernorm_dropout", "Layer normalisation and dropout after GELU",
               "Is the expectation of LN(GELU(Z)) zero, and why? What does dropout add?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g6 = run.claim(
        "G6",
        "For independent standard normal Z the expectation of LN(GELU(Z)) is 0 because the variables have a symmetric law: GELU and "
        "layer normalisation fit each other.");
    no_symmetry(run, g6);
    other_layers(run, g6);
    real_layer(run, g6);
    every_activation(run, g6);
    g6.verdict(Verdict::wrong,
               "The expectation is 0, the reason is another one. GELU(Z) is skewed (1.77), and so is LN of it. But the units of a layer "
               "can be exchanged, so "
               "all E LN_i are equal, and their sum is 0: it holds for every activation, E LN_i^2 = 1 and E LN_i LN_j = -1/(n-1) follow "
               "likewise (times "
               "1 - 2^-n for ReLU, whose layer may be constant), and it fails for units of unlike laws.")
        .figure("median");
    dropout(run);
  });
}
