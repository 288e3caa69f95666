#include <cmath>
#include <string>

#include <gradus/theory/moments.hpp>

#include <signal_moments.hpp>

using namespace exercise;
using namespace gradus;

namespace {

std::string at(double q) { return "q = " + std::to_string(q); }

void second_moment() {
  for (const double q : {0.01, 0.5, 1.0, 7.0}) expect_close(at(q), relu_second_moment(q), theory::gaussian_moments("relu", {.variance = q}).second);
}

void mean_of_gelu() {
  for (const double q : {0.01, 0.5, 1.0, 7.0}) expect_close(at(q), gelu_mean(q), theory::gaussian_moments("gelu", {.variance = q}).mean);
}

void share() {
  const double q = variance_of_share();
  expect(q > 0 && std::isfinite(q), "a variance is positive and finite");
  expect_close("your q, the share E GELU^2 / E ReLU^2", theory::gaussian_moments("gelu", {.variance = q}).second / (q / 2), 1 / std::sqrt(2.0), 1e-6);
}

void homogeneous() {
  for (const double q : {0.1, 1.0, 10.0})
    expect_close(at(q) + ", E f(X)^2", theory::gaussian_expectation([](double x) { return std::pow(scale_free(x), 2); }, {.variance = q}, {0}), q / 2, 1e-9);
  const double left = scale_free(-1), right = scale_free(1);
  expect(left != -right, "this one is linear");
  expect(left * right != 0, "this one is ReLU, or ReLU in a mirror");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("signal_moments",
                 {{"the second moment of ReLU", second_moment},
                  {"the mean of GELU", mean_of_gelu},
                  {"where GELU passes 71 % of what ReLU passes", share},
                  {"another function that is the same at every scale", homogeneous}},
                 argc, argv);
}
