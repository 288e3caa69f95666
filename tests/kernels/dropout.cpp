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
