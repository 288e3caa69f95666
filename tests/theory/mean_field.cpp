#include "gradus/theory/mean_field.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "gradus/activations/make_function.hpp"
#include "gradus/activations/registry.hpp"
#include "gradus/theory/erf.hpp"
#include "gradus/theory/moments.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::theory;

namespace {

activations::Function function(std::string_view name) {
  return name == "erf" ? activations::make_function(Erf{}) : activations::activation(name);
}

void check_digits(double value, double expected, double unit) {
  CAPTURE(value);
  CAPTURE(expected);
  CHECK(std::abs(value - expected) <= 0.6 * unit);  // half a unit of the last digit printed, and a little
}

}  // namespace

TEST_CASE("the slope of the variance map at the preserved variance, and where it leads") {
  const auto slope = [](const char* name) {
    const auto f = function(name);
    return variance_slope(f, 1, variance_preserving(f));
  };
  check_digits(slope("gelu"), 1.14406, 1e-5);
  check_digits(slope("silu"), 1.17259, 1e-5);
  check_digits(slope("mish"), 1.07634, 1e-5);
  check_digits(slope("relu"), 1, 1e-14);
  check_digits(slope("elu"), 0.89097, 1e-5);
  check_digits(slope("selu"), 0.78265, 1e-5);
  check_digits(slope("tanh"), 0.46107, 1e-5);
  // The same by differences of the map.
  for (const char* name : {"gelu", "elu", "hard_swish", "softplus"}) {
    const auto f = function(name);
    const LayerVariances layer{1.3, 0.2};
    const double h = 1e-4, q = 0.8;
    const double difference = (variance_map(f, q + h, layer) - variance_map(f, q - h, layer)) / (2 * h);
    CHECK(variance_slope(f, q, layer) == doctest::Approx(difference).epsilon(1e-7));
  }
  const auto gelu = function("gelu");
  const auto down = variance_trajectory(gelu, 0.9, 30, variance_preserving(gelu));
  REQUIRE(down.size() == 31);
  CHECK(down[0] == 0.9);
  check_digits(down[10], 0.649, 1e-3);
  check_digits(down[20], 0.130, 1e-3);
  check_digits(down[30], 0.0012, 1e-4);
  const auto up = variance_trajectory(gelu, 1.1, 30, variance_preserving(gelu));
  check_digits(up[10], 1.41, 1e-2);
  check_digits(up[20], 2.91, 1e-2);
  check_digits(up[30], 10.98, 1e-2);
  const auto he = variance_trajectory(gelu, 1, 20, {.weight_variance = 2});
  check_digits(he[5], 0.3269, 1e-4);
  check_digits(he[20], 3.2e-5, 1e-6);
  // What has vanished stays there.
  CHECK(variance_trajectory(gelu, 1e-3, 20000, {.weight_variance = 0.01}).back() == 0);
}

TEST_CASE("a finite width: mean and spread of the variance, by Monte Carlo of the chain") {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  const Index width = 256;
  const int layers = 8, networks = 4000;
  const struct { const char* name; double q; LayerVariances layer; } cases[] = {
      {"gelu", 1.1, variance_preserving(function("gelu"))}, {"relu", 1, {2, 0}}, {"tanh", 0.5, {1.5, 0.2}}};
  for (const auto& [name, q, layer] : cases) {
    CAPTURE(std::string(name));
    const auto f = function(name);
    double sum = 0, squares = 0;
    for (int n = 0; n < networks; ++n) {
      double v = q;
      for (int l = 0; l < layers; ++l) {
        double mean = 0;
        for (Index i = 0; i < width; ++i) mean += std::pow(f(std::sqrt(v) * normal(random)), 2) / double(width);
        v = layer.weight_variance * mean + layer.bias_variance;
      }
      sum += v, squares += v * v;
    }
    const double mean = sum / networks, deviation = std::sqrt(squares / networks - mean * mean);
    const auto predicted = finite_width_trajectory(f, q, layers, layer, width);
    REQUIRE(predicted.size() == layers + 1);
    CHECK(predicted[0].mean == q);
    CHECK(predicted[0].deviation == 0);
    CHECK(std::abs(predicted.back().mean - mean) < 4 * deviation / std::sqrt(double(networks)) + 2e-3 * mean);
    CHECK(predicted.back().deviation == doctest::Approx(deviation).epsilon(0.08));
  }
  // ReLU at He's variance: Var f^2 = 5 q^2 / 4, and the relative variance grows by 5 / width a layer.
  const auto relu = finite_width_trajectory(function("relu"), 3, 2, {2, 0}, 100);
  CHECK(relu[1].mean == doctest::Approx(3));
  CHECK(relu[1].deviation == doctest::Approx(3 * std::sqrt(0.05)).epsilon(1e-10));
  CHECK(relu[2].deviation == doctest::Approx(3 * std::sqrt(0.10)).epsilon(1e-10));
  check_contains(thrown([] { (void)finite_width_trajectory(function("relu"), 1, 2, {2, 0}, 0); }),
                 {"finite_width_trajectory", "0"});
}

