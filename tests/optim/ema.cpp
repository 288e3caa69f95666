#include "gradus/optim/ema.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "gradus/autograd/mode.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::optim;

namespace {

using Numbers = std::vector<double>;

Tensor weight(const Numbers& values) { return from_vector(values).requires_grad_(); }

void set(Tensor w, const Numbers& values) {
  const NoGrad no_grad;
  w.copy_(from_vector(values));
}

Numbers numbers(const Tensor& x) { return to_vector<double>(x.detach().to(float64)); }

}  // namespace

TEST_CASE("EMA is the exponentially weighted sum of what the weights have been") {
  const double d = 0.9;
  Tensor w = weight({3, -1});
  EMA ema{{w}, {.decay = d}};
  double expected[2] = {3 * std::pow(d, 12), -std::pow(d, 12)};
  for (int n = 1; n <= 12; ++n) {
    const Numbers now{std::sin(n), double(n * n)};
    set(w, now);
    ema.update();
    for (int k = 0; k < 2; ++k) expected[k] += (1 - d) * std::pow(d, 12 - n) * now[std::size_t(k)];
  }
  CHECK(ema.updates() == 12);
  const Numbers got = numbers(ema.averages()[0].second);
  for (int k = 0; k < 2; ++k) CHECK(got[std::size_t(k)] == doctest::Approx(expected[k]).epsilon(1e-12));
}

TEST_CASE("EMA with warm up keeps little at the start") {
  Tensor w = weight({0});
  EMA ema{{w}, {.decay = 0.5, .warm_up = true}};
  double expected = 0;
  for (int n = 1; n <= 20; ++n) {
    set(w, {double(n)});
    ema.update();
    const double keep = std::min(0.5, (1.0 + n) / (10.0 + n));
    expected = keep * expected + (1 - keep) * n;
    CHECK(ema.averages()[0].second.item() == doctest::Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("EMA goes into the weights and out again, to the bit, and the tape notices") {
  Tensor w = weight({1, 2, 3}), empty = zeros({0, 2}, {.requires_grad = true});
  Tensor single = full({2}, 1, {.requires_grad = true}), count = full({}, 4, {.dtype = int64});
  EMA ema{{{"w", w}, {"empty", empty}, {"single", single}, {"count", count}}, {.decay = 0.5}};
  set(w, {0.1, 0.2, 0.3});
  count.fill_(7);
  ema.update();
  const double* const address = w.data<double>();
  ema.apply();
  CHECK(ema.applied());
  CHECK(w.data<double>() == address);
  CHECK(numbers(w)[0] == doctest::Approx(0.55));
  CHECK(count.item() == 7);
  check_contains(thrown([&] { ema.update(); }), {"EMA", "restore()"});
  check_contains(thrown([&] { ema.apply(); }), {"EMA", "already"});
  ema.restore();
  CHECK(numbers(w) == Numbers{0.1, 0.2, 0.3});
  CHECK(w.is_leaf());
  check_contains(thrown([&] { ema.restore(); }), {"EMA", "apply() comes first"});

  const Tensor loss = (w * w).sum();
  ema.apply();
  CHECK_THROWS_AS(loss.backward(), Error);
  ema.restore();

  Tensor a = weight({0, 0, 0}), b = zeros({0, 2}), c = zeros({2}), n = full({}, 0, {.dtype = int64});
  ema.copy_to({a, b, c, n});
  CHECK(numbers(a)[2] == doctest::Approx(1.65));
  CHECK(n.item() == 7);
  check_contains(thrown([&] { ema.copy_to({a}); }), {"1 weights for 4 averages"});
  check_contains(thrown([&] { ema.copy_to({a, b, zeros({3}), n}); }), {"weight 2", "(3)", "\"single\"", "(2)"});
}

TEST_CASE("EMA continues from its state") {
  Tensor w = weight({1, 2});
  EMA ema{{{"net.w", w}}, {.decay = 0.8, .warm_up = true}};
  set(w, {5, 6});
  ema.update();
  const NamedTensors state = ema.state_dict();
  CHECK(state[0].first == "net.w.average");
  EMA other{{{"net.w", w}}};
  other.load_state_dict(state);
  CHECK(other.updates() == 1);
  set(w, {-5, 7});
  ema.update();
  other.update();
  CHECK(numbers(other.averages()[0].second) == numbers(ema.averages()[0].second));

  const Numbers before = numbers(other.averages()[0].second);
  const auto refused = [&](std::size_t i, const Tensor& value, std::initializer_list<const char*> words) {
    NamedTensors bad = state;
    bad[i].second = value;
    check_contains(thrown([&] { other.load_state_dict(bad); }), words);
    CHECK(numbers(other.averages()[0].second) == before);
  };
  refused(0, zeros({3}, {.dtype = float64}), {"\"net.w.average\" is float64 (3), expected float64 (2)"});
  refused(0, zeros({2}), {"float32 (2), expected float64 (2)"});
  refused(0, Tensor{}, {"undefined"});
  refused(1, full({}, -2, {.dtype = int64}), {"EMA.updates", "-2"});
  refused(2, full({}, NAN, {.dtype = float64}), {"EMA.decay", "nan"});
  NamedTensors bad = state;
  bad.emplace_back("net.v.average", zeros({1}));
  bad.push_back(state[1]);
  check_contains(thrown([&] { other.load_state_dict(bad); }), {"unexpected \"net.v.average\"", "there twice"});
  check_contains(thrown([&] { other.load_state_dict({}); }),
                 {"missing \"net.w.average\" (2)", "missing \"EMA.decay\""});
}

TEST_CASE("EMA says what it cannot average") {
  Tensor w = weight({1, 2});
  check_contains(thrown([&] { EMA{{w}, {.decay = 1.5}}; }), {"EMA", "decay is 1.5"});
  check_contains(thrown([&] { EMA{std::vector<Tensor>{}}; }), {"EMA", "no weights"});
  check_contains(thrown([&] { EMA{{w, Tensor{}}}; }), {"EMA", "\"1\" is undefined"});
  check_contains(thrown([&] { EMA{{w * 2}}; }), {"EMA", "(2)", "operation"});
  check_contains(thrown([&] { EMA{NamedTensors{{"w", w}, {"w", w}}}; }), {"two weights are called \"w\""});
  EMA ema{{w}};
  w.set_data(zeros({3}));
  check_contains(thrown([&] { ema.update(); }), {"\"0\" has become float32 (3)", "float64 (2)"});
}
