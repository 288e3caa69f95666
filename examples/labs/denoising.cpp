// Does GELU take noise away?
//
// A number X is seen as Y = X + sigma N. How far are GELU(Y), soft thresholding of Y and some relatives from X, in the
// mean square? The theory integrates, the lab draws a million numbers; then real signals: scanned digits, whose ink is
// sparse and never negative, and the wavelet details of a photograph, which are sparse and symmetric. Then the ratio of
// signal to noise behind GELU, by Taylor's first term, by its exact value and by noise. The derivations are in
// docs/labs/denoising.md. Takes about half a minute. What you should see: GELU before soft thresholding at two noises
// of four on signals that are not negative, a one-sided threshold before GELU at all of them, and a ratio of signal to
// noise that GELU lowers for every positive signal.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/data/png.hpp>
#include <gradus/gradus.hpp>
#include <gradus/report/statistics.hpp>
#include <gradus/theory/denoising.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/lipschitz.hpp>
#include <gradus/theory/moments.hpp>

#include "frame/lab.hpp"

using namespace gradus;
using gradus::report::Column;
using gradus::report::Figure;
using gradus::report::Table;
using lab::Verdict;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor draw(const Shape& shape) { return randn(shape, {.dtype = float64}); }
double mean_of(const Tensor& x) { return mean(x).item(); }

// A pointwise estimate as an operation on tensors, beside the risk that the theory gives to it.
struct Estimate {
  std::string name;
  std::function<Tensor(const Tensor&)> apply;
  double risk;
};

// y Phi(b y) is GELU at another scale.
Tensor gate(const Tensor& y, double sharpness) {
  return std::isinf(sharpness) ? relu(y) : gelu(sharpness * y) / sharpness;
}

// The best of each kind for a prior and a noise. The first is GELU itself, the second soft thresholding.
struct Estimates {
  theory::BestDenoiser soft, one_sided, amplitude, sharpness, both;
  std::vector<Estimate> all;
};

Estimates best_estimates(const theory::Prior& prior, double sigma) {
  const theory::Denoiser plain = theory::denoiser(activations::activation("gelu"));
  Estimates best;
  best.soft = theory::best_threshold(prior, sigma), best.one_sided = theory::best_threshold(prior, sigma, true);
  best.amplitude = theory::best_amplitude(plain, prior, sigma);
  best.sharpness = theory::best_gate(prior, sigma), best.both = theory::best_gate(prior, sigma, true);
  best.all = {
      {"GELU", [](const Tensor& y) { return gelu(y); }, theory::denoising_risk(plain, prior, sigma)},
      {"soft threshold", [l = best.soft.parameter](const Tensor& y) { return softshrink(y, l); }, best.soft.risk},
      {"a GELU", [a = best.amplitude.amplitude](const Tensor& y) { return a * gelu(y); }, best.amplitude.risk},
      {"y Phi(b y)", [b = best.sharpness.parameter](const Tensor& y) { return gate(y, b); }, best.sharpness.risk},
      {"a y Phi(b y)", [g = best.both](const Tensor& y) { return g.amplitude * gate(y, g.parameter); }, best.both.risk},
      {"one-sided threshold", [l = best.one_sided.parameter](const Tensor& y) { return relu(y - l); },
       best.one_sided.risk},
  };
  return best;
}

double squared_error(const Tensor& estimate, const Tensor& x) { return mean_of(square(estimate - x)); }

Tensor posterior_means(const Tensor& y, const theory::Prior& prior, double sigma) {
  std::vector<double> values = to_vector<double>(y);
  for (double& value : values) value = theory::posterior_mean(value, prior, sigma);
  return from_vector(values, y.shape());
}

// ---- G10: numbers drawn from a prior ----

