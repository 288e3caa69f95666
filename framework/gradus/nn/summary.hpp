#pragma once
// What a model consists of, layer by layer, as it runs:
//
//   std::cout << nn::summary(net, {1, 1, 28, 28}).text();
#include <optional>
#include <string>
#include <vector>

#include "gradus/nn/module.hpp"

namespace gradus::nn {

/// One call of a module. A module that is called twice has two rows.
struct SummaryRow {
  int depth;         ///< 0: the model itself, 1: called by the model, ...
  std::string name;  ///< in the module that called it: "0", "self_attn"; "-": the members of its caller are its own
  std::string type;
  Shape output;
  Index parameters;     ///< numbers in the parameters of this module, not of those inside it, that no row before has
  Index multiply_adds;  ///< of this module, not of those that it calls
  Index bytes;          ///< of the output, unless it is memory that an input or a row within this one already has
};

struct Summary {
  Shape input;
  std::vector<SummaryRow> rows;  ///< in the order of the calls, a module before those that it calls
  Index parameters = 0;          ///< of the whole model, also of modules that were not called
  Index trainable = 0;           ///< those of them that require a gradient
  Index multiply_adds = 0;
  Index activation_bytes = 0;  ///< of all outputs of modules, each block of memory once

  /// A table, modules indented below those that call them. Parameters of modules that were not called have a line of
  /// their own.
  std::string text() const;
};

struct SummaryOptions {
  std::optional<DType> dtype = {};  ///< of the input; default: that of the first parameter. Tokens need int64
};

/// Runs the model once on zeros of shape `input`, batch included, in eval mode and without recording; modes are put
/// back. Multiply-adds are counted for Linear, Conv1d, Conv2d, ConvTranspose2d and MultiheadAttention (projections,
/// scores and weighted sums), biases not; every other module counts 0. Outputs live until the run ends, as they do in
/// training. Only calls module(x) are seen, not module.forward(x).
Summary summary(Module& model, const Shape& input, const SummaryOptions& options = {});

}  // namespace gradus::nn
