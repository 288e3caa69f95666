#include "gradus/ops/linalg.hpp"

#include <algorithm>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/blas.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/ops/product_gradient.hpp"
#include "gradus/ops/reduce.hpp"
#include "gradus/ops/shape.hpp"

namespace gradus {

using autograd::Grads;
using autograd::record;
using autograd::saves;
using autograd::Step;

namespace {

struct Plan {
  Index m, n, k;
  Shape batch;
};

Plan plan(const Tensor& a, const Tensor& b, MatmulOptions o) {
  check_same_dtype("matmul", a, b);
  check_floating("matmul", a);
  const Shape &sa = a.shape(), &sb = b.shape();
  if (sa.size() < 2 || sb.size() < 2)
    failf("matmul", "shapes {} and {}: a transposed product needs at least two axes on both sides", sa, sb);
  const std::size_t ra = sa.size() - 2, rb = sb.size() - 2;
  Plan p{o.transpose_a ? sa[ra + 1] : sa[ra], o.transpose_b ? sb[rb] : sb[rb + 1], o.transpose_a ? sa[ra] : sa[ra + 1], {}};
  const Index k = o.transpose_b ? sb[rb + 1] : sb[rb];
  if (p.k != k)
    failf("matmul", "shapes {}{} and {}{} do not fit: the inner sizes {} and {} differ", sa, o.transpose_a ? " transposed" : "",
          sb, o.transpose_b ? " transposed" : "", p.k, k);
  p.batch = broadcast_shapes("matmul", Shape(std::span(sa.begin(), ra)), Shape(std::span(sb.begin(), rb)));
  return p;
}

Tensor multiply(const Tensor& a, const Tensor& b, const Plan& p, MatmulOptions o) {
  Shape shape = p.batch;
  shape.push_back(p.m);
  shape.push_back(p.n);
  Tensor value = Tensor::make("matmul", shape, a.dtype());
  // A batch that only one side has repeats the other side's matrix: stride 0. Other broadcasts are spelled out.
  const auto prepare = [&](const Tensor& x, Index& stride) {
    const Index matrix = x.shape()[x.shape().size() - 2] * x.shape().back();
    const Index own = matrix == 0 ? 0 : x.numel() / matrix;
    stride = matrix;
    if (own == p.batch.numel()) return x.detach();
    if (own == 1) {
      stride = 0;
      return x.detach();
    }
    Shape full = p.batch;
    full.push_back(x.shape()[x.shape().size() - 2]);
    full.push_back(x.shape().back());
    return expand(x.detach(), full);
  };
  Index stride_a = 0, stride_b = 0;
  const Tensor left = prepare(a, stride_a), right = prepare(b, stride_b);
  dispatch_floating("matmul", a.dtype(), [&]<class T> {
    const Index batch = p.batch.numel();
    if (batch == 1)
      kernels::gemm(o.transpose_a, o.transpose_b, p.m, p.n, p.k, left.data<T>(), right.data<T>(), T(0), value.data<T>());
    else
      kernels::gemm_batched(o.transpose_a, o.transpose_b, batch, p.m, p.n, p.k, left.data<T>(), stride_a, right.data<T>(),
                            stride_b, value.data<T>());
  });
  return value;
}

}  // namespace

// With C = op(A) op(B): dA = G op(B)^T, dB = op(A)^T G, each transposed again where the operand was.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  const Plan p = plan(a, b, options);
  if (!options.transpose_a && a.dim() > 2 && b.dim() == 2) {
    // One matrix for the whole batch: its rows are the rows of one large product.
    Shape shape = p.batch;
    shape.push_back(p.m);
    shape.push_back(p.n);
    return matmul(a.reshape({p.batch.numel() * p.m, p.k}), b, options).reshape(shape);
  }
  return record("matmul", multiply(a, b, p, options), {a, b}, saves(a, b),
                [o = options](const Tensor& g, const Tensor& x, const Tensor& y, const Step& step) {
                  const auto product = [&](std::size_t i, const Tensor& left, const Tensor& right, MatmulOptions turned) {
                    return x.dim() == 2 && y.dim() == 2 ? product_gradient(step, i, left, right, turned)
                                                        : matmul(left, right, turned);
                  };
                  Grads grads(2);
                  if (step.needs(0))
                    grads[0] = o.transpose_a ? product(0, y, g, {.transpose_a = o.transpose_b, .transpose_b = true})
                                             : product(0, g, y, {.transpose_b = !o.transpose_b});
                  if (step.needs(1))
                    grads[1] = o.transpose_b ? product(1, g, x, {.transpose_a = true, .transpose_b = o.transpose_a})
                                             : product(1, x, g, {.transpose_a = !o.transpose_a});
                  return grads;
                });
}

Tensor product_gradient(const Step& step, std::size_t i, const Tensor& a, const Tensor& b, const MatmulOptions& o) {
  const Tensor* sum = step.sum(i);
  if (sum == nullptr) return matmul(a, b, o);
  const Plan p = plan(a, b, o);
  dispatch_floating("matmul", a.dtype(), [&]<class T> {
    kernels::gemm(o.transpose_a, o.transpose_b, p.m, p.n, p.k, a.data<T>(), b.data<T>(), T(1), sum->data<T>());
  });
  return {};
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  if (a.dim() == 0 || b.dim() == 0)
    failf("matmul", "shapes {} and {}: a scalar is no matrix, use *", a.shape(), b.shape());
  const Index inner_a = a.shape().back(), inner_b = b.dim() == 1 ? b.shape()[0] : b.shape()[b.shape().size() - 2];
  if (inner_a != inner_b)
    failf("matmul", "shapes {} and {} do not fit: the last axis of the first ({}) must equal the second-last of the second ({})",
          a.shape(), b.shape(), inner_a, inner_b);
  if (a.dim() == 1 && b.dim() == 1) return matmul(a.unsqueeze(0), b.unsqueeze(1), {}).reshape({});
  if (a.dim() == 1) return squeeze(matmul(a.unsqueeze(0), b, {}), -2);
  if (b.dim() == 1) return squeeze(matmul(a, b.unsqueeze(1), {}), -1);
  return matmul(a, b, MatmulOptions{});
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  if (a.dim() != 3 || b.dim() != 3 || a.shape()[0] != b.shape()[0])
    failf("bmm", "needs two batches (b, n, k) and (b, k, m) of equal length, got {} and {}", a.shape(), b.shape());
  return matmul(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  if (a.dim() != 1 || b.dim() != 1) failf("outer", "needs two vectors, got shapes {} and {}", a.shape(), b.shape());
  return a.unsqueeze(1) * b.unsqueeze(0);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  if (a.dim() != 1 || a.shape() != b.shape())
    failf("dot", "needs two vectors of one length, got shapes {} and {}", a.shape(), b.shape());
  return sum(a * b);
}

Tensor t(const Tensor& x) {
  if (x.dim() < 2) failf("t", "a tensor of shape {} has no two axes to exchange", x.shape());
  return transpose(x, -2, -1);
}

}  // namespace gradus
