#pragma once
#include <optional>
#include <vector>

#include "gradus/core/shape.hpp"

namespace gradus::models::detail {

/// What the residual networks check alike, naming `model`: an image (channels, height, width), a width for each stage,
/// and the number of blocks in each stage, which is returned; `depth` is 2 * stages * blocks + 2.
Index blocks_of_stages(const char* model, const Shape& image, const std::vector<Index>& widths, Index blocks,
                       std::optional<Index> depth);

}  // namespace gradus::models::detail
