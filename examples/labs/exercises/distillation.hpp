#pragma once
// The exercises of the lab distillation (docs/labs/distillation.md). Replace each call of to_do() by your answer and run
//   make check LAB=distillation EXERCISE=1
#include <vector>

#include "../frame/exercise.hpp"

namespace exercise {

// 1, derive. The gradient of KL(q || p) by the student's logits, where q and p are given and p = softmax(student / T).
inline std::vector<double> kl_gradient(const std::vector<double>& q, const std::vector<double>& p, double temperature) {
  (void)q, (void)p, (void)temperature;
  return to_do<std::vector<double>>("KL = sum q log q - sum q log p, and log p_i = z_i / T - log sum exp(z_j / T)");
}

// 2, implement. The softmax of logits at a temperature, without overflow for logits in the thousands.
inline std::vector<double> soft_targets(const std::vector<double>& logits, double temperature) {
  (void)logits, (void)temperature;
  return to_do<std::vector<double>>("subtract the largest logit before you take exponentials");
}

// 3, change one thing. For T to infinity T^2 KL becomes a squared distance of logits. That of a teacher (1, 0) and a student (0, 0)?
inline double limit_of_two() { return to_do("half of the variance over the classes of the difference of logits"); }

// 4, open. Logits of a teacher and a student over three classes whose most likely class is the same, with softmax at T = 1 that differ by
// less than 0.001 in every class, though T^2 KL at T = 20 is larger than 1: what do soft targets at a high temperature see that those at 1
// do not?
struct Logits {
  std::vector<double> teacher, student;
};
inline Logits dark_knowledge() { return to_do<Logits>("classes with very small probability: their logits hardly matter at T = 1"); }

}  // namespace exercise
