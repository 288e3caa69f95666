#include "gradus/data/augment.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "gradus/data/digits.hpp"
#include "gradus/tensor/factories.hpp"
#include "support.hpp"

using namespace gradus;
using data::Compose;
using data::RandomCrop;
using data::RandomHorizontalFlip;

namespace {

// Every element has a value of its own, none is 0.
template <class T = float>
Tensor numbered(const Shape& shape) {
  Tensor x = zeros(shape, {.dtype = dtype_of<T>});
  for (Index i = 0; i < x.numel(); ++i) x.data<T>()[i] = T(i + 1);
  return x;
}

template <class T = float>
T at(const Tensor& x, Index n, Index c, Index i, Index j) {
  return x.data<T>()[((n * x.size(1) + c) * x.size(2) + i) * x.size(3) + j];
}

// The value at (i, j) of a padded image.
template <class T>
T padded(const Tensor& x, Index n, Index c, Index i, Index j, T fill) {
  return i < 0 || j < 0 || i >= x.size(2) || j >= x.size(3) ? fill : at<T>(x, n, c, i, j);
}

// Whether sample n of `out` is the piece of sample n of x that begins at (top, left), in all channels.
template <class T>
bool is_piece(const Tensor& out, const Tensor& x, Index n, Index top, Index left, T fill) {
  for (Index c = 0; c < out.size(1); ++c)
    for (Index i = 0; i < out.size(2); ++i)
      for (Index j = 0; j < out.size(3); ++j)
        if (at<T>(out, n, c, i, j) != padded<T>(x, n, c, top + i, left + j, fill)) return false;
  return true;
}

template <class T>
void check_pieces(const Shape& shape, data::ImageSize size, Index padding, double fill) {
  CAPTURE(to_string(shape));
  const Tensor x = numbered<T>(shape);
  Generator generator(3);
  const Tensor out = RandomCrop{size, {.padding = padding, .fill = fill}}(x, generator);
  REQUIRE(out.shape() == Shape{shape[0], shape[1], size.height, size.width});
  REQUIRE(out.dtype() == x.dtype());
  for (Index n = 0; n < shape[0]; ++n) {
    bool found = false;
    for (Index top = -padding; top <= shape[2] + padding - size.height; ++top)
      for (Index left = -padding; left <= shape[3] + padding - size.width; ++left)
        found = found || is_piece<T>(out, x, n, top, left, T(fill));
    CHECK(found);
  }
}

}  // namespace

TEST_CASE("a random crop is a piece of the padded image, the same in all channels") {
  check_pieces<float>({20, 3, 7, 5}, 4, 0, 0);
  check_pieces<float>({20, 3, 7, 5}, {7, 5}, 2, -1.5);
  check_pieces<double>({20, 1, 4, 6}, {3, 11}, 3, 0.25);
  check_pieces<float>({10, 2, 1, 1}, 3, 4, 0);  // pieces with nothing of the image in them
  check_pieces<float>({3, 0, 4, 4}, 2, 0, 0);
  check_pieces<float>({0, 3, 4, 4}, 2, 0, 0);
  check_pieces<float>({2, 1, 0, 5}, {2, 3}, 1, 7);
}

TEST_CASE("without room a crop changes nothing") {
  const Tensor x = numbered({5, 3, 6, 4});
  Generator generator(1);
  CHECK(to_vector<float>(RandomCrop{{6, 4}}(x, generator)) == to_vector<float>(x));
}

TEST_CASE("all places of a crop are equally likely, and samples draw for themselves") {
  constexpr Index n = 9000;
  Tensor x = zeros({n, 1, 3, 3});
  for (Index i = 0; i < x.numel(); ++i) x.data<float>()[i] = float(i % 9);
  Generator generator(11);
  const Tensor out = RandomCrop{1}(x, generator);
  std::map<float, int> counts;
  for (Index i = 0; i < n; ++i) ++counts[out.data<float>()[i]];
  CHECK(counts.size() == 9);
  // Standard deviation sqrt(9000 * 1/9 * 8/9) = 29.8.
  for (const auto& [place, count] : counts) CHECK(std::abs(count - 1000) < 5 * 29.8);
}

