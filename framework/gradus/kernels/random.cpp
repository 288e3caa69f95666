#include "gradus/kernels/random.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "gradus/core/parallel.hpp"
#include "gradus/core/philox.hpp"
#include "gradus/core/simd_math.hpp"

namespace gradus::kernels {
namespace {

// Words of 32 bits, each in a lane of 64, so that the product of two words has its place. Compilers make a product of
// full 64 bits out of the plain formula, at several times the cost of the instruction that is meant.
#if defined(__AVX512F__)
using Lanes = std::uint64_t __attribute__((vector_size(64)));
inline Lanes product(Lanes a, std::uint64_t b) {
  return Lanes(_mm512_maskz_mul_epu32(0xff, __m512i(a), _mm512_set1_epi64(static_cast<long long>(b))));
}
#elif defined(__AVX2__)
using Lanes = std::uint64_t __attribute__((vector_size(32)));
inline Lanes product(Lanes a, std::uint64_t b) {
  return Lanes(_mm256_mul_epu32(__m256i(a), _mm256_set1_epi64x(static_cast<long long>(b))));
}
#elif defined(__SSE2__)
using Lanes = std::uint64_t __attribute__((vector_size(16)));
inline Lanes product(Lanes a, std::uint64_t b) {
  return Lanes(_mm_mul_epu32(__m128i(a), _mm_set1_epi64x(static_cast<long long>(b))));
}
#else
using Lanes = std::uint64_t __attribute__((vector_size(16)));
inline Lanes product(Lanes a, std::uint64_t b) { return (a & 0xffffffff) * b; }
#endif

}  // namespace

// Blocks side by side, in four groups of lanes, as many as hide the latency of the products and share the keys' lanes; the
// same function as philox().
void random_words(Generator::Draw draw, std::uint64_t first, Index count, std::uint32_t* out) {
  constexpr int width = sizeof(Lanes) / 8, groups = 4;
  constexpr Index words_at_once = 4 * groups * width;
  for (Index at = 0; at < count; at += words_at_once) {
    Lanes c0[groups], c1[groups], c2[groups], c3[groups];
    for (int h = 0; h < groups; ++h) {
      Lanes block{};
      for (int i = 0; i < width; ++i) block[i] = (first + std::uint64_t(at)) / 4 + std::uint64_t(h * width + i);
      c0[h] = block;
      c1[h] = block >> 32;
      c2[h] = Lanes{} + draw.number;
      c3[h] = Lanes{} + (draw.number >> 32);
    }
    // Only the lower halves of the lanes count; what gathers in the upper ones is cut off at the end.
    std::uint32_t k0 = std::uint32_t(draw.key), k1 = std::uint32_t(draw.key >> 32);
    for (int round = 0; round < 10; ++round) {
      for (int h = 0; h < groups; ++h) {
        const Lanes p0 = product(c0[h], 0xD2511F53), p1 = product(c2[h], 0xCD9E8D57);
        c0[h] = (p1 >> 32) ^ c1[h] ^ std::uint64_t(k0);
        c1[h] = p1;
        c2[h] = (p0 >> 32) ^ c3[h] ^ std::uint64_t(k1);
        c3[h] = p0;
      }
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    std::uint64_t pairs[words_at_once / 2];
    for (int h = 0; h < groups; ++h) {
      // Of a pair the first word is the one at the lower address.
      constexpr bool little = std::endian::native == std::endian::little;
      const Lanes a = little ? (c0[h] & 0xffffffff) | (c1[h] << 32) : (c1[h] & 0xffffffff) | (c0[h] << 32);
      const Lanes b = little ? (c2[h] & 0xffffffff) | (c3[h] << 32) : (c3[h] & 0xffffffff) | (c2[h] << 32);
      for (int i = 0; i < width; ++i) {
        pairs[2 * (h * width + i)] = a[i];
        pairs[2 * (h * width + i) + 1] = b[i];
      }
    }
    if (count - at >= words_at_once)
      std::memcpy(out + at, pairs, sizeof pairs);
    else
      std::memcpy(out + at, pairs, static_cast<std::size_t>((count - at + 3) / 4 * 4) * sizeof(std::uint32_t));
  }
}

namespace {

constexpr Index grain = 8192;
constexpr Index words_per_chunk = 1024;

// Calls body(words, first element, number of elements) for chunks of a draw that takes `per` words (1, 2 or 4) for an element.
template <class Body> void for_each_chunk(Generator::Draw draw, Index n, Index per, Body&& body) {
  const Index elements = words_per_chunk / per, chunks = (n + elements - 1) / elements;
  parallel_for(chunks, grain / elements, [&](Index first, Index last) {
    std::uint32_t buffer[words_per_chunk];
    for (Index c = first; c < last; ++c) {
      const Index start = c * elements, count = std::min(elements, n - start);
      random_words(draw, std::uint64_t(start * per), (count * per + 3) / 4 * 4, buffer);
      body(buffer, start, count);
    }
  });
}

template <class T> constexpr Index words_of = sizeof(T) / 4;

// [0, 1): the upper 24 bits of a word, or 53 bits of two.
template <class T> T unit(const std::uint32_t* w) {
  if constexpr (sizeof(T) == 4)
    return T(w[0] >> 8) * T(0x1p-24);
  else
    return T(((std::uint64_t{w[0]} << 32) | w[1]) >> 11) * T(0x1p-53);
}

std::uint64_t pair_of(const std::uint32_t* w) { return (std::uint64_t{w[0]} << 32) | w[1]; }

// floor(word * range / 2^64)
std::uint64_t below(std::uint64_t word, std::uint64_t range) {
  __extension__ using Wide = unsigned __int128;
  return std::uint64_t((Wide{word} * range) >> 64);
}

}  // namespace

template <class T> void uniform(Generator::Draw draw, T low, T high, T* out, Index n) {
  const T width = high - low;
  for_each_chunk(draw, n, words_of<T>, [&](const std::uint32_t* w, Index start, Index count) {
    for (Index i = 0; i < count; ++i) {
      const T value = low + width * unit<T>(w + i * words_of<T>);
      out[start + i] = value < high || width == 0 ? value : std::nextafter(high, low);  // rounding may reach the upper end
    }
  });
}

template <class T> void normal(Generator::Draw draw, T mean, T deviation, T* out, Index n) {
  using simd::Batch;
  // Two uniform numbers make two normal ones (Box and Muller 1958): r = sqrt(-2 log(1 - u1)), r cos(2 pi u2) and r sin(2 pi u2).
  // Chunks are even, so a pair never crosses one; the partner of a last odd element is thrown away.
  for_each_chunk(draw, n + n % 2, words_of<T>, [&](const std::uint32_t* w, Index start, Index count) {
    constexpr Index size = Batch<T>::size;
    T radius[words_per_chunk / 2 + size], angle[words_per_chunk / 2 + size], c[words_per_chunk / 2 + size];
    const Index pairs = count / 2;
    for (Index i = 0; i < pairs; ++i) {
      radius[i] = T(1) - unit<T>(w + 2 * i * words_of<T>);
      angle[i] = T(2 * std::numbers::pi) * unit<T>(w + (2 * i + 1) * words_of<T>);
    }
    std::fill(radius + pairs, radius + pairs + size, T(1));
    std::fill(angle + pairs, angle + pairs + size, T(0));
    for (Index i = 0; i < pairs; i += size) {
      const Batch<T> r = sqrt(Batch<T>(T(-2)) * log(Batch<T>::load(radius + i))) * Batch<T>(deviation);
      const Batch<T> a = Batch<T>::load(angle + i);
      (Batch<T>(mean) + r * cos(a)).store(c + i);
      (Batch<T>(mean) + r * sin(a)).store(angle + i);
    }
    for (Index i = 0; i < pairs; ++i) {
      out[start + 2 * i] = c[i];
      if (start + 2 * i + 1 < n) out[start + 2 * i + 1] = angle[i];
    }
  });
}

template <class T>
void truncated_normal(Generator::Draw draw, T mean, T deviation, T low, T high, T* out, Index n) {
  // Rejection, each element with its own sequence of attempts. What is rejected depends on the interval [a, b] in
  // standard units, so that no interval, however narrow or far out, takes many attempts: the normal itself when it
  // mostly falls inside; uniform numbers, kept with probability exp(-(z^2 - m^2)/2), m the point nearest 0, when the
  // density varies little; and in a tail an exponential with its best rate (Robert, "Simulation of truncated normal
  // variables", Statistics and Computing 5, 1995).
  double a = (double(low) - double(mean)) / double(deviation), b = (double(high) - double(mean)) / double(deviation);
  const bool mirrored = a + b < 0;  // the part beyond 0 is the larger one
  if (mirrored) {
    std::swap(a, b);
    a = -a;
    b = -b;
  }
  const double nearest = std::max(a, 0.0), rate = (nearest + std::sqrt(nearest * nearest + 4)) / 2;
  const bool flat = (b - nearest) * (b + nearest) < 4 && b - a < 4, tail = !flat && a > 0.3;
  parallel_for(n, grain / 8, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      for (std::uint64_t attempt = 0;; ++attempt) {
        const auto w = philox(draw.key ^ (attempt * 0x9E3779B97F4A7C15), draw.number, std::uint64_t(i));
        const double u = 1 - unit<double>(w.data()), v = unit<double>(w.data() + 2);
        double z;
        bool kept = true;
        if (flat) {
          z = a + (b - a) * v;
          kept = u <= std::exp((nearest - z) * (nearest + z) / 2);
        } else if (tail) {
          z = a - std::log(u) / rate;
          kept = v <= std::exp(-(z - rate) * (z - rate) / 2);
        } else {
          z = std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
        }
        if (kept && z >= a && z <= b) {
          out[i] = std::clamp(T(double(mean) + double(deviation) * (mirrored ? -z : z)), low, high);
          break;
        }
      }
    }
  });
}

