// Values where opinions differ: NaN, infinities, zeros, ties, empty and scalar tensors, integers at their limits.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "gradus/autograd/backward.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

using namespace gradus;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double missing = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                       most = std::numeric_limits<std::int64_t>::max();

Tensor doubles(std::initializer_list<double> values) {
  return tensor(values, {.dtype = float64, .requires_grad = true});
}
Tensor integers(const std::vector<std::int64_t>& values) { return from_vector(values); }

// Equal, NaN included, and with the same sign of zero.
bool same(const Tensor& x, const std::vector<double>& expected) {
  const std::vector<double> values = to_vector<double>(x.to(float64));
  if (values.size() != expected.size()) return false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool both_nan = std::isnan(values[i]) && std::isnan(expected[i]);
    if (!both_nan && (values[i] != expected[i] || std::signbit(values[i]) != std::signbit(expected[i]))) return false;
  }
  return true;
}
bool exactly(const Tensor& x, const std::vector<std::int64_t>& expected) {
  return to_vector<std::int64_t>(x) == expected;
}

Tensor slope(const Tensor& y, const Tensor& x) { return grad(y.sum(), x); }

}  // namespace

TEST_CASE("maximum and minimum: NaN wins on either side, ties share") {
  const Tensor a = doubles({1, missing, 2, 3, -inf}), b = doubles({2, 1, missing, 3, inf});
  CHECK(same(maximum(a, b), {2, missing, missing, 3, inf}));
  CHECK(same(minimum(a, b), {1, missing, missing, 3, -inf}));
  CHECK(same(slope(maximum(a, b), a).slice(0, 3, 5), {0.5, 0}));
  CHECK(same(slope(maximum(a, b), b).slice(0, 3, 5), {0.5, 1}));
  CHECK(same(slope(minimum(a, b), a).slice(0, 3, 5), {0.5, 1}));
  // A number is no second input: at a tie the tensor gets all.
  const Tensor x = doubles({-1, 0, 1});
  CHECK(same(slope(maximum(x, 0.0), x), {0, 1, 1}));
  CHECK(same(slope(minimum(x, 0.0), x), {1, 1, 0}));
  CHECK(same(maximum(doubles({missing}), 0.0), {missing}));
}

TEST_CASE("max and min of an axis: ties share evenly, NaN wins") {
  const Tensor x = tensor({{1, 3, 3, 3}, {5, 5, 1, 2}}, {.dtype = float64, .requires_grad = true});
  const double third = 1.0 / 3;
  CHECK(allclose(slope(max(x, {.axes = {1}}), x),
                 tensor({{0, third, third, third}, {0.5, 0.5, 0, 0}}, {.dtype = float64})));
  CHECK(same(slope(max(x), x), {0, 0, 0, 0, 0.5, 0.5, 0, 0}));
  CHECK(same(slope(min(x), x), {0.5, 0, 0, 0, 0, 0, 0.5, 0}));
  CHECK(std::isnan(max(doubles({1, missing, 3})).item()));
  CHECK(std::isnan(min(doubles({1, 2, missing})).item()));
  CHECK(max(doubles({-inf, -inf})).item() == -inf);
  CHECK(argmax(doubles({1, missing, inf, missing}), 0).item() == 1);
  CHECK(argmin(doubles({-inf, 0, missing}), 0).item() == 2);
  CHECK(argmax(doubles({2, 7, 7}), 0).item() == 1);
  CHECK(max(integers({least, most, 0})).item<std::int64_t>() == most);
  CHECK(max(integers({least, least})).item<std::int64_t>() == least);
}

TEST_CASE("clamp passes the gradient on its bounds, and NaN through") {
  const Tensor x = doubles({-2, -1, 0, 1, 2, missing});
  CHECK(same(clamp(x, -1, 1), {-1, -1, 0, 1, 1, missing}));
  CHECK(same(slope(clamp(x, -1, 1), x).slice(0, 0, 5), {0, 1, 1, 1, 0}));
  CHECK(exactly(clamp(integers({-5, 5}), 0, 3), {0, 3}));
  CHECK(same(clamp(x, -inf, inf), {-2, -1, 0, 1, 2, missing}));
}

