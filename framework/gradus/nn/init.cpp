#include "gradus/nn/init.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradus/activations/registry.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/elementwise.hpp"
#include "gradus/kernels/random.hpp"
#include "gradus/theory/moments.hpp"

namespace gradus::nn::init {
namespace {

Generator::Draw next_draw(Generator* generator) {
  return (generator != nullptr ? *generator : default_generator(Stream::init)).next();
}

// Initialisation writes numbers, recorded or not; what the tape saved of the old ones is noticed.
template <class F> void write(const char* operation, Tensor& tensor, F&& fill) {
  check_floating(operation, tensor);
  if (!tensor.is_leaf()) failf(operation, "the tensor (shape {}) is the result of an operation", tensor.shape());
  dispatch_floating(operation, tensor.dtype(), [&]<class T> { fill(tensor.data<T>()); });
  tensor.impl()->storage->bump_version();
}

void normal_with(const char* operation, Tensor& tensor, double mean, double deviation, Generator* generator) {
  write(operation, tensor, [&]<class T>(T* x) {
    kernels::normal<T>(next_draw(generator), T(mean), T(deviation), x, tensor.numel());
  });
}

void uniform_with(const char* operation, Tensor& tensor, double low, double high, Generator* generator) {
  write(operation, tensor, [&]<class T>(T* x) { kernels::uniform<T>(next_draw(generator), T(low), T(high), x, tensor.numel()); });
}

// A uniform distribution on [-b, b] has variance b^2 / 3.
void uniform_of_variance(const char* operation, Tensor& tensor, double variance, Generator* generator) {
  const double bound = std::sqrt(3 * variance);
  uniform_with(operation, tensor, -bound, bound, generator);
}

double kaiming_variance(const Tensor& weight, const KaimingOptions& options) {
  const Fans f = fans(weight);
  const double gain = calculate_gain(options.nonlinearity, options.a);
  return gain * gain / double(std::max<Index>(1, options.mode == Fan::in ? f.in : f.out));
}

}  // namespace

Fans fans(const Tensor& weight) {
  if (weight.dim() < 2)
    failf("init", "fan_in and fan_out need a weight of at least two axes (out, in, ...), got shape {}", weight.shape());
  const Index field = weight.shape().product(2, weight.shape().size());
  return {weight.shape()[1] * field, weight.shape()[0] * field};
}

double calculate_gain(std::string_view nonlinearity, double slope) {
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "leaky_relu") return std::sqrt(2 / (1 + slope * slope));
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "selu") return 0.75;
  (void)activations::activation(nonlinearity == "linear" || nonlinearity == "conv2d" ? "identity" : nonlinearity);  // known?
  return 1;
}

void constant_(Tensor& tensor, double value) {
  write("constant_", tensor, [&]<class T>(T* x) { kernels::fill(x, T(value), tensor.numel()); });
}
void zeros_(Tensor& tensor) { constant_(tensor, 0); }
void ones_(Tensor& tensor) { constant_(tensor, 1); }

void uniform_(Tensor& tensor, double low, double high, Generator* generator) {
  if (!(low <= high) || !std::isfinite(high - low))
    failf("uniform_", "the bounds {} and {} must be finite and in order", low, high);
  uniform_with("uniform_", tensor, low, high, generator);
}

void normal_(Tensor& tensor, double mean, double deviation, Generator* generator) {
  if (!(deviation >= 0) || !std::isfinite(deviation) || !std::isfinite(mean))
    failf("normal_", "N({}, {}^2): the standard deviation must not be negative, both finite", mean, deviation);
  normal_with("normal_", tensor, mean, deviation, generator);
}

void trunc_normal_(Tensor& tensor, double mean, double deviation, double low, double high, Generator* generator) {
  if (!(deviation > 0) || !std::isfinite(deviation) || !std::isfinite(mean))
    failf("trunc_normal_", "N({}, {}^2): the standard deviation must be positive, both finite", mean, deviation);
  if (!(low < high)) failf("trunc_normal_", "the bounds {} and {} are in the wrong order", low, high);
  write("trunc_normal_", tensor, [&]<class T>(T* x) {
    kernels::truncated_normal<T>(next_draw(generator), T(mean), T(deviation), T(low), T(high), x, tensor.numel());
  });
}

