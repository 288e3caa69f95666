// What misuse is answered with: the operation, the shapes, the rule.
#include <doctest/doctest.h>

#include <limits>

#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;

namespace {

const Tensor& a() {
  static const Tensor x = zeros({2, 3});
  return x;
}
const Tensor& b() {
  static const Tensor x = zeros({4, 5});
  return x;
}

template <class F>
void names_both(const char* operation, F f) {
  const std::string text = thrown([&] { (void)f(a(), b()); });
  CAPTURE(text);
  CHECK(text.find(std::string(operation) + ": ") == 0);
  CHECK(text.find("(2, 3)") != std::string::npos);
  CHECK(text.find("(4, 5)") != std::string::npos);
}

template <class F>
void refuses_axis(const char* operation, F f) {
  for (const Index axis : {Index{2}, Index{-3}, std::numeric_limits<Index>::max(), std::numeric_limits<Index>::min()})
    CHECK(thrown([&] { (void)f(a(), axis); }) ==
          std::string(operation) + ": there is no axis " + std::to_string(axis) +
              " in a tensor of shape (2, 3); its axes are 0 to 1, or -2 to -1 from the back");
}

template <class F>
void needs_floating(const char* operation, F f) {
  CHECK(thrown([&] {
          (void)f(zeros({2, 3}, {.dtype = int64}));
        }) == std::string(operation) + ": needs float32 or float64, got int64 (2, 3); convert with .to(float32)");
}

}  // namespace

TEST_CASE("operands that do not fit are both named") {
  names_both("add", [](const Tensor& x, const Tensor& y) { return x + y; });
  names_both("sub", [](const Tensor& x, const Tensor& y) { return x - y; });
  names_both("mul", [](const Tensor& x, const Tensor& y) { return x * y; });
  names_both("div", [](const Tensor& x, const Tensor& y) { return x / y; });
  names_both("pow", [](const Tensor& x, const Tensor& y) { return pow(x, y); });
  names_both("maximum", [](const Tensor& x, const Tensor& y) { return maximum(x, y); });
  names_both("minimum", [](const Tensor& x, const Tensor& y) { return minimum(x, y); });
  names_both("remainder", [](const Tensor& x, const Tensor& y) { return remainder(x, y); });
  names_both("floor_divide", [](const Tensor& x, const Tensor& y) { return floor_divide(x, y); });
  names_both("eq", [](const Tensor& x, const Tensor& y) { return x == y; });
  names_both("lt", [](const Tensor& x, const Tensor& y) { return x < y; });
  names_both("where", [](const Tensor& x, const Tensor& y) { return where(x, x, y); });
  names_both("where", [](const Tensor& x, const Tensor& y) { return where(y, x, x); });
  names_both("where", [](const Tensor& x, const Tensor& y) { return masked_fill(x, y, 0); });
  names_both("matmul", [](const Tensor& x, const Tensor& y) { return matmul(x, y); });
  names_both("matmul", [](const Tensor& x, const Tensor& y) { return matmul(x, y, {.transpose_a = true}); });
  names_both("bmm", [](const Tensor& x, const Tensor& y) { return bmm(x, y); });
  names_both("outer", [](const Tensor& x, const Tensor& y) { return outer(x, y); });
  names_both("dot", [](const Tensor& x, const Tensor& y) { return dot(x, y); });
  names_both("cat", [](const Tensor& x, const Tensor& y) { return cat({x, y}); });
  names_both("stack", [](const Tensor& x, const Tensor& y) { return stack({x, y}); });
  names_both("expand", [](const Tensor& x, const Tensor& y) { return expand(x, y.shape()); });
  names_both("sum_to", [](const Tensor& x, const Tensor& y) { return sum_to(x, y.shape()); });
  names_both("reshape", [](const Tensor& x, const Tensor& y) { return reshape(x, y.shape()); });
  names_both("allclose", [](const Tensor& x, const Tensor& y) { return allclose(x, y); });
  names_both("take_along_dim", [](const Tensor& x, const Tensor& y) { return take_along_dim(x, y.to(int64), 0); });
  names_both("gather", [](const Tensor& x, const Tensor& y) { return gather(x, 0, y.to(int64)); });
}

TEST_CASE("types never mix") {
  const Tensor single = zeros({2}), twice = zeros({2}, {.dtype = float64}), whole = zeros({2}, {.dtype = int64});
  const auto text = [](auto f) { return thrown([&] { (void)f(); }); };
  CHECK(text([&] { return single + twice; }) ==
        "add: the operands are float32 (2) and float64 (2); element types never mix, convert one with .to()");
  CHECK(text([&] { return whole * single; }).find("mul: the operands are int64 (2) and float32 (2)") == 0);
  CHECK(text([&] { return matmul(single, twice); }).find("matmul: ") == 0);
  CHECK(text([&] { return where(whole, single, twice); }).find("where: ") == 0);
  CHECK(text([&] { return cat({single, twice}); }).find("cat: ") == 0);
  CHECK(text([&] { return stack({single, twice}); }).find("cat: ") == 0);
  // A number takes the tensor's type; a fraction has no int64.
  CHECK((whole + 2).dtype() == int64);
  CHECK(text([&] { return whole + 0.5; }).find("add: the number 0.5") == 0);
  CHECK(text([&] { return clamp(whole, 0, 1e30); }).find("clamp: the number") == 0);
  CHECK(text([&] { return whole == std::numeric_limits<double>::quiet_NaN(); }).find("eq: ") == 0);
}

