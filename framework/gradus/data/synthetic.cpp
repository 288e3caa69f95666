#include "gradus/data/synthetic.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/core/generator.hpp"
#include "gradus/kernels/random.hpp"

namespace gradus::data {
namespace {

constexpr double pi = std::numbers::pi;

// All draws of one problem, in the order in which they are asked for.
class Source {
 public:
  Source(const char* operation, const std::optional<std::uint64_t>& seed)
      : operation_(operation), generator_(seed ? Generator(*seed).split(operation) : drawn()) {}

  std::vector<double> uniform(Index n, double low, double high) {
    std::vector<double> values(static_cast<std::size_t>(n));
    kernels::uniform(generator_.next(), low, high, values.data(), n);
    return values;
  }
  std::vector<double> normal(Index n, double deviation) {
    std::vector<double> values(static_cast<std::size_t>(n));
    if (deviation > 0) kernels::normal(generator_.next(), 0.0, deviation, values.data(), n);
    return values;
  }

 private:
  Generator drawn() const {
    const Generator::Draw draw = default_generator().next();
    return Generator(draw.key).split(draw.number).split(operation_);
  }

  const char* operation_;
  Generator generator_;
};

void check_size(const char* operation, Index n, Index features = 2) {
  constexpr Index most = 1'000'000'000;  // numbers, which are drawn in double precision: 8 GB
  if (n < 0) failf(operation, "{} samples were asked for", n);
  if (n > most / features) failf(operation, "{} samples of {} features are more than {} numbers", n, features, most);
}

void check_not_negative(const char* operation, const char* what, double value) {
  if (!(value >= 0 && std::isfinite(value)))
    failf(operation, "{} is {}; it must be finite and at least 0", what, value);
}

void check_positive(const char* operation, const char* what, double value) {
  if (!(value > 0 && std::isfinite(value))) failf(operation, "{} is {}; it must be finite and above 0", what, value);
}

// A class problem of `features` coordinates: point(i, class, coordinates) sets those of sample i, then noise is added.
template <class Point>
Dataset classes_of_points(const char* operation, Index n, Index features, Index classes, double noise, Source& source,
                          Point&& point) {
  Dataset dataset;
  dataset.name = operation;
  dataset.x = Tensor::make(operation, {n, features}, float32);
  dataset.y = Tensor::make(operation, {n}, int64);
  for (Index c = 0; c < classes; ++c) dataset.class_names.push_back(fmt::format("{}", c));
  const std::vector<double> shift = source.normal(n * features, noise);
  std::vector<double> coordinates(static_cast<std::size_t>(features));
  for (Index i = 0; i < n; ++i) {
    const Index label = i % classes;
    point(std::size_t(i), label, coordinates.data());
    dataset.y.data<std::int64_t>()[i] = label;
    for (Index j = 0; j < features; ++j)
      dataset.x.data<float>()[i * features + j] =
          float(coordinates[std::size_t(j)] + shift[std::size_t(i * features + j)]);
  }
  return dataset;
}

}  // namespace

Dataset two_spirals(Index n, const SpiralOptions& options) {
  constexpr auto operation = "two_spirals";
  check_size(operation, n);
  check_not_negative(operation, "noise", options.noise);
  check_positive(operation, "turns", options.turns);
  Source source(operation, options.seed);
  const std::vector<double> t = source.uniform(n, 0, 1);
  return classes_of_points(operation, n, 2, 2, options.noise, source, [&](std::size_t i, Index label, double* p) {
    const double angle = 2 * pi * options.turns * t[i] + pi * double(label), radius = 0.2 + 1.8 * t[i];
    p[0] = radius * std::cos(angle);
    p[1] = radius * std::sin(angle);
  });
}

Dataset two_moons(Index n, const MoonOptions& options) {
  constexpr auto operation = "two_moons";
  check_size(operation, n);
  check_not_negative(operation, "noise", options.noise);
  Source source(operation, options.seed);
  const std::vector<double> a = source.uniform(n, 0, pi);
  return classes_of_points(operation, n, 2, 2, options.noise, source, [&](std::size_t i, Index label, double* p) {
    p[0] = label == 0 ? std::cos(a[i]) : 1 - std::cos(a[i]);
    p[1] = label == 0 ? std::sin(a[i]) : 0.5 - std::sin(a[i]);
  });
}

Dataset circles(Index n, const CircleOptions& options) {
  constexpr auto operation = "circles";
  check_size(operation, n);
  check_not_negative(operation, "noise", options.noise);
  if (!(options.factor > 0 && options.factor < 1))
    failf(operation, "factor is {}; it must lie between 0 and 1", options.factor);
  Source source(operation, options.seed);
  const std::vector<double> a = source.uniform(n, 0, 2 * pi);
  return classes_of_points(operation, n, 2, 2, options.noise, source, [&](std::size_t i, Index label, double* p) {
    const double radius = label == 0 ? 1 : options.factor;
    p[0] = radius * std::cos(a[i]);
    p[1] = radius * std::sin(a[i]);
  });
}

Dataset blobs(Index n, const BlobOptions& options) {
  constexpr auto operation = "blobs";
  check_not_negative(operation, "deviation", options.deviation);
  check_positive(operation, "box", options.box);
  if (options.classes < 1 || options.features < 1)
    failf(operation, "{} classes in {} features; at least 1 of each is needed", options.classes, options.features);
  Index coordinates = 0;
  if (__builtin_mul_overflow(options.classes, options.features, &coordinates) || coordinates > 100'000'000)
    failf(operation, "{} classes in {} features are too many", options.classes, options.features);
  check_size(operation, n, options.features);
  Source source(operation, options.seed);
  const std::vector<double> centres = source.uniform(coordinates, -options.box, options.box);
  return classes_of_points(operation, n, options.features, options.classes, options.deviation, source,
                           [&](std::size_t, Index label, double* p) {
                             for (Index j = 0; j < options.features; ++j)
                               p[j] = centres[std::size_t(label * options.features + j)];
                           });
}

Dataset checkerboard(Index n, const CheckerboardOptions& options) {
  constexpr auto operation = "checkerboard";
  check_size(operation, n);
  check_not_negative(operation, "noise", options.noise);
  if (options.cells < 2 || options.cells > 1'000'000)
    failf(operation, "{} cells per side; at least 2 and at most a million are possible", options.cells);
  Source source(operation, options.seed);
  const std::vector<double> pick = source.uniform(n, 0, 1), within = source.uniform(2 * n, 0, 1);
  // The fields of one colour in the order of rows; field k is the k-th of them, each equally likely.
  const Index side = options.cells;
  return classes_of_points(operation, n, 2, 2, options.noise, source, [&](std::size_t i, Index label, double* p) {
    const Index fields = (side * side + 1 - label) / 2, k = std::min(Index(pick[i] * double(fields)), fields - 1);
    const Index row = side % 2 == 1 ? (2 * k + label) / side : k / (side / 2);
    const Index column = side % 2 == 1 ? (2 * k + label) % side : 2 * (k % (side / 2)) + (row + label) % 2;
    p[0] = 2 * (double(column) + within[2 * i]) / double(side) - 1;
    p[1] = 2 * (double(row) + within[2 * i + 1]) / double(side) - 1;
  });
}

Dataset gaussian_ring(Index n, const GaussianRingOptions& options) {
  constexpr auto operation = "gaussian_ring";
  check_size(operation, n);
  check_positive(operation, "radius", options.radius);
  check_not_negative(operation, "deviation", options.deviation);
  if (options.components < 1 || options.components > 1'000'000)
    failf(operation, "{} components; at least 1 and at most a million are possible", options.components);
  Source source(operation, options.seed);
  return classes_of_points(operation, n, 2, options.components, options.deviation, source,
                           [&](std::size_t, Index label, double* p) {
                             const double angle = 2 * pi * double(label) / double(options.components);
                             p[0] = options.radius * std::cos(angle);
                             p[1] = options.radius * std::sin(angle);
                           });
}

Dataset sine(Index n, const SineOptions& options) {
  constexpr auto operation = "sine";
  check_size(operation, n);
  check_not_negative(operation, "noise", options.noise);
  check_positive(operation, "frequency", options.frequency);
  Source source(operation, options.seed);
  const std::vector<double> x = source.uniform(n, -1, 1), noise = source.normal(n, options.noise);
  Dataset dataset;
  dataset.name = operation;
  dataset.x = Tensor::make(operation, {n, 1}, float32);
  dataset.y = Tensor::make(operation, {n, 1}, float32);
  for (std::size_t i = 0; i < x.size(); ++i) {
    dataset.x.data<float>()[i] = float(x[i]);
    dataset.y.data<float>()[i] = float(std::sin(pi * options.frequency * x[i]) + noise[i]);
  }
  return dataset;
}

Dataset adding_problem(Index n, const AddingOptions& options) {
  constexpr auto operation = "adding_problem";
  if (options.length < 2) failf(operation, "sequences of length {}; one number in each half needs at least 2", options.length);
  check_size(operation, n, options.length);
  Source source(operation, options.seed);
  const std::vector<double> numbers = source.uniform(n * options.length, 0, 1), places = source.uniform(2 * n, 0, 1);
  Dataset dataset;
  dataset.name = operation;
  dataset.feature_names = {"number", "mark"};
  dataset.x = Tensor::make(operation, {n, options.length, 2}, float32);
  dataset.y = Tensor::make(operation, {n, 1}, float32);
  const Index half = options.length / 2;
  for (Index i = 0; i < n; ++i) {
    float* x = dataset.x.data<float>() + i * options.length * 2;
    for (Index t = 0; t < options.length; ++t) x[2 * t] = float(numbers[std::size_t(i * options.length + t)]), x[2 * t + 1] = 0;
    const Index first = Index(places[std::size_t(2 * i)] * double(half)),
                second = half + Index(places[std::size_t(2 * i + 1)] * double(options.length - half));
    x[2 * first + 1] = x[2 * second + 1] = 1;
    dataset.y.data<float>()[i] = x[2 * first] + x[2 * second];
  }
  return dataset;
}

}  // namespace gradus::data
