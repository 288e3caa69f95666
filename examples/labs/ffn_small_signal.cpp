// What does the feed-forward block of a Transformer make of small signals, with GELU and with ReLU?
//
// Random blocks W2 f(W1 x): the variance of the output over the weights, for one input, and over the inputs, for one
// block; each beside the theory. What part of it is a constant. Which variance real blocks begin with. And how much of
// a number GELU keeps that is negative. The derivations are in docs/labs/ffn_small_signal.md. Takes half a minute. What
// you should see: half of ReLU's variance over the weights, 73 % of it over the inputs, because a third of what ReLU
// sends is one and the same vector for all inputs.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/lipschitz.hpp>
#include <gradus/theory/moments.hpp>
#include <gradus/theory/readout.hpp>
#include <gradus/theory/scalar_loss.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

constexpr double pi = std::numbers::pi;
constexpr Index width = 32, hidden = 128;

Tensor draw(const Shape& shape) { return randn(shape, {.dtype = float64}); }
double mean_of(const Tensor& x) { return mean(x).item(); }
theory::Moments moments(const std::string& activation, double q) {
  return theory::gaussian_moments(activation, {.variance = q});
}

// sum a / sum b of paired samples, and its standard error: that of the mean of a - ratio b over the mean of b.
struct Ratio {
  double value, error;
};

Ratio ratio(const std::vector<double>& a, const std::vector<double>& b) {
  const double value = report::mean(a) / report::mean(b);
  std::vector<double> rest;
  for (std::size_t i = 0; i < a.size(); ++i) rest.push_back(a[i] - value * b[i]);
  return {value, report::standard_error(rest) / report::mean(b)};
}

// The same random weights with both activations. The entries of W1 have variance `first` / width, those of W2 1 /
// hidden.
struct Blocks {
  nn::FeedForward gelu{width, hidden, {.activation = "gelu", .bias = false}},
      relu{width, hidden, {.activation = "relu", .bias = false}};

  explicit Blocks(double first) {
    gelu.to(float64), relu.to(float64);
    nn::init::normal_(gelu.linear1.weight, 0, std::sqrt(first / double(width)));
    nn::init::normal_(gelu.linear2.weight, 0, std::sqrt(1 / double(hidden)));
    share();
  }
  void share() {
    relu.linear1.weight.copy_(gelu.linear1.weight);
    relu.linear2.weight.copy_(gelu.linear2.weight);
  }
};

// One input, of mean square 1, so that pre-activations are N(0, q) over the weights: the output has the variance E f^2
// over them.
void over_weights(lab::Run& run, lab::Claim& g5) {
  const NoGrad no_grad;
  const Index networks = run.pick<Index>(4000, 400);
  for (const double q : {0.001, 0.01, 0.1, 1.0}) {
    run.check_interrupt();
    std::vector<double> of_gelu, of_relu;
    Tensor x = draw({1, width});
    x = x / std::sqrt(mean_of(square(x)));
    for (Index n = 0; n < networks; ++n) {
      Blocks blocks(q);
      of_gelu.push_back(mean_of(square(blocks.gelu(x))));
      of_relu.push_back(mean_of(square(blocks.relu(x))));
    }
    const theory::Moments g = moments("gelu", q), r = moments("relu", q);
    g5.measured(fmt::format("variance over the weights with GELU, q = {:g}: E g^2", q), g.second, of_gelu,
                {.sigmas = 5});
    g5.measured(fmt::format("variance over the weights with ReLU, q = {:g}: q / 2", q), r.second, of_relu,
                {.sigmas = 5});
    const Ratio found = ratio(of_gelu, of_relu);
    g5.measured(fmt::format("variance over the weights, q = {:g}: GELU's over ReLU's", q), g.second / r.second,
                found.value, found.error, {.sigmas = 5});
  }
}

