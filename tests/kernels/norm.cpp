#include "gradus/kernels/norm.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include "gradus/core/parallel.hpp"

using namespace gradus;
using kernels::Channels;

namespace {

struct Numbers {
  std::vector<float> x, g;
  Numbers(const Channels& s, double centre, double scale)
      : x(std::size_t(s.batch * s.channels * s.inner)), g(x.size()) {
    std::mt19937 engine(1);
    std::normal_distribution<double> normal;
    for (float& v : x) v = float(centre + scale * normal(engine));
    for (float& v : g) v = float(normal(engine));
  }
};

template <class Visit>
void for_channel(const Channels& s, Index c, Visit&& visit) {
  for (Index n = 0; n < s.batch; ++n)
    for (Index i = 0; i < s.inner; ++i) visit(std::size_t((n * s.channels + c) * s.inner + i));
}

// The relative error of batch_norm's statistics and gradients in float, against the formulas in double.
void check(const Channels& s, double centre, double scale, double tolerance, std::optional<float> first = {}) {
  CAPTURE(s.inner);
  CAPTURE(centre);
  CAPTURE(scale);
  Numbers in(s, centre, scale);
  if (first)
    for (Index c = 0; c < s.channels; ++c) in.x[std::size_t(c * s.inner)] = *first;
  const std::size_t channels = std::size_t(s.channels);
  std::vector<float> y(in.x.size()), dx(in.x.size()), mean(channels), variance(channels), rstd(channels), dw(channels),
      db(channels);
  kernels::batch_norm<float>(s, in.x.data(), nullptr, nullptr, 0.0, y.data(), mean.data(), variance.data(),
                             rstd.data());
  kernels::batch_norm_backward<float>(s, in.g.data(), in.x.data(), nullptr, mean.data(), rstd.data(), false, dx.data(),
                                      dw.data(), db.data());
  for (Index c = 0; c < s.channels; ++c) {
    const std::size_t k = std::size_t(c);
    double m = 0, v = 0, g = 0, gh = 0, wrong = 0;
    const double count = double(s.count());
    for_channel(s, c, [&](std::size_t i) { m += double(in.x[i]) / count; });
    for_channel(s, c, [&](std::size_t i) { v += std::pow(double(in.x[i]) - m, 2) / count; });
    for_channel(s, c, [&](std::size_t i) {
      g += double(in.g[i]);
      gh += double(in.g[i]) * (double(in.x[i]) - m) / std::sqrt(v);
    });
    CHECK(std::abs(double(mean[k]) - m) <= 1e-6 * std::abs(m) + 1e-6 * scale);
    CHECK(double(variance[k]) == doctest::Approx(v).epsilon(1e-5));
    CHECK(double(rstd[k]) == doctest::Approx(1 / std::sqrt(v)).epsilon(1e-5));
    CHECK(std::abs(double(db[k]) - g) < 1e-5 * std::sqrt(count));
    CHECK(std::abs(double(dw[k]) - gh) < tolerance * count);
    for_channel(s, c, [&](std::size_t i) {
      const double h = (double(in.x[i]) - m) / std::sqrt(v);
      wrong = std::max({wrong, std::abs(double(y[i]) - h),
                        std::abs(double(dx[i]) * std::sqrt(v) - (double(in.g[i]) - g / count - h * gh / count))});
    });
    CHECK(wrong < tolerance);
  }
}

}  // namespace

TEST_CASE("batch_norm keeps its digits in float32, for all sizes, far from 0, and at the ends of the range") {
  for (const Index inner : {1, 2, 15, 16, 17, 255, 256, 257, 784}) {
    check({5, 3, inner}, 0, 1, 1e-5);
    check({5, 3, inner}, 1e3, 1, 1e-3);
  }
  check({5, 3, 784}, 0, 1, 1e-4, 1e4F);  // the guess of the average is a bad one
  check({3, 2, 100}, 0, 1e15, 1e-5);   // squares beyond the range of float, if not far beyond
  check({3, 2, 100}, 0, 1e-15, 1e-5);  // and below it
}

TEST_CASE("batch_norm of equal numbers has no variance") {
  const Channels s{4, 2, 49};
  std::vector<float> x(std::size_t(s.batch * s.channels * s.inner), 0.1F), y(x.size()), mean(2), variance(2), rstd(2);
  kernels::batch_norm<float>(s, x.data(), nullptr, nullptr, 1e-5, y.data(), mean.data(), variance.data(), rstd.data());
  CHECK(mean[0] == 0.1F);
  CHECK(variance[0] < 1e-15F);
  CHECK(variance[0] >= 0);
  CHECK(std::abs(y[0]) < 1e-5F);
}

TEST_CASE("batch_norm does not depend on the number of threads") {
  const Channels s{7, 9, 321};
  const Numbers in(s, 1, 2);
  const int before = num_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::vector<float> y(in.x.size()), dx(in.x.size()), mean(9), variance(9), rstd(9), dw(9), db(9);
    kernels::batch_norm<float>(s, in.x.data(), nullptr, nullptr, 1e-5, y.data(), mean.data(), variance.data(),
                               rstd.data());
    kernels::batch_norm_backward<float>(s, in.g.data(), in.x.data(), nullptr, mean.data(), rstd.data(), false,
                                        dx.data(), dw.data(), db.data());
    for (const auto* part : {&dx, &mean, &variance, &rstd, &dw, &db}) y.insert(y.end(), part->begin(), part->end());
    results.push_back(y);
  }
  set_num_threads(before);
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}
