#pragma once
// Random changes to images that leave their class as it is: transforms for a loader.
//
//   const data::Compose augment{{data::RandomCrop{32, {.padding = 4}}, data::RandomHorizontalFlip{}}};
//   data::DataLoader loader{train_set, {.batch_size = 64, .shuffle = true, .seed = 1, .transform = augment}};
//
// Images are (n, channels, height, width), float32 or float64. Each sample draws for itself, from the generator that it
// is given and nothing else: the loader hands over one for each batch of each epoch, so a run can be repeated and gone
// on with. Names and defaults are torchvision's. The work is done by the calling thread alone.
#include <vector>

#include "gradus/data/loader.hpp"

namespace gradus::data {

/// Height and width in pixels; one number stands for a square.
struct ImageSize {
  ImageSize(Index side) : height(side), width(side) {}  // NOLINT(google-explicit-constructor): 32 reads as a size
  ImageSize(Index rows, Index columns) : height(rows), width(columns) {}
  Index height, width;
};

struct RandomCropOptions {
  Index padding = 0;  ///< pixels put around the image first, on all four sides
  double fill = 0;    ///< their value; after standardising, 0 is the mean colour
};

/// A piece of the given size from a random place of the padded image, each place equally likely.
class RandomCrop {
 public:
  /// Throws unless height and width are at least 1 and the padding is at least 0.
  RandomCrop(ImageSize size, const RandomCropOptions& options = {});
  /// (n, c, h, w) -> (n, c, height, width). Throws unless x is floating, of four axes, and h, w with the padding are no
  /// smaller than the piece.
  Tensor operator()(const Tensor& x, Generator& generator) const;

 private:
  ImageSize size_;
  RandomCropOptions options_;
};

/// Left and right changed places, with probability p.
class RandomHorizontalFlip {
 public:
  /// Throws unless p is in [0, 1].
  explicit RandomHorizontalFlip(double p = 0.5);
  /// (n, c, h, w) -> the same. Throws unless x is floating and of four axes.
  Tensor operator()(const Tensor& x, Generator& generator) const;

 private:
  double p_;
};

/// One transform after the other, with the same generator.
class Compose {
 public:
  /// Throws when one of them is empty.
  explicit Compose(std::vector<Transform> transforms);
  Tensor operator()(const Tensor& x, Generator& generator) const;

 private:
  std::vector<Transform> transforms_;
};

}  // namespace gradus::data
