#pragma once
// Images as tensors, from and to files in the Portable Network Graphics format (ISO/IEC 15948,
// https://www.w3.org/TR/png-3/), by libpng.
//
//   const Tensor photo = data::read_png("photo.png", {.channels = 1});  // (1, height, width) in [0, 1]
//   data::write_png("copy.png", photo);
#include <cstdint>
#include <string>

#include "gradus/tensor/tensor.hpp"

namespace gradus::data {

struct PngOptions {
  /// 1 turns colour into grey (luma of ITU-R BT.601: 0.299 red + 0.587 green + 0.114 blue), 3 repeats grey in all
  /// colours; 0 keeps what the file has.
  Index channels = 0;
  /// What shines through where the image is transparent, in [0, 1]. Alpha itself is not kept.
  double background = 1;
  /// Pixels that an image may have; a small file can claim a lot.
  std::uint64_t largest = std::uint64_t{1} << 28;
};

/// (channels, height, width), float32 in [0, 1]: the file's numbers divided by the largest of their bit depth, without
/// gamma correction. Reads every kind of PNG: grey, RGB and palette of 1 to 16 bits, with and without transparency,
/// interlaced or not. Throws Error naming the path for anything else: a file that is cut short or damaged (checksums are
/// verified), too large, or not a PNG.
Tensor read_png(const std::string& path, const PngOptions& options = {});

/// Writes (channels, height, width) with 1 (grey) or 3 channels (RGB) as a PNG of 8 bits: values are cut to [0, 1] and
/// rounded to the nearest of 256 levels. The file appears whole or not at all. Throws Error unless x is floating, of
/// that shape, at least one pixel in size, and finite.
void write_png(const std::string& path, const Tensor& x);

}  // namespace gradus::data
