#include "gradus/theory/denoising.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "gradus/activations/registry.hpp"
#include "gradus/theory/gaussian.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;
using Kind = PriorPart::Kind;

namespace {

const activations::Function gelu = activations::activation("gelu");

void check_digits(double value, double expected, double unit) {
  CAPTURE(value);
  CAPTURE(expected);
  CHECK(std::abs(value - expected) <= 0.6 * unit);
}

struct Row {
  double sigma, lambda, soft, plain, amplitude, gate, both, one_sided, minimum;
};

}  // namespace

TEST_CASE("the table of the claims: a non-negative sparse prior") {
  const Row rows[] = {
      {.1, .0496580, .0079159, .013375, .011009, .006632, .006575, .006594, .006002},
      {.3, .190734, .0629013, .056780, .056304, .056538, .053493, .052315, .050764},
      {.5, .399305, .149019, .145529, .124304, .134541, .120918, .125035, .115376},
      {1, 1.285682, .359361, .561113, .265390, .369646, .253854, .318066, .238023},
  };
  const Prior prior = sparse_half_normal();
  for (const Row& row : rows) {
    CAPTURE(row.sigma);
    const BestDenoiser soft = best_threshold(prior, row.sigma);
    check_digits(soft.parameter, row.lambda, 1e-6);
    check_digits(soft.risk, row.soft, 1e-6);
    check_digits(denoising_risk(denoiser(gelu), prior, row.sigma), row.plain, 1e-6);
    check_digits(best_amplitude(denoiser(gelu), prior, row.sigma).risk, row.amplitude, 1e-6);
    check_digits(best_gate(prior, row.sigma).risk, row.gate, 1e-6);
    const BestDenoiser both = best_gate(prior, row.sigma, true);
    check_digits(both.risk, row.both, 1e-6);
    CHECK(std::isinf(both.parameter) == (row.sigma >= 0.5));
    check_digits(best_threshold(prior, row.sigma, true).risk, row.one_sided, 1e-6);
    check_digits(minimum_risk(prior, row.sigma), row.minimum, 1e-6);
  }
}

TEST_CASE("a symmetric prior") {
  check_digits(denoising_risk(denoiser(gelu), laplace(1), 0.3), 0.978, 1e-3);
  check_digits(best_threshold(laplace(1), 0.3).risk, 0.0846, 1e-4);
}

TEST_CASE("a Gaussian prior: everything is known") {
  // N(1, 4) and noise 0.25: Wiener's filter.
  const Prior prior{{.kind = Kind::normal, .scale = 2, .location = 1}};
  CHECK(posterior_mean(3, prior, 0.5) == doctest::Approx(1 + 2 * 4 / 4.25).epsilon(1e-14));
  CHECK(minimum_risk(prior, 0.5) == doctest::Approx(4 * 0.25 / 4.25).epsilon(1e-13));
  const Denoiser identity{[](double y) { return y; }, {}};
  CHECK(denoising_risk(identity, prior, 0.5) == doctest::Approx(0.25).epsilon(1e-13));
  const Prior centred{{.kind = Kind::normal, .scale = 2}};
  const BestDenoiser best = best_amplitude(identity, centred, 0.5);
  CHECK(best.amplitude == doctest::Approx(4 / 4.25).epsilon(1e-13));
  CHECK(best.risk == doctest::Approx(minimum_risk(centred, 0.5)).epsilon(1e-13));
  // A known number costs nothing.
  CHECK(minimum_risk({{.kind = Kind::spike, .location = 3}}, 1) < 1e-14);
  CHECK(posterior_mean(-7, {{.kind = Kind::spike, .location = 3}}, 1) == doctest::Approx(3).epsilon(1e-15));
}

TEST_CASE("limits of Laplace's prior, and its halves far apart in scale") {
  // Little noise: the posterior mean is the soft threshold by sigma^2 / b; much: the prior's variance 2 b^2 remains.
  CHECK(posterior_mean(2, laplace(0.5), 0.1) == doctest::Approx(2 - 0.01 / 0.5).epsilon(1e-12));
  CHECK(minimum_risk(laplace(0.01), 1) == doctest::Approx(2e-4).epsilon(1e-3));
  CHECK(posterior_mean(0.7, laplace(0.02), 1) == doctest::Approx(-posterior_mean(-0.7, laplace(0.02), 1)));
  CHECK(posterior_mean(0.7, laplace(0.02), 1) == doctest::Approx(2 * 0.02 * 0.02 * 0.7).epsilon(0.01));
  const Denoiser nothing{[](double) { return 0.0; }, {}};
  CHECK(denoising_risk(nothing, laplace(3), 0.2) == doctest::Approx(18).epsilon(1e-12));
  CHECK(denoising_risk(nothing, laplace(0.01), 2) == doctest::Approx(2e-4).epsilon(1e-12));
}

