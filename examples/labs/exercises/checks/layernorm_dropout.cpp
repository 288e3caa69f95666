#include <cmath>
#include <string>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/layer_norm.hpp>

#include <layernorm_dropout.hpp>

using namespace exercise;
using namespace gradus;

namespace {

std::string at(std::int64_t n) { return "n = " + std::to_string(n); }

void correlation_of_units() {
  for (const std::int64_t n : {2, 5, 100})
    expect_close(at(n), correlation(n), theory::layer_norm_moments(activations::activation("gelu"), n).product);
}

void constant_layers() {
  for (const std::int64_t n : {2, 3, 10})
    expect_close(at(n), relu_second_moment(n), theory::layer_norm_moments(activations::activation("relu"), n).second);
}

// The mean over all masks of three units, each with its chance, is x itself; and what is dropped is 0.
void dropout() {
  const std::vector<double> x{1.5, -2, 0.25};
  const double keep = 0.3;
  std::vector<double> mean(3);
  for (int bits = 0; bits < 8; ++bits) {
    const std::vector<int> mask{bits & 1, bits >> 1 & 1, bits >> 2 & 1};
    const std::vector<double> y = inverted_dropout(x, mask, keep);
    expect(y.size() == 3, "there must be as many outputs as inputs");
    double chance = 1;
    for (const int kept : mask) chance *= kept ? keep : 1 - keep;
    for (std::size_t i = 0; i < 3; ++i) {
      if (!mask[i]) expect_close("a dropped unit", y[i], 0);
      mean[i] += chance * y[i];
    }
  }
  for (std::size_t i = 0; i < 3; ++i) expect_close("the mean over masks of unit " + std::to_string(i), mean[i], x[i]);
}

void pair() {
  const TwoUnits u = unlike_units();
  expect(u.s1 > 0 && u.s2 > 0 && std::isfinite(u.s1 + u.s2 + u.m1 + u.m2), "deviations are positive and finite, means finite");
  expect(u.s1 != u.s2 && u.m1 != 0, "s1 must differ from s2, and m1 from 0");
  expect_close("E LN_1", 2 * theory::normal_cdf((u.m1 - u.m2) / std::hypot(u.s1, u.s2)) - 1, 0);
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("layernorm_dropout",
                 {{"the correlation of two outputs", correlation_of_units},
                  {"ReLU's constant layers", constant_layers},
                  {"inverted dropout", dropout},
                  {"unlike units with mean 0", pair}},
                 argc, argv);
}
