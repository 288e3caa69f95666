#pragma once
// Dropout. T is float or double.
#include <cstdint>

#include "gradus/core/generator.hpp"
#include "gradus/core/shape.hpp"

namespace gradus::kernels {

/// How many words of 64 bits hold a choice among n elements.
constexpr Index choice_words(Index n) { return (n + 63) / 64; }

/// out = kept ? scale x + shift : dropped, where word i of the draw decides about element i: it is dropped with the
/// given probability, to within 2^-33. The same draw gives the same choice again, for either type, on any number of
/// threads. `out` may be x. The choice goes to `kept`, unless that is null: bit i % 64 of word i / 64 is set when
/// element i is kept.
template <class T>
void dropout(Generator::Draw draw, double probability, const T* x, T scale, T shift, T dropped, T* out, Index n,
             std::int64_t* kept = nullptr);

/// out = scale x where a choice made before kept its element, else 0: the derivative of the above. `out` may be x.
template <class T>
void keep(const std::int64_t* kept, const T* x, T scale, T* out, Index n);

}  // namespace gradus::kernels
