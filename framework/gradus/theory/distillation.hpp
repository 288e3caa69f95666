#pragma once
// Knowledge distillation (Hinton, Vinyals and Dean 2015): soft targets at a temperature.
#include <vector>

namespace gradus::theory {

struct Distillation {
  double divergence;             ///< KL(q || p) of the softened teacher q from the softened student p
  double scaled;                 ///< T^2 times that, which keeps its size as T grows
  std::vector<double> gradient;  ///< of `divergence` by the student's logits: (p - q) / T, of order 1 / T^2
};

/// q and p are the softmax of the teacher's and the student's logits over T. Throws unless both have the same number of
/// finite logits, at least one, and T > 0.
Distillation distillation(const std::vector<double>& teacher, const std::vector<double>& student, double temperature);

/// The limit of `scaled` for T to infinity: the variance over the classes of the difference of logits, over 2.
/// (softmax(z / T) is 1/K + (z - mean z) / (K T) + ..., and KL half the chi-squared distance.)
double distillation_limit(const std::vector<double>& teacher, const std::vector<double>& student);

/// hard_weight times the cross-entropy of the label plus (1 - hard_weight) `scaled`: the loss of a student that learns
/// from both. Throws for a weight outside [0, 1] or no such label.
double mixed_distillation_loss(const std::vector<double>& teacher, const std::vector<double>& student, int label,
                               double temperature, double hard_weight);

}  // namespace gradus::theory
