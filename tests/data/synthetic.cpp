#include "gradus/data/synthetic.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "gradus/tensor/factories.hpp"
#include "support.hpp"

using namespace gradus;

namespace {

constexpr double pi = std::numbers::pi;

struct Point {
  double x, y;
  std::int64_t label;
};

std::vector<Point> points(const data::Dataset& set) {
  REQUIRE(set.x.dtype() == float32);
  REQUIRE(set.y.dtype() == int64);
  std::vector<Point> out;
  for (Index i = 0; i < set.size(); ++i)
    out.push_back(
        {double(set.x.data<float>()[2 * i]), double(set.x.data<float>()[2 * i + 1]), set.y.data<std::int64_t>()[i]});
  return out;
}

}  // namespace

TEST_CASE("every problem is balanced, seeded, of the stated shape") {
  using Make = std::function<data::Dataset(Index, std::optional<std::uint64_t>)>;
  const std::vector<std::pair<const char*, Make>> problems = {
      {"spirals", [](Index n, auto seed) { return data::two_spirals(n, {.noise = 0.1, .seed = seed}); }},
      {"moons", [](Index n, auto seed) { return data::two_moons(n, {.noise = 0.1, .seed = seed}); }},
      {"circles", [](Index n, auto seed) { return data::circles(n, {.noise = 0.1, .seed = seed}); }},
      {"blobs", [](Index n, auto seed) { return data::blobs(n, {.classes = 2, .seed = seed}); }},
      {"gaussian_ring", [](Index n, auto seed) { return data::gaussian_ring(n, {.components = 2, .seed = seed}); }},
      {"checkerboard", [](Index n, auto seed) { return data::checkerboard(n, {.noise = 0.1, .seed = seed}); }},
  };
  for (const auto& [name, make] : problems) {
    CAPTURE(name);
    const data::Dataset set = make(101, 1);
    CHECK(set.x.shape() == Shape{101, 2});
    CHECK(set.y.shape() == Shape{101});
    CHECK(set.class_counts() == std::vector<Index>{51, 50});
    CHECK(to_vector<float>(make(101, 1).x) == to_vector<float>(set.x));
    CHECK(to_vector<float>(make(101, 2).x) != to_vector<float>(set.x));
    manual_seed(6);
    const data::Dataset first = make(20, std::nullopt), second = make(20, std::nullopt);
    CHECK(to_vector<float>(first.x) != to_vector<float>(second.x));
    manual_seed(6);
    CHECK(to_vector<float>(make(20, std::nullopt).x) == to_vector<float>(first.x));
    CHECK(make(0, 1).size() == 0);
    CHECK(has(error_of([&] { (void)make(-1, 1); }), "-1 samples"));
    CHECK(has(error_of([&] { (void)make(Index{1} << 60, 1); }), "samples"));
  }
  manual_seed(0);
}

TEST_CASE("spirals without noise lie on their arms") {
  for (const Point& p : points(data::two_spirals(500, {.turns = 2, .seed = 1}))) {
    const double radius = std::hypot(p.x, p.y), t = (radius - 0.2) / 1.8;
    CHECK(t > -1e-6);
    CHECK(t < 1);
    const double angle = 4 * pi * t + pi * double(p.label);
    CHECK(std::abs(p.x - radius * std::cos(angle)) < 1e-5);
    CHECK(std::abs(p.y - radius * std::sin(angle)) < 1e-5);
  }
}

TEST_CASE("noise has the stated deviation") {
  const std::vector<Point> clean = points(data::two_spirals(4000, {.seed = 1})),
                           noisy = points(data::two_spirals(4000, {.noise = 0.3, .seed = 1}));
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < clean.size(); ++i)
    for (const double d : {noisy[i].x - clean[i].x, noisy[i].y - clean[i].y}) sum += d, squares += d * d;
  // 8000 normal numbers: their mean is known to 0.3 / sqrt(8000) = 0.0034, their deviation to 0.3 / sqrt(16000) =
  // 0.0024.
  CHECK(std::abs(sum / 8000) < 0.015);
  CHECK(std::abs(std::sqrt(squares / 8000) - 0.3) < 0.01);
}

