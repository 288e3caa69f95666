#include "gradus/kernels/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/core/philox.hpp"

using namespace gradus;

namespace {

struct Threads {
  int before = num_threads();
  ~Threads() { set_num_threads(before); }
};

template <class T>
std::vector<T> uniform(Generator::Draw draw, Index n, T low = 0, T high = 1) {
  std::vector<T> out(static_cast<std::size_t>(n));
  kernels::uniform<T>(draw, low, high, out.data(), n);
  return out;
}
template <class T>
std::vector<T> normal(Generator::Draw draw, Index n) {
  std::vector<T> out(static_cast<std::size_t>(n));
  kernels::normal<T>(draw, 0, 1, out.data(), n);
  return out;
}
template <class T>
std::vector<T> truncated(Generator::Draw draw, Index n, double mean, double deviation, double low, double high) {
  std::vector<T> out(static_cast<std::size_t>(n));
  kernels::truncated_normal<T>(draw, T(mean), T(deviation), T(low), T(high), out.data(), n);
  return out;
}

double gauss(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

// Kolmogorov and Smirnov: the largest distance between the empirical distribution and `cdf`, times sqrt(n). Above 1.95
// with probability 0.001; the draws are fixed, so the outcome is, too.
template <class T>
double distance(std::vector<T> values, const std::function<double(double)>& cdf) {
  std::sort(values.begin(), values.end());
  const double n = double(values.size());
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double p = cdf(double(values[i]));
    largest = std::max({largest, p - double(i) / n, double(i + 1) / n - p});
  }
  return largest * std::sqrt(n);
}

template <class T>
double moment(const std::vector<T>& values, int power) {
  double total = 0;
  for (const T value : values) total += std::pow(double(value), power);
  return total / double(values.size());
}

constexpr Index many = 200'000;

}  // namespace

TEST_CASE_TEMPLATE("uniform numbers are the words of Philox", T, float, double) {
  const Generator::Draw draw{123, 45};
  const std::vector<T> values = uniform<T>(draw, 4099);
  for (Index i = 0; i < 4099; ++i) {
    const Index word = i * Index(sizeof(T) / 4);
    const auto block = philox(draw.key, draw.number, std::uint64_t(word / 4));
    const std::uint64_t w = block[std::size_t(word % 4)];
    const double expected = sizeof(T) == 4 ? double(w >> 8) * 0x1p-24
                                           : double(((w << 32) | block[std::size_t(word % 4 + 1)]) >> 11) * 0x1p-53;
    REQUIRE(double(values[std::size_t(i)]) == expected);
  }
}

TEST_CASE_TEMPLATE("uniform and normal numbers have their moments and distribution", T, float, double) {
  for (const std::uint64_t seed : {0, 1, 2}) {
    const std::vector<T> u = uniform<T>({seed, 3}, many);
    CHECK(*std::min_element(u.begin(), u.end()) >= 0);
    CHECK(*std::max_element(u.begin(), u.end()) < 1);
    // Four standard errors: sqrt(1/12/n), sqrt(4/45/4/n) ...
    CHECK(std::abs(moment(u, 1) - 0.5) < 4 * std::sqrt(1.0 / 12 / many));
    CHECK(std::abs(moment(u, 2) - 1.0 / 3) < 4 * std::sqrt(4.0 / 45 / many));
    CHECK(distance(u, [](double x) { return x; }) < 1.95);

    const std::vector<T> z = normal<T>({seed, 4}, many);
    // Var z^k: 1, 2, 15, 96
    CHECK(std::abs(moment(z, 1)) < 4 * std::sqrt(1.0 / many));
    CHECK(std::abs(moment(z, 2) - 1) < 4 * std::sqrt(2.0 / many));
    CHECK(std::abs(moment(z, 3)) < 4 * std::sqrt(15.0 / many));
    CHECK(std::abs(moment(z, 4) - 3) < 4 * std::sqrt(96.0 / many));
    CHECK(distance(z, gauss) < 1.95);
    // Box and Muller makes pairs; they are independent.
    double product = 0;
    for (Index i = 0; i < many; i += 2) product += double(z[std::size_t(i)]) * double(z[std::size_t(i + 1)]);
    CHECK(std::abs(product / (many / 2)) < 4 * std::sqrt(2.0 / many));
    for (const T value : z) REQUIRE(std::isfinite(value));
  }
}

