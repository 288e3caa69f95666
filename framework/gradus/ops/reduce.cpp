#include "gradus/ops/reduce.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/reduce.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/pointwise.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus {

using autograd::Grads;
using autograd::output;
using autograd::record;
using autograd::saves;
using kernels::ReduceOp;

namespace {

// Which axes go, and what is left of the shape with them as 1 (kept) and without them (dropped).
struct Axes {
  std::array<bool, Shape::max_axes> reduced{};
  Shape kept, dropped;
  Index count = 1;  // elements per result

  Axes(const char* operation, const Tensor& x, const std::vector<Index>& axes) {
    const Shape& shape = x.shape();
    if (axes.empty()) std::fill_n(reduced.begin(), shape.size(), true);
    for (const Index axis : axes) {
      const std::size_t a = normalize_axis(operation, axis, shape);
      if (reduced[a]) failf(operation, "axis {} is named twice", axis);
      reduced[a] = true;
    }
    for (std::size_t a = 0; a < shape.size(); ++a) {
      kept.push_back(reduced[a] ? 1 : shape[a]);
      if (reduced[a])
        count *= shape[a];
      else
        dropped.push_back(shape[a]);
    }
  }
  const Shape& result(bool keepdim) const { return keepdim ? kept : dropped; }
};

// Runs of neighbouring reduced axes are reduced one after another, each as the middle of (outer, n, inner).
Tensor apply(const char* operation, ReduceOp op, const Tensor& x, const Axes& axes, bool keepdim) {
  Tensor value = x.detach();
  for (std::size_t last = x.shape().size(); last > 0;) {
    if (!axes.reduced[last - 1]) {
      --last;
      continue;
    }
    std::size_t first = last - 1;
    while (first > 0 && axes.reduced[first - 1]) --first;
    Shape shape = value.shape();
    std::fill(shape.begin() + first, shape.begin() + last, 1);
    Tensor next = Tensor::make(operation, shape, x.dtype());
    dispatch(x.dtype(), [&]<class T> {
      kernels::reduce(op, value.data<T>(), next.data<T>(), value.shape().product(0, first), value.shape().product(first, last),
                      value.shape().product(last, value.shape().size()));
    });
    value = next;
    last = first;
  }
  return value.impl()->storage == x.impl()->storage ? value.clone().alias(axes.result(keepdim))
                                                    : value.alias(axes.result(keepdim));
}

// For each element the product of the other ones that are reduced with it: d prod / dx.
Tensor products_of_others(const Tensor& x, const Axes& axes) {
  std::vector<Index> list, order, back(x.shape().size());
  for (std::size_t a = 0; a < x.shape().size(); ++a)
    if (axes.reduced[a]) list.push_back(Index(a));
  if (list.empty()) return ones_like(x);
  const Tensor zero = x == 0.0;
  if (!autograd::is_recording() || sum(zero).item() == 0) {
    // prod / x_i while nothing is 0. With exactly one 0 only that element has a derivative, with more none has. Zeros are
    // replaced by 1 first, so nothing is divided by 0.
    const Tensor zeros = sum(zero, {.axes = list, .keepdim = true});
    const Tensor filled = where(zero, 1.0, x);
    return prod(filled, {.axes = list, .keepdim = true}) / filled * ((zeros == 0.0) + zero * (zeros == 1.0));
  }
  // To be differentiated again next to a 0, each product is written out, leaving its own element out: n^2 of them.
  for (std::size_t a = 0; a < x.shape().size(); ++a)
    if (!axes.reduced[a]) order.push_back(Index(a));
  order.insert(order.end(), list.begin(), list.end());
  for (std::size_t i = 0; i < order.size(); ++i) back[std::size_t(order[i])] = Index(i);
  const Tensor moved = x.permute(order);
  const Tensor rows = moved.reshape({x.numel() / axes.count, 1, axes.count});
  const Tensor others = where(eye(axes.count, {.dtype = x.dtype()}), 1.0, rows);
  return prod(others, {.axes = {2}}).reshape(moved.shape()).permute(back);
}

Tensor extreme(const char* operation, ReduceOp op, const Tensor& x, const ReduceOptions& options) {
  const Axes axes(operation, x, options.axes);
  if (axes.count == 0) failf(operation, "a tensor of shape {} has no elements along the reduced axes", x.shape());
  return record(operation, apply(operation, op, x, axes, options.keepdim), {x}, saves(x, output),
                [kept = axes.kept, list = options.axes](const Tensor& g, const Tensor& v, const Tensor& y) {
                  const Tensor chosen = v == y.detach().reshape(kept);
                  const Tensor share = chosen / sum(chosen, {.axes = list, .keepdim = true});
                  return Grads{g.reshape(kept) * share};
                });
}

Tensor arg_extreme(const char* operation, bool largest, const Tensor& x, Index axis, bool keepdim) {
  const std::size_t a = normalize_axis(operation, axis, x.shape());
  if (x.shape()[a] == 0) failf(operation, "axis {} of a tensor of shape {} is empty", axis, x.shape());
  Shape shape = x.shape();
  if (keepdim)
    shape[a] = 1;
  else
    shape.erase(a);
  Tensor value = Tensor::make(operation, shape, int64);
  dispatch(x.dtype(), [&]<class T> {
    kernels::arg_extreme(largest, x.data<T>(), value.data<std::int64_t>(), x.shape().product(0, a), x.shape()[a],
                         x.shape().product(a + 1, x.shape().size()));
  });
  return value;
}

Tensor cumsum_from(const Tensor& x, std::size_t axis, bool reverse) {
  Tensor value = Tensor::make("cumsum", x.shape(), x.dtype());
  dispatch(x.dtype(), [&]<class T> {
    kernels::cumsum(x.data<T>(), value.data<T>(), x.shape().product(0, axis), x.shape()[axis],
                    x.shape().product(axis + 1, x.shape().size()), reverse);
  });
  return record("cumsum", std::move(value), {x},
                [axis, reverse](const Tensor& g) { return Grads{cumsum_from(g, axis, !reverse)}; });
}

}  // namespace

