#include "gradus/nn/eval_mode.hpp"

#include <string>

namespace gradus::nn {
namespace {

struct Collect final : Visitor {
  explicit Collect(std::vector<std::pair<Module*, bool>>& m) : modes(m) {}
  void on_module(const std::string& /*path*/, Module& module) override {
    modes.emplace_back(&module, module.training());
  }
  std::vector<std::pair<Module*, bool>>& modes;
};

}  // namespace

EvalMode::EvalMode(Module& model) {
  modes_.emplace_back(&model, model.training());
  Collect collect(modes_);
  model.visit(collect);
  model.eval();
}

EvalMode::~EvalMode() {
  // A module comes before those inside of it, so the last word on each is its own.
  for (const auto& [module, training] : modes_) module->train(training);
}

}  // namespace gradus::nn
