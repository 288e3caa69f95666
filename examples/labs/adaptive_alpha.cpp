// Can ELU's alpha follow the statistics of what flows through, and steady the gradients of a deep network?
//
// The alphas for three conditions in closed form, beside draws through nn::StatisticsELU; what an alpha other than 1
// costs; that samples see each other through the batch; gradients through thirty layers; and deep networks trained on
// digits. The derivations are in docs/labs/adaptive_alpha.md. Takes about a minute. What you should see: gradients that
// keep their size for inputs of any scale, where a fixed alpha loses or multiplies them.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/nn/adaptive_elu.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/elu_alpha.hpp>
#include <gradus/theory/mean_field.hpp>
#include <gradus/theory/moments.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;
using theory::EluCondition;

namespace {

double mean_of(const Tensor& x) { return mean(x).item(); }
std::string elu_of(double alpha) { return fmt::format("elu({:.17g})", alpha); }

// With momentum 1 the statistics are those of the batch at hand.
nn::StatisticsELU following(EluCondition condition) {
  return nn::StatisticsELU(1, {.condition = condition, .momentum = 1, .max_alpha = 100});
}

// ---- Closed forms ----

void conditions(lab::Run& run, lab::Claim& e13) {
  run.section("The alpha for each condition");
  Table table({"mean", "variance", Column("E f' = 1").significant(8), Column("E f'^2 = 1").significant(8),
               Column("E f = 0").significant(8)});
  const Index batches = run.pick<Index>(100, 40), draws = run.pick<Index>(20000, 4000);
  for (const auto& [mu, variance] : {std::pair{0.0, 1.0}, {-1.0, 1.0}, {1.0, 1.0}, {0.0, 0.1}, {0.0, 4.0}}) {
    run.check_interrupt();
    std::vector<report::Cell> row{mu, variance};
    for (const EluCondition condition :
         {EluCondition::unit_slope, EluCondition::unit_squared_slope, EluCondition::zero_mean}) {
      const double alpha = theory::adaptive_elu_alpha(condition, mu, variance);
      row.emplace_back(alpha);
      const theory::Moments m = theory::gaussian_moments(elu_of(alpha), {.mean = mu, .variance = variance});
      const double met = condition == EluCondition::zero_mean    ? m.mean
                         : condition == EluCondition::unit_slope ? m.slope_mean
                                                                 : m.slope_second;
      const double wanted = condition == EluCondition::zero_mean ? 0 : 1;
      const char* name = condition == EluCondition::zero_mean    ? "E f"
                         : condition == EluCondition::unit_slope ? "E f'"
                                                                 : "E f'^2";
      e13.equal(fmt::format("{} under N({:g}, {:g}) with alpha = {:.7g}, by integration", name, mu, variance, alpha),
                wanted, met, {.absolute = 1e-12});
      std::vector<double> found;
      for (Index b = 0; b < batches; ++b) {
        nn::StatisticsELU layer = following(condition);
        const Tensor x = (mu + std::sqrt(variance) * randn({draws})).requires_grad_(), y = layer(x);
        if (condition == EluCondition::zero_mean) {
          found.push_back(mean_of(y));
        } else {
          const Tensor slope = grad(sum(y), x);
          found.push_back(mean_of(condition == EluCondition::unit_slope ? slope : square(slope)));
        }
      }
      // The layer takes a variance that is larger by its eps, 1e-5; and alpha follows the noise of the batch.
      e13.measured(fmt::format("the same behind nn::StatisticsELU, {} draws", batches * draws), wanted, found,
                   {.sigmas = 5, .systematic = 1e-3});
    }
    table.row(row);
  }
  run.table(table);
}

// ---- What it costs ----

void kink(lab::Claim& e13) {
  const auto slope = [](const std::string& name, double x) { return activations::activation(name)(1, x); };
  const double alpha = theory::adaptive_elu_alpha(EluCondition::unit_squared_slope, 0, 1);
  e13.equal("slope of ELU with that alpha just left of 0: alpha; just right it is 1", alpha,
            slope(elu_of(alpha), -1e-14), {.relative = 1e-12});
  e13.equal("slope of CELU with the same alpha just left of 0", 1, slope(fmt::format("celu({:.17g})", alpha), -1e-14),
            {.relative = 1e-12});
}

// Does the output for sample 0 change when another sample does?
void samples_interact(lab::Claim& e13) {
  nn::StatisticsELU layer(1, {.condition = EluCondition::zero_mean, .momentum = 0.1});
  const auto first = [&](double other) { return layer(tensor({-1, other}, {.dtype = float64})).slice(0, 0, 1).item(); };
  layer.to(float64);
  const NamedTensors start = nn::clone(layer).state_dict();
  const auto after = [&](double other) {
    layer.load_state_dict(start);
    return first(other);
  };
  e13.at_least("in training, the output for one sample changes when another one does, by", 1e-3,
               std::fabs(after(3.0) - after(-2.0)));
  // The tape takes alpha for a constant: no gradient from that other sample, although there is an influence.
  layer.load_state_dict(start);
  const Tensor x = tensor({-1, 3}, {.dtype = float64}).requires_grad_();
  const Tensor slopes = grad(sum(layer(x).slice(0, 0, 1)), x);
  const double difference = (after(3.0 + 1e-4) - after(3.0 - 1e-4)) / 2e-4;
  e13.equal("the gradient of that output by the other sample, on the tape", 0, slopes.data<double>()[1], {});
  e13.at_least("and by differences", 1e-3, std::fabs(difference),
               "alpha counts as a constant: the gradient is not that of the whole map");
  layer.load_state_dict(start);
  layer.eval();
  e13.equal("in evaluation the other sample has no influence", 0, first(3.0) - first(-2.0), {});
}

// ---- Gradients through depth ----

struct Way {
  std::string name;
  bool adaptive;
  double alpha = 1;
};

// The mean square of the gradient at the first of `layers` pre-activations over that at the last; weights of variance 1
// / width.
double gain(const Way& way, double deviation, int layers, Index width) {
  Tensor z = (deviation * randn({8, width})).requires_grad_(), first = z;
  for (int l = 1; l < layers; ++l) {
    nn::StatisticsELU follows = following(EluCondition::unit_squared_slope);
    const Tensor features = way.adaptive ? follows(z) : elu(z, way.alpha);
    z = matmul(features, randn({width, width}) / std::sqrt(double(width)));
  }
  const Tensor back = randn_like(z);
  return mean_of(square(grad(sum(z * back), first))) / mean_of(square(back));
}

void depth(lab::Run& run, lab::Claim& e13) {
  run.section("Gradients through depth");
  const int layers = run.pick(30, 10);
  const Index width = run.pick<Index>(512, 128), networks = run.pick<Index>(30, 20);
  const std::vector<Way> ways = {
      {"adaptive, E f'^2 = 1", true},
      {"alpha = 1", false},
      {"alpha for N(0, 1), fixed", false, theory::adaptive_elu_alpha(EluCondition::unit_squared_slope, 0, 1)}};
  Table table({"ELU", "deviation of the input", Column("log10 of the gain, predicted").fixed(3),
               Column("found, mean ± deviation").fixed(3)});
  for (const Way& way : ways)
    for (const double deviation : {0.2, 1.0, 3.0}) {
      run.check_interrupt();
      std::vector<double> gains, logarithms;
      for (Index n = 0; n < networks; ++n)
        gains.push_back(gain(way, deviation, layers, width)), logarithms.push_back(std::log10(gains.back()));
      const double predicted = way.adaptive ? 1
                                            : theory::gradient_gain(activations::activation(elu_of(way.alpha)),
                                                                    deviation * deviation, layers, {1, 0});
      table.row({way.name, deviation, std::log10(predicted),
                 report::Measured{report::mean(logarithms), report::sample_std(logarithms)}});
      // What a finite width adds grows with depth: each layer's gain varies by some 3 / width, in the variance and, on
      // the logarithm, in the mean.
      const double finite = 0.05 + 4.0 * layers / double(width) / std::log(10.0);
      e13.measured(fmt::format("{}, input of deviation {:g}, {} layers: log10 of the gradient's gain", way.name,
                               deviation, layers),
                   std::log10(predicted), logarithms, {.sigmas = 5, .systematic = finite});
    }
  run.table(table);

  // What is kept on the way back is not kept on the way forward.
  for (const double variance : {0.01, 0.1, 1.0, 10.0, 100.0}) {
    const double alpha = theory::adaptive_elu_alpha(EluCondition::unit_squared_slope, 0, variance);
    const double kept = theory::gaussian_moments(elu_of(alpha), {.variance = variance}).second / variance;
    e13.at_most(
        fmt::format("variance {:g}, alpha for E f'^2 = 1: variance of the next pre-activations over that, below 1",
                    variance),
        1 - 1e-4, kept);
  }

  Figure figure("Gain of a gradient per layer, E f'^2, weights of variance 1 / width");
  auto& panel = figure.panel().x_label("deviation of the pre-activations").y_label("E f'^2").log_x();
  for (const Way& way : ways) {
    std::vector<double> at, gains;
    for (double e = -1; e <= 1.001; e += 0.05) {
      const double variance = std::pow(10, 2 * e);
      const double alpha =
          way.adaptive ? theory::adaptive_elu_alpha(EluCondition::unit_squared_slope, 0, variance) : way.alpha;
      at.push_back(std::pow(10, e)),
          gains.push_back(theory::gaussian_moments(elu_of(alpha), {.variance = variance}).slope_second);
    }
    panel.line(way.name, at, gains);
  }
  run.figure("gain", std::move(figure), "A fixed alpha keeps gradients at one scale only.");
}

// ---- Training ----

nn::Sequential network(const std::string& kind, int layers) {
  nn::Sequential net;
  for (int l = 0; l < layers; ++l) {
    nn::Linear linear(64, 64);
    nn::init::lecun_normal_(linear.weight);
    nn::init::zeros_(linear.bias);
    net.push_back(linear);
    if (kind == "zero mean") net.push_back(nn::StatisticsELU(1, {.condition = EluCondition::zero_mean}));
    if (kind == "squared slope 1") net.push_back(nn::StatisticsELU(1, {.condition = EluCondition::unit_squared_slope}));
    if (kind == "batch norm, alpha 1") net.push_back(nn::BatchNorm1d(64));
    if (kind == "alpha 1" || kind == "batch norm, alpha 1") net.push_back(nn::ELU());
    if (kind == "SELU") net.push_back(nn::SELU());
  }
  net.push_back(nn::Linear(64, 10));
  return net;
}

void training(lab::Run& run, lab::Claim& e13) {
  const auto [train_part, test_part] = data::split(data::digits(), {.test_fraction = 0.2, .stratify = true});
  const data::Standardize scale(train_part.x.flatten(1));
  data::Dataset train_set = train_part, test_set = test_part;
  train_set.x = scale(train_part.x.flatten(1)), test_set.x = scale(test_part.x.flatten(1));
  const int layers = 20, epochs = run.pick(10, 2), seeds = run.pick(8, 2);
  run.section(fmt::format("Digits: {} layers, {} epochs, {} seeds", layers, epochs, seeds));
  Table table({"ELU", Column("test accuracy ± deviation").percent(1)});
  std::vector<std::vector<double>> all;
  const std::vector<std::string> kinds = {"squared slope 1", "zero mean", "alpha 1", "SELU", "batch norm, alpha 1"};
  for (const std::string& kind : kinds) {
    std::vector<double> accuracy;
    for (int seed = 0; seed < seeds; ++seed) {
      run.check_interrupt();
      manual_seed(run.seed() + std::uint64_t(seed));
      nn::Sequential net = network(kind, layers);
      optim::SGD optimizer{net.parameters(), {.lr = 0.01, .momentum = 0.9}};
      data::DataLoader loader{train_set,
                              {.batch_size = 64, .shuffle = true, .drop_last = true, .seed = std::uint64_t(seed)}};
      (void)train::fit(net, optimizer, loader, {.epochs = epochs, .clip_norm = 1});
      accuracy.push_back(train::evaluate(net, test_set).metric);
    }
    table.row({kind, report::Measured{report::mean(accuracy), report::sample_std(accuracy)}});
    e13.report(fmt::format("digits, {} layers, {}: test accuracy", layers, kind), report::mean(accuracy),
               report::standard_error(accuracy));
    all.push_back(accuracy);
  }
  run.table(table);
  for (std::size_t i = 1; i < kinds.size(); ++i) {
    const report::Interval d = report::paired_difference_interval(all[0], all[i]);
    run.say(fmt::format(
        "Accuracy of \"{}\" less that of \"{}\": {:+.1f} points, with 95 % confidence between {:+.1f} and {:+.1f}: {}.",
        kinds[0], kinds[i], 100 * d.center, 100 * d.lower, 100 * d.upper,
        d.contains(0)  ? "no difference beyond the noise"
        : d.center > 0 ? "the first is ahead"
                       : "the second is ahead"));
  }
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("adaptive_alpha", "An alpha that follows the statistics",
               "Can ELU's alpha follow what flows through, and steady the gradients of a deep network?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& e13 = run.claim("E13",
                                "ELU's alpha can be set by the mean and variance of the layer's inputs, so that the "
                                "propagation of gradients is stable.");
    conditions(run, e13);
    kink(e13);
    samples_interact(e13);
    depth(run, e13);
    training(run, e13);
    e13.verdict(Verdict::holds_if,
                "There is a closed form for E f' = 1, E f'^2 = 1 and E f = 0 under any Gaussian (1.911, 1.725 and "
                "1.673 at N(0, 1)), and with the second gradients keep their mean "
                "square at any scale, where a fixed alpha does at one. It holds at the price of a kink at 0 (alpha is "
                "not 1; CELU has none), of samples that see each other through "
                "the batch, and of a gradient that takes alpha for a constant; and signals on their way forward shrink "
                "at every scale. What it brings in training is in the report.")
        .figure("gain");
  });
}