void sparse_signals(lab::Run& run, lab::Claim& g10) {
  run.section("A sparse signal that is never negative");
  run.say(
      "X is 0 with chance 1/2, else |N(0, 1)|; Y = X + sigma N. Mean squared errors by integration; b = inf is ReLU.");
  const NoGrad no_grad;
  const theory::Prior prior = theory::sparse_half_normal();
  const Index batches = run.pick<Index>(50, 30), draws = run.pick<Index>(20000, 2000),
              seen = run.pick<Index>(4000, 300);
  Table parameters({"sigma", Column("best lambda").significant(7), Column("a").significant(5),
                    Column("b").significant(5), Column("a, with b").significant(5), Column("b, with a").significant(5),
                    Column("one-sided lambda").significant(6)});
  Table risks({"sigma", Column("GELU").significant(7), Column("soft").significant(7), Column("a GELU").significant(7),
               Column("y Phi(b y)").significant(7), Column("a y Phi(b y)").significant(7),
               Column("one-sided").significant(7), Column("E[X|Y]: least").significant(7), "GELU before soft"});
  std::vector<std::string> wins, wins_amplitude, wins_sharpness, wins_both;
  bool one_sided_first = true, all_above = true;
  std::map<double, Estimates> curve;
  for (const double sigma : {0.1, 0.3, 0.5, 1.0}) {
    run.check_interrupt();
    const Estimates best = curve[sigma] = best_estimates(prior, sigma);
    const double least = theory::minimum_risk(prior, sigma);
    std::vector<std::vector<double>> errors(best.all.size());
    std::vector<double> advantage, smallest;
    for (Index b = 0; b < batches; ++b) {
      const Tensor x = bernoulli({draws}, 0.5, {.dtype = float64}) * abs(draw({draws})), y = x + sigma * draw({draws});
      for (std::size_t i = 0; i < best.all.size(); ++i) errors[i].push_back(squared_error(best.all[i].apply(y), x));
      advantage.push_back(errors[1].back() - errors[0].back());
      smallest.push_back(squared_error(posterior_means(y.slice(0, 0, seen), prior, sigma), x.slice(0, 0, seen)));
    }
    for (std::size_t i = 0; i < best.all.size(); ++i)
      g10.measured(fmt::format("sigma {:g}: mean squared error of {}", sigma, best.all[i].name), best.all[i].risk,
                   errors[i], {.sigmas = 5});
    g10.measured(fmt::format("sigma {:g}: mean squared error of E[X|Y], the least of all", sigma), least, smallest,
                 {.sigmas = 5});
    const double ahead = best.soft.risk - best.all[0].risk;
    g10.measured(fmt::format("sigma {:g}: soft threshold less GELU, on the same draws", sigma), ahead, advantage,
                 {.sigmas = 5});

    const std::string at = fmt::format("{:g}", sigma);
    if (ahead > 0) wins.push_back(at);
    if (best.amplitude.risk < best.soft.risk) wins_amplitude.push_back(at);
    if (best.sharpness.risk < best.soft.risk) wins_sharpness.push_back(at);
    if (best.both.risk < best.soft.risk) wins_both.push_back(at);
    one_sided_first = one_sided_first && best.one_sided.risk < best.all[0].risk;
    for (const Estimate& estimate : best.all) all_above = all_above && estimate.risk > least;
    parameters.row({sigma, best.soft.parameter, best.amplitude.amplitude, best.sharpness.parameter, best.both.amplitude,
                    best.both.parameter, best.one_sided.parameter});
    risks.row({sigma, best.all[0].risk, best.soft.risk, best.amplitude.risk, best.sharpness.risk, best.both.risk,
               best.one_sided.risk, least, ahead > 0});
  }
  run.table(risks);
  run.table(parameters);
  const auto list = [](const std::vector<std::string>& of) { return fmt::format("{}", fmt::join(of, ", ")); };
  g10.holds("plain GELU is before the best soft threshold at sigma " + list(wins) + " and behind at the others",
            list(wins) == "0.3, 0.5");
  g10.holds("with the best amplitude at " + list(wins_amplitude), list(wins_amplitude) == "0.3, 0.5, 1");
  g10.holds("with the best sharpness at " + list(wins_sharpness), list(wins_sharpness) == "0.1, 0.3, 0.5");
  g10.holds("with both at " + list(wins_both), list(wins_both) == "0.1, 0.3, 0.5, 1");
  g10.holds("a one-sided threshold is before plain GELU at every sigma: the gain comes from one-sidedness",
            one_sided_first);
  g10.holds("nothing reaches the least error E Var(X|Y)", all_above);

  if (!run.quick())
    for (double e = -1.2; e <= 0.31; e += 0.1) curve[std::pow(10, e)] = best_estimates(prior, std::pow(10, e));
  std::vector<double> sigmas;
  std::vector<std::vector<double>> curves(6);
  for (const auto& [sigma, best] : curve) {
    sigmas.push_back(sigma);
    for (std::size_t i = 0; i < 6; ++i) curves[i].push_back(best.all[i].risk / theory::minimum_risk(prior, sigma));
  }
  Figure figure("Mean squared error over the least possible");
  auto& panel = figure.panel().x_label("sigma of the noise").y_label("error / E Var(X|Y)").log_x().y_range(0.95, 2.6);
  const char* names[] = {"gelu", "soft threshold", "a GELU", "y Phi(b y)", "a y Phi(b y)", "one-sided threshold"};
  for (std::size_t i = 0; i < 6; ++i) panel.line(names[i], sigmas, curves[i]);
  panel.horizontal(1);
  run.figure(
      "risks", std::move(figure),
      "X is 0 with chance 1/2, else |N(0, 1)|. Thresholds, amplitude and sharpness are the best for each sigma.");
}

