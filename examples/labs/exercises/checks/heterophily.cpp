#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/gradus.hpp>
#include <gradus/nn/graph.hpp>
#include <gradus/nn/sparse.hpp>
#include <gradus/theory/gaussian.hpp>
#include <gradus/theory/readout.hpp>

#include <heterophily.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void accuracy() {
  const activations::Function relu = activations::activation("relu");
  for (const double threshold : {-2.0, -1.0, -0.6744897501960817, -0.3, 0.0, 0.8})
    expect_close(fmt::format("threshold {}", threshold), relu_accuracy(threshold, theory::normal_cdf),
                 theory::threshold_accuracy(relu, threshold));
}

// The outputs of the two labels must not overlap, the threshold itself (label 0) included.
void unit() {
  for (const double threshold : {-1.0, 0.0, 2.5}) {
    const Unit u = lossless(threshold);
    double low1 = INFINITY, high1 = -INFINITY, low0 = INFINITY, high0 = -INFINITY;
    for (int i = -500; i <= 500; ++i) {
      const double s = threshold + i / 64.0, y = std::max(0.0, u.weight * s + u.bias);
      double& low = s < threshold ? low1 : low0;
      double& high = s < threshold ? high1 : high0;
      low = std::min(low, y), high = std::max(high, y);
    }
    expect(high1 < low0 || high0 < low1,
           fmt::format("threshold {}: label 1 gives outputs from {} to {}, label 0 from {} to {}", threshold, low1, high1, low0, high0));
  }
}

void means() {
  const std::vector<double> features{1.5, -2, 0.25, 4};
  const std::vector<std::pair<std::size_t, std::size_t>> edges{{0, 1}, {2, 1}, {3, 1}, {1, 0}, {3, 2}};
  const Tensor list = tensor({{0, 1}, {2, 1}, {3, 1}, {1, 0}, {3, 2}}, {.dtype = int64});
  const Tensor expected = nn::spmm(nn::EdgeIndex(list, 4).mean(float64), from_vector(features, {4, 1}));
  const std::vector<double> found = mean_of_neighbours(features, edges);
  expect(found.size() == features.size(), "there must be a mean for each node");
  for (std::size_t i = 0; i < found.size(); ++i) expect_close(fmt::format("node {}", i), found[i], expected.data<double>()[i]);
}

void identity() {
  const std::vector<Term> terms = identity_of_relus();
  for (const double s : {-3.0, -0.5, 0.0, 0.25, 7.0}) {
    double sum = 0;
    for (const Term& t : terms) sum += t.readout * std::max(0.0, t.weight * s);
    expect_close(fmt::format("s = {}", s), sum, s);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("heterophily",
                 {{"what ReLU loses", accuracy},
                  {"a unit that loses nothing", unit},
                  {"the mean of the neighbours", means},
                  {"s from ReLU units", identity}},
                 argc, argv);
}