TEST_CASE("moons and circles") {
  for (const Point& p : points(data::two_moons(300, {.seed = 2}))) {
    const double distance = p.label == 0 ? std::hypot(p.x, p.y) : std::hypot(p.x - 1, p.y - 0.5);
    CHECK(distance == doctest::Approx(1).epsilon(1e-5));
    CHECK((p.label == 0 ? p.y > -1e-6 : p.y < 0.5 + 1e-6));
  }
  for (const Point& p : points(data::circles(300, {.factor = 0.3, .seed = 2})))
    CHECK(std::hypot(p.x, p.y) == doctest::Approx(p.label == 0 ? 1 : 0.3).epsilon(1e-5));
}

TEST_CASE("the checkerboard is one") {
  for (const Index cells : {2, 3, 4, 7}) {
    CAPTURE(cells);
    const data::Dataset set = data::checkerboard(8000, {.cells = cells, .seed = 3});
    std::vector<int> count(std::size_t(cells * cells));
    for (const Point& p : points(set)) {
      REQUIRE((p.x >= -1 && p.x <= 1 && p.y >= -1 && p.y <= 1));
      const double column = (p.x + 1) / 2 * double(cells), row = (p.y + 1) / 2 * double(cells);
      // On the line between two fields rounding decides.
      if (std::abs(column - std::round(column)) < 1e-5 || std::abs(row - std::round(row)) < 1e-5) continue;
      CHECK((Index(column) + Index(row)) % 2 == p.label);
      ++count[std::size_t(Index(row) * cells + Index(column))];
    }
    // Every field of a colour gets its share; six deviations of a binomial count.
    for (Index f = 0; f < cells * cells; ++f) {
      const double share = 4000.0 / double((cells * cells + 1 - (f / cells + f % cells) % 2) / 2);
      CHECK(std::abs(count[std::size_t(f)] - share) < 6 * std::sqrt(share) + 2);
    }
  }
}

TEST_CASE("blobs lie around their centres") {
  const data::Dataset set = data::blobs(3000, {.classes = 5, .features = 3, .deviation = 0.1, .box = 4, .seed = 5});
  CHECK(set.x.shape() == Shape{3000, 3});
  CHECK(set.num_classes() == 5);
  for (Index c = 0; c < 5; ++c)
    for (Index j = 0; j < 3; ++j) {
      double sum = 0, squares = 0;
      for (Index i = c; i < 3000; i += 5) {
        const double value = double(set.x.data<float>()[3 * i + j]);
        sum += value;
        squares += value * value;
      }
      const double mean = sum / 600;
      CHECK(std::abs(mean) < 4.1);
      CHECK(std::sqrt(squares / 600 - mean * mean) == doctest::Approx(0.1).epsilon(0.2));
    }
}

TEST_CASE("the clouds of a gaussian_ring lie around a circle") {
  const data::Dataset set = data::gaussian_ring(4000, {.seed = 5});
  CHECK(set.num_classes() == 8);
  for (Index c = 0; c < 8; ++c) {
    double x = 0, y = 0, squares = 0;
    for (const Point& p : points(set))
      if (p.label == c) {
        const double dx = p.x - 2 * std::cos(pi * double(c) / 4), dy = p.y - 2 * std::sin(pi * double(c) / 4);
        x += dx, y += dy, squares += dx * dx + dy * dy;
      }
    // 500 samples: means are known to 0.2 / sqrt(500) = 0.009, the deviation to 0.2 / sqrt(2000) = 0.0045.
    CHECK(std::abs(x / 500) < 0.045);
    CHECK(std::abs(y / 500) < 0.045);
    CHECK(std::abs(std::sqrt(squares / 1000) - 0.2) < 0.023);
  }
  for (const Point& p : points(data::gaussian_ring(9, {.components = 3, .radius = 5, .deviation = 0})))
    CHECK(std::hypot(p.x, p.y) == doctest::Approx(5).epsilon(1e-6));
}

TEST_CASE("a sine") {
  const data::Dataset set = data::sine(200, {.frequency = 2, .seed = 1});
  CHECK(set.x.shape() == Shape{200, 1});
  CHECK(set.y.shape() == Shape{200, 1});
  CHECK(set.y.dtype() == float32);
  for (Index i = 0; i < 200; ++i) {
    const double x = double(set.x.data<float>()[i]);
    CHECK((x >= -1 && x <= 1));
    CHECK(std::abs(double(set.y.data<float>()[i]) - std::sin(2 * pi * x)) < 1e-5);
  }
}

