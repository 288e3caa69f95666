#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/core/philox.hpp"
#include "gradus/kernels/dropout.hpp"
#include "gradus/kernels/random.hpp"

using namespace gradus;

TEST_CASE("the words of a draw are Philox's, wherever one starts") {
  for (const Generator::Draw draw : {Generator::Draw{0, 0}, Generator::Draw{0x0123456789abcdef, 0xfedcba9876543210}})
    for (const std::uint64_t first :
         {std::uint64_t{0}, std::uint64_t{4}, std::uint64_t{1000}, std::uint64_t{0x3fffffff0} * 4})
      for (const Index count : {1, 3, 4, 60, 63, 64, 65, 129, 1024}) {
        const Index whole = (count + 3) / 4 * 4;
        std::vector<std::uint32_t> words(static_cast<std::size_t>(whole + 1), 0xABABABAB);
        kernels::random_words(draw, first, count, words.data());
        bool same = true;
        for (Index i = 0; i < whole; ++i)
          same = same && words[std::size_t(i)] ==
                             philox(draw.key, draw.number, first / 4 + std::uint64_t(i) / 4)[std::size_t(i) % 4];
        CHECK(same);
        CHECK(words[std::size_t(whole)] == 0xABABABAB);
      }
}

TEST_CASE("dropout decides by the words of its draw") {
  const Generator::Draw draw{7, 3};
  for (const Index n : {0, 1, 5, 1023, 1024, 1025, 40000}) {
    std::vector<std::uint32_t> words(static_cast<std::size_t>((n + 3) / 4 * 4));
    kernels::random_words(draw, 0, n, words.data());
    std::vector<double> x(static_cast<std::size_t>(n)), y(x.size()), z(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = double(i) + 1;
    const int before = num_threads();
    set_num_threads(1);
    kernels::dropout(draw, 0.3, x.data(), 2.0, 0.5, -7.0, y.data(), n);
    set_num_threads(2);
    kernels::dropout(draw, 0.3, x.data(), 2.0, 0.5, -7.0, z.data(), n);
    set_num_threads(before);
    CHECK(y == z);
    bool same = true;
    for (std::size_t i = 0; i < x.size(); ++i)
      same = same && y[i] == (double(words[i]) < 0.3 * 0x1p32 ? -7.0 : 2.0 * x[i] + 0.5);
    CHECK(same);
  }
  std::vector<float> all(100, 1.0F);
  kernels::dropout(draw, 1.0, all.data(), 2.0F, 0.5F, -7.0F, all.data(), 100);
  CHECK(all == std::vector<float>(100, -7.0F));
  kernels::dropout(draw, 0.0, all.data(), 2.0F, 0.5F, 0.0F, all.data(), 100);
  CHECK(all == std::vector<float>(100, -13.5F));
}

namespace {

// The choice among n elements, and what it does to numbers with a NaN and an infinity among them.
template <class T>
void check_choice(double probability, Index n) {
  const Generator::Draw draw{5, 11};
  const std::size_t size = std::size_t(n);
  std::vector<std::uint32_t> words(std::size_t((n + 3) / 4 * 4));
  kernels::random_words(draw, 0, n, words.data());
  std::vector<T> x(size), out(size), again(size);
  for (std::size_t i = 0; i < size; ++i)
    x[i] = i % 97 == 3   ? std::numeric_limits<T>::quiet_NaN()
           : i % 89 == 5 ? std::numeric_limits<T>::infinity()
                         : T(i) - T(50);
  const std::size_t kept_words = std::size_t(kernels::choice_words(n));
  std::vector<std::int64_t> kept(kept_words + 1, 0x5555555555555555);
  kernels::dropout(draw, probability, x.data(), T(3), T(0), T(0), out.data(), n, kept.data());
  CHECK(kept[kept_words] == 0x5555555555555555);

  const auto equal = [](T a, T b) { return a == b || (a != a && b != b); };
  bool right_bits = true, right_numbers = true, right_again = true;
  for (std::size_t i = 0; i < kept_words * 64; ++i) {
    const bool bit = (std::uint64_t(kept[i / 64]) >> i % 64 & 1) != 0;
    const bool wanted = i < size && double(words[i]) >= std::round(probability * 0x1p32);
    right_bits = right_bits && bit == wanted;
    if (i < size) right_numbers = right_numbers && equal(out[i], wanted ? 3 * x[i] : T(0));
  }
  const int before = num_threads();
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    again.assign(size, T(-1));
    kernels::keep(kept.data(), x.data(), T(3), again.data(), n);
    for (std::size_t i = 0; i < size; ++i) right_again = right_again && equal(again[i], out[i]);
  }
  set_num_threads(before);
  again = x;
  kernels::keep(kept.data(), again.data(), T(3), again.data(), n);  // in place
  for (std::size_t i = 0; i < size; ++i) right_again = right_again && equal(again[i], out[i]);
  CHECK(right_bits);
  CHECK(right_numbers);
  CHECK(right_again);
}

}  // namespace

TEST_CASE("dropout's choice is kept as bits and made again from them") {
  for (const Index n : {0, 1, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 1023, 1024, 1025, 40001})
    for (const double probability : {0.0, 0.1, 0.7, 1.0}) {
      CAPTURE(n);
      CAPTURE(probability);
      check_choice<float>(probability, n);
      check_choice<double>(probability, n);
    }
}