TEST_CASE("functions of real numbers refuse integers") {
  needs_floating("div", [](const Tensor& x) { return x / x; });
  needs_floating("div", [](const Tensor& x) { return x / 2; });
  needs_floating("div", [](const Tensor& x) { return 2 / x; });
  needs_floating("exp", [](const Tensor& x) { return exp(x); });
  needs_floating("log", [](const Tensor& x) { return log(x); });
  needs_floating("sqrt", [](const Tensor& x) { return sqrt(x); });
  needs_floating("sin", [](const Tensor& x) { return sin(x); });
  needs_floating("floor", [](const Tensor& x) { return floor(x); });
  needs_floating("isnan", [](const Tensor& x) { return isnan(x); });
  needs_floating("mean", [](const Tensor& x) { return mean(x); });
  needs_floating("var", [](const Tensor& x) { return var(x); });
  needs_floating("logsumexp", [](const Tensor& x) { return logsumexp(x); });
  needs_floating("norm", [](const Tensor& x) { return norm(x); });
  needs_floating("softmax", [](const Tensor& x) { return softmax(x, 0); });
  needs_floating("log_softmax", [](const Tensor& x) { return log_softmax(x, 0); });
  needs_floating("matmul", [](const Tensor& x) { return matmul(x, x.t()); });
}

TEST_CASE("an axis that is not there") {
  refuses_axis("sum", [](const Tensor& x, Index axis) { return sum(x, {.axes = {axis}}); });
  refuses_axis("mean", [](const Tensor& x, Index axis) { return mean(x, {.axes = {axis}}); });
  refuses_axis("var", [](const Tensor& x, Index axis) { return var(x, {.axes = {axis}}); });
  refuses_axis("prod", [](const Tensor& x, Index axis) { return prod(x, {.axes = {axis}}); });
  refuses_axis("max", [](const Tensor& x, Index axis) { return max(x, {.axes = {axis}}); });
  refuses_axis("min", [](const Tensor& x, Index axis) { return min(x, {.axes = {axis}}); });
  refuses_axis("argmax", [](const Tensor& x, Index axis) { return argmax(x, axis); });
  refuses_axis("argmin", [](const Tensor& x, Index axis) { return argmin(x, axis); });
  refuses_axis("logsumexp", [](const Tensor& x, Index axis) { return logsumexp(x, {.axes = {axis}}); });
  refuses_axis("cumsum", [](const Tensor& x, Index axis) { return cumsum(x, axis); });
  refuses_axis("softmax", [](const Tensor& x, Index axis) { return softmax(x, axis); });
  refuses_axis("log_softmax", [](const Tensor& x, Index axis) { return log_softmax(x, axis); });
  refuses_axis("squeeze", [](const Tensor& x, Index axis) { return squeeze(x, axis); });
  refuses_axis("transpose", [](const Tensor& x, Index axis) { return transpose(x, axis, 0); });
  refuses_axis("slice", [](const Tensor& x, Index axis) { return slice(x, axis, 0, 1); });
  refuses_axis("select", [](const Tensor& x, Index axis) { return select(x, axis, 0); });
  refuses_axis("flip", [](const Tensor& x, Index axis) { return flip(x, {axis}); });
  refuses_axis("cat", [](const Tensor& x, Index axis) { return cat({x}, axis); });
  refuses_axis("split", [](const Tensor& x, Index axis) { return split(x, {1}, axis); });
  refuses_axis("flatten", [](const Tensor& x, Index axis) { return flatten(x, axis); });
  refuses_axis("index_select",
               [](const Tensor& x, Index axis) { return index_select(x, axis, zeros({1}, {.dtype = int64})); });
  refuses_axis("sort", [](const Tensor& x, Index axis) { return sort(x, axis).values; });
  refuses_axis("argsort", [](const Tensor& x, Index axis) { return argsort(x, axis); });
  refuses_axis("topk", [](const Tensor& x, Index axis) { return topk(x, 1, axis).values; });
}