TEST_CASE("pow at its corners") {
  const Tensor a = doubles({0, 0, 0, -2, -2, -8, 2, inf, 0}), b = doubles({0, 2, -1, 3, 0.5, 1.0 / 3, -inf, 0, 1});
  CHECK(same(pow(a, b), {1, 0, inf, -8, missing, missing, 0, 1, 0}));
  // d/da = b a^(b-1)
  const Tensor by_a = slope(pow(a, b), a);
  CHECK(same(by_a.slice(0, 0, 5), {0, 0, -inf, 12, missing}));
  CHECK(same(by_a.slice(0, 8, 9), {1}));
  // d/db = a^b log(a): 0 at a = 0 for b >= 0, -inf below; none for negative a
  CHECK(same(slope(pow(a, b), b).slice(0, 0, 5), {0, 0, -inf, missing, missing}));
  CHECK(same(slope(pow(a, b), b).slice(0, 8, 9), {0}));
  // The mixed derivative at b = 0 is 1 / a, not 0.
  const Tensor x = doubles({2}), y = doubles({0});
  CHECK(grad(grad(pow(x, y).sum(), x, {.create_graph = true}).sum(), y).item() == doctest::Approx(0.5));
  CHECK(grad(grad(pow(x, y).sum(), y, {.create_graph = true}).sum(), x).item() == doctest::Approx(0.5));
  // At the corner itself all second derivatives are numbers.
  const Tensor p = doubles({0, 0}), q = doubles({0, 2});
  for (const Tensor& first :
       {grad(pow(p, q).sum(), p, {.create_graph = true}), grad(pow(p, q).sum(), q, {.create_graph = true})})
    for (const Tensor& second : grad(first.sum(), {p, q}, {.allow_unused = true}))
      CHECK(isfinite(second).sum().item() == 2);
  // with a number
  const Tensor z = doubles({0, -3, missing});
  CHECK(same(pow(z, 0), {1, 1, 1}));
  CHECK(same(slope(pow(z, 0), z), {0, 0, 0}));
  CHECK(same(pow(z, 2), {0, 9, missing}));
  CHECK(same(slope(pow(z, 1), z).slice(0, 0, 2), {1, 1}));
  CHECK(
      exactly(pow(integers({2, -1, 0, 3, 1, -1, 7}), integers({10, 3, 0, -1, -5, -2, 0})), {1024, -1, 1, 0, 1, 1, 1}));
}

TEST_CASE("signs, zeros and steps") {
  const Tensor x = doubles({-0.0, 0.0, -3, missing, -inf});
  CHECK(same(abs(x), {0, 0, 3, missing, inf}));
  CHECK(same(slope(abs(x), x).slice(0, 0, 3), {0, 0, -1}));
  CHECK(same(-x, {0.0, -0.0, 3, missing, inf}));
  CHECK(same(sign(x), {0, 0, -1, missing, -1}));
  CHECK(same(round(doubles({0.5, 1.5, 2.5, -0.5, -1.5, 1e300})), {0, 2, 2, -0.0, -2, 1e300}));
  CHECK(same(floor(doubles({-1.5, 1.5})), {-2, 1}));
  CHECK(same(ceil(doubles({-1.5, 1.5})), {-1, 2}));
  CHECK(same(isnan(x), {0, 0, 0, 1, 0}));
  CHECK(same(isfinite(x), {1, 1, 1, 0, 0}));
  CHECK(!floor(x).requires_grad());
}

