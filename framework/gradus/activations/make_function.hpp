#pragma once
// From a struct with f, df, ... (activations/activation.hpp) to a Function: the loops over arrays are compiled where
// make_function is called.
#include <algorithm>
#include <concepts>
#include <string>
#include <utility>

#include "gradus/activations/function.hpp"
#include "gradus/core/simd_math.hpp"

namespace gradus::activations {

/// Whether A gives its derivative of that order, as a template on V.
template <class A, int order>
consteval bool gives() {
  using V = simd::Batch<float>;
  if constexpr (order == 0) return requires(const A& a, const V& x) {
      { a.f(x) } -> std::convertible_to<V>;
    };
  if constexpr (order == 1) return requires(const A& a, const V& x) {
      { a.df(x) } -> std::convertible_to<V>;
    };
  if constexpr (order == 2) return requires(const A& a, const V& x) {
      { a.d2f(x) } -> std::convertible_to<V>;
    };
  if constexpr (order == 3) return requires(const A& a, const V& x) {
      { a.d3f(x) } -> std::convertible_to<V>;
    };
}

namespace detail {

// y = f(x), or g f(x), over whole batches. Never inlined, so that the tail below runs through the very same instructions.
template <class T, bool scaled, class F>
[[gnu::noinline, gnu::flatten]] void run(const F& function, const T* x, const T* g, T* y, Index batches) {
  using V = simd::Batch<T>;
  const F f = function;  // a copy of its own: no store to y can change a parameter, which then stays in a register
  for (Index i = 0; i < batches; ++i, x += V::size, y += V::size) {
    if constexpr (scaled) {
      (V::load(g) * f(V::load(x))).store(y);
      g += V::size;
    } else {
      f(V::load(x)).store(y);
    }
  }
}

template <class T, bool scaled, class F>
void run_all(const F& f, const T* x, const T* g, T* y, Index n) {
  using V = simd::Batch<T>;
  const Index batches = n / V::size, whole = batches * V::size;
  run<T, scaled>(f, x, g, y, batches);
  if (const int rest = static_cast<int>(n - whole); rest > 0) {
    alignas(V::alignment) T last_x[V::size], last_g[V::size];
    V::load_partial(x + whole, rest).store_aligned(last_x);
    if (scaled) V::load_partial(g + whole, rest).store_aligned(last_g);
    run<T, scaled>(f, last_x, last_g, last_x, 1);
    V::load_aligned(last_x).store_partial(y + whole, rest);
  }
}

template <class T, class F>
void run_all(const F& f, const T* x, const T* g, T* y, Index n) {
  g == nullptr ? run_all<T, false>(f, x, g, y, n) : run_all<T, true>(f, x, g, y, n);
}

/// The derivative of that order of `a` over arrays; nothing when A does not give it.
template <class A, class T>
void apply(const A& a, int order, const T* x, const T* g, T* y, Index n) {
  using V = simd::Batch<T>;
  if (order == 0) run_all([a](const V& v) -> V { return a.f(v); }, x, g, y, n);
  if constexpr (gives<A, 1>())
    if (order == 1) run_all([a](const V& v) -> V { return a.df(v); }, x, g, y, n);
  if constexpr (gives<A, 2>())
    if (order == 2) run_all([a](const V& v) -> V { return a.d2f(v); }, x, g, y, n);
  if constexpr (gives<A, 3>())
    if (order == 3) run_all([a](const V& v) -> V { return a.d3f(v); }, x, g, y, n);
}

template <class A>
class KernelsOf final : public Function::Kernels {
 public:
  explicit KernelsOf(A a) : a_(std::move(a)) {}
  void apply(int order, const float* x, const float* g, float* y, Index n) const override {
    detail::apply<A, float>(a_, order, x, g, y, n);
  }
  void apply(int order, const double* x, const double* g, double* y, Index n) const override {
    detail::apply<A, double>(a_, order, x, g, y, n);
  }
  const void* target(const std::type_info& type) const override { return type == typeid(A) ? &a_ : nullptr; }

 private:
  A a_;
};

}  // namespace detail

/// The Function of a struct. Throws when a parameter of a built-in one is out of its range. Without a name it has that
/// of the struct's `info`, or of its type.
template <class A>
Function make_function(A a, std::string name = {}) {
  static_assert(gives<A, 0>(), "an activation has a member `template <class V> V f(const V& x) const`");
  if constexpr (requires {
                  A::info;
                  A::parameters;
                })
    for (const auto& parameter : A::parameters)
      check_parameter(A::info.name, parameter.name, a.*parameter.member, parameter.domain);
  Traits traits;
  if constexpr (requires { A::info; }) {
    if (name.empty()) name = A::info.name;
    traits.formula = A::info.formula;
    traits.monotone = A::info.monotone;
    traits.smooth = A::info.smooth;
  }
  if constexpr (requires { a.kinks(); }) traits.kinks = a.kinks();
  std::string type = type_name(typeid(A));
  if (name.empty()) name = type;
  return Function(std::move(name), std::move(type), {true, gives<A, 1>(), gives<A, 2>(), gives<A, 3>()},
                  std::move(traits), std::make_shared<const detail::KernelsOf<A>>(std::move(a)));
}

}  // namespace gradus::activations
