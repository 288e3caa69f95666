#pragma once
// Tensors as text.
#include <iosfwd>
#include <string>

#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// The numbers in nested brackets with shape and type; long axes are shortened to their first and last three.
std::string to_string(const Tensor& x);
std::ostream& operator<<(std::ostream& stream, const Tensor& x);

}  // namespace gradus
