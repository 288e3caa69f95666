#include "gradus/nn/sparse.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/sparse.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn {

using autograd::Grads;
using autograd::record;

struct Csr::State {
  Index rows, columns;
  std::vector<Index> starts, indices;
  Tensor values;
  mutable std::once_flag once;
  mutable std::optional<Csr> transposed;
};

Csr::Csr(Index rows, Index columns, std::vector<Index> starts, std::vector<Index> indices, const Tensor& values) {
  constexpr auto operation = "Csr";
  if (rows < 0 || columns < 0) failf(operation, "{} rows and {} columns; neither may be negative", rows, columns);
  const Index entries = Index(indices.size());
  check_floating(operation, values);
  if (values.shape() != Shape{entries})
    failf(operation, "{} columns but values of shape {}; every entry has one of each", entries, values.shape());
  if (values.requires_grad()) failf(operation, "the values require a gradient, but they are constants; hint: detach()");
  if (Index(starts.size()) != rows + 1 || starts.front() != 0 || starts.back() != entries ||
      !std::is_sorted(starts.begin(), starts.end()))
    failf(operation, "the starts must be {} numbers rising from 0 to {}, the number of entries", rows + 1, entries);
  for (const Index column : indices)
    if (column < 0 || column >= columns) failf(operation, "column {} is out of range: there are {}", column, columns);
  auto state = std::make_shared<State>();
  state->rows = rows;
  state->columns = columns;
  state->starts = std::move(starts);
  state->indices = std::move(indices);
  state->values = values.clone();
  state_ = std::move(state);
}

Index Csr::rows() const { return state_->rows; }
Index Csr::columns() const { return state_->columns; }
Index Csr::entries() const { return Index(state_->indices.size()); }
DType Csr::dtype() const { return state_->values.dtype(); }
const std::vector<Index>& Csr::starts() const { return state_->starts; }
const std::vector<Index>& Csr::indices() const { return state_->indices; }
const Tensor& Csr::values() const { return state_->values; }

const Csr& Csr::transposed() const {
  const State& s = *state_;
  std::call_once(s.once, [&] {
    std::vector<Index> starts(std::size_t(s.columns) + 1), indices(s.indices.size());
    const Tensor values = empty_like(s.values);
    dispatch_floating("Csr", dtype(), [&]<class T> {
      kernels::transpose_csr(s.starts.data(), s.indices.data(), s.values.data<T>(), s.rows, s.columns, starts.data(),
                             indices.data(), values.data<T>());
    });
    s.transposed.emplace(s.columns, s.rows, std::move(starts), std::move(indices), values);
  });
  return *s.transposed;
}

Csr Csr::to(DType dtype) const {
  if (dtype == this->dtype()) return *this;
  return Csr(rows(), columns(), starts(), indices(), values().to(dtype));
}

Tensor Csr::to_dense() const {
  Tensor dense = zeros({rows(), columns()}, {.dtype = dtype()});
  dispatch_floating("Csr", dtype(), [&]<class T> {
    for (Index r = 0; r < rows(); ++r)
      for (Index e = starts()[std::size_t(r)]; e < starts()[std::size_t(r) + 1]; ++e)
        dense.data<T>()[r * columns() + indices()[std::size_t(e)]] += values().data<T>()[e];
  });
  return dense;
}

Csr adjacency(const Tensor& edges, Index nodes, const AdjacencyOptions& options) {
  constexpr auto operation = "adjacency";
  if (edges.dtype() != int64 || edges.dim() != 2 || edges.size(1) != 2)
    failf(operation, "the edges are {} {}; int64 (m, 2), source and target, is expected", edges.dtype(), edges.shape());
  if (nodes < 0) failf(operation, "{} nodes", nodes);
  const std::int64_t* ends = edges.data<std::int64_t>();
  struct Entry {
    Index row, column;
    bool operator<(const Entry& other) const { return row != other.row ? row < other.row : column < other.column; }
    bool operator==(const Entry& other) const { return row == other.row && column == other.column; }
  };
  std::vector<Entry> entries;
  for (Index e = 0; e < edges.size(0); ++e) {
    const Index source = ends[2 * e], target = ends[2 * e + 1];
    for (const Index node : {source, target})
      if (node < 0 || node >= nodes)
        failf(operation, "edge {} has an end at node {}; there are {} nodes", e, node, nodes);
    if (source == target && options.self_loops != SelfLoops::keep) continue;
    entries.push_back({target, source});
    if (options.symmetrise && source != target) entries.push_back({source, target});
  }
  if (options.self_loops == SelfLoops::add)
    for (Index i = 0; i < nodes; ++i) entries.push_back({i, i});
  std::sort(entries.begin(), entries.end());

  std::vector<Index> starts(std::size_t(nodes) + 1), columns;
  std::vector<double> weights;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i > 0 && entries[i] == entries[i - 1]) {
      if (!options.remove_duplicates) ++weights.back();
      continue;
    }
    columns.push_back(entries[i].column);
    weights.push_back(1);
    starts[std::size_t(entries[i].row) + 1] = Index(columns.size());
  }
  for (std::size_t r = 1; r < starts.size(); ++r) starts[r] = std::max(starts[r], starts[r - 1]);

  if (options.normalise != Normalise::none) {
    std::vector<double> scale(std::size_t(nodes), 0);
    for (std::size_t r = 0; r < scale.size(); ++r) {
      double degree = 0;
      for (Index e = starts[r]; e < starts[r + 1]; ++e) degree += weights[std::size_t(e)];
      if (degree > 0) scale[r] = options.normalise == Normalise::rows ? 1 / degree : 1 / std::sqrt(degree);
    }
    for (std::size_t r = 0; r < scale.size(); ++r)
      for (Index e = starts[r]; e < starts[r + 1]; ++e) {
        const std::size_t i = std::size_t(e);
        weights[i] *= scale[r] * (options.normalise == Normalise::rows ? 1 : scale[std::size_t(columns[i])]);
      }
  }
  const Tensor values = from_vector(weights).to(options.dtype);
  return Csr(nodes, nodes, std::move(starts), std::move(columns), values);
}

// d(A x) = A dx, so the gradient of x is A^T g.
Tensor spmm(const Csr& a, const Tensor& x) {
  if (x.dim() != 2 || x.size(0) != a.columns())
    failf("spmm", "x has shape {}; the matrix is ({}, {}), so that x must be ({}, width)", x.shape(), a.rows(),
          a.columns(), a.columns());
  if (x.dtype() != a.dtype())
    failf("spmm", "the matrix is {} but x is {}; hint: Csr::to converts the matrix", a.dtype(), x.dtype());
  Tensor value = Tensor::make("spmm", {a.rows(), x.size(1)}, x.dtype());
  dispatch_floating("spmm", x.dtype(), [&]<class T> {
    kernels::spmm(a.starts().data(), a.indices().data(), a.values().data<T>(), x.data<T>(), value.data<T>(), a.rows(),
                  x.size(1));
  });
  return record("spmm", std::move(value), {x}, [a](const Tensor& g) { return Grads{spmm(a.transposed(), g)}; });
}

}  // namespace gradus::nn