TEST_CASE("fixed points, stable or not") {
  const auto gelu = function("gelu"), elu = function("elu"), tanh = function("tanh");
  const VarianceFixedPoints unstable = variance_fixed_points(gelu, variance_preserving(gelu));
  REQUIRE(unstable.points.size() == 1);
  CHECK(unstable.points[0].at == doctest::Approx(1).epsilon(1e-12));
  CHECK(!unstable.points[0].stable);
  CHECK(!unstable.everywhere);
  const VarianceFixedPoints stable = variance_fixed_points(elu, variance_preserving(elu));
  REQUIRE(stable.points.size() == 1);
  CHECK(stable.points[0].at == doctest::Approx(1).epsilon(1e-12));
  CHECK(stable.points[0].stable);
  check_digits(stable.points[0].slope, 0.89097, 1e-5);
  const VarianceFixedPoints line = variance_fixed_points(function("relu"), {.weight_variance = 2});
  CHECK(line.everywhere);
  CHECK(line.points.empty());
  CHECK(variance_fixed_points(function("relu"), {.weight_variance = 1.9}).points.empty());
  // q = q / 2 + 3.
  const VarianceFixedPoints biased =
      variance_fixed_points(function("relu"), {.weight_variance = 1, .bias_variance = 3});
  REQUIRE(biased.points.size() == 1);
  CHECK(biased.points[0].at == doctest::Approx(6).epsilon(1e-13));
  CHECK(biased.points[0].slope == doctest::Approx(0.5).epsilon(1e-13));
  // A bias may give gelu two: one that holds, one that lets go.
  const VarianceFixedPoints two = variance_fixed_points(gelu, {.weight_variance = 2.1, .bias_variance = 0.05});
  REQUIRE(two.points.size() == 2);
  CHECK(two.points[0].stable);
  CHECK(!two.points[1].stable);
  for (const FixedPoint& p : two.points)
    CHECK(variance_map(gelu, p.at, {2.1, 0.05}) == doctest::Approx(p.at).epsilon(1e-13));
  CHECK(variance_fixed_points(tanh, {.weight_variance = 0.5}).points.empty());
}

TEST_CASE("a stable choice for GELU with biases") {
  const auto gelu = function("gelu");
  check_digits(stable_weight_variance_limit(gelu), 2.05558, 1e-5);
  const LayerVariances layer = with_preserving_bias(gelu, 2);
  check_digits(layer.bias_variance, 0.149557, 1e-6);
  check_digits(variance_slope(gelu, 1, layer), 0.97296, 1e-5);
  check_digits(chi_1(gelu, 1, layer), 0.9117, 1e-4);
  CHECK(variance_map(gelu, 1, layer) == doctest::Approx(1).epsilon(1e-15));
  const double limit = stable_weight_variance_limit(gelu);
  CHECK(variance_slope(gelu, 1, with_preserving_bias(gelu, limit)) == doctest::Approx(1).epsilon(1e-13));
  CHECK(stable_weight_variance_limit(function("elu")) == doctest::Approx(1.5505188080679273).epsilon(1e-13));
  check_contains(thrown([&] { (void)with_preserving_bias(gelu, 2.4); }), {"with_preserving_bias", "2.35171"});
  // With Var(Y) in the place of E Y^2 other weights come out, right for centred activations only.
  CHECK(1 / gaussian_moments("gelu").variance == doctest::Approx(2.893150).epsilon(2e-7));
  CHECK(1 / gaussian_moments("relu").variance == doctest::Approx(2.933884).epsilon(2e-7));
}

