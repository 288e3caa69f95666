#pragma once
// A module against what PyTorch makes of the same one, as written by modules.py.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/nn/module.hpp"
#include "gradus/ops/ops.hpp"
#include "nn/sketch.hpp"

namespace gradus::testing {

struct ModuleRow {
  std::string name;
  std::vector<std::string> state;  ///< names, sorted
  std::vector<double> numbers;
};

inline void check_module(const ModuleRow& row, nn::Module& module, const Shape& shape) {
  module.to(float64);
  const auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
  const auto ends = [](const std::string& name, const char* end) {
    const std::string tail = end;
    return name.size() >= tail.size() && name.compare(name.size() - tail.size(), tail.size(), tail) == 0;
  };
  NamedTensors state = module.state_dict();
  std::sort(state.begin(), state.end(), by_name);
  std::vector<std::string> names;
  for (auto& [name, tensor] : state) {
    names.push_back(name);
    if (tensor.dtype() != float64) continue;
    tensor = waves(int(names.size()), tensor.shape(), 0.6);
    if (ends(name, "running_var")) tensor = tensor.abs() + 0.5;
  }
  CHECK(names == row.state);
  module.load_state_dict(state);

  NamedTensors parameters = module.named_parameters();
  std::sort(parameters.begin(), parameters.end(), by_name);
  const Tensor x = waves(0, shape, 1.5).requires_grad_();
  std::vector<Tensor> wanted{x};
  for (const auto& [name, tensor] : parameters) wanted.push_back(tensor);
  std::vector<double> received;
  const Tensor y = module(x);
  sketch(y, received);
  for (const Tensor& g : grad(y, wanted, {.grad_output = upstream(y.shape())})) sketch(g, received);
  NamedTensors after = module.named_buffers();
  std::sort(after.begin(), after.end(), by_name);
  for (const auto& [name, tensor] : after)
    if (tensor.dtype() == float64) sketch(tensor, received);
  module.eval();
  const NoGrad no_grad;
  sketch(module(x), received);

  REQUIRE(received.size() == row.numbers.size());
  for (std::size_t i = 0; i < received.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(received[i] - row.numbers[i]) <= 1e-10 * (1 + std::abs(row.numbers[i])));
  }
}

}  // namespace gradus::testing