TEST_CASE("floor_divide and remainder make up the dividend, as in Python") {
  const Tensor a = doubles({7, -7, 7, -7, 1, 5, -5, 6}), b = doubles({2, 2, -2, -2, 0.1, inf, inf, 3});
  CHECK(same(floor_divide(a, b), {3, -4, -4, 3, 9, 0, -1, 2}));
  const Tensor rest = remainder(a, b);
  CHECK(same(rest.slice(0, 0, 4), {1, 1, -1, -1}));
  CHECK(rest[4].item() == doctest::Approx(0.1));
  CHECK(same(rest.slice(0, 5, 7), {5, inf}));
  CHECK(exactly(floor_divide(integers({7, -7, 7, -7, least, least}), integers({2, 2, -2, -2, -1, 1})),
                {3, -4, -4, 3, least, least}));
  CHECK(exactly(remainder(integers({7, -7, 7, -7, least}), integers({2, 2, -2, -2, -1})), {1, 1, -1, -1, 0}));
  CHECK_THROWS_WITH_AS(remainder(integers({1}), integers({0})),
                       "remainder: an integer divisor is 0, in a tensor of shape (1)", Error);
  CHECK_THROWS_AS(floor_divide(integers({1, 2}), integers({1, 0})), Error);
  CHECK(same(doubles({1, -1, 0}) / doubles({0, 0, 0}), {inf, -inf, missing}));
}

TEST_CASE("integers wrap around") {
  const Tensor big = integers({most, least});
  CHECK(exactly(big + integers({1, -1}), {least, most}));
  CHECK(exactly(big - integers({-1, 1}), {least, most}));
  CHECK(exactly(big * 2, {-2, 0}));
  CHECK(exactly(-big, {-most, least}));
  CHECK(exactly(abs(big), {most, least}));
  CHECK(exactly(square(integers({std::int64_t{1} << 32})), {0}));
  CHECK(sum(integers({most, 1})).item<std::int64_t>() == least);
  CHECK(exactly(cumsum(integers({most, 1}), 0), {most, least}));
  CHECK(prod(integers({most, 2})).item<std::int64_t>() == -2);
  Tensor in_place = integers({most, 5});
  in_place.add_(integers({1, 1}), 2);
  CHECK(exactly(in_place, {least + 1, 7}));
  in_place.mul_(2);
  CHECK(exactly(in_place, {2, 14}));
  // Sums of integers are exact where doubles are not.
  CHECK(sum(integers({(std::int64_t{1} << 53), 1, 1, 1})).item<std::int64_t>() == (std::int64_t{1} << 53) + 3);
}

TEST_CASE("where keeps infinities of the other branch out of the gradient") {
  const Tensor x = doubles({-1, 0, 4});
  const Tensor y = where(x > 0.0, sqrt(x), 0.0);
  CHECK(same(y, {0, 0, 2}));
  const Tensor safe = where(x > 0.0, x, 1.0);
  CHECK(same(slope(where(x > 0.0, log(safe), 0.0), x), {0, 0, 0.25}));
  CHECK(same(where(doubles({missing, 0, 2}), 1.0, doubles({5, 6, 7})), {1, 6, 1}));
  CHECK(same(where(integers({0, 3}), doubles({1, 2}), doubles({3, 4})), {3, 2}));
  CHECK(same(masked_fill(doubles({1, inf}), integers({0, 1}), -inf), {1, -inf}));
}

TEST_CASE("variances of too few numbers are NaN, and the deviation of equal ones has no slope") {
  CHECK(std::isnan(var(doubles({3})).item()));
  CHECK(var(doubles({3}), {.correction = 0}).item() == 0);
  CHECK(std::isnan(var(zeros({0}, {.dtype = float64})).item()));
  CHECK(std::isnan(mean(zeros({0})).item()));
  CHECK(std::isnan(var(doubles({1, 2}), {.correction = 3}).item()));
  CHECK(var(doubles({1, 2, 4})).item() == doctest::Approx(7.0 / 3));
  const Tensor equal = doubles({2, 2, 2});
  CHECK(gradus::std(equal).item() == 0);
  CHECK(same(slope(gradus::std(equal), equal), {0, 0, 0}));
  CHECK(std::isnan(gradus::std(doubles({1, missing})).item()));
  // Two passes: a large mean costs no digits.
  const Tensor shifted = full({1000}, 1e8, {.dtype = float64}) + arange(1000, {.dtype = float64});
  CHECK(var(shifted).item() == doctest::Approx(1000.0 * 1001 / 12).epsilon(1e-12));
}