// A gate with two numbers that gradient descent sets comes to the optimum that the theory finds by search.
void learned_gate(lab::Run& run, lab::Claim& g10) {
  const double sigma = 0.3;
  const theory::Prior prior = theory::sparse_half_normal();
  const theory::BestDenoiser best = theory::best_gate(prior, sigma, true);
  const Index draws = run.pick<Index>(40000, 5000), rounds = run.pick<Index>(20, 10), steps = 150;
  std::vector<double> excess;
  for (Index r = 0; r < rounds; ++r) {
    run.check_interrupt();
    Tensor raw = tensor({0, 0}, {.dtype = float64}).requires_grad_();  // log a, log b
    optim::Adam optimizer{{raw}, {.lr = 0.05}};
    const Tensor x = bernoulli({draws}, 0.5, {.dtype = float64}) * abs(draw({draws})), y = x + sigma * draw({draws});
    const auto estimate = [&](const Tensor& noisy) {
      const Tensor scale = exp(raw);
      return scale[0] / scale[1] * gelu(scale[1] * noisy);
    };
    for (Index step = 0; step < steps; ++step) {
      optimizer.zero_grad();
      mean(square(estimate(y) - x)).backward();
      optimizer.step();
    }
    const NoGrad no_grad;
    const Tensor clean = bernoulli({draws}, 0.5, {.dtype = float64}) * abs(draw({draws})),
                 noisy = clean + sigma * draw({draws});
    excess.push_back(squared_error(estimate(noisy), clean) -
                     squared_error(best.amplitude * gate(noisy, best.parameter), clean));
  }
  g10.measured("sigma 0.3: error of a y Phi(b y) with a and b learned, less that with the predicted ones, on new draws",
               0, excess, {.sigmas = 5, .systematic = 0.002 * best.risk});
}

