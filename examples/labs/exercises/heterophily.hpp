#pragma once
// The exercises of the lab heterophily (docs/labs/heterophily.md). Replace each call of to_do() by your answer and run
//   make check LAB=heterophily EXERCISE=1
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The label is 1 where s < threshold, s ~ N(0, 1). The best accuracy of a decision that sees only relu(s); `phi` is the
// normal distribution function.
inline double relu_accuracy(double threshold, const std::function<double(double)>& phi) {
  (void)threshold, (void)phi;
  return to_do("all s <= 0 look the same: which of the two labels is likelier there, and how often is that wrong?");
}

// 2, change one thing. The unit relu(weight s + bias) with weight 1 and bias 0 mixes labels up. Return a weight and a bias with which no
// output belongs to both labels, for a given threshold.
struct Unit {
  double weight, bias;
};
inline Unit lossless(double threshold) {
  (void)threshold;
  return to_do<Unit>("everything on the flat side must have one label");
}

// 3, implement. What nn::SAGEConv hears: for each node the mean of the features of its neighbours, 0 for a node without any. An edge (a, b)
// lets b hear a.
inline std::vector<double> mean_of_neighbours(const std::vector<double>& features,
                                              const std::vector<std::pair<std::size_t, std::size_t>>& edges) {
  (void)features, (void)edges;
  return to_do<std::vector<double>>("add up and count, then divide where the count is not 0");
}

// 4, open. ReLU units without offsets, relu(weight s), whose weighted sum is ELU's rival here: s itself. Return pairs (weight, readout)
// with sum of readout relu(weight s) = s for all s: so that nothing negative is lost.
struct Term {
  double weight, readout;
};
inline std::vector<Term> identity_of_relus() { return to_do<std::vector<Term>>("how many units does it take? one for each sign"); }

}  // namespace exercise
