#pragma once
// Modules against what PyTorch makes of the same ones, as written by modules.py, recurrent.py and transformer.py.
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

inline void check_numbers(const std::vector<double>& received, const std::vector<double>& expected) {
  REQUIRE(received.size() == expected.size());
  for (std::size_t i = 0; i < received.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(received[i] - expected[i]) <= 1e-10 * (1 + std::abs(expected[i])));
  }
}

inline void check_rows(const std::vector<ModuleRow>& received, const std::vector<ModuleRow>& expected) {
  REQUIRE(received.size() == expected.size());
  for (std::size_t r = 0; r < expected.size(); ++r) {
    CAPTURE(expected[r].name);
    CHECK(received[r].name == expected[r].name);
    CHECK(received[r].state == expected[r].state);
    check_numbers(received[r].numbers, expected[r].numbers);
  }
}

inline NamedTensors sorted(NamedTensors tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return tensors;
}

/// A row of recurrent.inc or transformer.inc: the names of the parameters, and sketches of results_of(module, inputs)
/// and of the gradients of inputs and parameters.
template <class M, class Results>
ModuleRow measure_module(const std::string& name, M& module, const std::vector<Shape>& shapes, Results&& results_of) {
  ModuleRow row{name, {}, {}};
  module.to(float64);
  const NamedTensors parameters = sorted(module.named_parameters());
  std::vector<Tensor> inputs;
  for (std::size_t k = 0; k < shapes.size(); ++k) inputs.push_back(waves(40 + int(k), shapes[k], 1.5).requires_grad_());
  std::vector<Tensor> wanted = inputs;
  for (auto [parameter, tensor] : parameters) {
    tensor.set_data(waves(int(row.state.size()), tensor.shape(), 0.4));
    row.state.push_back(parameter);
    wanted.push_back(tensor);
  }
  Tensor total = zeros({}, {.dtype = float64});
  for (const Tensor& result : results_of(module, inputs)) {
    sketch(result, row.numbers);
    total = total + (result * upstream(result.shape())).sum();
  }
  for (const Tensor& g : grad(total, wanted)) sketch(g, row.numbers);
  return row;
}

/// Rows of modules.inc.
inline void check_module(const ModuleRow& row, nn::Module& module, const Shape& shape) {
  module.to(float64);
  const auto ends = [](const std::string& name, const char* end) {
    const std::string tail = end;
    return name.size() >= tail.size() && name.compare(name.size() - tail.size(), tail.size(), tail) == 0;
  };
  NamedTensors state = sorted(module.state_dict());
  std::vector<std::string> names;
  for (auto& [name, tensor] : state) {
    names.push_back(name);
    if (tensor.dtype() != float64) continue;
    tensor = waves(int(names.size()), tensor.shape(), 0.6);
    if (ends(name, "running_var")) tensor = tensor.abs() + 0.5;
  }
  CHECK(names == row.state);
  module.load_state_dict(state);

  const NamedTensors parameters = sorted(module.named_parameters());
  const Tensor x = waves(0, shape, 1.5).requires_grad_();
  std::vector<Tensor> wanted{x};
  for (const auto& [name, tensor] : parameters) wanted.push_back(tensor);
  std::vector<double> received;
  const Tensor y = module(x);
  sketch(y, received);
  for (const Tensor& g : grad(y, wanted, {.grad_output = upstream(y.shape())})) sketch(g, received);
  for (const auto& [name, tensor] : sorted(module.named_buffers()))
    if (tensor.dtype() == float64) sketch(tensor, received);
  module.eval();
  const NoGrad no_grad;
  sketch(module(x), received);

  check_numbers(received, row.numbers);
}

}  // namespace gradus::testing