TEST_CASE("logsumexp and softmax of infinities and of large numbers") {
  CHECK(logsumexp(doubles({1000, 1000})).item() == doctest::Approx(1000 + std::log(2.0)));
  CHECK(logsumexp(doubles({-inf, 3})).item() == doctest::Approx(3));
  CHECK(logsumexp(doubles({-inf, -inf})).item() == -inf);
  CHECK(logsumexp(doubles({inf, 3})).item() == inf);
  CHECK(logsumexp(doubles({inf, -inf})).item() == inf);
  CHECK(std::isnan(logsumexp(doubles({missing, 3})).item()));
  const Tensor masked = doubles({-inf, 0, 0});
  CHECK(same(slope(logsumexp(masked), masked), {0, 0.5, 0.5}));
  CHECK(same(softmax(masked, 0), {0, 0.5, 0.5}));
  CHECK(slope(softmax(masked, 0).square(), masked)[0].item() == 0);
  CHECK(log_softmax(doubles({0, -2000}), 0)[1].item() == -2000);
  CHECK(isnan(softmax(doubles({-inf, -inf}), 0)).sum().item() == 2);
  CHECK(softmax(full({3}, 3e38F), 0)[0].item() == doctest::Approx(1.0 / 3));
}

TEST_CASE("products with zeros have right first and second derivatives") {
  const Tensor one = doubles({2, 0, 5}), two = doubles({0, 3, 0}), none = doubles({2, 3, 4});
  CHECK(same(slope(prod(one), one), {0, 10, 0}));
  CHECK(same(slope(prod(two), two), {0, 0, 0}));
  CHECK(same(slope(prod(none), none), {12, 8, 6}));
  for (const Tensor& x : {one, two, none})
    for (Index i = 0; i < 3; ++i) {
      const Tensor first = grad(prod(x), x, {.create_graph = true});
      const std::vector<double> v = to_vector<double>(x);
      std::vector<double> expected(3);
      for (Index j = 0; j < 3; ++j) expected[std::size_t(j)] = i == j ? 0 : v[std::size_t(3 - i - j)];
      CHECK(allclose(grad(first[i], x), from_vector(expected)));
    }
  CHECK(prod(zeros({0})).item() == 1);
}

TEST_CASE("the norm has slope 0 at 0") {
  const Tensor x = doubles({0, 0}), y = doubles({3, -4});
  CHECK(norm(x).item() == 0);
  CHECK(same(slope(norm(x), x), {0, 0}));
  CHECK(allclose(slope(norm(y), y), tensor({0.6, -0.8}, {.dtype = float64})));
  CHECK(norm(zeros({0})).item() == 0);
}

TEST_CASE("sums of float32 are added up in double") {
  const Tensor x = full({20'000'000}, 0.1);
  CHECK(sum(x).item() == doctest::Approx(2e6).epsilon(1e-6));
  CHECK(mean(x).item() == doctest::Approx(0.1).epsilon(1e-6));
  CHECK(sum(x.reshape({10, 2'000'000}), {.axes = {1}})[3].item() == doctest::Approx(2e5).epsilon(1e-6));
  CHECK(sum(x.reshape({2'000'000, 10}), {.axes = {0}})[3].item() == doctest::Approx(2e5).epsilon(1e-6));
  CHECK(cumsum(x, 0)[-1].item() == doctest::Approx(2e6).epsilon(1e-6));
  CHECK(sum(tensor({1e8, 1, -1e8})).item() == 1);
}

TEST_CASE("cumsum and its reverse") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}}, {.dtype = float64, .requires_grad = true});
  CHECK(same(cumsum(x, 1), {1, 3, 6, 4, 9, 15}));
  CHECK(same(cumsum(x, 0), {1, 2, 3, 5, 7, 9}));
  const Tensor w = tensor({{1, 10, 100}, {2, 20, 200}}, {.dtype = float64});
  CHECK(same(grad((cumsum(x, 1) * w).sum(), x), {111, 110, 100, 222, 220, 200}));
}

