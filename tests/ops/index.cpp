#include "gradus/ops/index.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "gradus/autograd/backward.hpp"
#include "gradus/autograd/mode.hpp"
#include "gradus/autograd/node.hpp"
#include "gradus/autograd/tape.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

using namespace gradus;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

Tensor indices(std::initializer_list<double> values) { return tensor(values, {.dtype = int64}); }

// The place of row-major element i of `shape`, axis by axis.
std::vector<Index> places(const Shape& shape, Index i) {
  std::vector<Index> result(shape.size());
  for (std::size_t a = shape.size(); a-- > 0;) {
    result[a] = i % shape[a];
    i /= shape[a];
  }
  return result;
}
Index offset(const Shape& shape, const std::vector<Index>& place) {
  Index at = 0;
  for (std::size_t a = 0; a < shape.size(); ++a) at = at * shape[a] + place[a];
  return at;
}

const std::vector<Shape> shapes{{5}, {1}, {2, 3}, {3, 1, 4}, {7, 5, 3}, {2, 1, 3, 1, 2, 1, 1, 2}};

}  // namespace

TEST_CASE("index_select and index_add follow their definition along every axis") {
  Generator generator(1);
  for (const Shape& shape : shapes)
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      for (const Index count : {0, 1, 11}) {
        CAPTURE(to_string(shape));
        CAPTURE(axis);
        const Tensor x = randn(shape, {.dtype = float64, .generator = &generator});
        const Tensor rows = randint(0, shape[axis], {count}, {.generator = &generator});
        const Tensor y = index_select(x, Index(axis), rows);
        Shape expected = shape;
        expected[axis] = count;
        REQUIRE(y.shape() == expected);
        Tensor sum = x.clone();
        for (Index i = 0; i < y.numel(); ++i) {
          std::vector<Index> place = places(expected, i);
          place[axis] = rows.data<std::int64_t>()[place[axis]];
          CHECK(y.data<double>()[i] == x.data<double>()[offset(shape, place)]);
          sum.data<double>()[offset(shape, place)] += y.data<double>()[i];
        }
        CHECK(allclose(index_add(x, Index(axis) - Index(shape.size()), rows, y), sum, {.rtol = 1e-14}));
      }
}

TEST_CASE("gather and scatter_add follow their definition along every axis") {
  Generator generator(2);
  for (const Shape& shape : shapes)
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      for (const bool smaller : {false, true}) {
        CAPTURE(to_string(shape));
        CAPTURE(axis);
        Shape chosen = shape;
        chosen[axis] = 6;
        if (smaller)
          for (std::size_t a = 0; a < shape.size(); ++a)
            if (a != axis) chosen[a] = (shape[a] + 1) / 2;
        const Tensor x = randn(shape, {.dtype = float64, .generator = &generator});
        const Tensor at = randint(0, shape[axis], chosen, {.generator = &generator});
        const Tensor y = gather(x, Index(axis), at);
        REQUIRE(y.shape() == chosen);
        Shape longer = chosen;
        if (smaller) longer[0] += 2;
        const Tensor source = randn(longer, {.dtype = float64, .generator = &generator});
        Tensor sum = x.clone();
        for (Index i = 0; i < y.numel(); ++i) {
          std::vector<Index> place = places(chosen, i);
          const double term = source.data<double>()[offset(longer, place)];
          place[axis] = at.data<std::int64_t>()[i];
          CHECK(y.data<double>()[i] == x.data<double>()[offset(shape, place)]);
          sum.data<double>()[offset(shape, place)] += term;
        }
        CHECK(allclose(scatter_add(x, Index(axis), at, source), sum, {.rtol = 1e-13, .atol = 1e-13}));
      }
}

