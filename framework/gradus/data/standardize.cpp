#include "gradus/data/standardize.hpp"

#include <cmath>
#include <utility>

#include "gradus/core/format.hpp"
#include "gradus/core/parallel.hpp"

namespace gradus::data {
namespace {

// x seen as (outer, features, inner).
struct Layout {
  Index outer, features, inner;
};

Layout layout(const char* operation, const Tensor& x) {
  check_floating(operation, x);
  if (x.dim() < 2) failf(operation, "needs x of shape (n, features, ...), got {}", x.shape());
  return {x.size(0), x.size(1), x.shape().product(2, x.shape().size())};
}

// out = scale * x + shift, with scale and shift per feature.
Tensor affine(const char* operation, const Tensor& x, const std::vector<double>& scale,
              const std::vector<double>& shift) {
  const Layout l = layout(operation, x);
  if (l.features != Index(scale.size()))
    failf(operation, "x of shape {} has {} features on axis 1, but {} are known", x.shape(), l.features, scale.size());
  Tensor out = Tensor::make(operation, x.shape(), x.dtype());
  dispatch_floating(operation, x.dtype(), [&]<class T> {
    const T* from = x.data<T>();
    T* to = out.data<T>();
    parallel_for(l.outer * l.features, 1 + 16384 / (l.inner + 1), [&](Index first, Index last) {
      for (Index r = first; r < last; ++r) {
        const double a = scale[std::size_t(r % l.features)], b = shift[std::size_t(r % l.features)];
        for (Index i = r * l.inner; i < (r + 1) * l.inner; ++i) to[i] = T(a * double(from[i]) + b);
      }
    });
  });
  return out;
}

}  // namespace

Standardize::Standardize(const Tensor& x) {
  constexpr auto operation = "standardize";
  const Layout l = layout(operation, x);
  const double count = double(l.outer * l.inner);
  if (count == 0) failf(operation, "x of shape {} has no numbers to take a mean of", x.shape());
  mean_.resize(std::size_t(l.features));
  deviation_.resize(std::size_t(l.features));
  dispatch_floating(operation, x.dtype(), [&]<class T> {
    const T* values = x.data<T>();
    const auto sum_over = [&](auto&& term, std::vector<double>& sums) {
      sums.assign(std::size_t(l.features), 0.0);
      for (Index o = 0; o < l.outer; ++o)
        for (Index f = 0; f < l.features; ++f) {
          const T* from = values + (o * l.features + f) * l.inner;
          double sum = 0;
          for (Index i = 0; i < l.inner; ++i) sum += term(double(from[i]), std::size_t(f));
          sums[std::size_t(f)] += sum;
        }
    };
    // Two passes: the squares of differences from the mean do not cancel.
    sum_over([](double value, std::size_t) { return value; }, mean_);
    for (std::size_t f = 0; f < mean_.size(); ++f) {
      mean_[f] /= count;
      if (!std::isfinite(mean_[f]))
        failf(operation, "feature {} of x of shape {} has values that are not finite", f, x.shape());
    }
    sum_over([this](double value, std::size_t f) { return (value - mean_[f]) * (value - mean_[f]); }, deviation_);
    for (std::size_t f = 0; f < deviation_.size(); ++f) {
      deviation_[f] = std::sqrt(deviation_[f] / count);
      // Equal numbers: what is left is the rounding of their mean.
      if (deviation_[f] <= 1e-12 * std::abs(mean_[f])) deviation_[f] = 1;
      if (deviation_[f] == 0) deviation_[f] = 1;
    }
  });
}

Standardize::Standardize(std::vector<double> mean, std::vector<double> deviation)
    : mean_(std::move(mean)), deviation_(std::move(deviation)) {
  if (mean_.size() != deviation_.size())
    failf("standardize", "{} means and {} deviations; one of each per feature is needed", mean_.size(),
          deviation_.size());
  for (std::size_t f = 0; f < mean_.size(); ++f)
    if (!std::isfinite(mean_[f]) || !(deviation_[f] > 0 && std::isfinite(deviation_[f])))
      failf("standardize", "feature {} has mean {} and deviation {}; both must be finite, the deviation above 0", f,
            mean_[f], deviation_[f]);
}

Tensor Standardize::operator()(const Tensor& x) const {
  std::vector<double> scale(mean_.size()), shift(mean_.size());
  for (std::size_t f = 0; f < mean_.size(); ++f) {
    scale[f] = 1 / deviation_[f];
    shift[f] = -mean_[f] / deviation_[f];
  }
  return affine("standardize", x, scale, shift);
}

Dataset Standardize::operator()(const Dataset& dataset) const {
  Dataset out = dataset;
  out.x = (*this)(dataset.x);
  return out;
}

Tensor Standardize::inverse(const Tensor& x) const { return affine("standardize", x, deviation_, mean_); }

Tensor normalize(const Tensor& x, const std::vector<double>& mean, const std::vector<double>& deviation) {
  return Standardize(mean, deviation)(x);
}

}  // namespace gradus::data