TEST_CASE("mixtures: signs behind noise, and two Gaussians") {
  // X = +-1 with equal chance: E[X | y] = tanh(y / sigma^2).
  const Prior signs{{.weight = 0.5, .location = -1}, {.weight = 0.5, .location = 1}};
  for (const double y : {-2.0, 0.1, 0.9})
    CHECK(posterior_mean(y, signs, 0.8) == doctest::Approx(std::tanh(y / 0.64)).epsilon(1e-14));
  // N(0, s^2) split in two equal parts is itself; parts far apart are told apart.
  const Prior split{{.kind = Kind::normal, .weight = 0.3, .scale = 2},
                    {.kind = Kind::normal, .weight = 0.7, .scale = 2}};
  CHECK(minimum_risk(split, 1) == doctest::Approx(4.0 / 5).epsilon(1e-13));
  const Prior far_apart{{.kind = Kind::normal, .weight = 0.5, .scale = 0.1, .location = -50},
                        {.kind = Kind::normal, .weight = 0.5, .scale = 0.1, .location = 50}};
  CHECK(minimum_risk(far_apart, 1) == doctest::Approx(0.01 / 1.01).epsilon(1e-11));
}

TEST_CASE("risks agree with Monte Carlo") {
  std::mt19937_64 bits(4);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  const Prior prior = spike_and_slab(0.7, 2);
  const Denoiser d = soft_threshold(0.8);
  const double sigma = 0.6;
  constexpr int n = 400'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double x = uniform(bits) < 0.7 ? 0 : 2 * normal(bits);
    const double off = d.estimate(x + sigma * normal(bits)) - x, loss = off * off;
    sum += loss, squares += loss * loss;
  }
  const double mean = sum / n, error = std::sqrt((squares / n - mean * mean) / n);
  CHECK(std::abs(denoising_risk(d, prior, sigma) - mean) < 4 * error);
  CHECK(error < 0.005);
  // No estimate is better than the posterior mean, which reaches the minimum.
  const Denoiser best{[&](double y) { return posterior_mean(y, prior, sigma); }, {}};
  CHECK(denoising_risk(best, prior, sigma) == doctest::Approx(minimum_risk(prior, sigma)).epsilon(1e-13));
  CHECK(best_threshold(prior, sigma).risk > minimum_risk(prior, sigma));
}

TEST_CASE("signal to noise behind GELU, to first order") {
  const double table[][2] = {{.1, .867699}, {.5, .635336},   {1, .603168},   {2, .810898},
                             {3, .973895},  {-.5, 5.421910}, {-1, 3.626249}, {-2, .071247}};
  for (const auto& [s, factor] : table) check_digits(snr_factor(gelu, s), factor, 1e-6);
  check_digits(snr_factor(gelu, 0.8399237), 0.5967287, 1e-7);
  CHECK(snr_factor(gelu, 0.83) > snr_factor(gelu, 0.8399237));
  CHECK(snr_factor(gelu, 0.85) > snr_factor(gelu, 0.8399237));
  CHECK(snr_factor(gelu, -1.1906012) == doctest::Approx(1).epsilon(1e-6));
  CHECK(snr_factor(gelu, -0.7517915246935645) > 1e20);
  CHECK(snr_factor(activations::activation("relu"), 3) == 1);
  check_contains(thrown([] { (void)snr_factor(gelu, 0); }), {"snr_factor", "0"});
}