void symmetric_signals(lab::Run& run, lab::Claim& g10) {
  run.section("A symmetric sparse signal");
  const NoGrad no_grad;
  const theory::Prior prior = theory::laplace(1);
  const double sigma = 0.3, variance = 2;
  const Estimates best = best_estimates(prior, sigma);
  const Index batches = run.pick<Index>(50, 30), draws = run.pick<Index>(20000, 2000);
  std::vector<double> plain, soft;
  for (Index b = 0; b < batches; ++b) {
    // The difference of two exponential variables has Laplace's law.
    const auto exponential = [&] { return -log(1 - rand({draws}, {.dtype = float64})); };
    const Tensor x = exponential() - exponential(), y = x + sigma * draw({draws});
    plain.push_back(squared_error(best.all[0].apply(y), x));
    soft.push_back(squared_error(best.all[1].apply(y), x));
  }
  g10.measured("Laplace(1), sigma 0.3: mean squared error of GELU", best.all[0].risk, plain, {.sigmas = 5});
  g10.measured("Laplace(1), sigma 0.3: mean squared error of the best soft threshold", best.soft.risk, soft,
               {.sigmas = 5});
  const double wiener = variance * sigma * sigma / (variance + sigma * sigma);
  const auto with_sharpness = [&](double b) {
    return theory::best_amplitude(theory::gaussian_gate(b), prior, sigma).risk;
  };
  g10.equal("Laplace(1): a y Phi(b y) with the best a and b towards 0 is Wiener's linear shrinkage", wiener,
            with_sharpness(1e-6), {.relative = 1e-6});
  g10.holds("and worse the larger b is: for a symmetric prior the even part of the gate only adds to the error",
            wiener < with_sharpness(0.1) && with_sharpness(0.1) < with_sharpness(0.3) &&
                with_sharpness(0.3) < with_sharpness(1) && with_sharpness(1) < with_sharpness(infinity));
  g10.holds("the best soft threshold beats it", best.soft.risk < wiener);
}

// ---- G10: what kind of map GELU is ----

void not_a_prox(lab::Run& run, lab::Claim& g10) {
  const NoGrad no_grad;
  const activations::Function f = activations::activation("gelu");
  const theory::Extreme lowest = theory::derivative_range(f, 0, {-10, 10}).lowest;
  g10.report("GELU falls below x =", lowest.at, std::nan(""), "a proximal map never falls (Moreau 1965)");
  g10.report("its least value", lowest.value);
  // Two inputs and their proximal maps are in the same order: (p(x) - p(y)) (x - y) >= 0.
  const Index draws = run.pick<Index>(200000, 20000);
  const auto falling = [&](const std::function<Tensor(const Tensor&)>& map) {
    const Tensor x = 2 * draw({draws}), y = 2 * draw({draws});
    double count = 0;
    for (const double value : to_vector<double>((map(x) - map(y)) * (x - y))) count += value < 0 ? 1 : 0;
    return count / double(draws);
  };
  g10.equal("share of pairs of inputs whose order the soft threshold turns", 0,
            falling([](const Tensor& x) { return softshrink(x, 0.5); }), {});
  g10.at_least("the same for GELU: it is the proximal map of no function", 0.01,
               falling([](const Tensor& x) { return gelu(x); }));
  double off = 0;
  for (const double x : {0.01, 0.3, 1.0, 2.0, 5.0})
    off = std::max(off, std::fabs(std::fabs(f(-x)) / f(x) / (theory::normal_cdf(-x) / theory::normal_cdf(x)) - 1));
  g10.at_most("|g(-x)| / g(x) and Phi(-x) / Phi(x) differ, relatively, by", 1e-13, off,
              "below 1: negative inputs are weakened more");
  g10.equal("slope at 0: the linear shrinkage x / 2", 0.5, f(1, 0.0), {.absolute = 1e-15});
}

// ---- G10: real signals ----

