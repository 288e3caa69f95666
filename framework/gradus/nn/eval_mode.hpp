#pragma once
#include <utility>
#include <vector>

#include "gradus/nn/module.hpp"

namespace gradus::nn {

/// Switches a model to eval mode in a scope, and at its end each of its modules back to the mode that it had: some may
/// be frozen on purpose.
class EvalMode {
 public:
  explicit EvalMode(Module& model);
  ~EvalMode();
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> modes_;
};

}  // namespace gradus::nn
