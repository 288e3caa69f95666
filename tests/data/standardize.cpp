#include "gradus/data/standardize.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "gradus/data/digits.hpp"
#include "gradus/tensor/factories.hpp"
#include "support.hpp"

using namespace gradus;

TEST_CASE("features become mean 0 and deviation 1") {
  const Tensor x = tensor({{1, 10, 7}, {2, 30, 7}, {6, 20, 7}});
  const data::Standardize scale{x};
  CHECK(scale.mean() == std::vector<double>{3, 20, 7});
  CHECK(scale.deviation()[0] == doctest::Approx(std::sqrt(14.0 / 3)));
  CHECK(scale.deviation()[2] == 1);
  const Tensor z = scale(x);
  const double d0 = std::sqrt(14.0 / 3), d1 = std::sqrt(200.0 / 3);
  const double expected[] = {-2 / d0, -10 / d1, 0, -1 / d0, 10 / d1, 0, 3 / d0, 0, 0};
  for (Index i = 0; i < 9; ++i) CHECK(double(z.data<float>()[i]) == doctest::Approx(expected[i]).epsilon(1e-6));
  const Tensor back = scale.inverse(z);
  for (Index i = 0; i < 9; ++i) CHECK(back.data<float>()[i] == doctest::Approx(x.data<float>()[i]));
  CHECK(x.data<float>()[0] == 1);  // the argument is not changed
  // Other rows, by the same numbers.
  CHECK(double(scale(tensor({{3, 20, 8}})).data<float>()[2]) == doctest::Approx(1));
}

TEST_CASE("images are treated by channel") {
  manual_seed(4);
  const Tensor x = uniform({5, 3, 7, 2}, -2, 9, {.dtype = float64});
  const Tensor z = data::Standardize{x}(x);
  for (Index c = 0; c < 3; ++c) {
    double sum = 0, squares = 0;
    for (Index n = 0; n < 5; ++n)
      for (Index i = 0; i < 14; ++i) {
        const double value = z.data<double>()[(n * 3 + c) * 14 + i];
        sum += value;
        squares += value * value;
      }
    CHECK(sum / 70 == doctest::Approx(0).epsilon(1e-12));
    CHECK(squares / 70 == doctest::Approx(1));
  }
  const Tensor n = data::normalize(full({2, 1, 2, 2}, 0.5), {0.25}, {0.125});
  for (Index i = 0; i < 8; ++i) CHECK(n.data<float>()[i] == 2);
}

TEST_CASE("a data set keeps all but its x") {
  const data::Dataset digits = data::digits();
  const data::Dataset scaled = data::Standardize{digits.x}(digits);
  CHECK(scaled.y.raw_data() == digits.y.raw_data());
  CHECK(scaled.class_names == digits.class_names);
  // Mean of all pixels: 561718 / (1797 * 64 * 16).
  CHECK(data::Standardize{digits.x}.mean()[0] == doctest::Approx(561718.0 / (1797 * 64 * 16)));
}

TEST_CASE("large offsets do not cancel, and equal numbers are no scale") {
  const Tensor x = from_vector<double>({1e8 + 1, 1e8 + 3, 1e8 + 2}, {3, 1});
  CHECK(data::Standardize{x}.deviation()[0] == doctest::Approx(std::sqrt(2.0 / 3)));
  CHECK(data::Standardize{full({7, 1}, 0.1)}.deviation()[0] == 1);
  CHECK(data::Standardize{zeros({7, 1})}.deviation()[0] == 1);
  CHECK(data::Standardize{full({1, 1}, 5)}(full({1, 1}, 5)).item() == 0);
}

TEST_CASE("standardize says what is impossible") {
  CHECK(has(error_of([] { data::Standardize{zeros({5})}; }), "(5)"));
  CHECK(has(error_of([] { data::Standardize{zeros({0, 2})}; }), "(0, 2)"));
  CHECK(has(error_of([] { data::Standardize{zeros({2, 2}, {.dtype = int64})}; }), "int64"));
  CHECK(has(error_of([] { data::Standardize{full({2, 2}, std::nan(""))}; }), "not finite"));
  CHECK(has(error_of([] { data::Standardize{full({2, 2}, std::numeric_limits<double>::infinity())}; }), "not finite"));
  CHECK(has(error_of([] { (void)data::Standardize{zeros({2, 2})}(zeros({2, 3})); }), "3 features"));
  CHECK(has(error_of([] { (void)data::normalize(zeros({2, 1}), {0}, {0}); }), "above 0"));
  CHECK(has(error_of([] { (void)data::normalize(zeros({2, 1}), {0, 1}, {1}); }), "2 means and 1 deviations"));
}
