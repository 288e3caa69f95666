#pragma once
// Elementwise operations of one or two tensors, with NumPy's broadcasting. A C++ number takes the tensor's type.
#include "gradus/autograd/algebra.hpp"
#include "gradus/tensor/tensor.hpp"

namespace gradus {

// -- two operands. Each throws when the shapes do not broadcast or the types differ.
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
/// Floating types only; for int64 see floor_divide.
Tensor div(const Tensor& a, const Tensor& b);
/// The largest whole number not above a / b. Integers throw when a divisor is 0. Its derivative is 0.
Tensor floor_divide(const Tensor& a, const Tensor& b);
/// a - b floor(a / b), with the sign of b (Python's %). Integers throw when a divisor is 0.
Tensor remainder(const Tensor& a, const Tensor& b);
/// a to the power b. d/da = b a^(b-1), d/db = a^b log(a), which is 0 where a = 0 and b >= 0.
Tensor pow(const Tensor& a, const Tensor& b);
/// The larger one. Where both are equal, each gets half of the gradient, as in PyTorch. NaN wins.
Tensor maximum(const Tensor& a, const Tensor& b);
/// The smaller one, with the same rules.
Tensor minimum(const Tensor& a, const Tensor& b);

// -- with a number
Tensor add(const Tensor& a, double b);
Tensor mul(const Tensor& a, double b);
Tensor pow(const Tensor& a, double exponent);
/// Where x equals the number, the gradient goes to x in full: relu is not maximum(x, 0), whose slope at 0 is 1.
Tensor maximum(const Tensor& x, double bound);
Tensor minimum(const Tensor& x, double bound);
/// min(max(x, low), high). The gradient passes where low <= x <= high. Throws when low > high.
Tensor clamp(const Tensor& x, double low, double high);

// -- comparisons: 1 where it holds, else 0, in the operands' type. No derivative.
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& a);

/// a where condition is not 0, else b; all three broadcast, `condition` may have any type. The gradient of the branch not taken
/// is exactly 0, so infinities there do no harm.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, double b);
Tensor where(const Tensor& condition, double a, const Tensor& b);
/// x with `value` where mask is not 0.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

/// True when |a - b| <= atol + rtol |b| for every element. Shapes must be equal.
bool allclose(const Tensor& a, const Tensor& b, const CloseOptions& options = {});

// -- operators
Tensor operator-(const Tensor& a);
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator+(const Tensor& a, double b) { return add(a, b); }
inline Tensor operator+(double a, const Tensor& b) { return add(b, a); }
inline Tensor operator-(const Tensor& a, double b) { return add(a, -b); }
Tensor operator-(double a, const Tensor& b);
inline Tensor operator*(const Tensor& a, double b) { return mul(a, b); }
inline Tensor operator*(double a, const Tensor& b) { return mul(b, a); }
Tensor operator/(const Tensor& a, double b);
Tensor operator/(double a, const Tensor& b);

// Rebinding, not changing in place: other handles to `a` keep its old value, and the tape stays right.
inline Tensor& operator+=(Tensor& a, const Tensor& b) { return a = a + b; }
inline Tensor& operator-=(Tensor& a, const Tensor& b) { return a = a - b; }
inline Tensor& operator*=(Tensor& a, const Tensor& b) { return a = a * b; }
inline Tensor& operator/=(Tensor& a, const Tensor& b) { return a = a / b; }
inline Tensor& operator+=(Tensor& a, double b) { return a = a + b; }
inline Tensor& operator-=(Tensor& a, double b) { return a = a - b; }
inline Tensor& operator*=(Tensor& a, double b) { return a = a * b; }
inline Tensor& operator/=(Tensor& a, double b) { return a = a / b; }

inline Tensor operator==(const Tensor& a, const Tensor& b) { return eq(a, b); }
inline Tensor operator!=(const Tensor& a, const Tensor& b) { return ne(a, b); }
inline Tensor operator<(const Tensor& a, const Tensor& b) { return lt(a, b); }
inline Tensor operator<=(const Tensor& a, const Tensor& b) { return le(a, b); }
inline Tensor operator>(const Tensor& a, const Tensor& b) { return gt(a, b); }
inline Tensor operator>=(const Tensor& a, const Tensor& b) { return ge(a, b); }
Tensor operator==(const Tensor& a, double b);
Tensor operator!=(const Tensor& a, double b);
Tensor operator<(const Tensor& a, double b);
Tensor operator<=(const Tensor& a, double b);
Tensor operator>(const Tensor& a, double b);
Tensor operator>=(const Tensor& a, double b);

}  // namespace gradus