// Pixels of the digits: 17 levels of ink, whose shares are the prior, exactly.
void digits(lab::Run& run, lab::Claim& g10) {
  run.section("Scanned digits");
  const NoGrad no_grad;
  const Tensor pixels = data::digits().x.to(float64);
  const double deviation = std::sqrt(mean_of(square(pixels)) - std::pow(mean_of(pixels), 2));
  const Tensor ink = pixels / deviation;
  std::vector<double> counts(17);
  for (const double value : to_vector<double>(pixels)) counts[std::size_t(std::lround(16 * value))] += 1;
  theory::Prior prior;
  for (std::size_t level = 0; level < 17; ++level)
    prior.push_back({.weight = counts[level] / double(pixels.numel()), .location = double(level) / 16 / deviation});
  run.say(fmt::format("The ink of {} pixels, divided by its deviation; {:.0f} % of them have none.", pixels.numel(),
                      100 * counts[0] / double(pixels.numel())));
  Table table({"sigma", Column("GELU").significant(4), Column("soft").significant(4),
               Column("a y Phi(b y)").significant(4), Column("one-sided").significant(4),
               Column("least").significant(4)});
  const Index draws = run.pick<Index>(40, 10);
  for (const double sigma : {0.3, 1.0}) {
    run.check_interrupt();
    const Estimates best = best_estimates(prior, sigma);
    std::vector<std::vector<double>> errors(best.all.size());
    for (Index d = 0; d < draws; ++d) {
      const Tensor y = ink + sigma * draw(ink.shape());
      for (std::size_t i = 0; i < best.all.size(); ++i) errors[i].push_back(squared_error(best.all[i].apply(y), ink));
    }
    for (const std::size_t i : {0, 1, 5})
      g10.measured(fmt::format("digits, sigma {:g}: mean squared error of {}", sigma, best.all[i].name),
                   best.all[i].risk, errors[i], {.sigmas = 5});
    table.row({sigma, best.all[0].risk, best.soft.risk, best.both.risk, best.one_sided.risk,
               theory::minimum_risk(prior, sigma)});
    g10.holds(
        fmt::format("digits, sigma {:g}: the one-sided threshold is before GELU and before the soft threshold", sigma),
        best.one_sided.risk < std::min(best.all[0].risk, best.soft.risk));
  }
  run.table(table);
}

// One level of Haar's orthonormal wavelets: the means of blocks of 2 x 2 pixels (times 2), and the details in three
// directions.
std::vector<Tensor> haar(const Tensor& image) {
  const auto halves = [](const Tensor& x, Index axis) {
    const Tensor even = slice(x, axis, 0, x.size(axis), 2), odd = slice(x, axis, 1, x.size(axis), 2);
    return std::pair{(even + odd) / std::sqrt(2.0), (even - odd) / std::sqrt(2.0)};
  };
  const auto [low, high] = halves(image, 0);
  const auto [mean, horizontal] = halves(low, 1);
  const auto [vertical, diagonal] = halves(high, 1);
  return {mean, horizontal, vertical, diagonal};
}

Tensor inverse_haar(const std::vector<Tensor>& parts) {
  const auto joined = [](const Tensor& sum, const Tensor& difference, Index axis) {
    const Shape shape = axis == 0 ? Shape{2 * sum.size(0), sum.size(1)} : Shape{sum.size(0), 2 * sum.size(1)};
    return stack({(sum + difference) / std::sqrt(2.0), (sum - difference) / std::sqrt(2.0)}, axis + 1).reshape(shape);
  };
  return joined(joined(parts[0], parts[1], 1), joined(parts[2], parts[3], 1), 0);
}

// Each map is applied to the details only, and has its numbers chosen for this very picture, as has the threshold.
Tensor shrink(const Tensor& noisy, const std::function<Tensor(const Tensor&)>& map, int levels = 4) {
  std::vector<Tensor> parts = haar(noisy);
  if (levels > 1) parts[0] = shrink(parts[0], map, levels - 1);
  for (std::size_t i = 1; i < 4; ++i) parts[i] = map(parts[i]);
  return inverse_haar(parts);
}

double psnr(const Tensor& a, const Tensor& b) { return -10 * std::log10(squared_error(a, b)); }

struct Shrunk {
  Tensor image;
  double quality = -infinity;
};

