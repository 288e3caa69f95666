#include <cmath>

#include "gradus/autograd/record.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/dropout.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/ops/arithmetic.hpp"
#include "gradus/tensor/factories.hpp"

namespace gradus::nn::functional {

using autograd::Grads;
using autograd::record;

namespace {

void check(const char* operation, const Tensor& x, double p) {
  check_floating(operation, x);
  if (!(p >= 0 && p <= 1)) failf(operation, "the probability is {}; it must lie in [0, 1]", p);
}

Generator& generator_or_default(Generator* generator) {
  return generator != nullptr ? *generator : default_generator(Stream::dropout);
}

// scale x where the choice kept it, else 0: a linear map, and its own transpose.
Tensor keep(const char* operation, const Tensor& x, const Tensor& kept, double scale) {
  Tensor value = Tensor::make(operation, x.shape(), x.dtype());
  dispatch_floating(operation, x.dtype(), [&]<class T> {
    kernels::keep(kept.data<std::int64_t>(), x.data<T>(), T(scale), value.data<T>(), x.numel());
  });
  return record(operation, std::move(value), {x},
                [=](const Tensor& g) { return Grads{keep(operation, g, kept, scale)}; });
}

// kept ? scale x + shift : dropped. A bit for each element is saved, which is read faster than the draw is made again.
Tensor choose(const char* operation, const Tensor& x, Generator::Draw draw, double p, double scale, double shift,
              double dropped) {
  Tensor value = Tensor::make(operation, x.shape(), x.dtype()), kept;
  if (autograd::is_recording() && x.requires_grad())
    kept = Tensor::make(operation, Shape{kernels::choice_words(x.numel())}, int64);
  dispatch_floating(operation, x.dtype(), [&]<class T> {
    kernels::dropout(draw, p, x.data<T>(), T(scale), T(shift), T(dropped), value.data<T>(), x.numel(),
                     kept.defined() ? kept.data<std::int64_t>() : nullptr);
  });
  return record(operation, std::move(value), {x},
                [=](const Tensor& g) { return Grads{keep(operation, g, kept, scale)}; });
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator* generator) {
  check("dropout", x, p);
  if (!training || p == 0) return x;
  return choose("dropout", x, generator_or_default(generator).next(), p, p == 1 ? 0 : 1 / (1 - p), 0, 0);
}

Tensor alpha_dropout(const Tensor& x, double p, bool training, Generator* generator) {
  check("alpha_dropout", x, p);
  if (!training || p == 0) return x;
  const Generator::Draw draw = generator_or_default(generator).next();
  if (p == 1) return choose("alpha_dropout", x, draw, p, 0, 0, 0);
  // The least value of SELU, -lambda alpha, with the constants of Klambauer et al., equation 14.
  constexpr double lowest = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717;
  // Kept with probability q, x has mean (1-q) lowest and variance q (1 + lowest^2 (1-q)) afterwards when they were 0
  // and 1; a and b bring that back to 0 and 1.
  const double q = 1 - p, a = 1 / std::sqrt(q * (1 + lowest * lowest * p)), b = -a * p * lowest;
  return choose("alpha_dropout", x, draw, p, a, b, a * lowest + b);
}

Tensor drop_path(const Tensor& x, double p, bool training, Generator* generator) {
  check("drop_path", x, p);
  if (x.dim() == 0) fail("drop_path", "a scalar has no axis of samples; the input must be (N, ...)");
  if (!training || p == 0) return x;
  Shape samples = x.shape();
  for (std::size_t axis = 1; axis < samples.size(); ++axis) samples[axis] = 1;
  const Tensor kept = choose("drop_path", ones(samples, {.dtype = x.dtype()}), generator_or_default(generator).next(), p,
                             p == 1 ? 0 : 1 / (1 - p), 0, 0);
  return where(kept == 0.0, 0.0, x * kept);
}

}  // namespace gradus::nn::functional
