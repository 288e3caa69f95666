#include "gradus/tensor/tensor.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;

TEST_CASE("a handle is shared, a clone is not") {
  Tensor x = tensor({1, 2, 3});
  const Tensor same = x, copy = x.clone(), off = x.detach(), shaped = x.reshape({3, 1});
  x.fill_(7);
  CHECK(same[0].item() == 7);
  CHECK(off[0].item() == 7);
  CHECK(shaped[0][0].item() == 7);
  CHECK(copy[0].item() == 1);
  CHECK(shaped.raw_data() == x.raw_data());
  CHECK(copy.raw_data() != x.raw_data());
  CHECK(reinterpret_cast<std::uintptr_t>(x.raw_data()) % 64 == 0);
}

TEST_CASE("operations that copy leave their input alone") {
  const Tensor x = arange(6, {.dtype = float32}).reshape({2, 3});
  for (Tensor y : {x.transpose(0, 1), x.slice(0, 0, 2), x.permute({0, 1}), x[0], x.sum({.axes = {}}), cat({x}),
                   x.expand({1, 2, 3}), x.flatten().clone()}) {
    y.fill_(-1);
    CHECK(x[1][2].item() == 5);
  }
}

TEST_CASE("sizes, axes and types") {
  const Tensor x = zeros({2, 3, 5}, {.dtype = float64});
  CHECK(x.dim() == 3);
  CHECK(x.numel() == 30);
  CHECK(x.size(-1) == 5);
  CHECK(x.dtype() == float64);
  CHECK(tensor(1).dim() == 0);
  CHECK(thrown([&] { (void)x.size(3); }).find("size: there is no axis 3") == 0);
  CHECK(thrown([&] { (void)x.data<float>(); }) ==
        "tensor: its elements are float64, not float32; convert with .to(float32)");
}

TEST_CASE("item gives the value of one element in any type") {
  CHECK(tensor(2.5).item() == 2.5);
  CHECK(tensor(2.5).item<float>() == 2.5F);
  CHECK(tensor(2.7).item<int>() == 2);
  CHECK(zeros({1, 1, 1}).item() == 0);
  const Tensor big = from_vector(std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max()});
  CHECK(big.item<std::int64_t>() == std::numeric_limits<std::int64_t>::max());
  CHECK(thrown([] {
          (void)zeros({2, 3}).item();
        }) == "item: a tensor of shape (2, 3) has 6 elements; only one element has a value to give");
  CHECK(thrown([] { (void)zeros({0}).item(); }).find("0 elements") != std::string::npos);
  for (const double value :
       {1e30, -1e30, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK(thrown([&] { (void)tensor(value).item<std::int64_t>(); }).find("item: the value") == 0);
}

TEST_CASE("conversion truncates and saturates") {
  const double infinite = std::numeric_limits<double>::infinity();
  const Tensor x =
      tensor({1.9, -1.9, 1e30, -1e30, infinite, std::numeric_limits<double>::quiet_NaN()}, {.dtype = float64});
  CHECK(to_vector<std::int64_t>(x.to(int64)) == std::vector<std::int64_t>{1, -1,
                                                                          std::numeric_limits<std::int64_t>::max(),
                                                                          std::numeric_limits<std::int64_t>::min(),
                                                                          std::numeric_limits<std::int64_t>::max(), 0});
  CHECK(x.to(float64).raw_data() == x.raw_data());
  CHECK(tensor(0.1).to(float64).item() == double(0.1F));
}

TEST_CASE("changes in place") {
  Tensor x = tensor({1, 2, 3});
  const std::uint32_t before = x.impl()->storage->version();
  x.add_(tensor({1, 1, 1}), 2).mul_(10);
  CHECK(to_vector<float>(x) == std::vector<float>{30, 40, 50});
  x.copy_(tensor({7, 8, 9}));
  x.add_(x);
  CHECK(to_vector<float>(x) == std::vector<float>{14, 16, 18});
  CHECK(x.impl()->storage->version() == before + 4);
  CHECK(x.detach().impl()->storage->version() == before + 4);
  zeros({0}).fill_(1).zero_().mul_(2);
  CHECK(thrown([&] { zeros({2}, {.dtype = int64}).fill_(0.5); }).find("fill_: ") == 0);
  CHECK(thrown([&] { x.add_(zeros({2})); }) == "add_: the tensor has shape (3) and the other (2)");
}

TEST_CASE("set_data keeps the handle and takes everything else") {
  Tensor x = ones({2}, {.requires_grad = true});
  const Tensor same = x;
  x.sum().backward();
  const Tensor source = full({3, 1}, 5, {.dtype = float64});
  x.set_data(source);
  CHECK(same.shape() == Shape{3, 1});
  CHECK(same.dtype() == float64);
  CHECK(same[2][0].item() == 5);
  CHECK(same.raw_data() != source.raw_data());
  CHECK(!same.grad().defined());
  x.sum().backward();
  CHECK(same.grad().shape() == Shape{3, 1});
}

TEST_CASE("an undefined tensor says so") {
  const Tensor none;
  CHECK(!none.defined());
  for (const std::string& text :
       {thrown([&] { (void)none.shape(); }), thrown([&] { (void)none.item(); }),
        thrown([&] { (void)none.requires_grad(); }), thrown([&] { (void)none.raw_data(); }),
        thrown([&] { none.backward(); }), thrown([&] { (void)none.clone(); }), thrown([&] { (void)none.detach(); }),
        thrown([&] { Tensor().fill_(1); }), thrown([&] { Tensor().set_data(zeros({1})); }),
        thrown([&] { zeros({1}).set_data(none); })})
    CHECK(text.find("tensor: it is undefined") == 0);
}
