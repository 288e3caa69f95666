#pragma once
// Elementary functions, elementwise. Floating types only, unless said otherwise.
#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// |x|, any type. Its slope at 0 is 0.
Tensor abs(const Tensor& x);
/// -1, 0 or 1, any type. Its derivative is 0 everywhere.
Tensor sign(const Tensor& x);
/// x^2, any type.
Tensor square(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor sqrt(const Tensor& x);
/// 1 / sqrt(x)
Tensor rsqrt(const Tensor& x);
Tensor exp(const Tensor& x);
/// exp(x) - 1, accurate near 0.
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);
/// log(1 + x), accurate near 0.
Tensor log1p(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
/// 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.
Tensor erf(const Tensor& x);
/// 1 - erf(x), accurate for large x.
Tensor erfc(const Tensor& x);
// Steps: their derivative is 0.
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
/// To the nearest whole number, halves to the even one.
Tensor round(const Tensor& x);
// 1 where it holds, else 0.
Tensor isnan(const Tensor& x);
Tensor isfinite(const Tensor& x);

}  // namespace gradus
