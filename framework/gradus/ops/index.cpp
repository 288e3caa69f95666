#include "gradus/ops/index.hpp"

#include <algorithm>
#include <limits>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/movement.hpp"
#include "gradus/kernels/sort.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/middle.hpp"
#include "gradus/ops/shape.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus {

using autograd::Grads;
using autograd::record;
using autograd::saves;
using autograd::Step;

namespace {

void check_indices(const char* operation, const Tensor& indices, const Shape& shape, std::size_t axis) {
  if (indices.dtype() != int64)
    failf(operation, "the indices are {} {}; they must be int64", indices.dtype(), indices.shape());
  const std::int64_t* values = indices.data<std::int64_t>();
  for (Index i = 0; i < indices.numel(); ++i)
    if (values[i] < 0 || values[i] >= shape[axis])
      failf(operation, "index {} is out of range for axis {} of shape {}, which has size {}", values[i], axis, shape,
            shape[axis]);
}

Shape with(Shape shape, std::size_t axis, Index size) {
  shape[axis] = size;
  return shape;
}

// The checked forms; their rules are each other.
Tensor add_rows(const char* operation, const Tensor& x, std::size_t axis, const Tensor& indices, const Tensor& source);

Tensor take_rows(const char* operation, const Tensor& x, std::size_t axis, const Tensor& indices) {
  Tensor value = Tensor::make(operation, with(x.shape(), axis, indices.numel()), x.dtype());
  const Middle m(x.shape(), axis);
  dispatch(x.dtype(), [&]<class T> {
    kernels::index_select(x.data<T>(), indices.data<std::int64_t>(), value.data<T>(), m.outer, m.n, m.inner,
                          indices.numel());
  });
  return record(operation, std::move(value), {x}, saves(indices),
                [operation, axis, from = x.shape()](const Tensor& g, const Tensor& places) {
                  return Grads{add_rows(operation, zeros(from, {.dtype = g.dtype()}), axis, places, g)};
                });
}

Tensor add_rows(const char* operation, const Tensor& x, std::size_t axis, const Tensor& indices, const Tensor& source) {
  Tensor value = x.detach().clone();
  const Middle m(x.shape(), axis);
  dispatch(x.dtype(), [&]<class T> {
    kernels::index_add(source.data<T>(), indices.data<std::int64_t>(), value.data<T>(), m.outer, m.n, m.inner,
                       indices.numel());
  });
  return record(operation, std::move(value), {x, source}, saves(indices),
                [operation, axis](const Tensor& g, const Tensor& places, const Step& step) {
                  return Grads{g, step.needs(1) ? take_rows(operation, g, axis, places) : Tensor{}};
                });
}

Tensor add_elements(const char* operation, const Tensor& x, std::size_t axis, const Tensor& indices,
                    const Tensor& source);

Tensor take_elements(const char* operation, const Tensor& x, std::size_t axis, const Tensor& indices) {
  Tensor value = Tensor::make(operation, indices.shape(), x.dtype());
  const Middle m(x.shape(), axis);
  dispatch(x.dtype(), [&]<class T> {
    kernels::gather(x.data<T>(), indices.data<std::int64_t>(), value.data<T>(), m.outer, m.n, m.inner,
                    indices.shape()[axis]);
  });
  return record(operation, std::move(value), {x}, saves(indices),
                [operation, axis, from = x.shape()](const Tensor& g, const Tensor& places) {
                  return Grads{add_elements(operation, zeros(from, {.dtype = g.dtype()}), axis, places, g)};
                });
}

Tensor add_elements(const char* operation, const Tensor& x, std::size_t axis, const Tensor& indices,
                    const Tensor& source) {
  Tensor value = x.detach().clone();
  const Middle m(x.shape(), axis);
  dispatch(x.dtype(), [&]<class T> {
    kernels::scatter_add(source.data<T>(), indices.data<std::int64_t>(), value.data<T>(), m.outer, m.n, m.inner,
                         indices.shape()[axis]);
  });
  return record(operation, std::move(value), {x, source}, saves(indices),
                [operation, axis](const Tensor& g, const Tensor& places, const Step& step) {
                  return Grads{g, step.needs(1) ? take_elements(operation, g, axis, places) : Tensor{}};
                });
}

// The leading part of x that `shape` covers, along all axes but one.
Tensor corner(Tensor x, const Shape& shape, std::size_t but) {
  for (std::size_t a = 0; a < shape.size(); ++a)
    if (a != but && x.shape()[a] != shape[a]) x = slice(x, Index(a), 0, shape[a]);
  return x;
}

constexpr std::size_t none = Shape::max_axes;

void check_covers(const char* operation, const char* what, const Tensor& x, const Tensor& indices, std::size_t but) {
  bool covers = x.dim() == indices.dim();
  for (std::size_t a = 0; covers && a < x.shape().size(); ++a) covers = a == but || indices.shape()[a] <= x.shape()[a];
  if (!covers)
    failf(operation,
          "indices of shape {} do not fit {} of shape {}: they must have as many axes and be no longer along any{}",
          indices.shape(), what, x.shape(), but == none ? "" : fmt::format(" but axis {}", but));
}

Tensor places(const char* operation, const Tensor& x, std::size_t axis, Index count, bool descending) {
  Tensor value = Tensor::make(operation, with(x.shape(), axis, count), int64);
  const Middle m(x.shape(), axis);
  dispatch(x.dtype(), [&]<class T> {
    kernels::order(x.data<T>(), value.data<std::int64_t>(), m.outer, m.n, m.inner, count, descending);
  });
  return value;
}

Tensor triangle(const char* operation, const Tensor& x, Index diagonal, bool lower) {
  if (x.dim() < 2) failf(operation, "needs matrices, got shape {}", x.shape());
  Tensor value = Tensor::make(operation, x.shape(), x.dtype());
  const Index columns = x.shape().back();
  dispatch(x.dtype(), [&]<class T> {
    kernels::triangle(x.data<T>(), value.data<T>(), x.shape().product(0, x.shape().size() - 2),
                      x.shape()[x.shape().size() - 2], columns, diagonal, lower);
  });
  return record(operation, std::move(value), {x}, [operation, diagonal, lower](const Tensor& g) {
    return Grads{triangle(operation, g, diagonal, lower)};
  });
}

}  // namespace

