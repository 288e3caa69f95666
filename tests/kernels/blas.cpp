#include "gradus/kernels/blas.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gradus/core/environment.hpp"
#include "gradus/core/error.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/kernels/product.hpp"
#include "kernels/part_product.hpp"

using namespace gradus;

namespace {

template <class T>
void check(bool ta, bool tb, Index m, Index n, Index k, T beta) {
  CAPTURE(ta);
  CAPTURE(tb);
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  const auto product = [&](const T* a, Index a_row, const T* b, Index b_row, T* c, Index c_row) {
    kernels::gemm_part(ta, tb, m, n, k, a, a_row, b, b_row, beta, c, c_row);
  };
  CHECK(testing::error_of_part<T>(ta, tb, m, n, k, beta, product) <= (sizeof(T) == 4 ? 1e-5 : 1e-14));
}

template <class T>
std::vector<T> numbers(Index n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<T> result(static_cast<std::size_t>(n));
  for (T& x : result) x = T(normal(generator));
  return result;
}

// c = op(a) op(b) + beta c, in double and one after another.
template <class T>
std::vector<double> naive(bool ta, bool tb, Index m, Index n, Index k, const std::vector<T>& a, const std::vector<T>& b,
                          T beta, const std::vector<T>& c) {
  std::vector<double> out(c.begin(), c.end());
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      double sum = beta == T(0) ? 0 : double(beta) * double(c[std::size_t(i * n + j)]);
      for (Index p = 0; p < k; ++p)
        sum += double(a[std::size_t(ta ? p * m + i : i * k + p)]) * double(b[std::size_t(tb ? j * k + p : p * n + j)]);
      out[std::size_t(i * n + j)] = sum;
    }
  return out;
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

// Sizes on both sides of those at which a product is cut into tiles.
TEST_CASE_TEMPLATE("gemm is the product, the same bits with any number of threads", T, float, double) {
  struct Size {
    Index m, n, k;
  };
  const int before = num_threads();
  for (const Size s : {Size{1, 1, 1},
                       {3, 5, 7},
                       {1, 130, 20000},
                       {130, 1, 20000},
                       {32, 128, 784},
                       {128, 784, 32},
                       {67, 131, 257},
                       {64, 64, 600},
                       {68, 64, 600},
                       {64, 70, 600},
                       {31, 997, 101},
                       {1031, 61, 37},
                       {257, 259, 263}})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const T beta : {T(0), T(1)}) {
          CAPTURE(s.m);
          CAPTURE(s.n);
          CAPTURE(s.k);
          CAPTURE(ta);
          CAPTURE(tb);
          const std::vector<T> a = numbers<T>(s.m * s.k, 1), b = numbers<T>(s.k * s.n, 2),
                               start = numbers<T>(s.m * s.n, 3);
          std::vector<T> first, inside;
          for (const int threads : {1, 2, 3}) {
            set_num_threads(threads);
            std::vector<T> c = start;
            if (beta == T(0)) c.assign(c.size(), T(NAN));
            kernels::gemm(ta, tb, s.m, s.n, s.k, a.data(), b.data(), beta, c.data());
            if (first.empty()) first = c;
            CHECK(c == first);
          }
          parallel_for(2, 1, [&](Index from, Index to) {  // inside of which there is one thread
            for (Index i = from; i < to; ++i) {
              std::vector<T> c = start;
              kernels::gemm(ta, tb, s.m, s.n, s.k, a.data(), b.data(), beta, c.data());
              if (i == 0) inside = c;
            }
          });
          CHECK(inside == first);
          const std::vector<double> expected = naive(ta, tb, s.m, s.n, s.k, a, b, beta, start);
          double worst = 0;
          for (std::size_t i = 0; i < expected.size(); ++i)
            worst = std::max(worst, std::abs(double(first[i]) - expected[i]));
          CHECK(worst <= 100 * double(std::numeric_limits<T>::epsilon()) * std::sqrt(double(s.k)));
        }
  set_num_threads(before);
}