Shrunk best_of(const Tensor& noisy, const Tensor& clean,
               const std::vector<std::function<Tensor(const Tensor&)>>& maps) {
  Shrunk best;
  for (const auto& map : maps) {
    const Tensor image = shrink(noisy, map);
    const double quality = psnr(image, clean);
    if (quality > best.quality) best = {image, quality};
  }
  return best;
}

void photograph(lab::Run& run, lab::Claim& g10) {
  run.section("A photograph");
  const auto file = run.data("images/camera.png");
  if (!file) {
    run.skip("the photograph", "images/camera.png is not in the folder of --data");
    return;
  }
  const NoGrad no_grad;
  Tensor clean = data::read_png(file->string(), {.channels = 1})[0].to(float64);
  const Index side = run.pick<Index>(512, 256);
  clean = clean.slice(0, 0, side).slice(1, 0, side);
  const double sigma = 0.1;
  const Tensor noisy = clean + sigma * draw(clean.shape());
  g10.at_most("Haar's transform and back changes a pixel by", 1e-12,
              abs(shrink(clean, [](const Tensor& x) { return x; }) - clean).max().item());

  std::vector<std::function<Tensor(const Tensor&)>> softs, gates, scaled;
  for (double l = 0.02; l < 0.6; l *= 1.1) softs.push_back([l](const Tensor& x) { return softshrink(x, l); });
  for (double c = 0.005; c < 1; c *= 1.5) scaled.push_back([c](const Tensor& x) { return c * gelu(x / c); });
  for (const double c : {0.05, 0.1, 0.3, 1.0, 10.0, 1000.0})
    for (double a = 0.1; a < 1.6; a += 0.1) gates.push_back([=](const Tensor& x) { return 2 * a * c * gelu(x / c); });
  const std::vector<std::pair<std::string, Shrunk>> results = {
      {"soft threshold", best_of(noisy, clean, softs)},
      {"c GELU(x / c), best c", best_of(noisy, clean, scaled)},
      {"a c GELU(x / c), best a and c", best_of(noisy, clean, gates)}};
  Table table({"map of the details", Column("PSNR, dB").fixed(2)});
  table.row({"none: the noisy picture", psnr(noisy, clean)});
  for (const auto& [name, shrunk] : results) table.row({name, shrunk.quality});
  run.table(table);
  run.say(
      "Details of natural images are symmetric and sparse. The numbers of each map are the best for this very "
      "picture.");
  g10.holds("photograph: the soft threshold of wavelet details is before GELU's, whatever amplitude and scale GELU has",
            results[0].second.quality > std::max(results[1].second.quality, results[2].second.quality));
  g10.report("photograph: PSNR by soft threshold, dB", results[0].second.quality);
  g10.report("photograph: PSNR by a c GELU(x / c), dB", results[2].second.quality);

  Figure figure("Noise of deviation 0.1, taken from the wavelet details");
  const Index top = side / 4, cut = 128;
  const auto show = [&](const std::string& title, const Tensor& image) {
    const std::vector<double> values =
        to_vector<double>(image.slice(0, top, top + cut).slice(1, top + 32, top + 32 + cut));
    figure.panel(title).heat_map(values, std::size_t(cut), std::size_t(cut), {.low = 0, .high = 1});
  };
  show("clean", clean), show("noisy", noisy);
  for (const auto& [name, shrunk] : results) show(name, shrunk.image);
  run.figure("photograph", std::move(figure), "A part of the photograph. Brightness from 0 to 1.");
}

// ---- G11 ----

// Signal to noise behind f over that before it: g(s)^2 / Var g(s + sigma N) over s^2 / sigma^2, by the exact moments.
double exact_factor(const activations::Function& f, double s, double sigma) {
  const double passed = f(s) / s * sigma;
  return passed * passed / theory::gaussian_moments(f, {.mean = s, .variance = sigma * sigma}).variance;
}

