#pragma once
// Checking derivatives against finite differences.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus {

struct GradcheckOptions {
  double eps = 1e-6;    ///< step of the central difference
  double atol = 1e-6;   ///< allowed: atol + rtol times the size of the numerical derivative and its terms
  double rtol = 1e-5;
  int directions = 3;   ///< random directions tried for each input; each tests all of its elements at once
  std::uint64_t seed = 0;
};

/// Whether the check held, and if not: which input, what was expected, what came.
struct GradcheckResult {
  bool ok = true;
  std::string message;
  operator bool() const { return ok; }
};

using TensorFunction = std::function<Tensor(const std::vector<Tensor>&)>;

/// Compares the derivative of `f` at `inputs`, along random directions, with (f(x + eps d) - f(x - eps d)) / (2 eps). Inputs that do
/// not require a gradient are held fixed. The inputs must be float64 (float32 has too few digits: throws), and away from kinks.
/// `f` must be deterministic: it is called many times.
GradcheckResult gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

/// The same for the derivative of the derivative: the gradient of a random projection of f, recorded with create_graph, is itself
/// checked against finite differences.
GradcheckResult gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

}  // namespace gradus
