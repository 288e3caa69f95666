#include <cmath>
#include <string>
#include <vector>

#include <gradus/activations/registry.hpp>
#include <gradus/theory/certificate.hpp>
#include <gradus/theory/lipschitz.hpp>

#include <robustness.hpp>

using namespace exercise;
using namespace gradus;

namespace {

void linear() {
  for (const double angle : {0.3, 1.5, 3.0}) {
    const std::vector<double> weights{2, 0, 1.5 * std::cos(angle), 1.5 * std::sin(angle)}, x{1, -0.5};
    theory::PlainNetwork network{{}, activations::activation("relu")};
    network.layers.push_back({{2, 2, weights}, {}});
    const std::vector<double> y = theory::evaluate(network, x);
    const Index label = y[0] > y[1] ? 0 : 1;
    expect_close("|a| = 2, |b| = 1.5, angle " + std::to_string(angle),
                 linear_radius(2, 1.5, angle, std::fabs(y[0] - y[1])), theory::certify(network, x, label).radius);
  }
}

void elu() {
  const double alpha = elu_as_steep_as_gelu();
  expect(alpha > 0 && alpha < 100, "alpha is positive");
  expect_close("the Lipschitz constant of elu(" + std::to_string(alpha) + ")", std::max(1.0, alpha),
               theory::lipschitz_constant("gelu").value, 1e-6);
}

void projection() {
  const std::vector<double> center{1, 2, 3};
  expect(project({1.1, 2, 3}, center, 0.5) == std::vector<double>({1.1, 2, 3}) ||
             std::fabs(project({1.1, 2, 3}, center, 0.5)[0] - 1.1) < 1e-12,
         "a point inside the ball stays where it is");
  const std::vector<double> far = project({1, 2, 13}, center, 0.5);
  expect(far.size() == 3, "three coordinates");
  expect_close("(1, 2, 13), first coordinate", far[0], 1);
  expect_close("(1, 2, 13), last coordinate", far[2], 3.5);
  const std::vector<double> slanted = project({4, 6, 3}, center, 2.5);
  expect_close("(4, 6, 3), first coordinate", slanted[0], 2.5);
  expect_close("(4, 6, 3), second coordinate", slanted[1], 4);
}

void worst() {
  const Sum sum = tight();
  expect(!sum.terms.empty() && sum.terms.size() <= 4, "one to four terms");
  const auto gelu = activations::activation("gelu");
  const auto value = [&](double x) {
    double y = sum.constant;
    for (const Term& t : sum.terms) y += t.weight * gelu(t.slope * x + t.offset);
    return y;
  };
  double slopes = 0, weights = 0;
  for (const Term& t : sum.terms) slopes += t.slope * t.slope, weights += t.weight * t.weight;
  const double radius = std::fabs(value(0)) / (theory::lipschitz_constant(gelu).value * std::sqrt(slopes * weights));
  double distance = 0;
  while (distance < 100 && (value(distance) > 0) == (value(0) > 0) && (value(-distance) > 0) == (value(0) > 0))
    distance += 1e-4;
  expect(radius > 1e-3, "the certified radius is " + std::to_string(radius));
  expect(distance < 100, "there is no zero within 100");
  expect(radius >= 0.8 * distance, "certified is " + std::to_string(radius) + " of " + std::to_string(distance));
}

}  // namespace

int main(int argc, char** argv) {
  return main_of("robustness",
                 {{"the radius of a linear classifier", linear},
                  {"ELU as steep as GELU", elu},
                  {"projection onto a ball", projection},
                  {"a certificate that is nearly the distance", worst}},
                 argc, argv);
}
