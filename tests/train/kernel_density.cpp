#include "gradus/train/kernel_density.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/core/parallel.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using train::best_bandwidth;
using train::KernelDensity;

namespace {

double normal(double x, double mean, double deviation) {
  return std::exp(-0.5 * std::pow((x - mean) / deviation, 2)) / (deviation * std::sqrt(2 * std::numbers::pi));
}

}  // namespace

TEST_CASE("KernelDensity: the mean of the hills, in one and three dimensions") {
  const Tensor samples = from_vector<double>({-1, 0.5, 2}, {3, 1}), x = from_vector<double>({0.3, -4}, {2, 1});
  const std::vector<double> log_p = KernelDensity(samples, 0.7).log_density(x);
  for (std::size_t q : {0, 1}) {
    const double at = q == 0 ? 0.3 : -4;
    const double expected = (normal(at, -1, 0.7) + normal(at, 0.5, 0.7) + normal(at, 2, 0.7)) / 3;
    CHECK(log_p[q] == doctest::Approx(std::log(expected)).epsilon(1e-12));
  }
  const Tensor wide = from_vector<float>({1, 2, 3, 0, -1, 0.5F}, {2, 3});
  const double expected = normal(0, 1, 2) * normal(0, 2, 2) * normal(0, 3, 2) + normal(0, 0, 2) * normal(0, -1, 2) * normal(0, 0.5, 2);
  CHECK(KernelDensity(wide, 2).log_density(zeros({1, 3}))[0] == doctest::Approx(std::log(expected / 2)).epsilon(1e-12));
  CHECK(KernelDensity(wide, 2).log_density(zeros({0, 3})).empty());
  // Where every hill is 0 in double precision, its logarithm is not.
  CHECK(KernelDensity(samples, 1e-3).log_density(from_vector<double>({100}, {1, 1}))[0] == doctest::Approx(-0.5 * 98e3 * 98e3).epsilon(1e-6));
}

TEST_CASE("KernelDensity: leave_one_out is the density of the others") {
  Generator generator(3);
  const Tensor x = randn({37, 2}, {.generator = &generator});
  const std::vector<double> all = KernelDensity(x, 0.4).leave_one_out();
  for (const Index i : {0, 17, 36}) {
    std::vector<float> others;
    for (Index j = 0; j < 37; ++j)
      if (j != i) others.insert(others.end(), {x.data<float>()[2 * j], x.data<float>()[2 * j + 1]});
    const KernelDensity rest(from_vector(others, {36, 2}), 0.4);
    CHECK(all[std::size_t(i)] == doctest::Approx(rest.log_density(x.slice(0, i, i + 1))[0]).epsilon(1e-12));
  }
  CHECK(KernelDensity(ones({1, 2}), 1).leave_one_out()[0] == -std::numeric_limits<double>::infinity());
  const int before = num_threads();
  set_num_threads(3);
  const std::vector<double> again = KernelDensity(x, 0.4).leave_one_out();
  set_num_threads(before);
  CHECK(again == all);
}

TEST_CASE("best_bandwidth: neither spikes nor a smear") {
  Generator generator(4);
  const Tensor x = randn({400, 1}, {.generator = &generator});
  // Silverman's rule for normal samples: 1.06 n^-1/5 = 0.32.
  const double best = best_bandwidth(x, {0.01, 0.03, 0.1, 0.3, 1, 3});
  CHECK(best >= 0.1);
  CHECK(best <= 0.3);
  CHECK(best_bandwidth(x, {5}) == 5);
}

TEST_CASE("KernelDensity: errors") {
  check_contains(thrown([] { (void)KernelDensity(zeros({0, 2}), 1); }), {"KernelDensity", "no samples"});
  check_contains(thrown([] { (void)KernelDensity(zeros({3}), 1); }), {"KernelDensity", "(3)", "(n, D)"});
  check_contains(thrown([] { (void)KernelDensity(zeros({3, 0}), 1); }), {"KernelDensity", "(n, D)"});
  check_contains(thrown([] { (void)KernelDensity(full({3, 1}, NAN), 1); }), {"KernelDensity", "finite"});
  check_contains(thrown([] { (void)KernelDensity(zeros({3, 1}, {.dtype = int64}), 1); }), {"KernelDensity", "int64"});
  for (const double wrong : {0.0, -1.0, double(NAN), double(INFINITY)})
    check_contains(thrown([&] { (void)KernelDensity(zeros({3, 1}), wrong); }), {"KernelDensity", "bandwidth"});
  check_contains(thrown([] { (void)KernelDensity(zeros({3, 2}), 1).log_density(zeros({3, 1})); }), {"log_density", "(n, 2)"});
  check_contains(thrown([] { (void)best_bandwidth(zeros({3, 1}), {}); }), {"best_bandwidth", "no bandwidths"});
}
