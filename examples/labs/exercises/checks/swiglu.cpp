#include <cmath>
#include <string>

#include <gradus/activations/registry.hpp>
#include <gradus/nn/feed_forward.hpp>
#include <gradus/tensor.hpp>
#include <gradus/theory/mean_field.hpp>

#include <swiglu.hpp>

using namespace exercise;
using namespace gradus;

namespace {

const activations::Function& silu() {
  static const activations::Function f = activations::activation("silu");
  return f;
}

void small() { expect_close("gain / q at q = 1e-6", small_signal(), theory::gated_gains(silu(), 1e-6).forward / 1e-6, 1e-4); }

void width() {
  for (const std::int64_t hidden : {10, 64, 3072}) {
    const std::int64_t d = 24, plain = parameter_count(nn::FeedForward{d, hidden}), yours = gated_width_with_biases(d, hidden);
    const std::string where = "width 24, hidden " + std::to_string(hidden) + ": " + std::to_string(yours);
    expect(yours >= 1, where + " is no width");
    const auto count = [&](std::int64_t h) { return parameter_count(nn::SwiGLU{d, h, {.bias = true}}); };
    expect(count(yours) <= plain, where + " gives " + std::to_string(count(yours)) + " parameters, more than " + std::to_string(plain));
    expect(count(yours + 1) > plain, where + ": one more would still fit");
  }
}

void implementation() {
  manual_seed(1);
  nn::SwiGLU net{3, 5};
  net.to(float64);
  const Tensor x = randn({1, 3}, {.dtype = float64});
  const std::vector<double> expected = to_vector<double>(net(x));
  const std::vector<double> yours = swiglu(to_vector<double>(x), to_vector<double>(net.linear1.weight),
                                           to_vector<double>(net.linear2.weight), to_vector<double>(net.linear3.weight));
  expect(yours.size() == 3, "the output has as many numbers as x");
  for (std::size_t i = 0; i < 3; ++i) expect_close("output " + std::to_string(i), yours[i], expected[i]);
}

void keeps() {
  const FixedPoint point = fixed_point();
  expect(point.q > 0 && std::isfinite(point.q), "q is positive and finite");
  expect_close("the gain at your q", theory::gated_gains(silu(), point.q).forward, 1, 1e-4);
  const double larger = 1.01 * point.q, next = larger * theory::gated_gains(silu(), larger).forward;
  expect(point.stable == (next < larger ? 1 : 0),
         "a signal that is 1 % larger becomes " + std::to_string(next / point.q) + " times the fixed one after one network");
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("swiglu",
                 {{"small signals", small},
                  {"as many parameters, with biases", width},
                  {"SwiGLU by hand", implementation},
                  {"the signal that SwiGLU keeps", keeps}},
                 argc, argv);
}
