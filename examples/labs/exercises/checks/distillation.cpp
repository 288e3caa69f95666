#include <algorithm>
#include <cmath>
#include <string>

#include <gradus/theory/distillation.hpp>

#include <distillation.hpp>

using namespace exercise;
using namespace gradus;

namespace {

// By the definition, for moderate logits.
std::vector<double> softmax(const std::vector<double>& logits, double temperature) {
  double sum = 0;
  std::vector<double> p;
  for (const double z : logits) p.push_back(std::exp(z / temperature)), sum += p.back();
  for (double& x : p) x /= sum;
  return p;
}

void gradient() {
  const std::vector<double> teacher{2, 1, 0.5, -1}, student{1, 1.5, 0, -0.5};
  for (const double t : {1.0, 3.0}) {
    const std::vector<double> yours = kl_gradient(softmax(teacher, t), softmax(student, t), t);
    expect(yours.size() == 4, "there are four classes");
    for (std::size_t i = 0; i < 4; ++i)
      expect_close("T = " + std::to_string(t) + ", class " + std::to_string(i), yours[i],
                   theory::distillation(teacher, student, t).gradient[i]);
  }
}

void targets() {
  for (const double shift : {0.0, 5000.0}) {
    const std::vector<double> logits{1 + shift, shift, -3 + shift}, expected = softmax({1, 0, -3}, 2), yours = soft_targets(logits, 2);
    expect(yours.size() == 3, "there are three classes");
    for (std::size_t i = 0; i < 3; ++i)
      expect_close("logits 1, 0, -3 plus " + std::to_string(shift) + ", class " + std::to_string(i), yours[i], expected[i]);
  }
}

void limit() { expect_close("the limit", limit_of_two(), theory::distillation_limit({1, 0}, {0, 0})); }

void dark() {
  const Logits logits = dark_knowledge();
  expect(logits.teacher.size() == 3 && logits.student.size() == 3, "there must be three logits each");
  const auto most = [](const std::vector<double>& z) { return std::max_element(z.begin(), z.end()) - z.begin(); };
  expect(most(logits.teacher) == most(logits.student), "the most likely class must be the same");
  const std::vector<double> q = softmax(logits.teacher, 1), p = softmax(logits.student, 1);
  for (std::size_t i = 0; i < 3; ++i)
    expect(std::fabs(q[i] - p[i]) < 0.001, "at T = 1 class " + std::to_string(i) + " differs by " + std::to_string(q[i] - p[i]));
  const double scaled = theory::distillation(logits.teacher, logits.student, 20).scaled;
  expect(scaled > 1, "T^2 KL at T = 20 is " + std::to_string(scaled));
}

}  // namespace

int main(int argc, char** argv) {
  return main_of(
      "distillation",
      {{"the gradient of KL", gradient}, {"soft targets", targets}, {"the limit of high temperature", limit}, {"dark knowledge", dark}},
      argc, argv);
}
