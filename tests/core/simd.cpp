#include "gradus/core/simd.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include "gradus/core/simd_math.hpp"

using gradus::simd::Batch;

namespace {

// A batch of 1, 2, 3, ... times `factor`, plus `start`.
template <class T> Batch<T> ramp(T start, T factor = 1) {
  std::vector<T> numbers(Batch<T>::size);
  for (int i = 0; i < Batch<T>::size; ++i) numbers[i] = start + factor * T(i + 1);
  return Batch<T>::load(numbers.data());
}

}  // namespace

TEST_CASE_TEMPLATE("a batch is written like a number", T, float, double) {
  using V = Batch<T>;
  const V x = ramp<T>(0);
  const double beta = 2.5;
  const V y = 2.0 * x + V(beta) - x / 4 - 1;
  V z = x;
  z += 1;
  z *= 3;
  z -= x;
  z /= 2;
  for (int i = 0; i < V::size; ++i) {
    const T n = T(i + 1);
    CHECK(y[i] == 2 * n + T(2.5) - n / 4 - 1);
    CHECK((-x)[i] == -n);
    CHECK(z[i] == ((n + 1) * 3 - n) / 2);
    CHECK(fma(x, x, V(0.5))[i] == n * n + T(0.5));
    CHECK(sqrt(x * x)[i] == n);
    CHECK(abs(V(1) - x)[i] == n - 1);
  }
  CHECK(std::signbit((-V(0))[0]));
  CHECK(!std::signbit(abs(-V(0))[0]));
}

TEST_CASE_TEMPLATE("comparisons choose number by number", T, float, double) {
  using V = Batch<T>;
  const V x = ramp<T>(0);
  const T last = T(V::size);
  CHECK(all(x > V(0)));
  CHECK(all(x >= V(1)));
  CHECK(!any(x < V(1)));
  CHECK(any(x <= V(1)));
  CHECK(any(x == V(1)));
  CHECK(!all(x == V(1)));
  CHECK(all(!(x == V(1)) || x != V(2)));
  CHECK(!any(x < V(2) && x > V(1)));
  const V chosen = select(x < V(2), V(-1), x);
  CHECK(chosen[0] == -1);
  CHECK(chosen[V::size - 1] == last);
  const V nan = V(std::numeric_limits<T>::quiet_NaN());
  CHECK(!any(nan == nan || nan < x || nan > x || nan <= x || nan >= x));
  CHECK(all(nan != nan));
  CHECK(std::isnan(max(V(0), nan)[0]));
  CHECK(std::isnan(min(V(0), nan)[0]));
  CHECK(max(x, V(2))[0] == 2);
  CHECK(min(x, 2)[V::size - 1] == 2);
}

TEST_CASE_TEMPLATE("reductions", T, float, double) {
  using V = Batch<T>;
  const V x = ramp<T>(0);
  const T n = T(V::size);
  CHECK(reduce_add(x) == n * (n + 1) / 2);
  CHECK(reduce_max(x) == n);
  CHECK(reduce_min(x) == 1);
  for (int place = 0; place < V::size; ++place) {
    std::vector<T> numbers(V::size, T(1));
    numbers[place] = std::numeric_limits<T>::quiet_NaN();
    CHECK(std::isnan(reduce_max(V::load(numbers.data()))));
    CHECK(std::isnan(reduce_min(V::load(numbers.data()))));
    CHECK(std::isnan(reduce_add(V::load(numbers.data()))));
  }
}

TEST_CASE_TEMPLATE("partial loads and stores touch nothing else", T, float, double) {
  using V = Batch<T>;
  for (int count = 0; count <= V::size; ++count) {
    // On the heap and of the exact size, so that a sanitizer sees one number too many.
    std::vector<T> from(count), to(count, T(-1)), guarded(V::size + 2, T(-7));
    std::iota(from.begin(), from.end(), T(1));
    const V x = V::load_partial(from.data(), count);
    const V filled = V::load_partial(from.data(), count, T(9));
    for (int i = 0; i < V::size; ++i) {
      CHECK(x[i] == (i < count ? T(i + 1) : T(0)));
      CHECK(filled[i] == (i < count ? T(i + 1) : T(9)));
    }
    x.store_partial(to.data(), count);
    CHECK(to == from);
    x.store_partial(guarded.data() + 1, count);
    CHECK(guarded[0] == -7);
    for (int i = 0; i < V::size + 1; ++i) CHECK(guarded[i + 1] == (i < count ? T(i + 1) : T(-7)));
  }
}

TEST_CASE_TEMPLATE("rounding, sign and roots", T, float, double) {
  using V = Batch<T>;
  const T whole = T(1) / std::numeric_limits<T>::epsilon();
  for (const T x :
       {T(0), T(0.25), T(0.5), T(0.75), T(1), T(1.5), T(2.5), T(3.5), T(7.99), whole / 2 + T(0.5), whole - T(0.5),
        whole, whole + 1, T(1e30), std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::infinity()}) {
    for (const T y : {x, -x}) {
      CAPTURE(y);
      CHECK(floor(V(y))[0] == std::floor(y));
      CHECK(ceil(V(y))[0] == std::ceil(y));
      CHECK(rint(V(y))[0] == std::nearbyint(y));
      CHECK(std::signbit(rint(V(y))[0]) == std::signbit(y));
      CHECK(sign(V(y))[0] == (y > 0 ? T(1) : y < 0 ? T(-1) : T(0)));
    }
  }
  CHECK(std::isnan(rint(V(NAN))[0]));
  CHECK(std::isnan(sign(V(NAN))[0]));
  CHECK(rsqrt(V(16))[0] == T(0.25));
  CHECK(copysign(V(3), V(T(-0.0)))[0] == -3);
}

TEST_CASE_TEMPLATE("what a product loses is known exactly", T, float, double) {
  using V = Batch<T>;
  const T a = T(1) + 5 * std::numeric_limits<T>::epsilon(), b = T(1) / 3;
  const T p = a * b;
  const T lost = static_cast<T>(std::fma(a, b, -p));
  REQUIRE(lost != 0);
  CHECK(product_error(V(a), V(b), V(p))[0] == lost);
  CHECK(gradus::simd::product_error(a, b, p) == lost);
  if (gradus::simd::fused) CHECK(fma(V(a), V(b), V(-p))[0] == lost);
}