void taylor(lab::Run& run, lab::Claim& g11) {
  run.section("Signal to noise behind GELU");
  const activations::Function f = activations::activation("gelu");
  const Index batches = run.pick<Index>(100, 50), draws = run.pick<Index>(20000, 4000);
  Table table({"signal s", Column("R, first order").significant(7), Column("exact, sigma 0.01").significant(5),
               Column("sigma 0.1").significant(5), Column("sigma 0.5").significant(5)});
  for (const double s : {0.1, 0.5, 1.0, 2.0, 3.0, -0.5, -1.0, -2.0}) {
    run.check_interrupt();
    const Tensor x = tensor({s}, {.dtype = float64}).requires_grad_(), y = gelu(x);
    const double value = y.item(), slope = grad(sum(y), x).item();
    g11.equal(fmt::format("R({:g}), and (g / (s g'))^2 by automatic differentiation", s), theory::snr_factor(f, s),
              std::pow(value / (s * slope), 2), {.relative = 1e-12});
    table.row(
        {s, theory::snr_factor(f, s), exact_factor(f, s, 0.01), exact_factor(f, s, 0.1), exact_factor(f, s, 0.5)});
    const NoGrad no_grad;
    for (const double sigma : {0.01, 0.5}) {
      const double mean = theory::gaussian_moments(f, {.mean = s, .variance = sigma * sigma}).mean;
      std::vector<double> variances;
      for (Index b = 0; b < batches; ++b) variances.push_back(mean_of(square(gelu(s + sigma * draw({draws})) - mean)));
      g11.measured(fmt::format("variance of the noise behind GELU over that before, s = {:g}, sigma = {:g}", s, sigma),
                   theory::gaussian_moments(f, {.mean = s, .variance = sigma * sigma}).variance / (sigma * sigma),
                   report::mean(variances) / (sigma * sigma), report::standard_error(variances) / (sigma * sigma),
                   {.sigmas = 5});
    }
  }
  run.table(table);
  const theory::Extreme lowest = theory::lowest_snr_factor(f, {0.01, 10});
  g11.report("least R for s > 0", lowest.value);
  g11.report("at s =", lowest.at);
  g11.holds("R < 1 at every s > 0: to first order GELU worsens a positive signal",
            theory::snr_gains(f, {0, 5}).empty());
  const auto gains = theory::snr_gains(f, {-5, 0});
  g11.holds("R > 1 on one interval, up to 0", gains.size() == 1 && gains[0].high == 0);
  g11.report("which begins at s =", gains.at(0).low);
  const theory::Extreme flat = theory::derivative_range(f, 0, {-10, 10}).lowest;
  g11.at_least("R diverges where g' = 0; at 1e-6 from there", 1e9, theory::snr_factor(f, flat.at + 1e-6));
  g11.at_most("the exact factor there, at sigma 0.1: the noise behind GELU is of second order, not 0", 1e4,
              exact_factor(f, flat.at, 0.1));
  g11.report("the exact factor there, at sigma 0.1", exact_factor(f, flat.at, 0.1));

  Figure figure("Signal to noise behind GELU over that before it");
  const char* titles[] = {"negative signals", "positive signals"};
  for (const int side : {-1, 1}) {
    auto& panel = figure.panel(titles[side == 1]).x_label("signal s").y_label("ratio");
    if (side == -1) panel.log_y().y_range(0.01, 1e4);
    std::vector<double> signals, first, small, large;
    for (double s = 0.02; s <= 4; s += 0.02) {
      signals.push_back(side * s), first.push_back(theory::snr_factor(f, side * s));
      small.push_back(exact_factor(f, side * s, 0.1)), large.push_back(exact_factor(f, side * s, 0.5));
    }
    panel.line("first order", signals, first)
        .line("exact, sigma 0.1", signals, small)
        .line("exact, sigma 0.5", signals, large)
        .horizontal(1);
  }
  run.figure("snr", std::move(figure),
             "Below 1 the activation worsens the ratio. Taylor's first term fails where GELU is flat, at s = -0.75.");
}