TEST_CASE("take_along_dim broadcasts") {
  Generator generator(3);
  const Tensor x = randn({3, 1, 4}, {.generator = &generator});
  const Tensor at = indices({2, 0, 1}).reshape({1, 3, 1});
  const Tensor y = take_along_dim(x, at, 0);
  CHECK(y.shape() == Shape{1, 3, 4});
  for (Index j = 0; j < 3; ++j)
    for (Index k = 0; k < 4; ++k) CHECK(y[0][j][k].item() == x[at[0][j][0].item<std::int64_t>()][0][k].item());
  CHECK(allclose(take_along_dim(x, argsort(x, 2), 2), sort(x, 2).values));
}

TEST_CASE("the gradient of a repeated index adds up") {
  const Tensor x = tensor({1, 2, 3}, {.requires_grad = true});
  index_select(x, 0, indices({1, 1, 1, 2})).sum().backward();
  CHECK(to_vector<float>(x.grad()) == std::vector<float>{0, 3, 1});
  const Tensor m = tensor({{1, 2}, {3, 4}}, {.requires_grad = true});
  gather(m, 1, tensor({{0, 0}, {1, 0}}, {.dtype = int64})).square().sum().backward();
  CHECK(to_vector<float>(m.grad()) == std::vector<float>{4, 0, 6, 8});
}

TEST_CASE("integers and their wraparound") {
  const Tensor x = full({2}, 9007199254740992.0, {.dtype = int64});
  CHECK(index_select(x, 0, indices({1})).dtype() == int64);
  Tensor big = x.clone();
  big.data<std::int64_t>()[0] = std::numeric_limits<std::int64_t>::max();
  const Tensor sum = index_add(big, 0, indices({0}), tensor({1}, {.dtype = int64}));
  CHECK(sum.data<std::int64_t>()[0] == std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("one_hot") {
  const Tensor labels = tensor({{0, 2}, {1, 1}}, {.dtype = int64});
  const Tensor hot = one_hot(labels);
  CHECK(hot.shape() == Shape{2, 2, 3});
  CHECK(hot.dtype() == int64);
  CHECK(to_vector<std::int64_t>(hot) == std::vector<std::int64_t>{1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0});
  CHECK(one_hot(labels, 5, {.dtype = float32}).sum().item() == 4);
  CHECK(one_hot(zeros({0}, {.dtype = int64}), 3).shape() == Shape{0, 3});
  CHECK(one_hot(tensor(1, {.dtype = int64}), 2).shape() == Shape{2});
  CHECK_THROWS_WITH_AS(one_hot(labels, 2), "one_hot: label 2 is out of range for 2 classes, in labels of shape (2, 2)",
                       Error);
  CHECK_THROWS_WITH_AS(one_hot(indices({-1}), 2), doctest::Contains("label -1"), Error);
  CHECK_THROWS_WITH_AS(one_hot(zeros({2})), doctest::Contains("int64"), Error);
  CHECK_THROWS_WITH_AS(one_hot(zeros({0}, {.dtype = int64})), doctest::Contains("must be given"), Error);
}

TEST_CASE("sort is stable and puts NaN last, and argsort and topk agree with it") {
  const Tensor x = tensor({3, not_a_number, -inf, 3, 1, inf, -0.0, 0.0, not_a_number}, {.dtype = float64});
  CHECK(to_vector<std::int64_t>(argsort(x)) == std::vector<std::int64_t>{2, 6, 7, 4, 0, 3, 5, 1, 8});
  CHECK(to_vector<std::int64_t>(argsort(x, 0, true)) == std::vector<std::int64_t>{1, 8, 5, 0, 3, 4, 6, 7, 2});
  CHECK(to_vector<std::int64_t>(topk(x, 4).indices) == std::vector<std::int64_t>{1, 8, 5, 0});
  CHECK(to_vector<std::int64_t>(topk(x, 4, 0, false).indices) == std::vector<std::int64_t>{2, 6, 7, 4});

  Generator generator(5);
  for (const Shape& shape : shapes)
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      for (const bool descending : {false, true}) {
        // few different values, so that ties are common
        const Tensor y = randint(0, 4, shape, {.dtype = float64, .generator = &generator});
        const Selection sorted = sort(y, Index(axis), descending);
        const Index outer = shape.product(0, axis), n = shape[axis], inner = shape.product(axis + 1, shape.size());
        for (Index o = 0; o < outer; ++o)
          for (Index i = 0; i < inner; ++i) {
            std::vector<std::int64_t> order(std::size_t(n), 0);
            std::iota(order.begin(), order.end(), 0);
            const auto value = [&](std::int64_t k) { return y.data<double>()[(o * n + k) * inner + i]; };
            std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
              return descending ? value(a) > value(b) : value(a) < value(b);
            });
            for (Index k = 0; k < n; ++k) {
              CHECK(sorted.indices.data<std::int64_t>()[(o * n + k) * inner + i] == order[std::size_t(k)]);
              CHECK(sorted.values.data<double>()[(o * n + k) * inner + i] == value(order[std::size_t(k)]));
            }
          }
        for (Index k = 0; k <= n; ++k) {
          const Selection top = topk(y, k, Index(axis), descending);
          CHECK(allclose(top.indices, sorted.indices.slice(Index(axis), 0, k)));
          CHECK(allclose(top.values, sorted.values.slice(Index(axis), 0, k)));
        }
      }
  CHECK(sort(zeros({0})).values.shape() == Shape{0});
  CHECK(sort(zeros({0, 3}), 1).indices.shape() == Shape{0, 3});
  CHECK(sort(indices({3, 1, 2})).values.dtype() == int64);
}