TEST_CASE("forward-critical is not backward-critical; both at once is the edge of chaos") {
  const auto chi = [](const char* name) {
    const auto f = function(name);
    return chi_1(f, 1, variance_preserving(f));
  };
  check_digits(chi("gelu"), 1.07203, 1e-5);
  check_digits(chi("elu"), 1.03590, 1e-5);
  check_digits(chi("selu"), 1.07157, 1e-5);
  check_digits(chi("relu"), 1, 1e-14);
  for (const char* name : {"gelu", "elu", "selu", "tanh", "relu"}) {
    const auto f = function(name);
    const LayerVariances edge = critical_initialisation(f);
    CAPTURE(std::string(name));
    CHECK(variance_map(f, 1, edge) == doctest::Approx(1).epsilon(1e-14));
    CHECK(chi_1(f, 1, edge) == doctest::Approx(1).epsilon(1e-14));
  }
  check_contains(thrown([] { (void)critical_initialisation(function("softplus")); }),
                 {"critical_initialisation", "softplus"});
  CHECK(depth_scale(std::exp(-0.25)) == doctest::Approx(4));
  CHECK(std::isinf(depth_scale(1)));
  CHECK(depth_scale(std::exp(0.1)) == doctest::Approx(-10));
  CHECK(depth_scale(0) == 0);
}

TEST_CASE("correlations end where the claims say") {
  const auto end = [](const char* name) {
    const auto f = function(name);
    return correlation_fixed_point(f, 1, variance_preserving(f));
  };
  const FixedPoint elu = end("elu");
  check_digits(elu.at, 0.5975684, 1e-7);
  check_digits(elu.slope, 0.9697, 1e-4);
  CHECK(elu.stable);
  check_digits(end("gelu").at, 0.7604019, 1e-7);
  CHECK(end("relu").at == 1);
  CHECK(std::abs(end("selu").at) < 1e-14);
  CHECK(end("erf").at == 0);
  CHECK(end("erf").stable);
  const auto gelu = function("gelu");
  const LayerVariances layer = variance_preserving(gelu);
  CHECK(correlation_map(gelu, 1, 1, layer) == doctest::Approx(1).epsilon(1e-14));
  CHECK(correlation_slope(gelu, 1, 1, layer) == doctest::Approx(chi_1(gelu, 1, layer)).epsilon(1e-14));
  const double h = 1e-5;
  const double difference =
      (correlation_map(gelu, 0.3 + h, 1, layer) - correlation_map(gelu, 0.3 - h, 1, layer)) / (2 * h);
  CHECK(correlation_slope(gelu, 0.3, 1, layer) == doctest::Approx(difference).epsilon(1e-9));
  check_contains(thrown([&] { (void)correlation_map(gelu, 1.5, 1, layer); }), {"correlation_map", "1.5"});
  CHECK(correlation_fixed_point(gelu, 1, with_preserving_bias(gelu, 2)).at == 1);
}