// One block, many inputs N(0, I). Rows of W1 of length sqrt q make every pre-activation exactly N(0, q) over the
// inputs. Averaged over W2, the variance of an output over the inputs is Var f, and the square of its mean over them is
// (E f)^2.
void over_inputs(lab::Run& run, lab::Claim& g5) {
  const NoGrad no_grad;
  const Index networks = run.pick<Index>(300, 60), inputs = run.pick<Index>(4000, 1000);
  for (const double q : {0.001, 0.01, 0.1, 1.0}) {
    std::vector<double> of_gelu, of_relu, constant_gelu, constant_relu, all_gelu, all_relu;
    for (Index n = 0; n < networks; ++n) {
      run.check_interrupt();
      Blocks blocks(1);
      const Tensor& w = blocks.gelu.linear1.weight;
      blocks.gelu.linear1.weight.copy_(w / sqrt(sum(square(w), {.axes = {1}, .keepdim = true})) * std::sqrt(q));
      blocks.share();
      const Tensor x = draw({inputs, width});
      const auto add = [&](const Tensor& y, std::vector<double>& variance, std::vector<double>& constant,
                           std::vector<double>& all) {
        variance.push_back(mean_of(var(y, {.axes = {0}})));
        all.push_back(mean_of(square(y)));
        // The mean over so many inputs still has their variance over their number in its square.
        constant.push_back(mean_of(square(mean(y, {.axes = {0}}))) - variance.back() / double(inputs));
      };
      add(blocks.gelu(x), of_gelu, constant_gelu, all_gelu);
      add(blocks.relu(x), of_relu, constant_relu, all_relu);
    }
    const theory::Moments g = moments("gelu", q), r = moments("relu", q);
    const Ratio found = ratio(of_gelu, of_relu), constant = ratio(constant_relu, all_relu),
                constant_of_gelu = ratio(constant_gelu, all_gelu);
    g5.measured(fmt::format("variance over the inputs, q = {:g}: GELU's over ReLU's", q), g.variance / r.variance,
                found.value, found.error, {.sigmas = 5});
    g5.measured(fmt::format("share of a constant vector in what ReLU sends, q = {:g}: 1 / pi", q), 1 / pi,
                constant.value, constant.error, {.sigmas = 5});
    g5.measured(fmt::format("share of a constant vector in what GELU sends, q = {:g}: (E g)^2 / E g^2", q),
                g.mean * g.mean / g.second, constant_of_gelu.value, constant_of_gelu.error, {.sigmas = 5});
  }
}

void ratios(lab::Run& run, lab::Claim& g5) {
  run.section("Ratios and the approximation x / 2");
  Table table({"q", Column("E g^2 / E r^2").significant(6), Column("Var g / Var r").significant(6),
               Column("E g^2").significant(6), Column("of x / 2: q / 4").significant(6),
               Column("x / 2 falls short by").percent(1)});
  std::vector<double> variances, second, variance;
  for (double e = -3; e <= 1.01; e += 0.25) {
    const double q = std::pow(10, e);
    const theory::Moments g = moments("gelu", q), r = moments("relu", q);
    variances.push_back(q), second.push_back(g.second / r.second), variance.push_back(g.variance / r.variance);
    if (std::fabs(e - std::round(e)) < 1e-9)
      table.row({q, second.back(), variance.back(), g.second, q / 4, 1 - q / 4 / g.second});
  }
  run.table(table);
  const double tiny = 1e-6;
  g5.equal("E g^2 / E r^2 for q to 0: 1/2", 0.5, moments("gelu", tiny).second / moments("relu", tiny).second,
           {.absolute = 2e-6});
  g5.equal("Var g / Var r for q to 0: pi / (2 (pi - 1))", pi / (2 * (pi - 1)),
           moments("gelu", tiny).variance / moments("relu", tiny).variance, {.absolute = 2e-6});
  g5.at_least("q = 1: share of E g^2 that x / 2 misses", 0.4, 1 - 0.25 / moments("gelu", 1).second);

  Figure figure("GELU's output variance over ReLU's");
  figure.panel()
      .x_label("variance q of the pre-activations")
      .y_label("ratio")
      .log_x()
      .line("over the weights", variances, second)
      .line("over the inputs", variances, variance)
      .horizontal(0.5, "1/2")
      .horizontal(pi / (2 * (pi - 1)), "0.733")
      .vertical(1.0 / 3, "q at the start");
  run.figure("ratios", std::move(figure),
             "Of W2 f(W1 x). The vertical line: pre-activations of a block that begins as in PyTorch, behind layer "
             "normalisation.");
}

// Blocks as they begin in practice: nn::FeedForward's own initialisation (PyTorch's), on digits behind layer
// normalisation.
void in_practice(lab::Run& run, lab::Claim& g5) {
  const NoGrad no_grad;
  const Tensor x = nn::functional::layer_norm(data::digits().x.flatten(1), {64}, {}, {}, 0);
  const Index networks = run.pick<Index>(200, 30);
  // Uniform in +-1 / sqrt 64: each weight has variance 1 / (3 * 64), and |x|^2 = 64.
  const double q = 1.0 / 3;
  std::vector<double> found_q, of_gelu, of_relu;
  for (Index n = 0; n < networks; ++n) {
    run.check_interrupt();
    nn::FeedForward gelu(64, 256, {.activation = "gelu", .bias = false}),
        relu(64, 256, {.activation = "relu", .bias = false});
    relu.load_state_dict(gelu.state_dict());
    found_q.push_back(mean_of(square(gelu.linear1(x))));
    of_gelu.push_back(mean_of(square(gelu(x))));
    of_relu.push_back(mean_of(square(relu(x))));
  }
  const theory::Moments g = moments("gelu", q), r = moments("relu", q);
  const Ratio found = ratio(of_gelu, of_relu);
  g5.measured("digits: variance of the pre-activations of a new nn::FeedForward behind layer normalisation", q, found_q,
              {.sigmas = 5});
  // Sums of 64 uniform numbers have a kurtosis that is lower than the Gaussian's by 1.2 / 64 at least.
  g5.measured("digits: mean square of the output, GELU's over ReLU's: at q = 1/3, not 1/2", g.second / r.second,
              found.value, found.error, {.sigmas = 5, .systematic = 0.01});
}

