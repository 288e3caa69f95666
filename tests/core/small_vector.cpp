#include "gradus/core/small_vector.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace gradus;

using Handles = SmallVector<std::shared_ptr<int>, 3>;

TEST_CASE("elements live inside up to the limit and outside beyond it") {
  for (const std::size_t size : {0, 1, 3, 4, 50}) {
    SmallVector<int, 3> values(size);
    CHECK(values.size() == size);
    CHECK(values.empty() == (size == 0));
    for (std::size_t i = 0; i < size; ++i) values[i] = int(i);
    int sum = 0;
    for (const int value : values) sum += value;
    CHECK(sum == int(size * (size - (size > 0 ? 1 : 0)) / 2));
    CHECK(values.end() - values.begin() == std::ptrdiff_t(size));
  }
  const SmallVector<int, 2> list{5, 6, 7};
  CHECK(list.size() == 3);
  CHECK(list[2] == 7);
}

TEST_CASE("copies and moves keep and pass on ownership") {
  for (const std::size_t size : {std::size_t{2}, std::size_t{9}}) {
    const auto shared = std::make_shared<int>(1);
    {
      Handles a(size);
      for (auto& handle : a) handle = shared;
      CHECK(shared.use_count() == long(size) + 1);
      const Handles b = a;
      CHECK(shared.use_count() == 2 * long(size) + 1);
      const Handles c = std::move(a);
      CHECK(c.size() == size);
      CHECK(c[size - 1] == shared);
      CHECK(shared.use_count() == 2 * long(size) + 1);
    }
    CHECK(shared.use_count() == 1);
  }
}
