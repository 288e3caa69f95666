#pragma once
#include <cstring>

#include "gradus/tensor/tensor.hpp"

/// Whether type, shape and every bit of the numbers are the same.
inline bool same_bits(const gradus::Tensor& a, const gradus::Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.raw_data(), b.raw_data(), std::size_t(a.numel()) * size_of(a.dtype())) == 0;
}