// What of a negative number is left behind GELU.
void negative_information(lab::Run& run, lab::Claim& g5) {
  run.section("What becomes of negative inputs");
  const NoGrad no_grad;
  const activations::Function gelu = activations::activation("gelu");
  const theory::Extreme lowest = theory::derivative_range(gelu, 0, {-40, 0}).lowest;
  g5.report("least value of GELU: |g| is no larger for any x < 0", lowest.value);
  g5.report("at x =", lowest.at);
  const double near = -0.3, far = theory::inverse(gelu, gelu(near), {-40, lowest.at});
  g5.equal(fmt::format("two negative inputs share a value: g({:g}), and g({:.6f})", near, far), gelu(near), gelu(far),
           {.absolute = 1e-15});

  // Sorted by f(X), neighbours have (nearly) one value of f, and half of their squared distance estimates Var(X |
  // f(X)).
  Table table({"q", Column("ReLU").percent(2), Column("GELU").percent(2), Column("ELU").percent(2)});
  const Index batches = run.pick<Index>(20, 10), draws = run.pick<Index>(100000, 20000);
  for (const double q : {0.01, 0.1, 1.0, 4.0}) {
    run.check_interrupt();
    for (const std::string name : {"relu", "gelu"}) {
      std::vector<double> lost;
      for (Index b = 0; b < batches; ++b) {
        const Tensor x = std::sqrt(q) * draw({draws}),
                     sorted = index_select(x, 0, argsort(activate(activations::activation(name), x)));
        lost.push_back(0.5 * mean_of(square(sorted.slice(0, 1, draws) - sorted.slice(0, 0, draws - 1))) / q);
      }
      g5.measured(fmt::format("share of the variance of X that {}(X) has lost, q = {:g}", name, q),
                  theory::lost_variance(activations::activation(name), q), lost, {.sigmas = 5, .systematic = 1e-3});
    }
    table.row({q, theory::lost_variance(activations::activation("relu"), q), theory::lost_variance(gelu, q),
               theory::lost_variance(activations::activation("elu"), q)});
  }
  run.table(table);
  run.say("The share of the variance of X ~ N(0, q) that cannot be got back from f(X), without noise.");

  Figure figure("Variance of X that f(X) has lost");
  std::vector<double> q, by_relu, by_gelu;
  for (double e = -2; e <= 2.01; e += run.pick(0.1, 0.5)) {
    q.push_back(std::pow(10, e));
    by_relu.push_back(theory::lost_variance(activations::activation("relu"), q.back())),
        by_gelu.push_back(theory::lost_variance(gelu, q.back()));
  }
  figure.panel()
      .x_label("variance q of X")
      .y_label("share lost")
      .log_x()
      .line("relu", q, by_relu)
      .line("gelu", q, by_gelu);
  run.figure("lost", std::move(figure),
             "E Var(X | f(X)) / q. GELU folds the negative axis at -0.75; most is lost where both inputs of a value "
             "are likely. Without noise: for large q nearly all values belong to the farther one.");
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab("ffn_small_signal", "GELU in feed-forward blocks",
               "What does a feed-forward block make of small signals, with GELU and with ReLU?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g5 = run.claim("G5",
                               "In a Transformer's feed-forward block pre-activations are small and GELU is nearly x / "
                               "2, so that the variance of the output is "
                               "about half of ReLU's; and GELU does not discard negative information.");
    ratios(run, g5);
    over_weights(run, g5);
    over_inputs(run, g5);
    in_practice(run, g5);
    negative_information(run, g5);
    const activations::Function gelu = activations::activation("gelu");
    g5.verdict(Verdict::holds_if,
               fmt::format("Half is right for the variance over random weights, the second moment, as q tends to 0; "
                           "over the inputs of one block it is "
                           "pi/(2 (pi - 1)) = 0.733, for a share 1/pi of what ReLU sends is a constant. And q has to "
                           "be small: at q = 1/3, where blocks begin behind layer "
                           "normalisation, the first ratio is {:.2f}. GELU folds the negative axis: of the variance of "
                           "X it loses {:.1f} % at q = 1/3, {:.1f} % at q = 1 "
                           "and {:.1f} % at q = 4, ReLU 18.2 % at every q.",
                           moments("gelu", 1.0 / 3).second / moments("relu", 1.0 / 3).second,
                           100 * theory::lost_variance(gelu, 1.0 / 3), 100 * theory::lost_variance(gelu, 1),
                           100 * theory::lost_variance(gelu, 4)))
        .figure("ratios");
  });
}