TEST_CASE("a flip turns whole samples about, as often as p says") {
  for (const double p : {0.0, 0.3, 0.5, 1.0}) {
    CAPTURE(p);
    constexpr Index n = 4000;
    const Tensor x = numbered({n, 2, 3, 5});
    Generator generator(4);
    const Tensor out = RandomHorizontalFlip{p}(x, generator);
    Index flipped = 0;
    for (Index s = 0; s < n; ++s) {
      const bool turned = at(out, s, 0, 0, 0) != at(x, s, 0, 0, 0);
      flipped += turned;
      for (Index c = 0; c < 2; ++c)
        for (Index i = 0; i < 3; ++i)
          for (Index j = 0; j < 5; ++j) REQUIRE(at(out, s, c, i, j) == at(x, s, c, i, turned ? 4 - j : j));
    }
    CHECK(std::abs(double(flipped) - n * p) <= 5 * std::sqrt(n * p * (1 - p)));
  }
  Generator generator(4);
  CHECK(RandomHorizontalFlip{}(zeros({0, 3, 2, 2}), generator).shape() == Shape{0, 3, 2, 2});
  CHECK(to_vector<double>(RandomHorizontalFlip{1}(numbered<double>({1, 1, 2, 2}), generator)) == std::vector<double>{2, 1, 4, 3});
}

TEST_CASE("the same generator gives the same images; what comes after in a composition draws anew") {
  const Tensor x = numbered({50, 3, 8, 8});
  const Compose augment{{RandomCrop{8, {.padding = 4}}, RandomHorizontalFlip{}}};
  const auto drawn = [&](std::uint64_t seed) {
    Generator generator(seed);
    return to_vector<float>(augment(x, generator));
  };
  CHECK(drawn(5) == drawn(5));
  CHECK(drawn(5) != drawn(6));
  Generator generator(5);
  const Tensor cropped = RandomCrop{8, {.padding = 4}}(x, generator);
  CHECK(to_vector<float>(RandomHorizontalFlip{}(cropped, generator)) == drawn(5));
  CHECK(to_vector<float>(Compose{{}}(x, generator)) == to_vector<float>(x));
}

TEST_CASE("in a loader every epoch has images of its own, whoever prepares them") {
  const data::Dataset digits = data::digits();
  std::vector<std::vector<float>> runs;
  for (const Index prefetch : {0, 2}) {
    data::DataLoader loader{digits,
                            {.batch_size = 500,
                             .seed = 3,
                             .prefetch = prefetch,
                             .transform = Compose{{RandomCrop{8, {.padding = 1}}, RandomHorizontalFlip{}}}}};
    for (int epoch = 0; epoch < 2; ++epoch) {
      std::vector<float> seen;
      for (const auto& [x, y] : loader) {
        const std::vector<float> values = to_vector<float>(x);
        seen.insert(seen.end(), values.begin(), values.end());
      }
      runs.push_back(seen);
    }
  }
  CHECK(runs[0] == runs[2]);
  CHECK(runs[1] == runs[3]);
  CHECK(runs[0] != runs[1]);
}

TEST_CASE("transforms say what is impossible") {
  Generator generator(1);
  CHECK(has(error_of([] { RandomCrop{0}; }), "random_crop: a piece of 0 x 0"));
  CHECK(has(error_of([] { RandomCrop{{3, -1}}; }), "3 x -1"));
  CHECK(has(error_of([] { RandomCrop{3, {.padding = -1}}; }), "padding is -1"));
  const std::string large = error_of([&] { (void)RandomCrop{7, {.padding = 1}}(zeros({2, 3, 4, 8}), generator); });
  CHECK(has(large, "7 x 7"));
  CHECK(has(large, "(2, 3, 4, 8)"));
  CHECK(has(error_of([&] { (void)RandomCrop{2}(zeros({2, 3, 4}), generator); }), "(n, channels, height, width), got (2, 3, 4)"));
  CHECK(has(error_of([&] { (void)RandomCrop{2}(zeros({1, 1, 4, 4}, {.dtype = int64}), generator); }), "random_crop"));
  for (const double p : {-0.1, 1.1, std::nan("")}) CHECK(has(error_of([p] { RandomHorizontalFlip{p}; }), "a probability is in [0, 1]"));
  CHECK(has(error_of([&] { (void)RandomHorizontalFlip{}(zeros({4, 4}), generator); }), "random_horizontal_flip"));
  CHECK(has(error_of([] { Compose{{RandomCrop{2}, data::Transform{}}}; }), "transform 1 of 2 is empty"));
}
