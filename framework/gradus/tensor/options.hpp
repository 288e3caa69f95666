#pragma once
// Options of the functions that make and reduce tensors: aggregates, filled by name, e.g. zeros({2, 3}, {.dtype = float64}).
#include <optional>
#include <vector>

#include "gradus/core/dtype.hpp"
#include "gradus/core/generator.hpp"
#include "gradus/core/shape.hpp"

namespace gradus {

/// For functions that make tensors.
struct TensorOptions {
  std::optional<DType> dtype = {};  ///< default: float32; int64 where the values are indices (randint, arange of integers)
  bool requires_grad = false;
  Generator* generator = nullptr;   ///< for functions that draw; default: default_generator()
};

/// For sum, mean, max, min, ...
struct ReduceOptions {
  std::vector<Index> axes = {};  ///< none: all
  bool keepdim = false;          ///< keep the reduced axes with size 1
};

/// For var and std.
struct VarOptions {
  std::vector<Index> axes = {};
  double correction = 1;  ///< divides by n - correction: 1 is the unbiased estimate, 0 the variance of the numbers themselves
  bool keepdim = false;
};

/// |a - b| <= atol + rtol |b|, for every element.
struct CloseOptions {
  double rtol = 1e-5;
  double atol = 1e-8;
  bool equal_nan = false;
};

}  // namespace gradus