TEST_CASE("the posterior mean of observations whose density is below all numbers") {
  for (const double y : {-300.0, -90.0, 90.0, 300.0}) {
    CAPTURE(y);
    CHECK(posterior_mean(y, spike_and_slab(0.5, 1), 1) == doctest::Approx(y / 2).epsilon(1e-12));
    CHECK(posterior_mean(y, laplace(2), 1) == doctest::Approx(y - std::copysign(0.5, y)).epsilon(1e-12));
    CHECK(posterior_mean(y, {{.kind = PriorPart::Kind::spike, .location = 0.25}}, 1) == 0.25);
  }
  CHECK(posterior_mean(90, sparse_half_normal(0.5, 1), 1) == doctest::Approx(45).epsilon(1e-12));
  // Alone a half-normal prior must explain y = -90: x has a density like e^(-90 x - x^2) on x > 0, whose mean is by the first terms
  // 1/90 - 4/90^3.
  CHECK(posterior_mean(-90, sparse_half_normal(0, 1), 1) == doctest::Approx(1 / 90.0 - 4 / std::pow(90, 3)).epsilon(1e-6));
  // Where both ways are open they agree: on one side of p(y) = 1e-280 and on the other.
  for (const Prior& prior : {sparse_half_normal(0.5, 3), laplace(0.4), spike_and_slab(0.3, 2)})
    for (const double side : {-1.0, 1.0}) {
      double before = posterior_mean(side * 10, prior, 1);
      for (double y = 10.5; y < 140; y += 0.5) {
        const double now = posterior_mean(side * y, prior, 1);
        CHECK(std::abs(now - before) < 0.501);
        before = now;
      }
    }
}

TEST_CASE("impossible priors and noises are refused") {
  check_contains(thrown([] { (void)minimum_risk(laplace(1), 0); }), {"minimum_risk", "0"});
  check_contains(thrown([] { (void)minimum_risk(laplace(-1), 1); }), {"scale", "-1"});
  check_contains(thrown([] { (void)minimum_risk({}, 1); }), {"add up to 0"});
  check_contains(thrown([] { (void)denoising_risk(soft_threshold(1), spike_and_slab(1.5), 1); }),
                 {"denoising_risk", "-0.5"});
  check_contains(thrown([] { (void)posterior_mean(0, {{.weight = 0.5}}, 1); }), {"posterior_mean", "0.5"});
  check_contains(thrown([] { (void)posterior_mean(std::nan(""), laplace(1), 1); }), {"posterior_mean", "nan"});
  check_contains(thrown([] { (void)soft_threshold(-1); }), {"soft_threshold", "-1"});
  check_contains(thrown([] { (void)one_sided_threshold(std::nan("")); }), {"one_sided_threshold", "nan"});
  check_contains(thrown([] { (void)gaussian_gate(-2); }), {"gaussian_gate", "-2"});
  check_contains(thrown([] { (void)scaled(soft_threshold(1), std::nan("")); }), {"scaled", "nan"});
  const Denoiser nothing{[](double) { return 0.0; }, {}};
  check_contains(thrown([&] { (void)best_amplitude(nothing, laplace(1), 1); }), {"best_amplitude", "0"});
}

TEST_CASE("where the ratio of signal to noise grows") {
  // R = (Phi / (Phi + s phi))^2 is least where s phi / Phi is largest: 1 - s^2 = s phi / Phi.
  const Extreme lowest = lowest_snr_factor(gelu, {0.01, 10});
  check_digits(lowest.value, .5967287, 1e-7);
  check_digits(lowest.at, .8399237, 1e-6);
  const double s = lowest.at, slope = s * normal_pdf(s) / normal_cdf(s);
  CHECK(std::abs(1 - s * s - slope) < 1e-6);

  // R = 1 where Phi = -(Phi + s phi).
  const auto left = snr_gains(gelu, {-5, 0});
  REQUIRE(left.size() == 1);
  check_digits(left[0].low, -1.1906012, 1e-7);
  CHECK(left[0].high == 0);
  CHECK(snr_gains(gelu, {0, 5}).empty());
  // softshrink's slope is 1 beyond its threshold and what it gives is less than the signal; tanh saturates and gains.
  CHECK(snr_gains(activations::activation("softshrink"), {0.6, 5}).empty());
  const auto tanh = snr_gains(activations::activation("tanh"), {0, 3});
  REQUIRE(tanh.size() == 1);
  CHECK(tanh[0].high == 3);
  CHECK(tanh[0].low < 1e-3);

  CHECK_THROWS_AS(lowest_snr_factor(gelu, {-1, 1}), Error);
  CHECK_THROWS_AS(lowest_snr_factor(gelu, {1, INFINITY}), Error);
  CHECK_THROWS_AS(snr_gains(gelu, {-1, 1}), Error);
  CHECK_THROWS_AS(snr_gains(gelu, {1, 1}), Error);
}