Tensor index_select(const Tensor& x, Index axis, const Tensor& indices) {
  const std::size_t a = normalize_axis("index_select", axis, x.shape());
  if (indices.dim() != 1) failf("index_select", "the indices have shape {}; a vector is needed", indices.shape());
  check_indices("index_select", indices, x.shape(), a);
  return take_rows("index_select", x, a, indices);
}

Tensor index_add(const Tensor& x, Index axis, const Tensor& indices, const Tensor& source) {
  const std::size_t a = normalize_axis("index_add", axis, x.shape());
  check_same_dtype("index_add", x, source);
  if (indices.dim() != 1) failf("index_add", "the indices have shape {}; a vector is needed", indices.shape());
  if (source.shape() != with(x.shape(), a, indices.numel()))
    failf("index_add", "{} indices along axis {} of shape {} need a source of shape {}, got {}", indices.numel(), axis,
          x.shape(), with(x.shape(), a, indices.numel()), source.shape());
  check_indices("index_add", indices, x.shape(), a);
  return add_rows("index_add", x, a, indices, source);
}

Tensor gather(const Tensor& x, Index axis, const Tensor& indices) {
  const std::size_t a = normalize_axis("gather", axis, x.shape());
  check_covers("gather", "x", x, indices, a);
  check_indices("gather", indices, x.shape(), a);
  return take_elements("gather", corner(x, indices.shape(), a), a, indices);
}

Tensor scatter_add(const Tensor& x, Index axis, const Tensor& indices, const Tensor& source) {
  const std::size_t a = normalize_axis("scatter_add", axis, x.shape());
  check_same_dtype("scatter_add", x, source);
  check_covers("scatter_add", "x", x, indices, a);
  check_covers("scatter_add", "source", source, indices, none);
  check_indices("scatter_add", indices, x.shape(), a);
  const Tensor used = corner(source, indices.shape(), none);
  if (with(x.shape(), a, 0) == with(indices.shape(), a, 0)) return add_elements("scatter_add", x, a, indices, used);
  // Indices that cover a corner of x only: the sums of the corner, among zeros.
  const Tensor start = zeros(with(indices.shape(), a, x.shape()[a]), {.dtype = x.dtype()});
  std::vector<Index> padding;
  for (std::size_t axis_back = x.shape().size(); axis_back-- > 0;) {
    padding.push_back(0);
    padding.push_back(x.shape()[axis_back] - start.shape()[axis_back]);
  }
  return x + pad(add_elements("scatter_add", start, a, indices, used), padding);
}

Tensor take_along_dim(const Tensor& x, const Tensor& indices, Index axis) {
  const std::size_t a = normalize_axis("take_along_dim", axis, x.shape());
  if (x.dim() != indices.dim())
    failf("take_along_dim", "x of shape {} and indices of shape {} must have equally many axes", x.shape(),
          indices.shape());
  const Shape rows = with(x.shape(), a, 1), chosen = with(indices.shape(), a, 1);
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows[i] != chosen[i] && rows[i] != 1 && chosen[i] != 1)
      failf("take_along_dim", "x of shape {} and indices of shape {} do not broadcast beyond axis {}", x.shape(),
            indices.shape(), axis);
  const Shape shape = broadcast_shapes("take_along_dim", rows, chosen);
  check_indices("take_along_dim", indices, x.shape(), a);
  return take_elements("take_along_dim", expand(x, with(shape, a, x.shape()[a])), a,
                       expand(indices, with(shape, a, indices.shape()[a])));
}

