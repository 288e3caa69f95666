#include "table.hpp"

#include <algorithm>

#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"

using namespace gradus;

namespace {

using In = std::vector<Tensor>;
using Sets = std::vector<Operation::Shapes>;
using Ranges = std::vector<Operation::Range>;

const Sets one{{{}}, {{0}}, {{1}}, {{7}}, {{2, 3}}, {{3, 0, 2}}, {{5, 1, 3}}, {{2, 1, 3, 1, 2, 1, 1, 2}}};
const Operation::Shapes large_one{{257, 301}};

const Sets two{{{}, {}},
               {{3}, {3}},
               {{2, 3}, {3}},
               {{3}, {2, 3}},
               {{2, 1}, {1, 5}},
               {{}, {2, 3}},
               {{2, 3}, {}},
               {{0, 3}, {3}},
               {{0}, {1}},
               {{1}, {0}},
               {{4, 1, 3}, {2, 1}},
               {{1, 1}, {7}},
               {{2, 1, 1, 1, 2, 1, 1, 2}, {1, 1, 3, 1, 1, 1, 1, 1}}};
const Operation::Shapes large_two{{257, 301}, {257, 1}};

// For reductions over an axis: sets with at least two axes, none of them empty where `full`.
const Sets reduced{{{2, 3}}, {{1, 1}}, {{5, 7}}, {{3, 1, 4}}, {{0, 3}}, {{3, 0}}, {{2, 2, 1, 3, 1, 1, 2, 1}}};
const Sets full{{{2, 3}}, {{1, 1}}, {{5, 7}}, {{3, 1, 4}}, {{2, 2, 1, 3, 1, 1, 2, 1}}};
const Sets several{{{2, 3}}, {{5, 7}}, {{3, 2, 4}}};  // at least two elements along every axis
const Sets square_sets{{{1, 1}}, {{3, 3}}, {{2, 5}}, {{5, 2}}, {{2, 3, 4}}, {{0, 2}}, {{2, 0}}};

Operation unary(std::string name, Tensor (*function)(const Tensor&), Operation::Range range = {}) {
  return {std::move(name), [function](const In& x) { return function(x[0]); }, one, {range}, large_one};
}
Operation binary(std::string name, Tensor (*function)(const Tensor&, const Tensor&), Ranges ranges = {{}}) {
  return {std::move(name), [function](const In& x) { return function(x[0], x[1]); }, two, std::move(ranges), large_two};
}
// The families above are for functions of any matrix, so one large matrix will do for those.
template <class F>
Operation with_one(std::string name, F function, const Sets& sets = one, Operation::Range range = {}) {
  const bool any_matrix =
      &sets == &one || &sets == &reduced || &sets == &full || &sets == &several || &sets == &square_sets;
  return {std::move(name),
          [function](const In& x) { return Tensor(function(x[0])); },
          sets,
          {range},
          any_matrix ? large_one : Operation::Shapes{}};
}
template <class F>
Operation with_two(std::string name, F function, Sets sets, Operation::Shapes large = {}) {
  return {std::move(name),
          [function](const In& x) { return Tensor(function(x[0], x[1])); },
          std::move(sets),
          {{}},
          std::move(large)};
}

// Indices in [0, n) that repeat and leave some out.
Tensor some_indices(const Shape& shape, Index n) {
  Tensor result = zeros(shape, {.dtype = int64});
  for (Index i = 0; i < result.numel(); ++i) result.data<std::int64_t>()[i] = (i * i + 2 * i) % n;
  return result;
}

Tensor checkerboard(const Shape& shape) {
  Tensor result = zeros(shape, {.dtype = int64});
  for (Index i = 0; i < result.numel(); ++i) result.data<std::int64_t>()[i] = i % 3 == 1;
  return result;
}

std::vector<Operation> build() {
  const Operation::Range positive{0.3, 2}, off_zero{0.3, 2, true};
  std::vector<Operation> table{
      // arithmetic
      binary("add", add),
      binary("sub", sub),
      binary("mul", mul),
      binary("div", div, {{}, off_zero}),
      binary("pow", pow, {positive, {}}),
      binary("maximum", maximum),
      binary("minimum", minimum),
      binary("remainder", remainder, {{5.1, 5.9}, {2.1, 2.4}}),
      with_one("add number", [](const Tensor& x) { return 1.5 + x; }),
      with_one("sub number", [](const Tensor& x) { return 1.5 - x; }),
      with_one("mul number", [](const Tensor& x) { return -1.5 * x; }),
      with_one("div number", [](const Tensor& x) { return x / 3; }),
      with_one(
          "number / x", [](const Tensor& x) { return 3 / x; }, one, off_zero),
      with_one("neg", [](const Tensor& x) { return -x; }),
      with_one("pow 2", [](const Tensor& x) { return pow(x, 2); }),
      with_one("pow 3", [](const Tensor& x) { return pow(x, 3); }),
      with_one("pow 1", [](const Tensor& x) { return pow(x, 1); }),
      with_one("pow 0", [](const Tensor& x) { return pow(x, 0); }),
      with_one(
          "pow -1.5", [](const Tensor& x) { return pow(x, -1.5); }, one, positive),
      with_one(
          "maximum number", [](const Tensor& x) { return maximum(x, 0.0); }, one, off_zero),
      with_one(
          "minimum number", [](const Tensor& x) { return minimum(x, 0.0); }, one, off_zero),
      with_one(
          "clamp", [](const Tensor& x) { return clamp(x, -0.25, 0.25); }, one, off_zero),
      {"where", [](const In& x) { return where(checkerboard(x[0].shape()), x[0], x[1]); }, two, {{}}, large_two},
      with_one("where number",
               [](const Tensor& x) {
                 return where(checkerboard(x.shape()), x, 3.0) + where(checkerboard(x.shape()), 2.0, x);
               }),
      with_one("masked_fill", [](const Tensor& x) { return masked_fill(x, checkerboard(x.shape()), -1); }),
      // pointwise
      unary("abs", abs, off_zero),
      unary("square", square),
      unary("reciprocal", reciprocal, off_zero),
      unary("sqrt", sqrt, positive),
      unary("rsqrt", rsqrt, positive),
      unary("exp", exp),
      unary("expm1", expm1),
      unary("log", log, positive),
      unary("log1p", log1p, {-0.7, 2}),
      unary("sin", sin),
      unary("cos", cos),
      unary("tan", tan, {-1, 1}),
      unary("erf", erf),
      unary("erfc", erfc),
      // reductions
      with_one("sum", [](const Tensor& x) { return sum(x); }),
      with_one(
          "mean", [](const Tensor& x) { return mean(x); }, full),
      with_one(
          "sum axis", [](const Tensor& x) { return sum(x, {.axes = {-1}}); }, reduced),
      with_one(
          "sum axis 0 keepdim", [](const Tensor& x) { return sum(x, {.axes = {0}, .keepdim = true}); }, reduced),
      with_one(
          "sum outer axes",
          [](const Tensor& x) {
            return sum(x, {.axes = {0, -1}});
          },
          reduced),
      with_one(
          "mean axis", [](const Tensor& x) { return mean(x, {.axes = {0}}); }, full),
      with_one(
          "var", [](const Tensor& x) { return var(x); }, several),
      with_one(
          "var axis", [](const Tensor& x) { return var(x, {.axes = {-1}, .correction = 0, .keepdim = true}); },
          several),
      with_one(
          "std axis", [](const Tensor& x) { return gradus::std(x, {.axes = {0}}); }, several),
      {"prod", [](const In& x) { return prod(x[0]); }, one, {off_zero}},
      with_one(
          "prod axis", [](const Tensor& x) { return prod(x, {.axes = {-1}}); }, reduced, off_zero),
      with_one(
          "prod axis 0 keepdim", [](const Tensor& x) { return prod(x, {.axes = {0}, .keepdim = true}); }, reduced,
          off_zero),
      with_one(
          "max", [](const Tensor& x) { return max(x); }, full),
      with_one(
          "min axis", [](const Tensor& x) { return min(x, {.axes = {0}}); }, full),
      with_one(
          "max axis keepdim", [](const Tensor& x) { return max(x, {.axes = {-1}, .keepdim = true}); }, full),
      with_one(
          "logsumexp", [](const Tensor& x) { return logsumexp(x); }, full),
      with_one(
          "logsumexp axis", [](const Tensor& x) { return logsumexp(x, {.axes = {0}}); }, full),
      with_one(
          "cumsum", [](const Tensor& x) { return cumsum(x, 0); }, reduced),
      with_one(
          "cumsum last", [](const Tensor& x) { return cumsum(x, -1); }, reduced),
      with_one(
          "norm", [](const Tensor& x) { return norm(x); }, full),
      with_one(
          "softmax", [](const Tensor& x) { return softmax(x, -1); }, reduced),
      with_one(
          "softmax 0", [](const Tensor& x) { return softmax(x, 0); }, reduced),
      with_one(
          "log_softmax", [](const Tensor& x) { return log_softmax(x, -1); }, reduced),
      with_one(
          "log_softmax 0", [](const Tensor& x) { return log_softmax(x, 0); }, reduced),
      // arrangements
      with_one("clone", [](const Tensor& x) { return x.clone(); }),
      with_one("reshape",
               [](const Tensor& x) {
                 return reshape(x, {x.numel(), 1});
               }),
      with_one("flatten", [](const Tensor& x) { return flatten(x); }),
      with_one("unsqueeze", [](const Tensor& x) { return squeeze(unsqueeze(unsqueeze(x.flatten(), 0), -1), 0); }),
      with_one("permute",
               [](const Tensor& x) {
                 return permute(x, {2, 0, 1});
               },
               {{{2, 3, 4}}, {{1, 5, 1}}, {{3, 0, 2}}}),
      with_one("permute 8",
               [](const Tensor& x) {
                 return permute(x, {7, 1, 5, 0, 2, 6, 4, 3});
               },
               {{{2, 3, 1, 2, 2, 1, 3, 2}}}),
      with_one(
          "transpose", [](const Tensor& x) { return transpose(x, 0, -1); }, reduced),
      with_one(
          "t", [](const Tensor& x) { return t(x); }, reduced),
      with_one(
          "slice", [](const Tensor& x) { return slice(x, 0, 1, 100, 2); }, reduced),
      with_one(
          "slice last", [](const Tensor& x) { return slice(x, -1, -2, 100); }, reduced),
      with_one(
          "select", [](const Tensor& x) { return select(x, -1, -1); }, full),
      with_one(
          "flip",
          [](const Tensor& x) {
            return flip(x, {0, -1});
          },
          reduced),
      with_two("cat",
               [](const Tensor& x, const Tensor& y) {
                 return cat({x, y, x}, 1);
               },
               {{{2, 3}, {2, 1}}, {{2, 0}, {2, 5}}, {{0, 3}, {0, 3}}}),
      with_two("stack",
               [](const Tensor& x, const Tensor& y) {
                 return stack({x, y}, -1);
               },
               {{{2, 3}, {2, 3}}, {{}, {}}, {{0}, {0}}}),
      with_one("split",
               [](const Tensor& x) {
                 const auto parts = split(x, {2, 0, 3}, 0);
                 return cat({parts[2], parts[0]}, 0);
               },
               {{{5}}, {{5, 2}}, {{5, 0}}}),
      with_one("chunk",
               [](const Tensor& x) {
                 const auto parts = chunk(x, 3, 0);
                 return parts[0].sum() * parts.back();
               },
               {{{5}}, {{7, 2}}, {{1, 3}}}),
      with_one("unbind",
               [](const Tensor& x) {
                 const auto parts = unbind(x, 1);
                 return parts[0] * parts.back();
               },
               {{{2, 3}}, {{3, 1}}, {{2, 2, 2}}}),
      with_one("repeat",
               [](const Tensor& x) {
                 return repeat(x, {2, 1, 3});
               },
               {{{}}, {{2}}, {{2, 3}}, {{2, 1, 2}}, {{0, 2}}}),
      with_one("repeat 0", [](const Tensor& x) { return repeat(x, {0}); }, {{{3}}, {{}}}),
      with_one("pad",
               [](const Tensor& x) {
                 return pad(x, {1, 2, -1, 3}, 0.5);
               },
               {{{2, 3}}, {{2, 1, 1}}, {{1, 0}}}),
      {"expand",
       [](const In& x) {
         return expand(x[0], {4, 2, 3});
       },
       {{{}}, {{3}}, {{2, 1}}, {{1, 1, 1}}, {{4, 2, 3}}}},
      {"expand to nothing",
       [](const In& x) {
         return expand(x[0], {0, 3});
       },
       {{{}}, {{3}}, {{1, 1}}}},
      with_one("sum_to",
               [](const Tensor& x) {
                 return sum_to(x, {3, 1});
               },
               {{{2, 3, 4}}, {{3, 1}}, {{5, 3, 0}}, {{3, 7}}}),
      with_one("to", [](const Tensor& x) { return x.dtype() == float64 ? x : x.to(float64); }),
      // by index
      with_one(
          "index_select", [](const Tensor& x) { return index_select(x, -1, some_indices({4}, x.size(-1))); }, full),
      with_one(
          "index_select nothing", [](const Tensor& x) { return index_select(x, 0, zeros({0}, {.dtype = int64})); },
          reduced),
      with_two(
          "index_add",
          [](const Tensor& x, const Tensor& y) { return index_add(x, 0, some_indices({y.size(0)}, x.size(0)), y); },
          {{{3, 2}, {5, 2}}, {{1}, {4}}, {{3, 2}, {0, 2}}}, {{61, 301}, {257, 301}}),
      with_one("gather",
               [](const Tensor& x) {
                 return gather(x, 0, some_indices({4, x.size(1)}, x.size(0)));
               },
               {{{2, 3}}, {{1, 1}}, {{5, 7}}}),
      with_one("gather a corner",
               [](const Tensor& x) {
                 return gather(x, 1, some_indices({1, 5}, x.size(1)));
               },
               {{{2, 3}}, {{1, 1}}}),
      with_two(
          "scatter_add",
          [](const Tensor& x, const Tensor& y) { return scatter_add(x, 1, some_indices(y.shape(), x.size(1)), y); },
          {{{2, 3}, {2, 5}}, {{1, 1}, {1, 4}}, {{3, 2}, {3, 0}}}, {{257, 61}, {257, 301}}),
      with_two("scatter_add into a corner",
               [](const Tensor& x, const Tensor& y) {
                 return scatter_add(x, 0, some_indices({2, 2}, x.size(0)), y);
               },
               {{{3, 4}, {2, 2}}, {{3, 2}, {3, 5}}}),
      with_one("take_along_dim",
               [](const Tensor& x) {
                 return take_along_dim(x, some_indices({1, 4}, x.size(1)), 1);
               },
               {{{2, 3}}, {{1, 1}}, {{5, 7}}}),
      with_one(
          "topk", [](const Tensor& x) { return topk(x, 1).values; }, full),
      with_one(
          "sort", [](const Tensor& x) { return sort(x, 0, true).values; }, reduced),
      with_one(
          "tril", [](const Tensor& x) { return tril(x, 1); }, square_sets),
      with_one(
          "triu", [](const Tensor& x) { return triu(x); }, square_sets),
      with_one(
          "diagonal", [](const Tensor& x) { return diagonal(x, -1, -1, 0); }, square_sets),
      with_one("diag", [](const Tensor& x) { return diag(x, -2); }, {{{1}}, {{4}}, {{0}}, {{5, 3}}}),
      // products
      with_two("matmul", [](const Tensor& x, const Tensor& y) { return matmul(x, y); },
               {{{2, 3}, {3, 4}},
                {{1, 1}, {1, 1}},
                {{3}, {3}},
                {{3}, {3, 2}},
                {{2, 3}, {3}},
                {{0, 3}, {3, 2}},
                {{2, 0}, {0, 3}},
                {{2, 3}, {3, 0}},
                {{5, 2, 3}, {3, 4}},
                {{5, 2, 0}, {0, 4}},
                {{2, 3}, {5, 3, 4}},
                {{5, 2, 3}, {5, 3, 4}},
                {{0, 2, 3}, {0, 3, 4}},
                {{2, 1, 2, 3}, {3, 3, 2}},
                {{3}, {2, 3, 2}},
                {{2, 2, 3}, {3}},
                {{1, 2, 3}, {4, 3, 1}}},
               {{67, 129}, {129, 65}}),
      with_two(
          "matmul transposed",
          [](const Tensor& x, const Tensor& y) { return matmul(x, y, {.transpose_a = true, .transpose_b = true}); },
          {{{3, 2}, {4, 3}}, {{5, 3, 2}, {4, 3}}, {{3, 2}, {5, 4, 3}}, {{0, 2}, {4, 0}}}),
      with_two("matmul transposed left",
               [](const Tensor& x, const Tensor& y) { return matmul(x, y, {.transpose_a = true}); },
               {{{3, 2}, {3, 4}}, {{5, 3, 2}, {5, 3, 4}}, {{2, 1, 3, 2}, {3, 3, 4}}}),
      with_two("matmul transposed right",
               [](const Tensor& x, const Tensor& y) { return matmul(x, y, {.transpose_b = true}); },
               {{{2, 3}, {4, 3}}, {{5, 2, 3}, {4, 3}}, {{5, 2, 0}, {4, 0}}}),
      with_two("bmm", [](const Tensor& x, const Tensor& y) { return bmm(x, y); },
               {{{5, 2, 3}, {5, 3, 4}}, {{1, 1, 1}, {1, 1, 1}}, {{0, 2, 3}, {0, 3, 1}}}, {{31, 40, 30}, {31, 30, 40}}),
      with_two("outer", [](const Tensor& x, const Tensor& y) { return outer(x, y); }, {{{3}, {4}}, {{1}, {0}}}),
      with_two("dot", [](const Tensor& x, const Tensor& y) { return dot(x, y); }, {{{3}, {3}}, {{0}, {0}}},
               {{100'003}, {100'003}}),
      with_two("einsum",
               [](const Tensor& x, const Tensor& y) {
                 return einsum("bij,bkj->kbi", {x, y});
               },
               {{{2, 3, 4}, {2, 5, 4}}, {{1, 1, 1}, {1, 1, 1}}, {{2, 3, 0}, {2, 5, 0}}}),
  };
  return table;
}

}  // namespace

std::vector<Tensor> Operation::inputs(const Shapes& set, DType dtype, std::uint64_t seed) const {
  Generator generator(seed);
  std::vector<Tensor> result;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const Range& range = ranges[std::min(i, ranges.size() - 1)];
    Tensor x = uniform(set[i], range.low, range.high, {.dtype = float64, .generator = &generator});
    if (range.both_signs) x = x * (bernoulli(set[i], 0.5, {.dtype = float64, .generator = &generator}) * 2.0 - 1.0);
    result.push_back(x.to(dtype).clone().requires_grad_());
  }
  return result;
}

const std::vector<Operation>& operations() {
  static const std::vector<Operation> table = build();
  return table;
}
