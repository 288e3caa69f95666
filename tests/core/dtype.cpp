#include "gradus/core/dtype.hpp"

#include <doctest/doctest.h>

#include <type_traits>

using namespace gradus;

TEST_CASE("dtypes know their names, sizes and C++ types") {
  CHECK(name(float32) == "float32");
  CHECK(name(float64) == "float64");
  CHECK(name(int64) == "int64");
  CHECK(size_of(float32) == 4);
  CHECK(size_of(float64) == 8);
  CHECK(size_of(int64) == 8);
  CHECK(is_floating(float32));
  CHECK(!is_floating(int64));
  for (const DType dtype : {float32, float64, int64}) {
    CHECK(dispatch(dtype, []<class T> { return dtype_of<T>; }) == dtype);
    CHECK(dispatch(dtype, []<class T> { return sizeof(T); }) == size_of(dtype));
  }
  CHECK(dispatch_floating("test", float64, []<class T> { return std::is_same_v<T, double>; }));
  CHECK_THROWS_WITH_AS(dispatch_floating("test", int64, []<class T> { return 0; }),
                       "test: needs float32 or float64, got int64; convert with .to(float32)", Error);
}
