#pragma once
// Products of matrices.
#include <string>

#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// (..., n, k) times (..., k, m): (..., n, m), the leading axes broadcast. A vector counts as a row on the left, as a column on the
/// right, and its axis disappears again (NumPy's matmul).
Tensor matmul(const Tensor& a, const Tensor& b);

struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
};
/// The same with the last two axes of an operand exchanged, which costs nothing: BLAS reads it the other way round. Operands have at
/// least two axes.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options);

/// Batches of matrices: (b, n, k) times (b, k, m).
Tensor bmm(const Tensor& a, const Tensor& b);
/// (n) and (m) to (n, m): a_i b_j.
Tensor outer(const Tensor& a, const Tensor& b);
/// The inner product of two vectors.
Tensor dot(const Tensor& a, const Tensor& b);
/// x with the last two axes exchanged.
Tensor t(const Tensor& x);

/// Sums of products in Einstein's notation, e.g. "bij,bjk->bik", "ii->", "ij->ji", "i,j->ij", one or two operands. Without "->" the
/// labels that occur once are kept, in alphabetical order. Products are mapped to one (batched) matmul.
Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands);

}  // namespace gradus
