#include "gradus/kernels/dropout.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "gradus/core/parallel.hpp"
#include "gradus/kernels/random.hpp"

namespace gradus::kernels {

template <class T>
void dropout(Generator::Draw draw, double probability, const T* x, T scale, T shift, T dropped, T* out, Index n) {
  // A word below the threshold drops its element; 2^32 of them would not fit a word.
  const double threshold = std::round(std::clamp(probability, 0.0, 1.0) * 0x1p32);
  if (threshold >= 0x1p32) {
    std::fill(out, out + n, dropped);
    return;
  }
  const std::uint32_t limit = std::uint32_t(threshold);
  constexpr Index chunk = 1024;
  parallel_for((n + chunk - 1) / chunk, 8, [&](Index first, Index last) {
    std::uint32_t words[chunk];
    for (Index c = first; c < last; ++c) {
      const Index start = c * chunk, count = std::min(chunk, n - start);
      random_words(draw, std::uint64_t(start), count, words);
      const T* in = x + start;
      T* to = out + start;
      for (Index i = 0; i < count; ++i) to[i] = words[i] >= limit ? scale * in[i] + shift : dropped;
    }
  });
}

template void dropout(Generator::Draw, double, const float*, float, float, float, float*, Index);
template void dropout(Generator::Draw, double, const double*, double, double, double, double*, Index);

}  // namespace gradus::kernels