TEST_CASE("gradients through thirty layers") {
  // Thirty pre-activations that follow one of variance 1.
  const auto gain = [](const char* name, const LayerVariances& layer) {
    const auto f = function(name);
    return std::log10(gradient_gain(f, variance_map(f, 1, layer), 30, layer));
  };
  check_digits(gain("gelu", variance_preserving(function("gelu"))), 0.876, 1e-3);
  check_digits(gain("elu", variance_preserving(function("elu"))), 0.444, 1e-3);
  check_digits(gain("gelu", {.weight_variance = 1}), -17.08, 1e-2);
  check_digits(gain("elu", {.weight_variance = 1}), -1.857, 1e-3);
  check_digits(gain("gelu", {.weight_variance = 2}), -7.19, 1e-2);
  check_digits(gain("elu", {.weight_variance = 2}), 1.793, 1e-3);
  CHECK(gradient_gain(function("relu"), 3, 30, {.weight_variance = 2}) == doctest::Approx(1).epsilon(1e-12));
  CHECK(gradient_gain(function("gelu"), 1, 1, {.weight_variance = 2}) == 1);
  CHECK(gain_fluctuation(function("relu")) == doctest::Approx(5).epsilon(1e-13));
  check_digits(gain_fluctuation(function("gelu")), 5.265, 1e-3);
  check_digits(gain_fluctuation(function("elu")), 2.995, 1e-3);
  check_digits(gain_fluctuation(function("selu")), 2.949, 1e-3);
  check_digits(gain_fluctuation(function("tanh")), 3.750, 1e-3);
  // 100 layers of SELU: 31.7 in rms.
  check_digits(std::sqrt(std::pow(chi_1(function("selu"), 1, {.weight_variance = 1}), 100)), 31.7, 0.1);
}

TEST_CASE("signals that leave the range of numbers") {
  for (const char* name : {"relu", "gelu", "elu", "softplus"}) {
    CAPTURE(std::string(name));
    const auto f = function(name);
    CHECK(std::isinf(variance_trajectory(f, 1, 1500, {4, 0}).back()));
    CHECK(std::isinf(gradient_gain(f, 1, 1500, {4, 0})));
  }
  CHECK(variance_trajectory(function("gelu"), 1, 1500, {2, 0}).back() == 0);
  CHECK(gradient_gain(function("gelu"), 1, 1500, {2, 0}) == 0);
  // relu's variance comes to 0 as fast as its gradients; here the gain is still a number.
  CHECK(gradient_gain(function("relu"), 1e-200, 401, {1, 0}) == doctest::Approx(std::ldexp(1.0, -400)).epsilon(1e-11));
}

TEST_CASE("the fluctuation of a layer's gain, by Monte Carlo") {
  // gain = 1/n sum of f'(x_i)^2 z_i^2 for weights of variance 1 / n: its variance is that over n.
  std::mt19937_64 bits(3);
  std::normal_distribution<double> normal;
  const auto elu = function("elu");
  const int n = 50, trials = 20'000;
  double sum = 0, squares = 0;
  for (int t = 0; t < trials; ++t) {
    double gain = 0;
    for (int i = 0; i < n; ++i) gain += std::pow(elu(1, normal(bits)) * normal(bits), 2) / n;
    sum += gain, squares += gain * gain;
  }
  const double mean = sum / trials, variance = squares / trials - mean * mean;
  CHECK(n * variance / (mean * mean) == doctest::Approx(gain_fluctuation(elu)).epsilon(0.05));
}

TEST_CASE("recurrent nets: what a step does to gradients") {
  const RecurrentFactors elu = recurrent_factors(function("elu"), 1);
  CHECK(elu.mean_slope == doctest::Approx(0.7615782918651234).epsilon(1e-14));
  CHECK(elu.rms == doctest::Approx(std::sqrt(0.6681020)).epsilon(1e-7));
  CHECK(elu.spectral_norm == 2);
  CHECK(elu.lipschitz == 2);
  const RecurrentFactors relu = recurrent_factors(function("relu"), std::sqrt(2.0));
  CHECK(relu.rms == doctest::Approx(1).epsilon(1e-14));
  CHECK(relu.mean_slope == doctest::Approx(0.5));
  CHECK(recurrent_factors(function("gelu"), 1, 0, 4).mean_slope == doctest::Approx(0.5).epsilon(1e-14));
  // Post-activation residual nets: rms gains per layer.
  const auto after = [](const char* name, int layers) {
    return std::pow(recurrent_factors(function(name), 1).rms, layers);
  };
  check_digits(after("elu", 10), 0.13311, 1e-5);
  check_digits(after("elu", 50), 4.179e-5, 1e-8);
  check_digits(after("elu", 100), 1.746e-9, 1e-12);
  check_digits(after("relu", 10), 0.03125, 1e-7);
  check_digits(after("relu", 50), 2.98e-8, 1e-10);
  check_contains(thrown([] { (void)recurrent_factors(function("elu"), -1); }), {"recurrent_factors", "-1"});
}

