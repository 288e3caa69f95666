#include "gradus/models/resnet_stages.hpp"

#include <algorithm>

#include "gradus/core/format.hpp"

namespace gradus::models::detail {

Index blocks_of_stages(const char* model, const Shape& image, const std::vector<Index>& widths, Index blocks,
                       std::optional<Index> depth) {
  if (image.size() != 3 || *std::min_element(image.begin(), image.end()) < 1)
    failf(model, "an image of shape {}; (channels, height, width), each at least 1, is needed", image);
  if (widths.empty()) fail(model, "there are no widths; each stage needs one");
  for (std::size_t i = 0; i < widths.size(); ++i)
    if (widths[i] < 1) failf(model, "stage {} has {} channels; at least 1 is needed", i, widths[i]);
  if (!depth) {
    if (blocks < 1) failf(model, "{} blocks in each stage; at least 1 is needed", blocks);
    return blocks;
  }
  const Index step = 2 * Index(widths.size());
  if (*depth < step + 2 || (*depth - 2) % step != 0)
    failf(model, "a depth of {}; with {} stages it must be {} n + 2, e.g. {}", *depth, widths.size(), step,
          std::max<Index>((*depth - 2) / step, 1) * step + 2);
  return (*depth - 2) / step;
}

}  // namespace gradus::models::detail
