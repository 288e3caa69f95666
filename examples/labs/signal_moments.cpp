// How large are the outputs of ReLU and GELU when their input is Gaussian?
//
// Mean, second moment and variance of f(X), X ~ N(0, q): a closed form, an integral, and two million draws. The derivations are in
// docs/labs/signal_moments.md. Takes seconds. What you should see: three numbers that agree for every activation and every q, and at
// q = 1 a variance of GELU that is larger than that of ReLU, although its mean and its second moment are smaller.
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/closed_moments.hpp>
#include <gradus/theory/moments.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

constexpr double pi = std::numbers::pi;

// The means of f(X)^power over so many batches of draws of X ~ N(0, q): samples whose spread tells how sure their mean is.
std::vector<double> batch_means(const std::string& activation, double q, int power, Index batches, Index draws) {
  const NoGrad no_grad;
  std::vector<double> means;
  for (Index b = 0; b < batches; ++b) {
    const Tensor y = nn::activation(activation)(std::sqrt(q) * randn({draws}, {.dtype = float64}));
    means.push_back(mean(power == 1 ? y : y * y).item());
  }
  return means;
}

void moments(lab::Run& run, lab::Claim& g1) {
  const theory::Moments relu = theory::gaussian_moments("relu"), gelu = theory::gaussian_moments("gelu");
  const double variance = 1.0 / 3 + 1 / (2 * pi * std::sqrt(3.0)) - 1 / (4 * pi);
  g1.equal("E ReLU: 1/sqrt(2 pi), and the integral", 1 / std::sqrt(2 * pi), relu.mean, {.relative = 1e-13});
  g1.equal("Var ReLU: 1/2 - 1/(2 pi), and the integral", 0.5 - 1 / (2 * pi), relu.variance, {.relative = 1e-13});
  g1.equal("E GELU: 1/(2 sqrt pi), and the integral", 1 / (2 * std::sqrt(pi)), gelu.mean, {.relative = 1e-13});
  g1.equal("E GELU^2: 1/3 + 1/(2 pi sqrt 3), and the integral", 1.0 / 3 + 1 / (2 * pi * std::sqrt(3.0)), gelu.second, {.relative = 1e-13});
  g1.equal("Var GELU: 1/3 + 1/(2 pi sqrt 3) - 1/(4 pi), and the integral", variance, gelu.variance, {.relative = 1e-13});

  const Index batches = run.pick<Index>(100, 20), draws = run.pick<Index>(20000, 5000);
  for (const char* activation : {"relu", "gelu"})
    for (const double q : {0.01, 1.0, 100.0}) {
      const theory::Moments m = theory::gaussian_moments(activation, {.variance = q});
      g1.measured(fmt::format("E {}, q = {:g}, {} draws", activation, q, batches * draws), m.mean, batch_means(activation, q, 1, batches, draws));
      g1.measured(fmt::format("E {}^2, q = {:g}", activation, q), m.second, batch_means(activation, q, 2, batches, draws));
    }
  g1.holds("at q = 1 the variance of GELU is larger than that of ReLU, its mean and second moment are smaller",
           gelu.variance > relu.variance && gelu.mean < relu.mean && gelu.second < relu.second,
           "the ratio of the variances is 1.01408");
  g1.report("Var GELU / Var ReLU at q = 1", gelu.variance / relu.variance);
  g1.verdict(Verdict::wrong,
             "It has a closed form for every variance q: E g^2 = q/4 + q asin(q/(1+q))/(2 pi) + q^2/(pi (1+q) sqrt(1+2q)), and "
             "E g = q/sqrt(2 pi (1+q)); at q = 1 the variance is 1/3 + 1/(2 pi sqrt 3) - 1/(4 pi) = 0.345644, larger than ReLU's 0.340845.")
      .figure("moments");
}

