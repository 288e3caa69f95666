#pragma once
// Numbers that PyTorch's side of the tests makes as well (tests/parity), and few numbers that tell of many.
#include <cmath>
#include <vector>

#include "gradus/tensor/factories.hpp"

namespace gradus::testing {

inline Tensor waves(int k, const Shape& shape, double scale) {
  std::vector<double> v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = scale * std::sin(1 + 2.3 * k + 0.9 * double(i) + 0.37 * double(i % 7));
  return from_vector(v, shape);
}

/// What the gradient of the output is.
inline Tensor upstream(const Shape& shape) {
  std::vector<double> up(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < up.size(); ++i) up[i] = std::cos(0.2 + 0.8 * double(i));
  return from_vector(up, shape);
}

/// Three numbers that change when any element does.
inline void sketch(const Tensor& x, std::vector<double>& out) {
  for (int j = 0; j < 3; ++j) {
    double total = 0;
    for (Index i = 0; i < x.numel(); ++i) total += x.data<double>()[i] * std::cos(0.5 + j + 1.1 * double(i));
    out.push_back(total);
  }
}

}  // namespace gradus::testing
