#include "gradus/nn/adaptive_elu.hpp"

#include <cmath>
#include <limits>

#include "gradus/activations/builtin.hpp"
#include "gradus/autograd/gradcheck.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/theory/moments.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
using nn::adaptive_elu_alpha;
using nn::EluCondition;

TEST_CASE("adaptive_elu_alpha: reference numbers") {
  const auto is = [](EluCondition condition, double mean, double expected) {
    CHECK(adaptive_elu_alpha(condition, mean, 1) == doctest::Approx(expected).epsilon(1e-7));
  };
  is(EluCondition::unit_slope, 0, 1.9114736);
  is(EluCondition::unit_squared_slope, 0, 1.7246404);
  is(EluCondition::zero_mean, 0, activations::SELU::alpha);
  is(EluCondition::unit_slope, -1, 2.7742860);
  is(EluCondition::unit_squared_slope, -1, 2.3028188);
  is(EluCondition::zero_mean, -1, 0.1548386);
}

TEST_CASE("adaptive_elu_alpha: the condition holds, by quadrature") {
  for (const double mean : {-6.0, -3.0, -0.5, 0.0, 0.7, 2.0})
    for (const double variance : {0.04, 0.5, 1.0, 3.0, 25.0}) {
      CAPTURE(mean);
      CAPTURE(variance);
      const auto moments = [&](EluCondition condition) {
        const activations::ELU elu{adaptive_elu_alpha(condition, mean, variance)};
        return theory::gaussian_moments(activations::make_function(elu), {.mean = mean, .variance = variance});
      };
      if (std::abs(mean) < 4 * std::sqrt(variance)) {
        const auto centred = moments(EluCondition::zero_mean);
        CHECK(std::abs(centred.mean) < 1e-9 * std::sqrt(centred.second));
        CHECK(moments(EluCondition::unit_slope).slope_mean == doctest::Approx(1).epsilon(1e-9));
        CHECK(moments(EluCondition::unit_squared_slope).slope_second == doctest::Approx(1).epsilon(1e-9));
      }
    }
}

