#include "gradus/kernels/blas.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace gradus;

namespace {

// Matrices inside larger ones, the elements between their rows marked.
template <class T>
void check(bool ta, bool tb, Index m, Index n, Index k, T beta) {
  const Index a_row = (ta ? m : k) + 3, b_row = (tb ? k : n) + 1, c_row = n + 2;
  std::vector<T> a(std::size_t((ta ? k : m) * a_row)), b(std::size_t((tb ? n : k) * b_row)), c(std::size_t(m * c_row));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = T(std::sin(1 + 0.7 * double(i)));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = T(std::cos(2 + 0.3 * double(i)));
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = beta == 0 && Index(i) % c_row < n ? T(NAN) : T(i);
  std::vector<T> expected = c;
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      double total = beta == 0 ? 0 : double(beta) * double(c[std::size_t(i * c_row + j)]);
      for (Index l = 0; l < k; ++l)
        total += double(a[std::size_t(ta ? l * a_row + i : i * a_row + l)]) *
                 double(b[std::size_t(tb ? j * b_row + l : l * b_row + j)]);
      expected[std::size_t(i * c_row + j)] = T(total);
    }
  kernels::gemm(ta, tb, m, n, k, a.data(), a_row, b.data(), b_row, beta, c.data(), c_row);
  const double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-12;
  bool close = true;
  for (std::size_t i = 0; i < c.size(); ++i) close = close && std::abs(double(c[i] - expected[i])) <= tolerance;
  CAPTURE(ta);
  CAPTURE(tb);
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CHECK(close);
}

}  // namespace

TEST_CASE("products of parts of matrices") {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const double beta : {0.0, 1.0, 0.5})
        for (const Index m : {1, 5, 17})
          for (const Index n : {1, 7, 33})
            for (const Index k : {0, 1, 13}) {
              check<float>(ta, tb, m, n, k, float(beta));
              check<double>(ta, tb, m, n, k, beta);
            }
  check<double>(false, false, 0, 3, 2, 0.0);
  check<double>(false, false, 3, 0, 2, 0.0);
}