Tensor one_hot(const Tensor& labels, Index classes, const TensorOptions& options) {
  if (labels.dtype() != int64)
    failf("one_hot", "the labels are {} {}; they must be int64", labels.dtype(), labels.shape());
  const std::int64_t* values = labels.data<std::int64_t>();
  if (classes == -1) {
    if (labels.numel() == 0)
      failf("one_hot", "the number of classes of labels of shape {} must be given", labels.shape());
    const std::int64_t largest = *std::max_element(values, values + labels.numel());
    if (largest == std::numeric_limits<std::int64_t>::max()) failf("one_hot", "label {} is too large", largest);
    classes = std::max<Index>(largest + 1, 0);
  }
  Shape shape = labels.shape();
  shape.push_back(classes);
  Tensor result = zeros(shape, {.dtype = options.dtype.value_or(int64)});
  dispatch(result.dtype(), [&]<class T> {
    for (Index i = 0; i < labels.numel(); ++i) {
      if (values[i] < 0 || values[i] >= classes)
        failf("one_hot", "label {} is out of range for {} classes, in labels of shape {}", values[i], classes,
              labels.shape());
      result.data<T>()[i * classes + values[i]] = T(1);
    }
  });
  return options.requires_grad ? result.requires_grad_() : result;
}

Selection topk(const Tensor& x, Index k, Index axis, bool largest) {
  const std::size_t a = normalize_axis("topk", axis, x.shape());
  if (k < 0 || k > x.shape()[a])
    failf("topk", "k = {} is out of range for axis {} of shape {}, which has size {}", k, axis, x.shape(),
          x.shape()[a]);
  const Tensor indices = places("topk", x, a, k, largest);
  return {take_elements("topk", x, a, indices), indices};
}

Selection sort(const Tensor& x, Index axis, bool descending) {
  const std::size_t a = normalize_axis("sort", axis, x.shape());
  const Tensor indices = places("sort", x, a, x.shape()[a], descending);
  return {take_elements("sort", x, a, indices), indices};
}

Tensor argsort(const Tensor& x, Index axis, bool descending) {
  const std::size_t a = normalize_axis("argsort", axis, x.shape());
  return places("argsort", x, a, x.shape()[a], descending);
}

Tensor tril(const Tensor& x, Index diagonal) { return triangle("tril", x, diagonal, true); }
Tensor triu(const Tensor& x, Index diagonal) { return triangle("triu", x, diagonal, false); }

// Among the r c elements of a matrix, those of a diagonal are c + 1 apart.
Tensor diagonal(const Tensor& x, Index offset, Index axis0, Index axis1) {
  const std::size_t a = normalize_axis("diagonal", axis0, x.shape()), b = normalize_axis("diagonal", axis1, x.shape());
  if (a == b) failf("diagonal", "axes {} and {} of shape {} are the same", axis0, axis1, x.shape());
  std::vector<Index> axes;
  Shape shape;
  for (std::size_t i = 0; i < x.shape().size(); ++i)
    if (i != a && i != b) {
      axes.push_back(Index(i));
      shape.push_back(x.shape()[i]);
    }
  axes.push_back(Index(a));
  axes.push_back(Index(b));
  const Index rows = x.shape()[a], columns = x.shape()[b];
  shape.push_back(rows * columns);
  const Tensor flat = permute(x, axes).reshape(shape);
  const bool meets = offset < columns && offset > -rows;  // a diagonal far outside has no elements
  const Index count = !meets ? 0 : offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns);
  const Index start = !meets ? 0 : offset >= 0 ? offset : -offset * columns;
  return slice(flat, -1, start, count == 0 ? start : start + (count - 1) * (columns + 1) + 1, columns + 1);
}

Tensor diag(const Tensor& x, Index offset) {
  if (x.dim() == 2) return diagonal(x, offset);
  if (x.dim() != 1) failf("diag", "needs a vector or a matrix, got shape {}", x.shape());
  constexpr Index far = Index{1} << 31;
  if (offset < -far || offset > far) failf("diag", "a matrix with diagonal {} is too large", offset);
  const Index n = x.numel(), side = n + std::abs(offset);
  const Tensor start = zeros({side * side}, {.dtype = x.dtype()});
  Tensor indices = Tensor::make("diag", {n}, int64);
  for (Index i = 0; i < n; ++i)
    indices.data<std::int64_t>()[i] = (offset >= 0 ? offset : -offset * side) + i * (side + 1);
  return add_rows("diag", start, 0, indices, x).reshape({side, side});
}

}  // namespace gradus
