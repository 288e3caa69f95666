#pragma once
// For source files only: weights and biases that may be left out.
#include "gradus/tensor/tensor.hpp"

namespace gradus::nn {

/// The elements of a tensor, or null for an undefined one.
template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

}  // namespace gradus::nn
