#include "gradus/data/augment.hpp"

#include <algorithm>
#include <utility>

#include "gradus/core/format.hpp"
#include "gradus/kernels/random.hpp"

namespace gradus::data {
namespace {

void check_images(const char* operation, const Tensor& x) {
  check_floating(operation, x);
  if (x.dim() != 4) failf(operation, "needs images of shape (n, channels, height, width), got {}", x.shape());
}

}  // namespace

RandomCrop::RandomCrop(ImageSize size, const RandomCropOptions& options) : size_(size), options_(options) {
  if (size.height < 1 || size.width < 1)
    failf("random_crop", "a piece of {} x {} pixels; both must be at least 1", size.height, size.width);
  if (options.padding < 0) failf("random_crop", "the padding is {}; it must be at least 0", options.padding);
}

Tensor RandomCrop::operator()(const Tensor& x, Generator& generator) const {
  check_images("random_crop", x);
  const Index n = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3), padding = options_.padding;
  if (size_.height - height > 2 * padding || size_.width - width > 2 * padding)
    failf("random_crop", "a piece of {} x {} pixels does not fit into images of shape {} with a padding of {}",
          size_.height, size_.width, x.shape(), padding);
  std::vector<std::int64_t> top(static_cast<std::size_t>(n)), left(static_cast<std::size_t>(n));
  kernels::integers(generator.next(), -padding, height + padding - size_.height + 1, top.data(), n);
  kernels::integers(generator.next(), -padding, width + padding - size_.width + 1, left.data(), n);

  Tensor out = Tensor::make("random_crop", {n, channels, size_.height, size_.width}, x.dtype());
  dispatch_floating("random_crop", x.dtype(), [&]<class T> {
    const T fill = T(options_.fill);
    T* to = out.data<T>();
    for (Index plane = 0; plane < n * channels; ++plane) {
      const T* from = x.data<T>() + plane * height * width;
      const Index y0 = top[std::size_t(plane / channels)], x0 = left[std::size_t(plane / channels)];
      // Columns [first, last) of the piece lie inside the image.
      const Index first = std::clamp<Index>(-x0, 0, size_.width);
      const Index last = std::clamp<Index>(width - x0, first, size_.width);
      for (Index i = 0; i < size_.height; ++i, to += size_.width) {
        const Index row = y0 + i;
        if (row < 0 || row >= height || first == last) {
          std::fill_n(to, size_.width, fill);
          continue;
        }
        std::fill_n(to, first, fill);
        std::copy_n(from + row * width + x0 + first, last - first, to + first);
        std::fill_n(to + last, size_.width - last, fill);
      }
    }
  });
  return out;
}

RandomHorizontalFlip::RandomHorizontalFlip(double p) : p_(p) {
  if (!(p >= 0 && p <= 1)) failf("random_horizontal_flip", "p is {}; a probability is in [0, 1]", p);
}

Tensor RandomHorizontalFlip::operator()(const Tensor& x, Generator& generator) const {
  check_images("random_horizontal_flip", x);
  const Index n = x.size(0), rows = x.size(1) * x.size(2), width = x.size(3);
  std::vector<double> flipped(static_cast<std::size_t>(n));
  kernels::bernoulli<double>(generator.next(), &p_, 0, flipped.data(), n);

  Tensor out = Tensor::make("random_horizontal_flip", x.shape(), x.dtype());
  dispatch_floating("random_horizontal_flip", x.dtype(), [&]<class T> {
    const T* from = x.data<T>();
    T* to = out.data<T>();
    for (Index row = 0; row < n * rows; ++row, from += width, to += width)
      if (flipped[std::size_t(row / rows)] != 0)
        std::reverse_copy(from, from + width, to);
      else
        std::copy_n(from, width, to);
  });
  return out;
}

Compose::Compose(std::vector<Transform> transforms) : transforms_(std::move(transforms)) {
  for (std::size_t i = 0; i < transforms_.size(); ++i)
    if (!transforms_[i]) failf("compose", "transform {} of {} is empty", i, transforms_.size());
}

Tensor Compose::operator()(const Tensor& x, Generator& generator) const {
  Tensor out = x;
  for (const Transform& transform : transforms_) out = transform(out, generator);
  return out;
}

}  // namespace gradus::data
