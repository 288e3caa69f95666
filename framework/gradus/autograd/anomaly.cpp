#include "gradus/autograd/anomaly.hpp"

#include <cmath>
#include <string_view>

#include "gradus/core/format.hpp"
#include "gradus/kernels/elementwise.hpp"

namespace gradus::autograd {
namespace {

struct Count {
  Index nan = 0, infinite = 0, first = -1;  ///< `first`: place of the first that counts
};

bool finite(const Tensor& x) {
  if (!x.defined() || !is_floating(x.dtype())) return true;
  return dispatch_floating("detect_anomaly", x.dtype(),
                           [&]<class T> { return kernels::all_finite(x.data<T>(), x.numel()); });
}

// What there is to complain about in x, which is not finite.
Count count(const Tensor& x, bool infinite_counts) {
  Count c;
  dispatch_floating("detect_anomaly", x.dtype(), [&]<class T> {
    const T* values = x.data<T>();
    for (Index i = 0; i < x.numel(); ++i) {
      const bool nan = std::isnan(values[i]), infinite = infinite_counts && std::isinf(values[i]);
      c.nan += nan;
      c.infinite += infinite;
      if ((nan || infinite) && c.first < 0) c.first = i;
    }
  });
  return c;
}

std::string place(Index flat, const Shape& shape) {
  std::string text;
  for (std::size_t axis = shape.size(); axis-- > 0; flat /= shape[axis])
    text = fmt::format("{}{}{}", flat % shape[axis], text.empty() ? "" : ", ", text);
  return "(" + text + ")";
}

// "NaN in 2 of 6 elements, first at (0, 1)"
std::string described(const Count& c, const Tensor& x) {
  const char* what = c.infinite == 0 ? "NaN" : c.nan == 0 ? "infinity" : "NaN and infinity";
  return fmt::format("{} in {} of {} elements, first at {}", what, c.nan + c.infinite, x.numel(),
                     place(c.first, x.shape()));
}

[[noreturn]] void report(const std::string& text) { throw AnomalyError("detect_anomaly: " + text); }

}  // namespace

void DetectAnomaly::ran(const char* operation, const Tensor& value, const Inputs& inputs, bool in_rule) {
  // What a rule computes on the way is the affair of its operation, which applied() names.
  if (in_rule || finite(value)) return;
  std::string before;
  bool infinity_came_in = std::string_view(operation) == "masked_fill";
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (finite(inputs[i])) continue;
    const Count c = count(inputs[i], true);
    if (c.infinite > 0) infinity_came_in = true;
    before += fmt::format("; its input {} (shape {}) holds {}", i, inputs[i].shape(), described(c, inputs[i]));
  }
  const Count c = count(value, options_.infinite && !infinity_came_in);
  if (c.first < 0) return;
  report(fmt::format("forward of {} (shape {}) gave {}{}", operation, value.shape(), described(c, value),
                     before.empty() ? "; all of its inputs are finite" : before));
}

void DetectAnomaly::arrives(const Node& node, const Tensor& gradient) {
  if (finite(gradient)) return;
  const Count c = count(gradient, options_.infinite);
  if (c.first < 0) return;
  report(fmt::format(
      "backward reached {} (shape {}) with a gradient that holds {}: the one that it started from, or a sum of "
      "several",
      node.operation(), node.shape(), described(c, gradient)));
}

void DetectAnomaly::applied(const Node& node, const Grads& gradients) {
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (finite(gradients[i])) continue;
    const Count c = count(gradients[i], options_.infinite);
    if (c.first < 0) continue;
    report(fmt::format(
        "backward of {} (shape {}) gave, as the gradient of its input {}, {}; the gradient that came in is finite",
        node.operation(), node.shape(), i, described(c, gradients[i])));
  }
}

}  // namespace gradus::autograd