TEST_CASE("adaptive_elu_alpha: extremes") {
  // Between the two ways to compute: without a jump.
  for (const EluCondition condition :
       {EluCondition::zero_mean, EluCondition::unit_slope, EluCondition::unit_squared_slope}) {
    CHECK(adaptive_elu_alpha(condition, 1e-12, 1) ==
          doctest::Approx(adaptive_elu_alpha(condition, -1e-12, 1)).epsilon(1e-10));
    for (const double mean : {-1e6, -800.0, -30.0, 0.0, 30.0, 800.0, 1e6})
      for (const double variance : {1e-30, 1e-12, 1e-4, 1.0, 1e4, 1e12}) {
        CAPTURE(mean);
        CAPTURE(variance);
        CHECK(adaptive_elu_alpha(condition, mean, variance) >= 0);  // NaN fails
      }
  }
  // A narrow Gaussian sees a straight line once alpha is 1.
  for (const double s : {1e-3, 1e-5, 9e-6, 1e-8, 1e-15})
    CHECK(std::abs(adaptive_elu_alpha(EluCondition::zero_mean, 0, s * s) - 1) < s + 1e-10);
  // Far below 0, e^X alone counts: E f'= 1 for alpha = 1 / E e^X.
  CHECK(adaptive_elu_alpha(EluCondition::unit_slope, -30, 1) == doctest::Approx(std::exp(29.5)));
  CHECK(adaptive_elu_alpha(EluCondition::unit_squared_slope, -30, 1) == doctest::Approx(std::exp(29.0)));
  for (const double bad : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    check_error([&] { (void)adaptive_elu_alpha(EluCondition::zero_mean, 0, bad); }, {"adaptive_elu_alpha", "positive"});
  check_error([] { (void)adaptive_elu_alpha(EluCondition::zero_mean, std::nan(""), 1); }, {"finite"});
}

TEST_CASE("LearnedELU: values, gradients and parameters") {
  const Tensor x = linspace(-30, 30, 121);
  CHECK(allclose(nn::LearnedELU{}(x), elu(x)));
  CHECK(allclose(nn::LearnedELU(1, {.alpha = 2.5})(x), elu(x, 2.5)));
  for (const double alpha : {1e-3, 0.5, 40.0, 1e4})
    CHECK(nn::LearnedELU(1, {.alpha = alpha}).alpha().item() == doctest::Approx(alpha).epsilon(1e-5));
  nn::LearnedELU layer{3, {.alpha = 0.7}};
  CHECK(nn::parameter_count(layer) == 3);
  layer.to(float64);
  layer.raw_alpha.data<double>()[1] = -2;
  for (const Shape& shape : {Shape{5, 3}, Shape{2, 3, 4}, Shape{2, 3, 2, 2}, Shape{0, 3}})
    CHECK(layer(zeros(shape, {.dtype = float64})).shape() == shape);
  const Tensor y = randn({4, 3, 2}, {.dtype = float64, .requires_grad = true});
  for (Index c = 0; c < 3; ++c)
    CHECK(allclose(layer(y).slice(1, c, c + 1), elu(y.slice(1, c, c + 1), layer.alpha()[c].item())));
  const auto f = [&](const std::vector<Tensor>& in) {
    nn::LearnedELU other = layer;
    other.raw_alpha = in[1];
    return other(in[0]);
  };
  CHECK(gradcheck(f, {y, layer.raw_alpha}));
  CHECK(gradgradcheck(f, {y, layer.raw_alpha}));
  // Large inputs stay numbers, and alpha stays positive.
  layer.raw_alpha.detach().fill_(-50);
  CHECK(layer.alpha()[0].item() > 0);
  CHECK(nn::LearnedELU{}(tensor({1e30, -1e30})).data<float>()[0] == 1e30f);
  CHECK(nn::LearnedELU{}(tensor({1e30, -1e30})).data<float>()[1] == -1.0f);
}

TEST_CASE("StatisticsELU: the statistics move in training and rest in eval") {
  manual_seed(1);
  nn::StatisticsELU layer{2, {.condition = EluCondition::unit_slope, .momentum = 0.25}};
  CHECK(layer.parameters().empty());
  CHECK(layer.named_buffers().size() == 2);
  CHECK(layer.alpha()[0].item() == doctest::Approx(1.9114736).epsilon(1e-4));  // N(0, 1 + eps)
  const Tensor x = 2 * randn({6, 2, 5}) + 1;
  const Tensor y = layer(x);
  for (Index c = 0; c < 2; ++c) {
    CAPTURE(c);
    const Tensor channel = x.slice(1, c, c + 1);
    const double mean = 0.25 * channel.mean().item(), variance = 0.75 + 0.25 * channel.var({.correction = 0}).item();
    CHECK(layer.running_mean[c].item() == doctest::Approx(mean).epsilon(1e-5));
    CHECK(layer.running_var[c].item() == doctest::Approx(variance).epsilon(1e-5));
    const double alpha = adaptive_elu_alpha(EluCondition::unit_slope, mean, variance + 1e-5);
    CHECK(allclose(y.slice(1, c, c + 1), elu(channel, alpha), {.rtol = 1e-4, .atol = 1e-6}));
  }
  (void)layer(zeros({0, 2}));
  layer.eval();
  const auto before = to_vector<float>(layer.running_mean);
  const Tensor fixed = layer(x);
  CHECK(to_vector<float>(layer.running_mean) == before);
  CHECK(allclose(fixed, y));
  CHECK(allclose(layer(x.slice(0, 0, 1)), fixed.slice(0, 0, 1)));  // each sample by itself
}

TEST_CASE("StatisticsELU: the condition holds on what flows through") {
  manual_seed(2);
  for (const double mean : {-0.5, 0.0, 0.5}) {
    CAPTURE(mean);
    const Tensor x = 1.5 * randn({200000}) + mean;
    nn::StatisticsELU centred{1, {.momentum = 1}};
    CHECK(std::abs(centred(x).mean().item()) < 0.02);
    nn::StatisticsELU isometric{1, {.condition = EluCondition::unit_squared_slope, .momentum = 1}};
    Tensor leaf = x.clone().requires_grad_();
    isometric(leaf).sum().backward();
    CHECK(square(leaf.grad()).mean().item() == doctest::Approx(1).epsilon(0.02));
  }
  // Almost nothing is negative: alpha is cut.
  nn::StatisticsELU cut{1, {.momentum = 1, .max_alpha = 3}};
  (void)cut(randn({100}) + 50);
  CHECK(cut.alpha().item() == 3);
  // A constant has no variance; eps stands in.
  nn::StatisticsELU constant{1, {.momentum = 1}};
  CHECK(constant(full({4}, 2.0)).data<float>()[0] == 2.0f);
}

TEST_CASE("StatisticsELU: the gradient takes alpha for a constant") {
  manual_seed(3);
  nn::StatisticsELU layer{1, {.momentum = 0.5}};
  layer.to(float64);
  const Tensor x = randn({20}, {.dtype = float64, .requires_grad = true});
  const Tensor weight = randn({20}, {.dtype = float64});
  (layer(x) * weight).sum().backward();
  const Tensor other = x.detach().clone().requires_grad_();
  (elu(other, layer.alpha().item()) * weight).sum().backward();
  CHECK(allclose(x.grad(), other.grad()));
  layer.eval();
  CHECK(gradgradcheck([&](const std::vector<Tensor>& in) { return layer(in[0]); }, {x}));
}

TEST_CASE("adaptive ELUs: a step lowers the loss") {
  const auto check = [](auto activation) {
    manual_seed(4);
    nn::Sequential net{nn::Linear{6, 16}, activation, nn::Linear{16, 3}};
    const Tensor x = randn({32, 6}), y = randint(0, 3, {32});
    optim::SGD optimizer{net.parameters(), {.lr = 0.05}};
    const Tensor before = nn::cross_entropy(net(x), y);
    before.backward();
    optimizer.step();
    CHECK(nn::cross_entropy(net(x), y).item() < before.item());
  };
  check(nn::LearnedELU{16});
  check(nn::StatisticsELU{16});
}

TEST_CASE("adaptive ELUs: errors") {
  check_error([] { nn::LearnedELU{0}; }, {"LearnedELU", "0 channels"});
  check_error([] { nn::LearnedELU(1, {.alpha = 0}); }, {"LearnedELU", "alpha is 0", "positive"});
  check_error([] { nn::LearnedELU(1, {.alpha = std::nan("")}); }, {"LearnedELU", "positive"});
  check_error([] { nn::LearnedELU{3}(zeros({2, 4})); }, {"LearnedELU", "(2, 4)", "(N, 3, ...)"});
  check_error([] { nn::LearnedELU{3}(zeros({})); }, {"LearnedELU", "()"});
  CHECK(nn::LearnedELU{3}(zeros({3})).shape() == Shape{3});
  check_error([] { nn::StatisticsELU{-1}; }, {"StatisticsELU", "-1 channels"});
  check_error([] { nn::StatisticsELU(1, {.momentum = 1.5}); }, {"momentum is 1.5"});
  check_error([] { nn::StatisticsELU(1, {.eps = 0}); }, {"eps is 0"});
  check_error([] { nn::StatisticsELU(1, {.max_alpha = -1}); }, {"max_alpha is -1"});
  check_error([] { nn::StatisticsELU{3}(zeros({2, 4})); }, {"StatisticsELU", "(2, 4)", "(N, 3, ...)"});
  check_error([] { nn::StatisticsELU{3}(zeros({3})); }, {"StatisticsELU", "(3)"});
  check_error([] { nn::StatisticsELU{}(zeros({3}, {.dtype = int64})); }, {"StatisticsELU", "int64"});
}