// Sizes that each of the kernels makes, several tiles among them, and none at all.
TEST_CASE_TEMPLATE("gemm_with_row adds a row to each row of a product", T, float, double) {
  struct Size {
    Index m, n, k;
  };
  const int before = num_threads();
  for (const Size s :
       {Size{1, 1, 1}, {3, 5, 7}, {1, 130, 200}, {17, 33, 300}, {67, 131, 257}, {130, 3, 600}, {260, 96, 129}, {5, 7, 0}, {0, 3, 2}})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        CAPTURE(s.m);
        CAPTURE(s.n);
        CAPTURE(s.k);
        CAPTURE(ta);
        CAPTURE(tb);
        const std::vector<T> a = numbers<T>(s.m * s.k, 1), b = numbers<T>(s.k * s.n, 2), row = numbers<T>(s.n, 3);
        std::vector<T> rows, first;
        for (Index i = 0; i < s.m; ++i) rows.insert(rows.end(), row.begin(), row.end());
        for (const int threads : {1, 2}) {
          set_num_threads(threads);
          std::vector<T> c(rows.size(), T(NAN));
          kernels::gemm_with_row(ta, tb, s.m, s.n, s.k, a.data(), b.data(), row.data(), c.data());
          if (threads == 1) first = c;
          CHECK(c == first);
        }
        const std::vector<double> expected = naive(ta, tb, s.m, s.n, s.k, a, b, T(1), rows);
        double worst = 0;
        for (std::size_t i = 0; i < expected.size(); ++i)
          worst = std::max(worst, std::abs(double(first[i]) - expected[i]));
        CHECK(worst <= 100 * double(std::numeric_limits<T>::epsilon()) * std::sqrt(double(s.k + 1)));
      }
  set_num_threads(before);
}

// The two add in different orders, as our own cuts k into equal parts of at most 256.
TEST_CASE("the environment can give BLAS all products") {
  CHECK(kernels::product_enabled() == left_on("GRADUS_PRODUCT"));
  const Index m = 16, n = 32, k = 784;
  if (!kernels::product_suits(m, n)) return;
  const std::vector<float> a = numbers<float>(m * k, 1), b = numbers<float>(k * n, 2);
  std::vector<float> own(std::size_t(m * n)), c = own;
  kernels::product(false, false, m, n, k, a.data(), k, b.data(), n, kernels::Addend<float>{}, own.data(), n);
  kernels::gemm(false, false, m, n, k, a.data(), b.data(), 0.F, c.data());
  CHECK((c == own) == kernels::product_enabled());
}

TEST_CASE_TEMPLATE("batches, with a shared operand", T, float, double) {
  for (const Index batch : {0, 1, 5, 70})
    for (const bool shared : {false, true})
      for (const bool ta : {false, true}) {
        const Index m = 5, n = 7, k = 11;
        const std::vector<T> a = numbers<T>(batch * m * k, 1), b = numbers<T>((shared ? 1 : batch) * k * n, 2);
        std::vector<T> c(static_cast<std::size_t>(batch * m * n), T(NAN));
        kernels::gemm_batched(ta, false, batch, m, n, k, a.data(), m * k, b.data(), shared ? 0 : k * n, c.data());
        double worst = 0;
        for (Index i = 0; i < batch; ++i) {
          const auto part = [i](const std::vector<T>& x, Index size) {
            return std::vector<T>(x.begin() + i * size, x.begin() + (i + 1) * size);
          };
          const std::vector<T> own = shared ? b : part(b, k * n), result = part(c, m * n);
          const std::vector<double> expected = naive(ta, false, m, n, k, part(a, m * k), own, T(0), result);
          for (std::size_t j = 0; j < expected.size(); ++j)
            worst = std::max(worst, std::abs(double(result[j]) - expected[j]));
        }
        CHECK(worst <= 100 * double(std::numeric_limits<T>::epsilon()));
      }
}

TEST_CASE("sizes beyond BLAS's integers are refused before it is called") {
  const float a = 1, b = 1;
  float c = 0;
  const Index huge = Index{1} << 31;
  CHECK_THROWS_WITH_AS(kernels::gemm(false, false, 1, 1, huge, &a, &b, 0.F, &c),
                       doctest::Contains("size 2147483648 is beyond BLAS's 32-bit integers"), Error);
  CHECK_THROWS_AS(kernels::gemm(false, false, huge, 1, 1, &a, &b, 0.F, &c), Error);
  CHECK(!kernels::blas_description().empty());
}