void integers(Generator::Draw draw, std::int64_t low, std::int64_t high, std::int64_t* out, Index n) {
  const std::uint64_t range = std::uint64_t(high) - std::uint64_t(low);
  for_each_chunk(draw, n, 2, [&](const std::uint32_t* w, Index start, Index count) {
    for (Index i = 0; i < count; ++i) out[start + i] = std::int64_t(std::uint64_t(low) + below(pair_of(w + 2 * i), range));
  });
}

template <class T> void bernoulli(Generator::Draw draw, const T* probability, Index stride, T* out, Index n) {
  for_each_chunk(draw, n, words_of<T>, [&](const std::uint32_t* w, Index start, Index count) {
    for (Index i = 0; i < count; ++i)
      out[start + i] = T(unit<T>(w + i * words_of<T>) < probability[(start + i) * stride]);
  });
}

void permutation(Generator::Draw draw, std::int64_t* out, Index n) {
  // Fisher and Yates: the order of the swaps matters, so one thread.
  std::iota(out, out + n, std::int64_t{0});
  std::uint32_t buffer[words_per_chunk];
  constexpr Index per_chunk = words_per_chunk / 2;
  for (Index i = 0; i + 1 < n; ++i) {
    if (i % per_chunk == 0) random_words(draw, std::uint64_t(2 * i), words_per_chunk, buffer);
    const Index other = i + Index(below(pair_of(buffer + 2 * (i % per_chunk)), std::uint64_t(n - i)));
    std::swap(out[i], out[other]);
  }
}

#define GRADUS_INSTANTIATE(T)                                                   \
  template void uniform(Generator::Draw, T, T, T*, Index);                      \
  template void normal(Generator::Draw, T, T, T*, Index);                       \
  template void truncated_normal(Generator::Draw, T, T, T, T, T*, Index);       \
  template void bernoulli(Generator::Draw, const T*, Index, T*, Index);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)

}  // namespace gradus::kernels
