#include "gradus/core/environment.hpp"

#include <doctest/doctest.h>

using namespace gradus;

TEST_CASE("only 0 switches off what is on by default") {
  const char* name = "GRADUS_TEST_OF_THE_ENVIRONMENT";
  ::unsetenv(name);
  CHECK(left_on(name));
  for (const char* value : {"", "1", "00", "off"}) {
    ::setenv(name, value, 1);
    CHECK(left_on(name));
  }
  ::setenv(name, "0", 1);
  CHECK(!left_on(name));
  ::unsetenv(name);
}