TEST_CASE("triangles and diagonals") {
  Generator generator(6);
  for (const Shape& shape : std::vector<Shape>{{1, 1}, {3, 3}, {2, 5}, {5, 2}, {2, 3, 4}, {0, 2}, {2, 0}, {2, 0, 3}}) {
    const Tensor x = randn(shape, {.dtype = float64, .generator = &generator});
    const Index rows = x.size(-2), columns = x.size(-1);
    for (const Index k : {-9, -2, -1, 0, 1, 3, 9}) {
      CAPTURE(to_string(shape));
      CAPTURE(k);
      const Tensor low = tril(x, k), high = triu(x, k), line = diagonal(x, k, -2, -1);
      Index count = 0;
      for (Index i = 0; i < x.numel(); ++i) {
        const Index r = i / columns % rows, c = i % columns;
        CHECK(low.data<double>()[i] == (c - r <= k ? x.data<double>()[i] : 0));
        CHECK(high.data<double>()[i] == (c - r >= k ? x.data<double>()[i] : 0));
        if (c - r == k) CHECK(line.data<double>()[count++] == x.data<double>()[i]);
      }
      CHECK(line.numel() == count);
      CHECK(line.dim() == x.dim() - 1);
    }
  }
  // What is cut off does not leave a trace, not even an infinite one.
  const Tensor bad = tensor({{1, inf}, {not_a_number, 2}}, {.requires_grad = true});
  CHECK(to_vector<float>(tril(triu(bad))) == std::vector<float>{1, 0, 0, 2});
  CHECK(to_vector<float>(diag(bad)) == std::vector<float>{1, 2});
  CHECK(to_vector<float>(diag(tensor({1, 2}), 1)) == std::vector<float>{0, 1, 0, 0, 0, 2, 0, 0, 0});
  CHECK(to_vector<float>(diag(tensor({1, 2}), -1)) == std::vector<float>{0, 0, 0, 1, 0, 0, 0, 2, 0});
  CHECK(allclose(diag(diag(tensor({1, 2, 3}), 2), 2), tensor({1, 2, 3})));
  const Tensor cube = arange(24, {.dtype = float64}).reshape({2, 3, 4});
  CHECK(to_vector<double>(diagonal(cube, 0, 0, 2)) == std::vector<double>{0, 13, 4, 17, 8, 21});
  CHECK(to_vector<double>(diagonal(cube, -1, 2, 0)) == std::vector<double>{1, 14, 5, 18, 9, 22});
  CHECK(triu(tensor({{1, 2}, {3, 4}}, {.dtype = int64})).dtype() == int64);
  CHECK(tril(eye(2), std::numeric_limits<Index>::max()).sum().item() == 2);
  CHECK(triu(eye(2), std::numeric_limits<Index>::min()).sum().item() == 2);
  CHECK(diagonal(eye(2), std::numeric_limits<Index>::min()).numel() == 0);
}

