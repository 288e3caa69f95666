#include "gradus/data/poisson.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "gradus/core/parallel.hpp"
#include "gradus/tensor/factories.hpp"
#include "support.hpp"
#include "thrown.hpp"

using namespace gradus;
using data::PoissonLoader;

namespace {

data::Dataset counting(Index n) {
  data::Dataset dataset;
  dataset.x = arange(n).to(float32).reshape({n, 1});
  dataset.y = arange(n);
  return dataset;
}

std::vector<std::int64_t> labels(const data::Batch& batch) { return to_vector<std::int64_t>(batch.y); }

}  // namespace

TEST_CASE("every sample stands in a batch with the same chance, independently of the others and of other batches") {
  const Index n = 40, steps = 20000;
  const double q = 0.15;
  PoissonLoader loader{counting(n), {.sampling_rate = q, .seed = 5}};
  std::vector<double> count(std::size_t(n), 0);
  double with_neighbour = 0, twice = 0, size = 0, squared = 0;
  std::vector<bool> before(std::size_t(n), false);
  for (Index step = 0; step < steps; ++step) {
    std::vector<bool> here(std::size_t(n), false);
    const data::Batch batch = loader.next();
    REQUIRE(batch.x.shape() == Shape{batch.y.numel(), 1});
    for (const std::int64_t i : labels(batch)) {
      REQUIRE_FALSE(here[std::size_t(i)]);
      here[std::size_t(i)] = true;
      ++count[std::size_t(i)];
    }
    for (Index i = 0; i < batch.y.numel(); ++i)
      REQUIRE(batch.x.data<float>()[i] == float(batch.y.data<std::int64_t>()[i]));
    for (std::size_t i = 0; i + 1 < std::size_t(n); ++i) with_neighbour += here[i] && here[i + 1];
    for (std::size_t i = 0; i < std::size_t(n); ++i) twice += here[i] && before[i];
    size += double(batch.y.numel());
    squared += double(batch.y.numel() * batch.y.numel());
    before = here;
  }
  const double trials = double(steps);
  for (const double c : count) CHECK(std::abs(c / trials - q) < 5 * std::sqrt(q * (1 - q) / trials));
  const auto pairs = [&](double found,
                         double number) {  // a share of q^2, to five standard errors (of pairs that share a sample)
    CHECK(std::abs(found / number - q * q) < 5 * std::sqrt(2 * q * q / number));
  };
  pairs(with_neighbour, trials * double(n - 1));
  pairs(twice, (trials - 1) * double(n));
  const double mean = size / trials, variance = squared / trials - mean * mean;
  CHECK(std::abs(mean - q * double(n)) < 5 * std::sqrt(double(n) * q * (1 - q) / trials));
  CHECK(std::abs(variance / (double(n) * q * (1 - q)) - 1) < 5 * std::sqrt(2 / trials));
}

TEST_CASE("a batch depends on seed and step alone") {
  PoissonLoader a{counting(100), {.sampling_rate = 0.3, .seed = 1}},
      b{counting(100), {.sampling_rate = 0.3, .seed = 1}}, c{counting(100), {.sampling_rate = 0.3, .seed = 2}};
  const auto first = labels(a.next()), second = labels(a.next());
  CHECK(labels(b.next()) == first);
  CHECK(first != second);
  CHECK(labels(c.next()) != first);
  c.set_state(b.state());
  CHECK(labels(c.next()) == second);
  CHECK(c.state().steps == 2);
  PoissonLoader d{counting(100), {.sampling_rate = 0.3}}, e{counting(100), {.sampling_rate = 0.3}};
  CHECK(labels(d.next()) != labels(e.next()));
}

TEST_CASE("a batch may be empty, or have everything") {
  PoissonLoader rarely{counting(3), {.sampling_rate = 1e-9, .seed = 1}};
  const data::Batch none = rarely.next();
  CHECK(none.x.shape() == Shape{0, 1});
  CHECK(none.y.shape() == Shape{0});
  PoissonLoader always{counting(3), {.sampling_rate = 1, .seed = 1}};
  CHECK(labels(always.next()) == std::vector<std::int64_t>{0, 1, 2});
  CHECK(always.size() == 1);
  const PoissonLoader some{counting(3), {.sampling_rate = 0.3}};
  CHECK(some.size() == 3);
  CHECK(some.expected_batch_size() == doctest::Approx(0.9));
}

TEST_CASE("rates out of range are refused") {
  CHECK(thrown([] { PoissonLoader{counting(3), {}}; }) == "poisson_loader: sampling_rate is 0; it must be in (0, 1]");
  CHECK(thrown([] {
          PoissonLoader{counting(3), {.sampling_rate = 1.5}};
        }) == "poisson_loader: sampling_rate is 1.5; it must be in (0, 1]");
  CHECK(thrown([] { PoissonLoader{counting(0), {.sampling_rate = 0.5}}; }) == "poisson_loader: there are no samples");
}
