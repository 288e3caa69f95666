#pragma once
// Every differentiable operation as one row: a function of tensors, the shapes of its inputs, and where its values may
// lie. The tests of derivatives.cpp run over all rows, so a new operation is tested by adding one.
#include <functional>
#include <string>
#include <vector>

#include "gradus/tensor/tensor.hpp"

struct Operation {
  using Shapes = std::vector<gradus::Shape>;
  struct Range {
    double low = -2, high = 2;
    bool both_signs = false;  ///< half of the values are negated: for functions with a kink at 0
  };

  std::string name;
  std::function<gradus::Tensor(const std::vector<gradus::Tensor>&)> function;
  std::vector<Shapes> shapes;        ///< several sets of input shapes
  std::vector<Range> ranges = {{}};  ///< for each input; the last one holds for those that follow
  Shapes large = {};                 ///< a set that is worth several threads; none: the first of `shapes` will do

  /// Inputs for one set of shapes, on the tape.
  std::vector<gradus::Tensor> inputs(const Shapes& set, gradus::DType dtype, std::uint64_t seed = 1) const;
};

const std::vector<Operation>& operations();