void ratios(lab::Run& run) {
  lab::Claim& g5 = run.claim("G5", "For small pre-activations the output variance of a GELU layer is about half of that of a ReLU layer.");
  const auto ratio = [](double q) {
    const theory::Moments gelu = theory::gaussian_moments("gelu", {.variance = q}), relu = theory::gaussian_moments("relu", {.variance = q});
    return std::pair{gelu.second / relu.second, gelu.variance / relu.variance};
  };
  // GELU(x) = x / 2 + x^2 phi(0) + ..., so both moments of it tend to those of x / 2; ReLU has E = q / 2 and Var = q (pi - 1) / (2 pi).
  g5.equal("E g^2 / E r^2 at q = 1e-6, and its limit 1/2", 0.5, ratio(1e-6).first, {.absolute = 2e-6});
  g5.equal("Var g / Var r at q = 1e-6, and its limit pi/(2 (pi - 1))", pi / (2 * (pi - 1)), ratio(1e-6).second, {.absolute = 2e-6});
  for (const double q : {1e-3, 0.01, 0.1, 1.0}) {
    g5.report(fmt::format("E g^2 / E r^2 at q = {:g}", q), ratio(q).first);
    g5.report(fmt::format("Var g / Var r at q = {:g}", q), ratio(q).second);
  }
  g5.verdict(Verdict::holds_if,
             "It holds for the second moment, which is what a random next layer passes on: the ratio tends to 1/2. The ratio of the variances of "
             "the activations tends to pi/(2 (pi - 1)) = 0.733. At q = 1 the ratios are 0.850 and 1.014: q has to be small.")
      .figure("ratios");

  std::vector<double> q, second, variance;
  for (double e = -4; e <= 4; e += 0.1) {
    q.push_back(std::pow(10, e));
    second.push_back(ratio(q.back()).first);
    variance.push_back(ratio(q.back()).second);
  }
  Figure figure("GELU beside ReLU");
  figure.panel().x_label("variance q of the input").y_label("ratio").log_x().line("second moments", q, second).line("variances", q, variance)
      .horizontal(0.5, "1/2").horizontal(pi / (2 * (pi - 1)), "pi / (2 (pi - 1))");
  run.figure("ratios", std::move(figure), "Second moment and variance of GELU(X) over those of ReLU(X), X ~ N(0, q).");
}

void every_activation(lab::Run& run, lab::Claim& g1) {
  run.section("Every activation");
  run.say("Moments at q = 1 by the integral; and, where there is a closed form, the largest relative difference between the two in E f^2 and "
          "E f'^2 at q = 1e-4, 1 and 1000.");
  Table table({"activation", Column("E f").significant(10), Column("E f^2").significant(10), Column("E f'").significant(10),
               Column("E f'^2").significant(10), Column("closed form off by").significant(2)});
  for (const std::string& name : activations::names()) {
    const activations::Function f = activations::activation(name);
    const theory::Moments m = theory::gaussian_moments(f);
    double worst = std::nan("");
    for (const double q : {1e-4, 1.0, 1e3})
      if (const auto closed = theory::closed_gaussian_moments(f, {.variance = q})) {
        const theory::Moments integral = theory::gaussian_moments(f, {.variance = q});
        const auto off = [](double a, double b) { return a == b ? 0 : std::fabs(a - b) / std::fabs(b); };
        for (const double error : {off(closed->second, integral.second), off(closed->slope_second, integral.slope_second)})
          worst = std::isnan(worst) ? error : std::max(worst, error);
      }
    table.row({name, m.mean, m.second, m.slope_mean, m.slope_second, worst});
    if (!std::isnan(worst)) g1.at_most(name + ": closed form and integral differ, relatively, by", 1e-12, worst);
  }
  run.table(table);

  Figure figure("Moments of f(X), X ~ N(0, q)");
  figure.palette({"relu", "gelu", "elu", "silu", "tanh"});
  auto& mean_panel = figure.panel("E f / sqrt q").x_label("q").log_x();
  auto& second_panel = figure.panel("E f^2 / q").x_label("q").log_x();
  for (const char* name : {"relu", "gelu", "elu", "silu", "tanh"}) {
    std::vector<double> q, mean, second;
    for (double e = -3; e <= 3; e += 0.1) {
      q.push_back(std::pow(10, e));
      const theory::Moments m = theory::gaussian_moments(name, {.variance = q.back()});
      mean.push_back(m.mean / std::sqrt(q.back()));
      second.push_back(m.second / q.back());
    }
    mean_panel.line(name, q, mean);
    second_panel.line(name, q, second);
  }
  run.figure("moments", std::move(figure), "ReLU is the same at every scale; the others are linear for small signals and tend to ReLU (or saturate) for large ones.");
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("signal_moments", "Moments of ReLU and GELU", "How large are the outputs of an activation when its input is Gaussian?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g1 = run.claim("G1", "The variance of GELU(X), X ~ N(0, 1), has to be found by numerical integration.");
    moments(run, g1);
    every_activation(run, g1);
    ratios(run);
  });
}