TEST_CASE("residual blocks") {
  const auto gelu = function("gelu");
  CHECK(residual_gain(gelu) == doctest::Approx(1.4558508656492871).epsilon(1e-14));
  check_digits(residual_gain(gelu, {.width = 64}), 1.4577652, 1e-7);
  check_digits((residual_gain(gelu, {.width = 1}) - 1), 0.5783684, 1e-7);  // n = 1: m_2z alone
  check_digits(std::pow(residual_gain(gelu, {.second = 0.02}), 50), 1.57426, 1e-5);
  check_digits(std::pow(residual_gain(function("relu"), {.second = 0.02}), 50), 1.64463, 1e-5);
  check_contains(thrown([&] { (void)residual_gain(gelu, {.first = -1}); }), {"residual_gain", "-1"});
}

TEST_CASE("the residual gain of a narrow block, by Monte Carlo") {
  // n = 3, h = 5: the mean squared singular value of I + W_2 D W_1, |x|^2 = n.
  std::mt19937_64 bits(9);
  std::normal_distribution<double> normal;
  const auto gelu = function("gelu");
  constexpr int n = 3, h = 5, trials = 20'000;
  double sum = 0, squares = 0;
  for (int t = 0; t < trials; ++t) {
    double w1[h][n], w2[n][h], slope[h], gain = 0;
    for (auto& row : w1)
      for (double& w : row) w = normal(bits) / std::sqrt(double(n));
    for (auto& row : w2)
      for (double& w : row) w = normal(bits) / std::sqrt(double(h));
    for (int i = 0; i < h; ++i) slope[i] = gelu(1, w1[i][0] * std::sqrt(double(n)));
    for (int a = 0; a < n; ++a)
      for (int b = 0; b < n; ++b) {
        double entry = a == b;
        for (int i = 0; i < h; ++i) entry += w2[a][i] * slope[i] * w1[i][b];
        gain += entry * entry / n;
      }
    sum += gain, squares += gain * gain;
  }
  const double mean = sum / trials, error = std::sqrt((squares / trials - mean * mean) / trials);
  CHECK(std::abs(residual_gain(gelu, {.width = n}) - mean) < 4 * error);
  CHECK(error < 0.01);
}

TEST_CASE("feed-forward and gated blocks") {
  const auto gelu = function("gelu"), silu = function("silu");
  CHECK(feed_forward_gains(gelu).forward == doctest::Approx(0.4252214825702987).epsilon(1e-14));
  CHECK(feed_forward_gains(gelu).backward == doctest::Approx(0.4558508656492871).epsilon(1e-14));
  check_digits(feed_forward_gains(gelu, 0.1).forward, 0.2909, 1e-4);
  check_digits(feed_forward_gains(gelu).backward / feed_forward_gains(gelu).forward, 1.07, 1e-2);
  check_digits(gated_gains(silu).forward, 0.3557758, 1e-6);
  CHECK(gated_gains(silu).forward == doctest::Approx(0.35577551981735216).epsilon(1e-13));
  check_digits(gated_gains(silu).backward, 0.7352581, 1e-6);
  check_digits(gated_gains(silu).backward / gated_gains(silu).forward, 2.07, 1e-2);
  check_digits(gated_gains(silu).forward * 2 / 3, 0.237184, 1e-6);
  check_digits(gated_gains(silu).backward * 2 / 3, 0.490172, 1e-6);
  check_digits(gated_gains(function("sigmoid")).forward, 0.293379, 1e-6);
  check_digits(gated_gains(silu, 0.1).forward, 0.02673, 1e-5);
  check_digits(gated_gains(silu, 4).forward, 1.758, 1e-3);
  CHECK(gated_width(3072) == 2048);
  CHECK(3 * 768 * gated_width(3072) == 2 * 768 * 3072);
  check_contains(thrown([] { (void)gated_width(4); }), {"gated_width", "4"});
}

