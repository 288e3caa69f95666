#include "gradus/kernels/random.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/core/philox.hpp"
#include "gradus/core/simd_math.hpp"

namespace gradus::kernels {
// Sixteen blocks side by side, so that the rounds vectorise; the same function as philox().
void random_words(Generator::Draw draw, std::uint64_t first, Index count, std::uint32_t* out) {
  constexpr int width = 16;
  constexpr std::uint64_t m0 = 0xD2511F53, m1 = 0xCD9E8D57;
  for (Index at = 0; at < count; at += 4 * width) {
    std::uint32_t c0[width], c1[width], c2[width], c3[width];
    const std::uint64_t block = (first + std::uint64_t(at)) / 4;
    for (int i = 0; i < width; ++i) {
      c0[i] = std::uint32_t(block + std::uint64_t(i));
      c1[i] = std::uint32_t((block + std::uint64_t(i)) >> 32);
      c2[i] = std::uint32_t(draw.number);
      c3[i] = std::uint32_t(draw.number >> 32);
    }
    std::uint32_t k0 = std::uint32_t(draw.key), k1 = std::uint32_t(draw.key >> 32);
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < width; ++i) {
        const std::uint64_t p0 = m0 * c0[i], p1 = m1 * c2[i];
        c0[i] = std::uint32_t(p1 >> 32) ^ c1[i] ^ k0;
        c1[i] = std::uint32_t(p1);
        c2[i] = std::uint32_t(p0 >> 32) ^ c3[i] ^ k1;
        c3[i] = std::uint32_t(p0);
      }
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    const int blocks = int(std::min<Index>(width, (count - at + 3) / 4));
    for (int i = 0; i < blocks; ++i) {
      out[at + 4 * i] = c0[i];
      out[at + 4 * i + 1] = c1[i];
      out[at + 4 * i + 2] = c2[i];
      out[at + 4 * i + 3] = c3[i];
    }
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