TEST_CASE("the adding problem marks one number in each half and adds them") {
  for (const Index length : {2, 3, 7, 100}) {
    CAPTURE(length);
    const Index n = 400, half = length / 2;
    const data::Dataset set = data::adding_problem(n, {.length = length, .seed = 4});
    REQUIRE(set.x.shape() == Shape{n, length, 2});
    REQUIRE(set.y.shape() == Shape{n, 1});
    std::vector<int> marked(std::size_t(length), 0);
    for (Index i = 0; i < n; ++i) {
      const float* x = set.x.data<float>() + i * length * 2;
      float sum = 0;
      int early = 0, late = 0;
      for (Index t = 0; t < length; ++t) {
        CHECK((x[2 * t] >= 0 && x[2 * t] <= 1));
        if (x[2 * t + 1] == 0) continue;
        CHECK(x[2 * t + 1] == 1);
        sum += x[2 * t];
        ++(t < half ? early : late);
        ++marked[std::size_t(t)];
      }
      CHECK((early == 1 && late == 1));
      CHECK(set.y.data<float>()[i] == sum);
    }
    // Every place of a half gets its share; six deviations of a binomial count.
    for (Index t = 0; t < length; ++t) {
      const double share = double(n) / double(t < half ? half : length - half);
      CHECK(std::abs(marked[std::size_t(t)] - share) < 6 * std::sqrt(share) + 2);
    }
  }
  // The variance of a uniform number is 1/12, of the sum of two 1/6.
  const Tensor y = data::adding_problem(20000, {.length = 2, .seed = 1}).y;
  double mean = 0, squares = 0;
  for (const float value : to_vector<float>(y)) mean += value / 20000.0, squares += double(value) * value / 20000.0;
  CHECK(std::abs(mean - 1) < 0.02);
  CHECK(std::abs(squares - mean * mean - 1.0 / 6) < 0.01);
  CHECK(to_vector<float>(data::adding_problem(5, {.seed = 1}).x) == to_vector<float>(data::adding_problem(5, {.seed = 1}).x));
  CHECK(to_vector<float>(data::adding_problem(5, {.seed = 1}).x) != to_vector<float>(data::adding_problem(5, {.seed = 2}).x));
  CHECK(data::adding_problem(0).x.shape() == Shape{0, 100, 2});
}

TEST_CASE("options out of range are refused") {
  CHECK(has(error_of([] { (void)data::adding_problem(4, {.length = 1}); }), "length 1"));
  CHECK(has(error_of([] { (void)data::adding_problem(-1); }), "-1 samples"));
  CHECK(has(error_of([] { (void)data::adding_problem(Index{1} << 40); }), "samples"));
  CHECK(has(error_of([] { (void)data::two_spirals(4, {.noise = -1}); }), "noise is -1"));
  CHECK(has(error_of([] { (void)data::two_spirals(4, {.noise = std::nan("")}); }), "noise is nan"));
  CHECK(has(error_of([] { (void)data::two_spirals(4, {.turns = 0}); }), "turns is 0"));
  CHECK(has(error_of([] { (void)data::circles(4, {.factor = 1}); }), "factor is 1"));
  CHECK(has(error_of([] { (void)data::blobs(4, {.classes = 0}); }), "0 classes"));
  CHECK(
      has(error_of([] { (void)data::blobs(4, {.classes = Index{1} << 40, .features = Index{1} << 40}); }), "too many"));
  CHECK(has(error_of([] { (void)data::checkerboard(4, {.cells = 1}); }), "1 cells"));
  CHECK(has(error_of([] { (void)data::gaussian_ring(4, {.components = 0}); }), "0 components"));
  CHECK(has(error_of([] { (void)data::gaussian_ring(4, {.radius = 0}); }), "radius is 0"));
  CHECK(has(error_of([] { (void)data::gaussian_ring(4, {.deviation = -1}); }), "deviation is -1"));
  CHECK(has(error_of([] { (void)data::sine(4, {.frequency = 0}); }), "frequency is 0"));
}
