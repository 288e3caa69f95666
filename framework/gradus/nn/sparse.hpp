#pragma once
// Sparse matrices with constant values, and their product with dense ones: what graph layers aggregate neighbours with.
//
//   const Csr a = adjacency(edges, n, {.symmetrise = true, .normalise = Normalise::rows});
//   Tensor h = spmm(a, x);
#include <memory>
#include <vector>

#include "gradus/tensor/tensor.hpp"

namespace gradus::nn {

/// A sparse matrix in compressed rows. Copies share their numbers, which do not change; gradients do not flow into
/// them.
class Csr {
 public:
  /// The entries of row r are starts[r] to starts[r + 1] - 1, each with a column and a value; starts has rows + 1
  /// elements from 0. `values` is a floating vector off the tape. Columns may come in any order, and repeated ones add
  /// up. Throws when these do not fit together.
  Csr(Index rows, Index columns, std::vector<Index> starts, std::vector<Index> indices, const Tensor& values);

  Index rows() const;
  Index columns() const;
  /// The number of entries.
  Index entries() const;
  DType dtype() const;
  const std::vector<Index>& starts() const;
  const std::vector<Index>& indices() const;
  const Tensor& values() const;

  /// The transposed matrix; computed when first asked for.
  const Csr& transposed() const;
  Csr to(DType dtype) const;
  /// (rows, columns)
  Tensor to_dense() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

enum class SelfLoops {
  keep,    ///< as the edges have them
  add,     ///< every node has one, of weight 1
  remove,  ///< no node has one
};
enum class Normalise {
  none,
  symmetric,  ///< D^-1/2 A D^-1/2 with the degrees D_ii = sum_j A_ij (Kipf and Welling 2017); rows of degree 0 stay 0
  rows,       ///< D^-1 A: the mean over the neighbours
};

struct AdjacencyOptions {
  bool symmetrise = false;        ///< every edge goes in both directions
  bool remove_duplicates = true;  ///< an edge that comes k times has weight 1, not k
  SelfLoops self_loops = SelfLoops::keep;
  Normalise normalise = Normalise::none;  ///< the last step, after the self-loops
  DType dtype = float32;
};

/// The (nodes, nodes) matrix A of a graph, for edges (m, 2) int64 from source to target: row i holds the sources of the
/// edges into i, so that A x sums over the neighbours that i hears from. Columns rise in every row. Throws for an end
/// outside [0, nodes).
Csr adjacency(const Tensor& edges, Index nodes, const AdjacencyOptions& options = {});

/// A x for x (columns, width), of A's type: (rows, width). Its derivative is the product with the transposed matrix, so
/// that derivatives of every order are there. Results do not depend on the number of threads.
Tensor spmm(const Csr& a, const Tensor& x);

}  // namespace gradus::nn
