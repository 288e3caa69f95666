#include "gradus/kernels/dropout.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "gradus/core/parallel.hpp"
#include "gradus/core/simd.hpp"
#include "gradus/kernels/random.hpp"

namespace gradus::kernels {
namespace {

// Numbers that are worked on in one go: a multiple of 64, so that a word of a choice has one writer.
constexpr Index chunk = 1024;

// One bit for each of n words, set where it is not below the limit.
void at_least(const std::uint32_t* words, std::uint32_t limit, std::int64_t* bits, Index n) {
  for (Index start = 0; start < n; start += 64, ++bits) {
    std::uint64_t set = 0;
    Index i = start;
#if defined(__AVX512F__)
    for (; i < start + 64 && i + 16 <= n; i += 16)
      set |= std::uint64_t{_mm512_cmpge_epu32_mask(_mm512_loadu_si512(words + i),
                                                   _mm512_set1_epi32(static_cast<int>(limit)))}
             << (i - start);
#endif
    for (; i < std::min(start + 64, n); ++i) set |= std::uint64_t{words[i] >= limit} << (i - start);
    *bits = std::int64_t(set);
  }
}

// out = bit ? scale in + shift : dropped. Without a branch: a tenth of the elements at random places would be
// mispredicted. Never inlined, so that no store can change what then stays in registers.
template <class T>
[[gnu::noinline]] void choose(const std::int64_t* bits, const T* in, T scale, T shift, T dropped, T* out, Index n) {
  Index i = 0;
#if defined(__AVX512F__)
  using V = simd::Batch<T>;
  using Native = typename simd::Mask<T>::Native;
  const V factor(scale), constant(shift), other(dropped);
  for (; i + 64 <= n; i += 64) {
    const std::uint64_t word = std::uint64_t(bits[i / 64]);
    for (int k = 0; k < 64; k += V::size) {
      const simd::Mask<T> mask(Native(static_cast<typename Native::register_type>(word >> k)));
      select(mask, fma(factor, V::load(in + i + k), constant), other).store(out + i + k);
    }
  }
#endif
  // Halves of words, as lanes of 32 bits are cheaper than lanes of 64.
  for (; i < n; i += 32) {
    const std::uint32_t half = std::uint32_t(std::uint64_t(bits[i / 64]) >> i % 64);
    const Index count = std::min<Index>(n - i, 32);
    for (Index k = 0; k < count; ++k) {
      const T kept = scale * in[i + k] + shift;
      out[i + k] = (half >> k & 1) != 0 ? kept : dropped;
    }
  }
}

// Asks for what comes next from memory, which then arrives while the generator is at work.
template <class T>
void fetch(const T* in, T* out, Index n) {
  for (Index i = 0; i < n; i += Index(64 / sizeof(T))) {
    __builtin_prefetch(in + i);
    __builtin_prefetch(out + i, 1);
  }
}

}  // namespace

template <class T>
void dropout(Generator::Draw draw, double probability, const T* x, T scale, T shift, T dropped, T* out, Index n,
             std::int64_t* kept) {
  // A word below the threshold drops its element; 2^32 of them would not fit a word.
  const double threshold = std::round(std::clamp(probability, 0.0, 1.0) * 0x1p32);
  if (threshold >= 0x1p32) {
    std::fill(out, out + n, dropped);
    if (kept != nullptr) std::fill(kept, kept + choice_words(n), std::int64_t{0});
    return;
  }
  const std::uint32_t limit = std::uint32_t(threshold);
  parallel_for((n + chunk - 1) / chunk, 8, [&](Index first, Index last) {
    std::uint32_t words[chunk];
    std::int64_t own[chunk / 64];
    for (Index c = first; c < last; ++c) {
      const Index start = c * chunk, count = std::min(chunk, n - start);
      fetch(x + start, out + start, count);
      random_words(draw, std::uint64_t(start), count, words);
      std::int64_t* bits = kept != nullptr ? kept + start / 64 : own;
      at_least(words, limit, bits, count);
      choose(bits, x + start, scale, shift, dropped, out + start, count);
    }
  });
}

template <class T>
void keep(const std::int64_t* kept, const T* x, T scale, T* out, Index n) {
  parallel_for(choice_words(n), 512, [&](Index first, Index last) {
    const Index start = first * 64;
    choose(kept + first, x + start, scale, T(0), T(0), out + start, std::min(last * 64, n) - start);
  });
}

#define GRADUS_INSTANTIATE(T)                                                                    \
  template void dropout(Generator::Draw, double, const T*, T, T, T, T*, Index, std::int64_t*); \
  template void keep(const std::int64_t*, const T*, T, T*, Index);
GRADUS_INSTANTIATE(float)
GRADUS_INSTANTIATE(double)
#undef GRADUS_INSTANTIATE

}  // namespace gradus::kernels