TEST_CASE_TEMPLATE("the range is half open even where rounding reaches its end", T, float, double) {
  const T high = std::nextafter(T(1), T(2));
  for (const T value : uniform<T>({1, 1}, 10'000, T(1), high)) REQUIRE(value == T(1));
  const T large = T(1e6), next = std::nextafter(std::nextafter(large, 2 * large), 2 * large);
  for (const T value : uniform<T>({1, 2}, 10'000, large, next)) REQUIRE((value >= large && value < next));
  for (const T value : uniform<T>({1, 3}, 10, T(2), T(2))) REQUIRE(value == T(2));
}

TEST_CASE_TEMPLATE("element i depends on the draw and on i alone", T, float, double) {
  const Threads restore;
  set_num_threads(1);
  const Generator::Draw draw{9, 8};
  const Index n = 50'003;
  const auto u = uniform<T>(draw, n), z = normal<T>(draw, n), t = truncated<T>(draw, n, 0, 1, -1, 2);
  for (const Index shorter : {0, 1, 2, 3, 5, 511, 512, 513, 1023, 1024, 1025, 20'001})
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      const auto same = [&](const std::vector<T>& part, const std::vector<T>& whole) {
        return std::equal(part.begin(), part.end(), whole.begin());
      };
      CHECK(same(uniform<T>(draw, shorter), u));
      CHECK(same(normal<T>(draw, shorter), z));
      CHECK(same(truncated<T>(draw, shorter, 0, 1, -1, 2), t));
    }
  set_num_threads(2);
  CHECK(uniform<T>(draw, n) == u);
  CHECK(normal<T>(draw, n) == z);
  CHECK(truncated<T>(draw, n, 0, 1, -1, 2) == t);
}

TEST_CASE("draws and streams are independent") {
  const Generator root(3);
  std::vector<std::vector<double>> streams;
  for (const std::uint64_t draw : {0, 1}) {
    streams.push_back(uniform<double>({root.seed(), draw}, many));
    streams.push_back(uniform<double>({root.seed() + 1, draw}, many));
    streams.push_back(uniform<double>({root.split("init").seed(), draw}, many));
    streams.push_back(uniform<double>({root.split(std::uint64_t{1}).seed(), draw}, many));
  }
  for (std::size_t a = 0; a < streams.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      double covariance = 0;
      for (Index i = 0; i < many; ++i)
        covariance += (streams[a][std::size_t(i)] - 0.5) * (streams[b][std::size_t(i)] - 0.5);
      // The standard error of 12 cov is 1 / sqrt(n); five of them for 28 pairs.
      CHECK(std::abs(12 * covariance / many) < 5 / std::sqrt(double(many)));
    }
}

TEST_CASE_TEMPLATE("truncated normals follow their distribution, however far out or narrow the interval", T, float,
                   double) {
  struct Interval {
    double mean, deviation, low, high;
  };
  const double infinite = std::numeric_limits<double>::infinity();
  for (const Interval& v : std::vector<Interval>{{0, 1, -2, 2},
                                                 {0, 1, -1, 2.5},
                                                 {0, 1, -0.01, 0.01},
                                                 {0, 1, 0.5, 0.7},
                                                 {0, 1, 1, 30},
                                                 {0, 1, -30, -1},
                                                 {0, 1, 3, 4},
                                                 {0, 1, -infinite, 0.2},
                                                 {0, 1, 0.2, infinite},
                                                 {1, 0.5, 2, 4},
                                                 {0, 1, -5, 0.1}}) {
    CAPTURE(v.low);
    CAPTURE(v.high);
    const std::vector<T> values = truncated<T>({5, 6}, 50'000, v.mean, v.deviation, v.low, v.high);
    for (const T value : values) REQUIRE((value >= T(v.low) && value <= T(v.high)));
    // From the side where the tail probabilities are exact.
    const bool right = v.low > v.mean;
    const auto cdf = [&](double x) {
      const auto p = [&](double y) { return gauss((right ? -1 : 1) * (y - v.mean) / v.deviation); };
      return (p(x) - p(v.low)) / (p(v.high) - p(v.low));
    };
    CHECK(distance(values, cdf) < 1.95);
  }
  // Beyond 8 standard deviations the normal itself would never get there.
  const std::vector<T> far = truncated<T>({5, 7}, 10'000, 0, 1, 40, 50);
  CHECK(moment(far, 1) == doctest::Approx(40 + 1.0 / 40).epsilon(1e-3));
  for (const T value : truncated<T>({5, 8}, 100, 0, 1, 3, 3)) CHECK(value == T(3));
}

TEST_CASE("integers are equally likely, and reach both ends of int64") {
  std::vector<std::int64_t> values(many);
  kernels::integers({1, 2}, -3, 7, values.data(), many);
  std::vector<Index> count(10);
  for (const std::int64_t value : values) {
    REQUIRE((value >= -3 && value < 7));
    ++count[std::size_t(value + 3)];
  }
  double chi = 0;
  for (const Index c : count) chi += std::pow(double(c) - many / 10.0, 2) / (many / 10.0);
  CHECK(chi < 27.9);  // nine degrees of freedom: above with probability 0.001
  kernels::integers({1, 3}, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
                    values.data(), many);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  CHECK(*least < -9'000'000'000'000'000'000);
  CHECK(*most > 9'000'000'000'000'000'000);
  kernels::integers({1, 4}, 5, 6, values.data(), 10);
  CHECK(values[9] == 5);
}

TEST_CASE_TEMPLATE("bernoulli numbers are 0 or 1, as often as they should be", T, float, double) {
  std::vector<T> out(static_cast<std::size_t>(many));
  for (const double p : {0.0, 0.1, 0.5, 1.0}) {
    const T probability = T(p);
    kernels::bernoulli<T>({4, 4}, &probability, 0, out.data(), many);
    double mean = 0;
    for (const T value : out) {
      REQUIRE((value == 0 || value == 1));
      mean += double(value) / many;
    }
    CHECK(std::abs(mean - p) <= 4 * std::sqrt(p * (1 - p) / many) + 1e-9);
  }
  std::vector<T> each(static_cast<std::size_t>(many));
  for (Index i = 0; i < many; ++i) each[std::size_t(i)] = T(i % 2);
  kernels::bernoulli<T>({4, 4}, each.data(), 1, out.data(), many);
  CHECK(out == each);
}

TEST_CASE("permutations hold every number once and are all equally likely") {
  for (const Index n : {0, 1, 2, 513, 10'000}) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    kernels::permutation({1, 1}, order.data(), n);
    std::vector<std::int64_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (Index i = 0; i < n; ++i) REQUIRE(sorted[std::size_t(i)] == i);
    if (n > 2) CHECK(order != sorted);
  }
  std::vector<Index> count(27);
  const Index draws = 60'000;
  for (Index d = 0; d < draws; ++d) {
    std::int64_t order[3];
    kernels::permutation({2, std::uint64_t(d)}, order, 3);
    ++count[std::size_t(9 * order[0] + 3 * order[1] + order[2])];
  }
  double chi = 0;
  int kinds = 0;
  for (const Index c : count)
    if (c > 0) {
      chi += std::pow(double(c) - draws / 6.0, 2) / (draws / 6.0);
      ++kinds;
    }
  CHECK(kinds == 6);
  CHECK(chi < 20.5);  // five degrees of freedom: above with probability 0.001
}
