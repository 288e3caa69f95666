#pragma once
// The built-in data set: no file, no network.
#include "gradus/data/dataset.hpp"

namespace gradus::data {

/// 1797 scans of handwritten digits by 13 writers: x (1797, 1, 8, 8) in [0, 1], multiples of 1/16, y (1797), about 180
/// per digit. The test set of "Optical Recognition of Handwritten Digits", E. Alpaydin, C. Kaynak (1998), UCI Machine
/// Learning Repository, https://doi.org/10.24432/C50P49, licence CC BY 4.0.
Dataset digits();

namespace detail {
inline constexpr int digits_count = 1797;
/// A digit and 64 letters: 'a' for 0 to 'q' for 16.
extern const char digits_rows[digits_count][66];
}  // namespace detail

}  // namespace gradus::data
