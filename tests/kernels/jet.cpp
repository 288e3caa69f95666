#include "gradus/kernels/jet.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "gradus/activations/registry.hpp"

using namespace gradus;

namespace {

template <class T>
std::vector<T> waves(Index n, double phase) {
  std::vector<T> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = T(2 * std::sin(phase + 0.9 * double(i)));
  return x;
}

template <class T>
void check(const char* name, Index directions, Index n, double tolerance) {
  CAPTURE(name);
  CAPTURE(directions);
  CAPTURE(n);
  const activations::Function f = activations::activation(name);
  const Index all = (directions + 1) * n;
  const std::vector<T> z = waves<T>(n, 1), j = waves<T>(all, 2), g = waves<T>(all, 3);
  std::vector<T> out(j.size(), T(NAN)), dz(z.size(), T(NAN)), dj(j.size(), T(NAN));
  kernels::activate_jet(f, directions, n, z.data(), j.data(), out.data());
  kernels::activate_jet_backward(f, directions, n, z.data(), j.data(), g.data(), dz.data(), dj.data());
  double error = 0;
  const auto compare = [&](T made, double wanted) {
    const double difference = std::abs(double(made) - wanted);
    error = difference <= error ? error : difference;  // a NaN stays
  };
  for (Index i = 0; i < n; ++i) {
    const double at = double(z[std::size_t(i)]);
    const auto part = [&](const std::vector<T>& from, Index d) { return double(from[std::size_t(d * n + i)]); };
    const double g_last = part(g, directions), j_last = part(j, directions);
    double squares = 0, wanted_dz = f(2, at) * g_last * j_last;
    for (Index d = 0; d < directions; ++d) {
      squares += part(j, d) * part(j, d);
      wanted_dz += f(2, at) * part(g, d) * part(j, d);
      compare(out[std::size_t(d * n + i)], f(1, at) * part(j, d));
      compare(dj[std::size_t(d * n + i)], f(1, at) * part(g, d) + 2 * f(2, at) * g_last * part(j, d));
    }
    compare(out[std::size_t(directions * n + i)], f(1, at) * j_last + f(2, at) * squares);
    compare(dj[std::size_t(directions * n + i)], f(1, at) * g_last);
    compare(dz[std::size_t(i)], wanted_dz + f(3, at) * g_last * squares);
  }
  CHECK(error < tolerance);
}

}  // namespace

TEST_CASE("jets through activations, and their gradients, are the formulas'") {
  for (const char* name : {"tanh", "gelu", "softplus(2, 30)"})
    for (const Index directions : {0, 1, 2, 5})
      for (const Index n : {0, 1, 7, 511, 512, 513, 20011}) {
        check<double>(name, directions, n, 1e-12);
        check<float>(name, directions, n, 3e-4);
      }
}