TEST_CASE("unbind takes the axis apart") {
  const Tensor x = arange(12, {.dtype = float64}).reshape({2, 3, 2}).clone().requires_grad_();
  const std::vector<Tensor> parts = unbind(x, 1);
  REQUIRE(parts.size() == 3);
  CHECK(to_vector<double>(parts[1]) == std::vector<double>{2, 3, 8, 9});
  (parts[1] * 5.0).sum().backward();
  CHECK(to_vector<double>(x.grad()) == std::vector<double>{0, 0, 5, 5, 0, 0, 0, 0, 5, 5, 0, 0});
  CHECK(allclose(stack(parts, 1), x));
  CHECK(unbind(zeros({0, 3})).empty());
}

TEST_CASE("the gradients of parts are joined once, whichever are used") {
  const Tensor x = arange(24, {.dtype = float64}).reshape({4, 3, 2}).clone().requires_grad_();
  for (const bool recorded : {false, true})
    for (const Index axis : {0, 1, 2}) {
      CAPTURE(recorded);
      CAPTURE(axis);
      // The sum of cubes of some parts, one of them twice, against the same made of slices.
      const std::vector<Tensor> parts = unbind(x, axis);
      const Tensor y = (pow(parts[0], 3.0) + pow(parts[0], 3.0)).sum() + pow(parts.back(), 3.0).sum();
      const Index last = x.size(axis) - 1;
      const Tensor z = pow(x.slice(axis, 0, 1), 3.0).sum() * 2.0 + pow(x.slice(axis, last, last + 1), 3.0).sum();
      const GradOptions options{.retain_graph = true, .create_graph = recorded};
      const Tensor gy = grad(y, x, options), gz = grad(z, x, options);
      CHECK(allclose(gy, gz));
      CHECK(allclose(grad(y, x, options), gz));
      CHECK(gy.requires_grad() == recorded);
      if (recorded) CHECK(allclose(grad(square(gy).sum(), x, options), grad(square(gz).sum(), x, options)));
      // A part and the whole may be asked for together.
      const std::vector<Tensor> both = grad(y, {parts[0], x}, {.retain_graph = true});
      CHECK(allclose(both[0], square(parts[0]) * 6.0));
      CHECK(allclose(both[1], gz));
    }
  const std::vector<Tensor> parts = split(x, {1, 0, 2, 1});
  CHECK(to_vector<double>(grad(parts[2].sum() + parts[1].sum(), x).sum({.axes = {1, 2}})) ==
        std::vector<double>{0, 6, 6, 0});
}

TEST_CASE("parts know when the tape is gone, and forget what a pass has left") {
  const Tensor x = tensor({1, 2, 3}, {.requires_grad = true});
  std::vector<Tensor> parts = unbind(x);
  // As if a pass had ended between the parts and the whole.
  (void)parts[0].node()->apply(tensor(100), autograd::Step(1));
  CHECK(to_vector<float>(grad(parts[1] * 5.0, x)) == std::vector<float>{0, 5, 0});
  CHECK_THROWS_WITH_AS(grad(parts[1] * 5.0, x), doctest::Contains("freed by an earlier backward, at unbind"), Error);
  CHECK_THROWS_WITH_AS(grad(parts[2] * 5.0, x), doctest::Contains("freed by an earlier backward, at unbind"), Error);
  {
    const NoGrad off;
    CHECK_FALSE(unbind(x)[0].requires_grad());
  }
  CHECK_FALSE(unbind(tensor({1, 2}, {.dtype = int64}))[0].requires_grad());
}

