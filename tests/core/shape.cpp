#include "gradus/core/shape.hpp"

#include <doctest/doctest.h>

#include "gradus/core/error.hpp"

using namespace gradus;

TEST_CASE("a shape holds sizes and prints them") {
  const Shape shape{2, 3, 5};
  CHECK(shape.size() == 3);
  CHECK(shape.numel() == 30);
  CHECK(shape.product(1, 3) == 15);
  CHECK(to_string(shape) == "(2, 3, 5)");
  CHECK(to_string(Shape{}) == "()");
  CHECK(to_string(Shape{7}) == "(7)");
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{4, 0, 3}.numel() == 0);
  CHECK(shape == Shape{2, 3, 5});
  CHECK(!(shape == Shape{2, 3}));
}

TEST_CASE("axes are inserted and erased") {
  Shape shape{2, 5};
  shape.insert(1, 3);
  CHECK(shape == Shape{2, 3, 5});
  shape.erase(0);
  CHECK(shape == Shape{3, 5});
  shape.push_back(7);
  CHECK(shape == Shape{3, 5, 7});
  CHECK_THROWS_AS(Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), Error);
}

TEST_CASE("axes count from both ends") {
  CHECK(normalize_axis("sum", -1, Shape{2, 3}) == 1);
  CHECK(normalize_axis("sum", 0, Shape{2, 3}) == 0);
  CHECK_THROWS_WITH_AS(normalize_axis("sum", 2, Shape{2, 3}),
                       "sum: there is no axis 2 in a tensor of shape (2, 3); its axes are 0 to 1, or -2 to -1 from the back",
                       Error);
  CHECK_THROWS_AS(normalize_axis("sum", 0, Shape{}), Error);
}

TEST_CASE("broadcasting follows NumPy") {
  CHECK(broadcast_shapes("add", {4, 1, 3}, {2, 1}) == Shape{4, 2, 3});
  CHECK(broadcast_shapes("add", {}, {2, 1}) == Shape{2, 1});
  CHECK(broadcast_shapes("add", {0, 3}, {1, 3}) == Shape{0, 3});
  CHECK_THROWS_WITH_AS(broadcast_shapes("add", {2, 3}, {4, 5}),
                       "add: shapes (2, 3) and (4, 5) do not broadcast: sizes 3 and 5 at axis 1 from the back are neither "
                       "equal nor 1",
                       Error);
  CHECK(broadcasts_to({1, 3}, {4, 2, 3}));
  CHECK(!broadcasts_to({4, 2, 3}, {2, 3}));
  CHECK(!broadcasts_to({2, 3}, {4, 3, 3}));
}
