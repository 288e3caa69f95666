#include "gradus/tensor/print.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <vector>

#include "gradus/core/format.hpp"

namespace gradus {
namespace {

constexpr Index edge = 3;  // shown at each end of a long axis
constexpr Index longest = 1000;  // tensors of up to this many elements are shown whole

std::string number(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e6) return fmt::format("{:.0f}.", value);
  return fmt::format("{:.4g}", value);
}
std::string number(float value) { return number(double(value)); }
std::string number(std::int64_t value) { return fmt::format("{}", value); }

struct Printer {
  const Shape& shape;
  bool shorten;
  std::size_t width = 0;

  bool skips(std::size_t axis, Index i) const { return shorten && shape[axis] > 2 * edge && i >= edge && i < shape[axis] - edge; }

  template <class T> void measure(const T* x, std::size_t axis) {
    if (axis == shape.size()) {
      width = std::max(width, number(*x).size());
      return;
    }
    const Index step = shape.product(axis + 1, shape.size());
    for (Index i = 0; i < shape[axis]; ++i) {
      if (skips(axis, i)) i = shape[axis] - edge;
      measure(x + i * step, axis + 1);
    }
  }

  template <class T> void print(const T* x, std::size_t axis, std::string& out) const {
    if (axis == shape.size()) {
      out += fmt::format("{:>{}}", number(*x), width);
      return;
    }
    out += '[';
    const Index step = shape.product(axis + 1, shape.size());
    for (Index i = 0; i < shape[axis]; ++i) {
      if (i > 0) out += axis + 1 == shape.size() ? ", " : ",\n" + std::string(axis + 1, ' ');
      if (skips(axis, i)) {
        out += "...";
        i = shape[axis] - edge - 1;
        continue;
      }
      print(x + i * step, axis + 1, out);
    }
    out += ']';
  }
};

}  // namespace

std::string to_string(const Tensor& x) {
  if (!x.defined()) return "Tensor()";
  std::string out;
  if (x.numel() == 0)
    out = "[]";  // the shape behind it says in which way
  else
    dispatch(x.dtype(), [&]<class T> {
      Printer printer{x.shape(), x.numel() > longest};
      printer.measure(x.data<T>(), 0);
      printer.print(x.data<T>(), 0, out);
    });
  out += fmt::format("  {} {}", x.dtype(), x.shape());
  if (x.requires_grad()) out += ", requires_grad";
  return out;
}

std::ostream& operator<<(std::ostream& stream, const Tensor& x) { return stream << to_string(x); }

}  // namespace gradus
