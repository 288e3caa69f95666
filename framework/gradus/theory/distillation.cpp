#include "gradus/theory/distillation.hpp"

#include <algorithm>
#include <cmath>

#include "gradus/core/format.hpp"

namespace gradus::theory {
namespace {

// log softmax(logits / temperature).
std::vector<double> log_softmax(const std::vector<double>& logits, double temperature) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double z : logits) sum += std::exp((z - most) / temperature);
  std::vector<double> logs;
  for (const double z : logits) logs.push_back((z - most) / temperature - std::log(sum));
  return logs;
}

void check(const char* operation, const std::vector<double>& teacher, const std::vector<double>& student) {
  if (teacher.empty() || teacher.size() != student.size())
    failf(operation, "{} logits of the teacher and {} of the student", teacher.size(), student.size());
  for (const auto* logits : {&teacher, &student})
    for (const double z : *logits)
      if (!std::isfinite(z)) failf(operation, "a logit is {}", z);
}

}  // namespace

Distillation distillation(const std::vector<double>& teacher, const std::vector<double>& student, double temperature) {
  check("distillation", teacher, student);
  if (!(temperature > 0) || !std::isfinite(temperature))
    failf("distillation", "a temperature of {}; it must be positive", temperature);
  const std::vector<double> log_q = log_softmax(teacher, temperature), log_p = log_softmax(student, temperature);
  Distillation result{};
  for (std::size_t i = 0; i < log_q.size(); ++i) {
    // q log(q / p) - q + p, whose sum is the same: every term is at least 0, so nothing cancels between classes.
    const double q = std::exp(log_q[i]), difference = log_p[i] - log_q[i];
    result.divergence += q * (std::expm1(difference) - difference);
    result.gradient.push_back(q * std::expm1(difference) / temperature);
  }
  result.scaled = temperature * temperature * result.divergence;
  return result;
}

double distillation_limit(const std::vector<double>& teacher, const std::vector<double>& student) {
  check("distillation_limit", teacher, student);
  const double n = double(teacher.size());
  double mean = 0, squares = 0;
  for (std::size_t i = 0; i < teacher.size(); ++i) mean += (teacher[i] - student[i]) / n;
  for (std::size_t i = 0; i < teacher.size(); ++i) squares += std::pow(teacher[i] - student[i] - mean, 2) / n;
  return squares / 2;
}

double mixed_distillation_loss(const std::vector<double>& teacher, const std::vector<double>& student, int label,
                               double temperature, double hard_weight) {
  check("mixed_distillation_loss", teacher, student);
  if (label < 0 || std::size_t(label) >= student.size())
    failf("mixed_distillation_loss", "label {} of {} classes", label, student.size());
  if (!(hard_weight >= 0 && hard_weight <= 1))
    failf("mixed_distillation_loss", "a weight of {}; it must be between 0 and 1", hard_weight);
  const double hard = -log_softmax(student, 1)[std::size_t(label)];
  return hard_weight * hard + (1 - hard_weight) * distillation(teacher, student, temperature).scaled;
}

}  // namespace gradus::theory
