#include "gradus/autograd/anomaly.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/checkpoint.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using autograd::DetectAnomaly;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
const TensorOptions wanted{.dtype = float64, .requires_grad = true};

}  // namespace

TEST_CASE("the forward operation that gave the first NaN or infinity is named") {
  const Tensor x = tensor({{1, 2, 3}, {4, -1, -2}}, wanted);
  const DetectAnomaly guard;
  CHECK(thrown([&] { (void)sum(exp(log(x)) * 2.0); }) ==
        "detect_anomaly: forward of log (shape (2, 3)) gave NaN in 2 of 6 elements, first at (1, 1); all of its inputs "
        "are finite");
  CHECK(thrown([&] { (void)exp(x * 1000.0); }) ==
        "detect_anomaly: forward of exp (shape (2, 3)) gave infinity in 4 of 6 elements, first at (0, 0); all of its "
        "inputs are finite");
  CHECK_THROWS_AS((void)log(x), autograd::AnomalyError);
}

TEST_CASE("operations that nothing records are looked at too, and NaN from outside is called so") {
  const Tensor x = tensor({1, not_a_number, infinity}, {.dtype = float64});
  const DetectAnomaly guard;
  CHECK(thrown([&] { (void)(x * 2.0); }) ==
        "detect_anomaly: forward of mul (shape (3)) gave NaN in 1 of 3 elements, first at (1); its input 0 (shape (3)) "
        "holds NaN "
        "and infinity in 2 of 3 elements, first at (1)");
}

TEST_CASE("the operation whose derivative gave the first NaN or infinity is named") {
  const Tensor x = tensor({4, 0, 9}, wanted);
  const DetectAnomaly guard;
  const Tensor y = sum(sqrt(x) * 3.0);
  CHECK(thrown([&] { y.backward(); }) ==
        "detect_anomaly: backward of sqrt (shape (3)) gave, as the gradient of its input 0, infinity in 1 of 3 "
        "elements, first at "
        "(1); the gradient that came in is finite");
  CHECK_FALSE(x.grad().defined());
  const Tensor z = x * 2.0;
  CHECK(thrown([&] {
          (void)grad(z, x, {.grad_output = tensor({1, 1, not_a_number}, {.dtype = float64})});
        }) ==
        "detect_anomaly: backward reached mul (shape (3)) with a gradient that holds NaN in 1 of 3 elements, first at "
        "(2): the one "
        "that it started from, or a sum of several");
  // 1e308 + 1e308, arriving at the leaf along two ways
  const Tensor one = tensor(1.0, wanted);
  CHECK(thrown([&] { (one * 1e308 + (-one) * -1e308 - 1.5e308).backward(); }).find("detect_anomaly") == 0);
}

TEST_CASE("a mask's infinities pass, and what comes of them when it is NaN does not") {
  const Tensor x = tensor({{1, 2}, {3, 4}}, wanted);
  const DetectAnomaly guard;
  const Tensor half = tensor({{0, 1}, {0, 1}}, {.dtype = float64}) > 0.5;
  const Tensor full = tensor({{0, 0}, {1, 1}}, {.dtype = float64}) > 0.5;
  const Tensor p = softmax(masked_fill(x, half, -infinity), -1);
  CHECK(p.data<double>()[0] == 1);
  sum(p * p).backward();
  CHECK(std::isfinite(x.grad().data<double>()[1]));
  CHECK(thrown([&] {
          (void)log_softmax(masked_fill(x, full, infinity), -1);
        }).find("gave NaN in 2 of 4 elements, first at (1, 0)") != std::string::npos);
}

TEST_CASE("infinities can be let pass") {
  const Tensor x = tensor({0.0, 800.0}, wanted);
  const DetectAnomaly guard({.infinite = false});
  const Tensor y = exp(x);
  CHECK(std::isinf(y.data<double>()[1]));
  CHECK(thrown([&] { (void)(y - y); }).find("detect_anomaly: forward of sub (shape (2)) gave NaN in 1 of 2") == 0);
}

TEST_CASE("without a guard nothing is said, and guards end with their scope") {
  const Tensor x = tensor({-1.0}, wanted);
  {
    const DetectAnomaly outer, inner;
    CHECK_THROWS_AS((void)log(x), autograd::AnomalyError);
  }
  CHECK(std::isnan(log(x).data<double>()[0]));
  CHECK(autograd::observers == nullptr);
}

TEST_CASE("inside a checkpoint the operation is named, not the checkpoint") {
  const Tensor x = tensor({0.0}, wanted);
  const DetectAnomaly guard;
  CHECK(thrown([&] {
          (void)autograd::checkpoint([](const Tensor& t) { return log(t - 1.0); }, x);
        }).find("detect_anomaly: forward of log") == 0);
  const Tensor y = autograd::checkpoint([](const Tensor& t) { return sqrt(t) * 2.0; }, x);
  CHECK(thrown([&] { sum(y).backward(); }).find("detect_anomaly: backward of sqrt (shape (1))") == 0);
}
