#include "gradus/nn/clip.hpp"

#include <cmath>
#include <limits>

#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Parameters whose gradients are (3, 4) and (12).
std::vector<Tensor> example(DType dtype = float64) {
  std::vector<Tensor> p{zeros({2}, {.dtype = dtype, .requires_grad = true}),
                        zeros({1}, {.dtype = dtype, .requires_grad = true}),
                        zeros({5}, {.dtype = dtype, .requires_grad = true})};
  p[0].set_grad(tensor({3, -4}, {.dtype = dtype}));
  p[1].set_grad(tensor({12}, {.dtype = dtype}));
  return p;
}

}  // namespace

TEST_CASE("clip_grad_norm scales all gradients by one factor") {
  for (const DType dtype : {float32, float64}) {
    std::vector<Tensor> p = example(dtype);
    CHECK(nn::clip_grad_norm(p, 1.0) == doctest::Approx(13));
    CHECK(allclose(p[0].grad(), tensor({3, -4}, {.dtype = dtype}) / 13.0, {.rtol = 1e-6}));
    CHECK(allclose(p[1].grad(), tensor({12}, {.dtype = dtype}) / 13.0, {.rtol = 1e-6}));
    CHECK(!p[2].grad().defined());
    CHECK(nn::clip_grad_norm(p, 1.5) == doctest::Approx(1).epsilon(1e-6));  // now short enough: nothing changes
    CHECK(allclose(p[1].grad(), tensor({12}, {.dtype = dtype}) / 13.0, {.rtol = 1e-6}));
  }
}

TEST_CASE("clip_grad_norm knows other norms") {
  CHECK(nn::clip_grad_norm(example(), 1e9, {.norm_type = 1}) == doctest::Approx(19));
  CHECK(nn::clip_grad_norm(example(), 1e9, {.norm_type = infinity}) == doctest::Approx(12));
  CHECK(nn::clip_grad_norm(example(), 1e9, {.norm_type = 3}) == doctest::Approx(std::cbrt(27 + 64 + 1728)));
  std::vector<Tensor> p = example();
  nn::clip_grad_norm(p, 6, {.norm_type = infinity});
  CHECK(p[0].grad().data<double>()[1] == doctest::Approx(-2).epsilon(1e-6));
  CHECK(nn::clip_grad_norm({}, 1.0) == 0);
  CHECK(nn::clip_grad_norm({zeros({3}, {.requires_grad = true}), zeros({2})}, 1.0) == 0);
}

TEST_CASE("clip_grad_norm adds up in double, whatever the number of threads") {
  // 1e6 squares of 1e-4 beside one of 1: in float each would vanish in a running sum.
  Tensor p = zeros({1000001}, {.requires_grad = true});
  Tensor g = full({1000001}, 1e-4);
  g.data<float>()[0] = 1e2F;
  p.set_grad(g);
  const int before = num_threads();
  set_num_threads(1);
  const double one = nn::clip_grad_norm({p}, 1e9);
  set_num_threads(2);
  CHECK(nn::clip_grad_norm({p}, 1e9) == one);
  set_num_threads(before);
  CHECK(one == doctest::Approx(std::sqrt(1e4 + 1e-2)).epsilon(1e-9));
}

TEST_CASE("a norm that is not finite is noticed") {
  for (const double bad : {infinity, double(NAN)}) {
    for (const double type : {2.0, 1.0, infinity}) {
      std::vector<Tensor> p = example();
      p[1].set_grad(tensor({bad}, {.dtype = float64}));
      check_error([&] { (void)nn::clip_grad_norm(p, 1.0, {.norm_type = type, .error_if_nonfinite = true}); },
                  {"clip_grad_norm", "nothing was changed"});
      CHECK(p[0].grad().data<double>()[0] == 3);
      CHECK(!std::isfinite(nn::clip_grad_norm(p, 1.0, {.norm_type = type})));
      CHECK(std::isnan(p[1].grad().item()));
    }
  }
}

TEST_CASE("clip_grad_value cuts each element") {
  std::vector<Tensor> p = example();
  nn::clip_grad_value(p, 3.5);
  CHECK(allclose(p[0].grad(), tensor({3, -3.5}, {.dtype = float64})));
  CHECK(allclose(p[1].grad(), tensor({3.5}, {.dtype = float64})));
}

TEST_CASE("clipping refuses bounds that are none") {
  check_error([] { (void)nn::clip_grad_norm(example(), -1.0); }, {"clip_grad_norm", "-1"});
  check_error([] { (void)nn::clip_grad_norm(example(), 1.0, {.norm_type = 0}); }, {"clip_grad_norm", "norm_type", "0"});
  check_error([] { nn::clip_grad_value(example(), NAN); }, {"clip_grad_value", "nan"});
}
