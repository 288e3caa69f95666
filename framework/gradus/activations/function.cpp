#include "gradus/activations/function.hpp"

#include <cxxabi.h>

#include <cmath>
#include <cstdlib>

#include "gradus/core/format.hpp"

namespace gradus::activations {

Function::Function(std::string name, std::string type, std::vector<bool> given, Traits traits,
                   std::shared_ptr<const Kernels> kernels) {
  int highest = 0;
  while (highest + 1 < static_cast<int>(given.size()) && given[highest + 1]) ++highest;
  state_ = std::make_shared<const State>(
      State{std::move(name), std::move(type), std::move(given), highest, std::move(traits), std::move(kernels)});
}

void Function::check(int order) const {
  constexpr const char* ordinals[] = {"", "first", "second", "third"};
  constexpr const char* members[] = {"f", "df", "d2f", "d3f"};
  if (order < 0) failf(state_->type, "there is no derivative of order {}", order);
  if (order > 3)
    failf(state_->type, "the derivative of order {} was asked for; an activation gives its first three at most", order);
  if (!state_->given[order])
    failf(state_->type,
          "the {0} derivative was asked for, but {1} is not given; add `template <class V> V {1}(const V& x) const`",
          ordinals[order], members[order]);
}

void Function::evaluate(int order, const float* x, float* y, Index n) const { product(order, x, nullptr, y, n); }
void Function::evaluate(int order, const double* x, double* y, Index n) const { product(order, x, nullptr, y, n); }

void Function::product(int order, const float* x, const float* g, float* out, Index n) const {
  check(order);
  state_->kernels->apply(order, x, g, out, n);
}
void Function::product(int order, const double* x, const double* g, double* out, Index n) const {
  check(order);
  state_->kernels->apply(order, x, g, out, n);
}

double Function::operator()(int order, double x) const {
  double y = 0;
  evaluate(order, &x, &y, 1);
  return y;
}

void check_parameter(std::string_view activation, std::string_view parameter, double value, Domain domain) {
  if (!std::isfinite(value)) failf(activation, "{} must be finite, got {}", parameter, value);
  if (domain == Domain::positive && !(value > 0)) failf(activation, "{} must be positive, got {}", parameter, value);
  if (domain == Domain::not_negative && !(value >= 0))
    failf(activation, "{} must not be negative, got {}", parameter, value);
}

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                         std::free);
  std::string name = status == 0 ? demangled.get() : type.name();
  // What follows the last "::" outside template arguments and parentheses.
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i + 1 < name.size(); ++i) {
    if (name[i] == '<' || name[i] == '(') ++depth;
    if (name[i] == '>' || name[i] == ')') --depth;
    if (depth == 0 && name[i] == ':' && name[i + 1] == ':') begin = i + 2;
  }
  return name.substr(begin);
}

}  // namespace gradus::activations