// A filter w before GELU turns the signal s into w * s and the noise's variance sigma^2 into sigma^2 |w|^2; the latter
// cancels.
void filters(lab::Run& run, lab::Claim& g11) {
  const NoGrad no_grad;
  const activations::Function f = activations::activation("gelu");
  const double sigma = 0.01, s = 1;
  const Index batches = run.pick<Index>(100, 40), length = run.pick<Index>(20002, 4002);
  for (const auto& weights : {std::vector<double>{0.2, 0.6, 0.2}, {1.5, -2, 1.5}, {1.0, 0.5, 0.5}}) {
    const Tensor kernel = from_vector(weights, {1, 1, 3});
    const double sum = weights[0] + weights[1] + weights[2],
                 energy = weights[0] * weights[0] + weights[1] * weights[1] + weights[2] * weights[2];
    std::vector<double> noise;
    for (Index b = 0; b < batches; ++b) {
      const Tensor filtered = nn::functional::conv1d(s + sigma * draw({1, 1, length}), kernel);
      noise.push_back(mean_of(square(gelu(filtered) - f(sum * s))));
    }
    const double before = sigma * sigma * energy / (sum * s * sum * s),
                 noise_behind = report::mean(noise) / std::pow(f(sum * s), 2);
    const double ratio = before / noise_behind, relative = report::standard_error(noise) / report::mean(noise);
    g11.measured(
        fmt::format("R behind the filter ({:g}, {:g}, {:g}), w * s = {:g}, |w|^2 = {:g}: depends on w * s alone",
                    weights[0], weights[1], weights[2], sum * s, energy),
        theory::snr_factor(f, sum * s), ratio, relative * ratio,
        {.sigmas = 5, .systematic = 30 * sigma * sigma * energy * ratio});
  }
}

}  // namespace

int main(int argc, char** argv) {
  lab::Lab lab(
      "denoising", "GELU as a denoiser",
      "Does GELU take noise away better than soft thresholding, and what does it do to the ratio of signal to noise?");
  return lab.main(argc, argv, [](lab::Run& run) {
    lab::Claim& g10 = run.claim("G10",
                                "GELU shrinks small signals as soft thresholding does, without being the proximal map "
                                "of the l1 norm; where signals tend "
                                "not to be negative, its asymmetry gives it an advantage.");
    sparse_signals(run, g10);
    learned_gate(run, g10);
    symmetric_signals(run, g10);
    not_a_prox(run, g10);
    digits(run, g10);
    photograph(run, g10);
    g10.verdict(
           Verdict::holds_if,
           "On a sparse signal that is never negative plain GELU is before the best soft threshold at sigma 0.3 and "
           "0.5, and behind at 0.1 and 1; an "
           "amplitude or a sharpness chosen for the noise wins three of the four, both together all. A one-sided "
           "threshold is before plain GELU at every "
           "sigma, so that the gain is from one-sidedness. On symmetric signals GELU loses, and even with the best "
           "amplitude and sharpness it is no more "
           "than linear shrinkage. It is the proximal map of no function at all, since it falls below x = -0.7518.")
        .figure("risks");

    lab::Claim& g11 = run.claim("G11",
                                "By Taylor's first term the ratio of signal to noise improves by a factor that depends "
                                "on GELU and its derivative at the "
                                "signal.");
    taylor(run, g11);
    filters(run, g11);
    g11.verdict(Verdict::holds_if,
                "The factor is R(s) = (g(s) / (s g'(s)))^2, and it depends on a filter before GELU only through w * s. "
                "But it is no improvement: R < 1 for "
                "every s > 0, least 0.597 at s = 0.840. R > 1 only for -1.19 < s < 0, where it diverges at -0.7518 "
                "because Taylor's first term vanishes.")
        .figure("snr");
  });
}