Tensor sum(const Tensor& x, const ReduceOptions& options) {
  const Axes axes("sum", x, options.axes);
  return record("sum", apply("sum", ReduceOp::sum, x, axes, options.keepdim), {x},
                [kept = axes.kept, from = x.shape()](const Tensor& g) { return Grads{expand(g.reshape(kept), from)}; });
}

Tensor mean(const Tensor& x, const ReduceOptions& options) {
  check_floating("mean", x);
  const Axes axes("mean", x, options.axes);
  return sum(x, options) / double(axes.count);
}

Tensor var(const Tensor& x, const VarOptions& options) {
  check_floating("var", x);
  const Axes axes("var", x, options.axes);
  const Tensor deviation = x - mean(x, {.axes = options.axes, .keepdim = true});
  const double freedom = double(axes.count) - options.correction;
  // 0 / 0 is NaN, also where rounding would leave something else than 0 on top.
  return sum(square(deviation), {.axes = options.axes, .keepdim = options.keepdim}) *
         (freedom > 0 ? 1 / freedom : std::numeric_limits<double>::quiet_NaN());
}

Tensor std(const Tensor& x, const VarOptions& options) {
  // The root has no slope at 0, where all numbers are equal: the gradient is 0 there, as in PyTorch, not NaN.
  const Tensor variance = var(x, options), zero = variance.detach() == 0.0;
  return where(zero, 0.0, sqrt(where(zero, 1.0, variance)));
}

Tensor prod(const Tensor& x, const ReduceOptions& options) {
  const Axes axes("prod", x, options.axes);
  return record("prod", apply("prod", ReduceOp::prod, x, axes, options.keepdim), {x}, saves(x),
                [axes](const Tensor& g, const Tensor& v) { return Grads{g.reshape(axes.kept) * products_of_others(v, axes)}; });
}

Tensor max(const Tensor& x, const ReduceOptions& options) { return extreme("max", ReduceOp::maximum, x, options); }
Tensor min(const Tensor& x, const ReduceOptions& options) { return extreme("min", ReduceOp::minimum, x, options); }
Tensor argmax(const Tensor& x, Index axis, bool keepdim) { return arg_extreme("argmax", true, x, axis, keepdim); }
Tensor argmin(const Tensor& x, Index axis, bool keepdim) { return arg_extreme("argmin", false, x, axis, keepdim); }

Tensor logsumexp(const Tensor& x, const ReduceOptions& options) {
  check_floating("logsumexp", x);
  const Axes axes("logsumexp", x, options.axes);
  if (axes.count == 0) failf("logsumexp", "a tensor of shape {} has no elements along the reduced axes", x.shape());
  // The largest value comes out of the sum; it is a constant here, as its contributions to the derivative cancel. Where it is
  // infinite, 0 takes its place: inf - inf would be NaN.
  Tensor shift = max(x.detach(), {.axes = options.axes, .keepdim = true});
  shift = where(isfinite(shift), shift, 0.0);
  const Tensor total = sum(exp(x - shift), {.axes = options.axes, .keepdim = true});
  return (log(total) + shift).reshape(axes.result(options.keepdim));
}

Tensor cumsum(const Tensor& x, Index axis) {
  return cumsum_from(x, normalize_axis("cumsum", axis, x.shape()), false);
}

Tensor norm(const Tensor& x) {
  check_floating("norm", x);
  return record("norm", sqrt(sum(square(x.detach()))), {x}, saves(x, output),
                [](const Tensor& g, const Tensor& v, const Tensor& y) {
                  const Tensor safe = where(y.detach() == 0.0, 1.0, y);  // at 0 every direction is the same
                  return Grads{g * (v / safe)};
                });
}

}  // namespace gradus