TEST_CASE("scalars go through") {
  const Tensor x = tensor(2, {.dtype = float64, .requires_grad = true});
  CHECK(sum(x).item() == 2);
  CHECK(max(x).item() == 2);
  CHECK(prod(x).item() == 2);
  CHECK(logsumexp(x).item() == doctest::Approx(2));
  CHECK(norm(x).item() == 2);
  CHECK(flatten(x).shape() == Shape{1});
  CHECK(flip(x, {}).item() == 2);
  CHECK(permute(x, {}).item() == 2);
  CHECK(expand(x, {2, 2}).sum().item() == 8);
  CHECK(stack({x, x}).shape() == Shape{2});
  CHECK(grad(sum(x) * max(x) * x, x).item() == doctest::Approx(12));
  // The result of a reduction without an axis is not the input itself.
  Tensor copy = sum(x).detach();
  copy.fill_(9);
  CHECK(x.item() == 2);
}

TEST_CASE("empty tensors go through") {
  const Tensor x = zeros({0, 3}, {.requires_grad = true});
  CHECK(sum(x).item() == 0);
  CHECK(same(sum(x, {.axes = {0}}), {0, 0, 0}));
  CHECK(sum(x, {.axes = {1}}).shape() == Shape{0});
  CHECK(max(x, {.axes = {1}}).shape() == Shape{0});
  CHECK(argmax(x, 1).shape() == Shape{0});
  CHECK(softmax(x, 1).shape() == Shape{0, 3});
  CHECK(softmax(x, 0).shape() == Shape{0, 3});
  CHECK(cat({x, ones({2, 3})}).shape() == Shape{2, 3});
  CHECK(reshape(x, {3, 0}).shape() == Shape{3, 0});
  CHECK(matmul(zeros({2, 3, 0}), zeros({0, 4})).sum().item() == 0);
  CHECK(matmul(zeros({2, 3, 0}), zeros({0, 4})).shape() == Shape{2, 3, 4});
  CHECK(dot(zeros({0}), zeros({0})).item() == 0);
  CHECK(slope(x * 2.0, x).shape() == Shape{0, 3});
  CHECK(chunk(x, 2).size() == 1);
}

TEST_CASE("undoing a broadcast, over all broadcasts of three axes") {
  // Each axis of each operand is missing, 1 or full.
  const Index full_sizes[] = {2, 3, 4};
  for (int missing_axes = 0; missing_axes <= 3; ++missing_axes)
    for (int ones_at = 0; ones_at < 8; ++ones_at) {
      Shape small;
      for (int axis = missing_axes; axis < 3; ++axis) small.push_back((ones_at >> axis) & 1 ? 1 : full_sizes[axis]);
      CAPTURE(to_string(small));
      Generator generator(1);
      const Tensor x = randn({2, 3, 4}, {.dtype = float64, .generator = &generator});
      const Tensor summed = sum_to(x, small);
      REQUIRE(summed.shape() == small);
      Tensor naive = zeros(small, {.dtype = float64});
      Tensor value = randn(small, {.dtype = float64, .generator = &generator});
      const Tensor repeated = expand(value, {2, 3, 4});
      for (Index i = 0; i < 2; ++i)
        for (Index j = 0; j < 3; ++j)
          for (Index k = 0; k < 4; ++k) {
            const Index place[] = {i, j, k};
            Index at = 0;
            for (std::size_t a = 0; a < small.size(); ++a)
              at = at * small[a] + (small[a] == 1 ? 0 : place[a + std::size_t(missing_axes)]);
            naive.data<double>()[at] += x.data<double>()[(i * 3 + j) * 4 + k];
            CHECK(repeated.data<double>()[(i * 3 + j) * 4 + k] == value.data<double>()[at]);
          }
      CHECK(allclose(summed, naive, {.rtol = 1e-13, .atol = 1e-13}));
    }
  CHECK(to_vector<float>(sum_to(zeros({0, 3}), {1, 3})) == std::vector<float>{0, 0, 0});
  CHECK(expand(ones({1, 3}), {0, 3}).shape() == Shape{0, 3});
}