void xavier_uniform_(Tensor& weight, double gain, Generator* generator) {
  const Fans f = fans(weight);
  uniform_of_variance("xavier_uniform_", weight, gain * gain * 2 / double(std::max<Index>(1, f.in + f.out)), generator);
}

void xavier_normal_(Tensor& weight, double gain, Generator* generator) {
  const Fans f = fans(weight);
  normal_with("xavier_normal_", weight, 0, gain * std::sqrt(2 / double(std::max<Index>(1, f.in + f.out))), generator);
}

void kaiming_uniform_(Tensor& weight, const KaimingOptions& options) {
  uniform_of_variance("kaiming_uniform_", weight, kaiming_variance(weight, options), options.generator);
}

void kaiming_normal_(Tensor& weight, const KaimingOptions& options) {
  normal_with("kaiming_normal_", weight, 0, std::sqrt(kaiming_variance(weight, options)), options.generator);
}

void lecun_uniform_(Tensor& weight, Generator* generator) {
  uniform_of_variance("lecun_uniform_", weight, 1 / double(std::max<Index>(1, fans(weight).in)), generator);
}

void lecun_normal_(Tensor& weight, Generator* generator) {
  normal_with("lecun_normal_", weight, 0, 1 / std::sqrt(double(std::max<Index>(1, fans(weight).in))), generator);
}

void orthogonal_(Tensor& weight, double gain, Generator* generator) {
  (void)fans(weight);
  const Index rows = weight.shape()[0], columns = weight.numel() == 0 ? 0 : weight.numel() / rows;
  const Index count = std::min(rows, columns), length = std::max(rows, columns);
  // The orthonormal vectors are what Gram and Schmidt make of Gaussian ones: their law is invariant under rotations. A second pass
  // removes what rounding left of the earlier vectors.
  std::vector<double> q(std::size_t(count * length));
  kernels::normal<double>(next_draw(generator), 0, 1, q.data(), count * length);
  for (Index i = 0; i < count; ++i) {
    double* v = q.data() + i * length;
    for (int pass = 0; pass < 2; ++pass)
      for (Index j = 0; j < i; ++j) {
        const double* u = q.data() + j * length;
        double along = 0;
        for (Index k = 0; k < length; ++k) along += u[k] * v[k];
        for (Index k = 0; k < length; ++k) v[k] -= along * u[k];
      }
    double norm = 0;
    for (Index k = 0; k < length; ++k) norm += v[k] * v[k];
    for (Index k = 0; k < length; ++k) v[k] /= std::sqrt(norm);
  }
  write("orthogonal_", weight, [&]<class T>(T* x) {
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < columns; ++c)
        x[r * columns + c] = T(gain * (rows <= columns ? q[std::size_t(r * length + c)] : q[std::size_t(c * length + r)]));
  });
}

void eye_(Tensor& weight) {
  if (weight.dim() != 2) failf("eye_", "needs a matrix, got shape {}", weight.shape());
  write("eye_", weight, [&]<class T>(T* x) {
    const Index columns = weight.shape()[1];
    for (Index i = 0; i < weight.numel(); ++i) x[i] = T(i / columns == i % columns);
  });
}

void variance_preserving_(Tensor& weight, const activations::Function& activation, const PreservingOptions& options) {
  const double variance =
      theory::preserving_weight_variance(activation, {.fan_in = std::max<Index>(1, fans(weight).in), .variance = options.variance});
  normal_with("variance_preserving_", weight, 0, std::sqrt(variance), options.generator);
}

void variance_preserving_(Tensor& weight, std::string_view activation, const PreservingOptions& options) {
  variance_preserving_(weight, activations::activation(activation), options);
}

}  // namespace gradus::nn::init