TEST_CASE("dropout") {
  const DropoutMoments gelu = dropout_moments(function("gelu"), 0.9);
  check_digits(gelu.mean, 0.2538853, 1e-7);
  check_digits(gelu.inverted_mean, 0.2820948, 1e-7);
  check_digits(gelu.inverted_variance, 0.3928908, 1e-7);
  CHECK(gelu.second == doctest::Approx(0.9 * 0.4252214825702987));
  check_contains(thrown([] { (void)dropout_moments(function("gelu"), 0); }), {"dropout_moments", "0"});
}

TEST_CASE("GELU as the mean of a gate, and layer normalisation of whatever activation") {
  const auto gelu = function("gelu");
  for (const double x : {-3.0, -0.2, 0.0, 1.4}) {
    CHECK(gaussian_gate_moments(x).mean == doctest::Approx(gelu(x)).epsilon(1e-14));
    const double open = gelu(x) / (x == 0 ? 1 : x);
    if (x != 0) CHECK(gaussian_gate_moments(x).variance == doctest::Approx(x * x * open * (1 - open)).epsilon(1e-13));
  }
  std::mt19937_64 bits(2);
  std::normal_distribution<double> normal;
  constexpr int n = 4, trials = 20'000;
  double mean = 0, square = 0, product = 0;
  for (int t = 0; t < trials; ++t) {
    double x[n], average = 0, variance = 0;
    for (double& v : x) v = gelu(normal(bits)), average += v / n;
    for (const double v : x) variance += (v - average) * (v - average) / n;
    const double a = (x[0] - average) / std::sqrt(variance), b = (x[1] - average) / std::sqrt(variance);
    mean += a / trials, square += a * a / trials, product += a * b / trials;
  }
  CHECK(std::abs(mean) < 4 / std::sqrt(double(trials)));
  CHECK(square == doctest::Approx(1).epsilon(0.03));
  CHECK(std::abs(product - layer_norm_covariance(n)) < 4 / std::sqrt(double(trials)));
  check_contains(thrown([] { (void)layer_norm_covariance(1); }), {"layer_norm_covariance", "1"});
}

TEST_CASE("misuse of the mean field") {
  const auto f = function("gelu");
  check_contains(thrown([&] { (void)variance_map(f, 1, {-1, 0}); }), {"variance_map", "-1"});
  check_contains(thrown([&] { (void)variance_map(f, -1, {}); }), {"-1"});
  check_contains(thrown([&] { (void)variance_trajectory(f, 1, -2, {}); }), {"variance_trajectory", "-2"});
  check_contains(thrown([&] { (void)variance_fixed_points(f, {}, {.lowest = 0}); }), {"variance_fixed_points"});
  check_contains(thrown([&] { (void)gradient_gain(f, 1, 0, {}); }), {"gradient_gain"});
  check_contains(thrown([&] { (void)gradient_gain(f, -1, 1, {}); }), {"gradient_gain", "-1"});
  check_contains(thrown([&] { (void)variance_trajectory(f, 0, 0, {}); }), {"variance_trajectory", "0"});
  check_contains(thrown([&] { (void)depth_scale(std::nan("")); }), {"depth_scale"});
  check_contains(thrown([&] { (void)gaussian_gate_moments(INFINITY); }), {"gaussian_gate_moments"});
  check_contains(thrown([&] { (void)residual_gain(f, {.first = INFINITY}); }), {"residual_gain", "inf"});
  check_contains(thrown([&] { (void)correlation_fixed_point(f, 1, {1, std::nan("")}); }), {"nan"});
}