TEST_CASE("a backward pass through n parts makes few arrays of the whole's size, however large n is") {
  // Recorded, so that the tape shows the arrays; for stack, whose gradient is taken apart, a second one.
  const auto whole_arrays = [](Index n) {
    const Tensor x = ones({n, 7}, {.dtype = float64, .requires_grad = true});
    std::vector<Tensor> parts = unbind(x);
    for (Tensor& part : parts) part = pow(part, 3.0);
    const Tensor g = grad(pow(stack(parts), 3.0).sum(), x, {.create_graph = true});
    const std::string tape = autograd::tape_table(grad(pow(g, 3.0).sum(), x, {.create_graph = true})),
                      shape = "(" + std::to_string(n) + ", 7)";
    std::size_t count = 0;
    for (std::size_t at = tape.find(shape); at != std::string::npos; at = tape.find(shape, at + 1)) ++count;
    return count;
  };
  CHECK(whole_arrays(16) > 0);
  CHECK(whole_arrays(16) == whole_arrays(48));
}

TEST_CASE("misuse names the operation, the index and the size") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(index_select(x, 1, indices({0, 3})),
                       "index_select: index 3 is out of range for axis 1 of shape (2, 3), which has size 3", Error);
  CHECK_THROWS_WITH_AS(index_select(x, 0, indices({-1})), doctest::Contains("index -1"), Error);
  CHECK_THROWS_WITH_AS(index_select(x, 0, zeros({2})), doctest::Contains("int64"), Error);
  CHECK_THROWS_WITH_AS(index_select(x, 0, zeros({2, 2}, {.dtype = int64})), doctest::Contains("(2, 2)"), Error);
  CHECK_THROWS_WITH_AS(index_select(x, 2, indices({0})), doctest::Contains("axis 2"), Error);
  CHECK_THROWS_WITH_AS(index_add(x, 0, indices({0}), zeros({1, 4})),
                       "index_add: 1 indices along axis 0 of shape (2, 3) need a source of shape (1, 3), got (1, 4)",
                       Error);
  CHECK_THROWS_WITH_AS(index_add(x, 0, indices({5}), zeros({1, 3})), doctest::Contains("index 5"), Error);
  CHECK_THROWS_WITH_AS(index_add(x, 0, indices({0}), zeros({1, 3}, {.dtype = float64})), doctest::Contains("float64"),
                       Error);
  CHECK_THROWS_WITH_AS(gather(x, 0, zeros({2}, {.dtype = int64})),
                       doctest::Contains("(2) do not fit x of shape (2, 3)"), Error);
  CHECK_THROWS_WITH_AS(gather(x, 0, zeros({1, 4}, {.dtype = int64})), doctest::Contains("(1, 4)"), Error);
  CHECK_THROWS_WITH_AS(gather(x, 0, full({1, 3}, 2, {.dtype = int64})), doctest::Contains("index 2"), Error);
  CHECK_THROWS_WITH_AS(scatter_add(x, 0, zeros({1, 3}, {.dtype = int64}), zeros({1, 2})),
                       doctest::Contains("source of shape (1, 2)"), Error);
  CHECK_THROWS_WITH_AS(scatter_add(x, 1, full({2, 3}, -7, {.dtype = int64}), zeros({2, 3})),
                       doctest::Contains("index -7"), Error);
  CHECK_THROWS_WITH_AS(topk(x, 4), "topk: k = 4 is out of range for axis -1 of shape (2, 3), which has size 3", Error);
  CHECK_THROWS_WITH_AS(topk(x, -1), doctest::Contains("k = -1"), Error);
  CHECK_THROWS_WITH_AS(sort(tensor(1)), doctest::Contains("axis -1"), Error);
  CHECK_THROWS_WITH_AS(tril(zeros({3})), "tril: needs matrices, got shape (3)", Error);
  CHECK_THROWS_WITH_AS(diagonal(x, 0, 1, -1), doctest::Contains("the same"), Error);
  CHECK_THROWS_WITH_AS(diag(zeros({1, 1, 1})), doctest::Contains("(1, 1, 1)"), Error);
  CHECK_THROWS_WITH_AS(unbind(x, 5), doctest::Contains("unbind"), Error);
}