TEST_CASE("the rules of single operations") {
  const auto text = [](auto f) { return thrown([&] { (void)f(); }); };
  CHECK(text([] {
          return reshape(a(), {4, -1});
        }) == "reshape: a tensor of shape (2, 3) has 6 elements, which no size for the -1 in (4, -1) can hold");
  CHECK(text([] { return reshape(a(), {-1, -1}); }).find("more than one -1") != std::string::npos);
  CHECK(text([] { return reshape(a(), {-2, -3}); }).find("size -2") != std::string::npos);
  CHECK(text([] { return reshape(zeros({0}), {0, -1}); }).find("reshape: ") == 0);
  CHECK(text([] {
          return reshape(zeros({0}), {Index{1} << 32, Index{1} << 32});
        }).find("too large") != std::string::npos);
  CHECK(text([] {
          return reshape(zeros({0}), {0, Index{1} << 40, Index{1} << 40});
        }).find("too large") != std::string::npos);
  CHECK(text([] { return flatten(a(), 1, 0); }) == "flatten: axis 1 comes after axis 0 in a tensor of shape (2, 3)");
  CHECK(text([] { return squeeze(a(), 0); }) == "squeeze: axis 0 of shape (2, 3) has size 2, not 1");
  CHECK(text([] { return unsqueeze(a(), 3); }).find("unsqueeze: ") == 0);
  CHECK(text([] { return permute(a(), {0}); }) == "permute: 1 axes are named, but a tensor of shape (2, 3) has 2");
  CHECK(text([] { return permute(a(), {0, -2}); }) == "permute: axis -2 is named twice");
  CHECK(text([] { return slice(a(), 0, 0, 1, 0); }) == "slice: step 0 is not positive; use flip to go backwards");
  CHECK(text([] { return select(a(), 1, 3); }) == "select: index 3 is out of range for axis 1 of shape (2, 3)");
  CHECK(text([] { return a()[-3]; }).find("index -3") != std::string::npos);
  CHECK(text([] { return tensor(1)[0]; }).find("select: there is no axis 0") == 0);
  CHECK(text([] { return cat({}); }) == "cat: needs at least one tensor");
  CHECK(text([] { return stack({}); }) == "stack: needs at least one tensor");
  CHECK(text([] { return cat({tensor(1)}); }).find("none") != std::string::npos);
  CHECK(text([] { return split(a(), {1, 2}, 0); }) == "split: the sizes add up to 3, but axis 0 of shape (2, 3) has 2");
  CHECK(text([] { return split(a(), {-1, 3}, 0); }) == "split: size -1 is negative");
  CHECK(text([] { return chunk(a(), 0); }) == "chunk: 0 parts; at least 1 is needed");
  CHECK(text([] { return repeat(a(), {2}); }) == "repeat: 1 repeats for a tensor of shape (2, 3); each axis needs one");
  CHECK(text([] { return repeat(a(), {2, -1}); }) == "repeat: -1 repeats along axis 1");
  CHECK(text([] { return repeat(a(), {Index{1} << 40, Index{1} << 40}); }) != "nothing was thrown");
  CHECK(text([] { return pad(a(), {1}); }).find("pad: 1 amounts for a tensor of shape (2, 3)") == 0);
  CHECK(text([] {
          return pad(a(), {-2, -2});
        }) == "pad: cutting 2 and 2 off axis 1 of shape (2, 3) leaves less than nothing");
  CHECK(text([] { return clamp(a(), 1, 0); }) == "clamp: the lower bound 1 is not below the upper bound 0");
  CHECK(text([] { return sum(a(), {.axes = {0, -2}}); }) == "sum: axis -2 is named twice");
  CHECK(text([] {
          return max(zeros({0, 3}));
        }) == "max: a tensor of shape (0, 3) has no elements along the reduced axes");
  CHECK(text([] { return min(zeros({0, 3}), {.axes = {0}}); }).find("min: ") == 0);
  CHECK(text([] { return argmax(zeros({0, 3}), 0); }) == "argmax: axis 0 of a tensor of shape (0, 3) is empty");
  CHECK(text([] { return logsumexp(zeros({0})); }).find("logsumexp: ") == 0);
  CHECK(text([] { return t(zeros({3})); }) == "t: a tensor of shape (3) has no two axes to exchange");
  CHECK(text([] { return matmul(tensor(1), a()); }) == "matmul: shapes () and (2, 3): a scalar is no matrix, use *");
  CHECK(text([] { return matmul(zeros({3}), a(), {}); }).find("at least two axes") != std::string::npos);
  CHECK(text([] {
          return matmul(zeros({2, 2, 3}), zeros({3, 3, 2}));
        }).find("matmul: shapes (2) and (3) do not broadcast") == 0);
  CHECK(text([] { return slice(a(), 0, 0, 1, std::numeric_limits<Index>::max()); }) == "nothing was thrown");
  CHECK(text([] { return chunk(a(), std::numeric_limits<Index>::max()); }) == "nothing was thrown");
}

TEST_CASE("undefined tensors") {
  const Tensor none;
  CHECK(thrown([&] { (void)(none + a()); }).find("undefined") != std::string::npos);
  CHECK(thrown([&] { (void)exp(none); }).find("undefined") != std::string::npos);
  CHECK(thrown([&] { (void)cat({a(), none}); }).find("undefined") != std::string::npos);
  CHECK(thrown([&] { (void)none.sum(); }).find("undefined") != std::string::npos);
}
