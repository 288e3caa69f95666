#include "gradus/tensor/interop.hpp"

#include <doctest/doctest.h>

#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;

TEST_CASE("xtensor expressions become tensors of their value type") {
  const xt::xarray<double> a = {{1., 2.}, {3., 4.}};
  const Tensor t = from_xtensor(2. * a + 1., {.requires_grad = true});
  CHECK(t.dtype() == float64);
  CHECK(t.requires_grad());
  CHECK(to_vector<double>(t) == std::vector<double>{3, 5, 7, 9});
  CHECK(from_xtensor(xt::xarray<float>{1, 2}).dtype() == float32);
  CHECK(from_xtensor(xt::xarray<int>{1, 2}).dtype() == int64);
  CHECK(from_xtensor(a > 2.).dtype() == int64);
  CHECK(sum(from_xtensor(a > 2.)).item() == 2);
  CHECK(from_xtensor(xt::xarray<double>(4.)).dim() == 0);
  CHECK(from_xtensor(xt::xarray<double>::from_shape({0, 3})).shape() == Shape{0, 3});
}

TEST_CASE("column-major arrays and views are read in row-major order") {
  xt::xarray<double, xt::layout_type::column_major> a = {{1., 2., 3.}, {4., 5., 6.}};
  CHECK(to_vector<double>(from_xtensor(a)) == std::vector<double>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("array shows the tensor's own numbers") {
  Tensor t = tensor({{1, 2}, {3, 4}}, {.dtype = float64});
  auto& view = t.array<double>();
  CHECK(view.data() == t.data<double>());
  CHECK(view.dimension() == 2);
  CHECK(view(1, 0) == 3);
  view(1, 0) = 7;
  CHECK(t[1][0].item() == 7);
  CHECK(&t.array<double>() == &view);
  const Tensor same = t;
  CHECK(&same.array<double>() == &view);
  CHECK(tensor(5.0).array<float>()() == 5);
  CHECK(zeros({0, 3}).array<float>().size() == 0);
  CHECK(thrown([&] { (void)t.array<float>(); }).find("float64") != std::string::npos);
  t.set_data(ones({3}, {.dtype = float32}));
  CHECK(t.array<float>()(2) == 1);
  CHECK(t.array<float>().data() == t.data<float>());
}

TEST_CASE("there and back again") {
  Generator generator(1);
  const Tensor x = randn({3, 1, 5}, {.generator = &generator});
  const Tensor y = from_xtensor(x.array<float>());
  CHECK(y.raw_data() != x.raw_data());
  CHECK(allclose(x, y, {.rtol = 0, .atol = 0}));
}
