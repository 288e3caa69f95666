#pragma once
// Random numbers by Philox: element i of a draw is a function of (key, draw, i), so any split over threads gives the same bits.
#include <cstdint>

#include "gradus/core/generator.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// Words [first, first + count) of a draw, each of 32 random bits; first is a multiple of 4. `out` has room for count rounded up to a
/// multiple of 4.
void random_words(Generator::Draw draw, std::uint64_t first, Index count, std::uint32_t* out);

/// Uniform in [low, high): multiples of 2^-24 (float) or 2^-53 (double) of the width. T is float or double.
template <class T> void uniform(Generator::Draw draw, T low, T high, T* out, Index n);
/// Normal with the given mean and standard deviation, by Box and Muller's transform.
template <class T> void normal(Generator::Draw draw, T mean, T deviation, T* out, Index n);
/// Normal, cut off at `low` and `high` (in the units of the result; low <= high, deviation > 0).
template <class T> void truncated_normal(Generator::Draw draw, T mean, T deviation, T low, T high, T* out, Index n);
/// Whole numbers in [low, high), each equally likely to within 2^-64 of the width.
void integers(Generator::Draw draw, std::int64_t low, std::int64_t high, std::int64_t* out, Index n);
/// 1 with the given probability, else 0. `probability` has n elements, or one for all when `stride` is 0.
template <class T> void bernoulli(Generator::Draw draw, const T* probability, Index stride, T* out, Index n);
/// The numbers 0 .. n-1 in a random order.
void permutation(Generator::Draw draw, std::int64_t* out, Index n);

}  // namespace gradus::kernels
