#include "gradus/optim/lbfgs.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "gradus/autograd/mode.hpp"
#include "gradus/core/parallel.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/optim/schedule.hpp"
#include "gradus/tensor/factories.hpp"
#include "optim/states.hpp"
#include "same_bits.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::optim;

namespace {

using Numbers = std::vector<double>;

// The functions of tests/parity/lbfgs.py.
Tensor rosenbrock(const Tensor& p) {
  const Tensor a = p.slice(0, 0, 4), b = p.slice(0, 1, 5);
  return sum(100.0 * square(b - square(a)) + square(1.0 - a));
}
Tensor counted(const Tensor& p) { return tensor({1, 2, 3, 4, 5}, {.dtype = p.dtype()}); }
Tensor quartic(const Tensor& p) {
  return sum(counted(p) * square(square(p - 0.3 * counted(p)))) + 0.5 * square(sum(p) - 1.0);
}
Tensor waves(const Tensor& p) {
  return sum(cos(counted(p) * p) + 0.1 * counted(p) * square(p)) +
         exp(0.5 * sum(p.slice(0, 0, 1)) - sum(p.slice(0, 4, 5)));
}

struct Problem {
  Tensor a, b;
  explicit Problem(DType dtype = float64)
      : a(tensor({-1.2, 1.0, 0.5}, {.dtype = dtype, .requires_grad = true})),
        b(tensor({-0.7, 1.5}, {.dtype = dtype, .requires_grad = true})) {}
  NamedTensors named() const { return {{"net.a", a}, {"net.b", b}}; }
  template <class Function>
  LBFGS::Closure closure(Function function) const {
    return [a = a, b = b, function] {
      a.zero_grad();
      b.zero_grad();
      Tensor loss = function(cat({a, b}, 0));
      loss.backward();
      return loss;
    };
  }
  Numbers values() const {
    Numbers all = to_vector<double>(a.detach().to(float64));
    for (const double x : to_vector<double>(b.detach().to(float64))) all.push_back(x);
    return all;
  }
};

template <class Function>
void check_parity(const char* what, Function function, const LBFGSOptions& options, const Numbers& expected) {
  CAPTURE(std::string(what));
  const Problem problem;
  LBFGS optimizer{{problem.a, problem.b}, options};
  REQUIRE(expected.size() == 4 * 7);
  for (std::size_t call = 0; call < 4; ++call) {
    CAPTURE(call);
    Numbers got{optimizer.step(problem.closure(function))};
    for (const double x : problem.values()) got.push_back(x);
    got.push_back(double(optimizer.function_evaluations()));
    for (std::size_t i = 0; i < 7; ++i) {
      CAPTURE(i);
      const double wanted = expected[7 * call + i];
      // Near a minimum, roundings decide the last digits of where a tolerance stops.
      CHECK(std::abs(got[i] - wanted) <= 1e-6 * std::max(1.0, std::abs(wanted)));
    }
  }
}

}  // namespace

TEST_CASE("LBFGS goes PyTorch's way, evaluation by evaluation") {
#define LBFGS_PARITY(function, options, ...) check_parity(#function " " #options, function, options, {__VA_ARGS__});
#include "lbfgs.inc"
#undef LBFGS_PARITY
}

TEST_CASE("LBFGS solves a quadratic in about as many directions as it has dimensions") {
  // Exact searches would make it conjugate gradients: n directions. (Nocedal and Wright, theorem 6.4.)
  for (const DType dtype : {float64, float32}) {
    const Index n = 13;
    Generator generator(4);
    const Tensor m = randn({n, n}, {.dtype = dtype, .generator = &generator});
    const Tensor h = matmul(m, m, {.transpose_a = true}) + 0.5 * eye(n, {.dtype = dtype});
    const Tensor goal = randn({n}, {.dtype = dtype, .generator = &generator});
    Tensor x = zeros({n}, {.dtype = dtype, .requires_grad = true});
    LBFGS optimizer{{x}, {.max_iter = 60, .tolerance_change = 0}};
    for (int call = 0; call < 3; ++call)
      optimizer.step([&] {
        optimizer.zero_grad();
        const Tensor e = x - goal;
        Tensor loss = 0.5 * dot(e, matmul(h, e));
        loss.backward();
        return loss;
      });
    CHECK((x.detach() - goal).abs().max().item() < (dtype == float64 ? 1e-6 : 1e-3));
    CHECK(optimizer.function_evaluations() < 150);
  }
}

TEST_CASE("LBFGS finds the minimum of Rosenbrock's valley") {
  const Problem problem;
  LBFGS optimizer{{problem.a, problem.b}, {.max_iter = 200, .tolerance_change = 0}};
  optimizer.step(problem.closure(rosenbrock));
  for (const double x : problem.values()) CHECK(x == doctest::Approx(1).epsilon(1e-6));
  const std::int64_t spent = optimizer.function_evaluations();
  CHECK(optimizer.iterations() <= spent);
  // It is there: one look, and nothing moves.
  const Numbers before = problem.values();
  optimizer.step(problem.closure(rosenbrock));
  CHECK(optimizer.function_evaluations() <= spent + 30);
  for (std::size_t i = 0; i < 5; ++i) CHECK(problem.values()[i] == doctest::Approx(before[i]).epsilon(1e-6));
}

TEST_CASE("LBFGS comes back from where the loss is no number") {
  // x - log(x) has its minimum at 1 and is NaN for x < 0, where the first step, of length 1 / |g| |g| = 1, leads.
  for (const double start : {0.01, 0.4, 30.0}) {
    Tensor x = from_vector(Numbers{start}).requires_grad_();
    LBFGS optimizer{{x}, {.lr = 5, .max_iter = 100}};
    bool left = false;
    optimizer.step([&] {
      optimizer.zero_grad();
      left = left || x.item() < 0;
      Tensor loss = sum(20.0 * x - log(x) * 20.0);
      loss.backward();
      return loss;
    });
    CAPTURE(start);
    CHECK(x.item() == doctest::Approx(1).epsilon(1e-5));
    if (start == 30) CHECK(left);
  }
}

TEST_CASE("LBFGS resumes to the same bits") {
  for (const DType dtype : {float64, float32}) {
    const Problem first(dtype), second(dtype);
    LBFGS optimizer{first.named(), {.lr = 0.8, .max_iter = 4, .history_size = 3}};
    // Before the first step there is only the count.
    LBFGS{second.named()}.load_state_dict(optimizer.state_dict());
    for (int call = 0; call < 2; ++call) optimizer.step(first.closure(rosenbrock));
    const NamedTensors state = optimizer.state_dict();
    {
      const NoGrad no_grad;
      Tensor(second.a).copy_(first.a);
      Tensor(second.b).copy_(first.b);
    }
    LBFGS resumed{second.named()};
    resumed.load_state_dict(state);
    CHECK(resumed.options().history_size == 3);
    CHECK(resumed.lr() == 0.8);
    CHECK(resumed.function_evaluations() == optimizer.function_evaluations());
    const NamedTensors again = resumed.state_dict();
    REQUIRE(again.size() == state.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
      CHECK(again[i].first == state[i].first);
      CHECK(same_bits(again[i].second, state[i].second));
    }
    CHECK(state[0].first == "net.a.d");
    CHECK(state[2].first == "net.a.old_dirs");
    CHECK(state[2].second.shape() == Shape{3, 3});
    for (int call = 0; call < 3; ++call) {
      CHECK(optimizer.step(first.closure(rosenbrock)) == resumed.step(second.closure(rosenbrock)));
      CHECK(same_bits(first.a, second.a));
      CHECK(same_bits(first.b, second.b));
    }
  }
}

TEST_CASE("LBFGS refuses a state that does not fit, all of it") {
  const Problem problem;
  LBFGS optimizer{problem.named(), {.max_iter = 4}};
  optimizer.step(problem.closure(quartic));
  const NamedTensors good = optimizer.state_dict();
  const auto refused = [&](const NamedTensors& state, std::initializer_list<const char*> words) {
    check_refused(optimizer, good, state, words);
  };
  refused(without(good, "net.a.d"), {"missing \"net.a.d\" (3)", "nothing was loaded"});
  refused(without(good, "LBFGS.n_iter"), {"LBFGS.n_iter"});
  refused(without(good, "LBFGS.groups"), {"not the state of LBFGS"});
  refused(without(good, "LBFGS.0.max_iter"), {"missing \"LBFGS.0.max_iter\""});
  refused(replaced(good, "net.b.prev_grad", zeros({2})), {"float32 (2), expected float64 (2)"});
  refused(replaced(good, "net.b.old_dirs", zeros({1, 7}, {.dtype = float64})), {"net.b.old_dirs", "(1, 7)"});
  refused(replaced(good, "net.a.old_dirs", zeros({}, {.dtype = float64})), {"net.a.old_dirs"});
  refused(replaced(good, "LBFGS.n_iter", full({}, -1, {.dtype = int64})), {"LBFGS.n_iter", "-1"});
  refused(replaced(good, "LBFGS.t", full({}, std::nan(""), {.dtype = float64})), {"LBFGS.t", "nan"});
  refused(replaced(good, "LBFGS.0.history_size", full({}, 2.5, {.dtype = float64})), {"history_size", "2.5"});
  refused(replaced(good, "net.a.d", Tensor{}), {"\"net.a.d\" is undefined"});
  NamedTensors bad = good;
  bad.push_back(good.front());
  refused(bad, {"\"net.a.d\" is there twice"});
  bad = good;
  bad.emplace_back("net.c.d", zeros({1}));
  refused(bad, {"unexpected \"net.c.d\" (1)"});
  for (auto& [name, value] : bad = good)
    if (name.ends_with("old_dirs")) value = zeros_like(value);
  refused(bad, {"y . s = 0"});
}

TEST_CASE("LBFGS does not depend on the number of threads") {
  const int before = num_threads();
  const auto run = [&](int threads) {
    set_num_threads(threads);
    Generator generator(9);
    Tensor x = randn({70001}, {.requires_grad = true, .generator = &generator});
    const Tensor scale = rand({70001}, {.generator = &generator}) + 0.1;
    LBFGS optimizer{{x}, {.max_iter = 8}};
    optimizer.step([&] {
      optimizer.zero_grad();
      Tensor loss = mean(scale * square(x - 1.0) + square(square(x)));
      loss.backward();
      return loss;
    });
    return x.detach();
  };
  const Tensor one = run(1), two = run(2), three = run(3);
  set_num_threads(before);
  CHECK(same_bits(one, two));
  CHECK(same_bits(one, three));
}

TEST_CASE("LBFGS leaves parameters where they were when the closure fails") {
  const Problem problem;
  LBFGS optimizer{{problem.a, problem.b}};
  const Numbers start = problem.values();
  int calls = 0;
  const auto closure = problem.closure(rosenbrock);
  CHECK_THROWS_AS(optimizer.step([&] {
    if (++calls == 2) fail("test", "enough");
    return closure();
  }),
                  Error);
  CHECK(calls == 2);
  CHECK(problem.values() == start);
  // It goes on as if nothing had happened.
  optimizer.step(closure);
  CHECK(rosenbrock(cat({problem.a, problem.b}, 0)).item() < rosenbrock(from_vector(start)).item());
}

TEST_CASE("LBFGS says what is wrong") {
  const Problem problem;
  Tensor a = problem.a, other = zeros({2}, {.requires_grad = true});
  LBFGS optimizer{{a}};
  check_contains(thrown([&] { optimizer.step(); }), {"LBFGS", "closure"});
  check_contains(thrown([&] { optimizer.step(LBFGS::Closure{}); }), {"LBFGS", "closure"});
  check_contains(thrown([&] { optimizer.step({ones_like(a)}); }), {"LBFGS", "closure"});
  check_contains(thrown([&] { optimizer.step([] { return Tensor{}; }); }), {"undefined", "loss"});
  check_contains(thrown([&] { optimizer.step([&] { return sum(a); }); }),
                 {"no parameter has a gradient", "backward()"});
  const Numbers before = problem.values();
  const auto scaled = [&](double factor) {
    return [&a, factor] {
      a.zero_grad();
      Tensor loss = sum(a) * factor;
      loss.backward();
      return loss;
    };
  };
  check_contains(thrown([&] { optimizer.step(scaled(std::nan(""))); }), {"the loss is nan", "nothing was changed"});
  check_contains(thrown([&] { optimizer.step(scaled(INFINITY)); }), {"LBFGS", "inf"});
  CHECK(problem.values() == before);
  check_contains(thrown([&] {
                   LBFGS mixed{{a, other}};
                   mixed.step(scaled(1));
                 }),
                 {"\"1\" is float32", "float64", "one type"});
  check_contains(thrown([&] { LBFGS{{a}, {.lr = 0}}; }), {"lr is 0"});
  check_contains(thrown([&] { LBFGS{{a}, {.max_iter = 0}}; }), {"max_iter is 0"});
  check_contains(thrown([&] { LBFGS{{a}, {.max_eval = -3}}; }), {"max_eval is -3"});
  check_contains(thrown([&] { LBFGS{{a}, {.tolerance_grad = -1}}; }), {"tolerance_grad is -1"});
  check_contains(thrown([&] { LBFGS{{a}, {.history_size = 0}}; }), {"history_size is 0"});
  check_contains(thrown([&] { optimizer.set_option("max_iter", 2.5); }), {"max_iter is 2.5", "whole"});
  optimizer.set_option("strong_wolfe", 0);
  CHECK(optimizer.options().line_search == LineSearch::none);
  optimizer.set_lr(0.3);
  CHECK(optimizer.lr() == 0.3);
}

TEST_CASE("LBFGS takes parameters without a gradient, and empty ones") {
  Tensor x = from_vector(Numbers{2, -1}).requires_grad_(), unused = from_vector(Numbers{5}).requires_grad_();
  Tensor empty = zeros({0, 3}, {.dtype = float64, .requires_grad = true});
  LBFGS optimizer{{unused, x, empty}};
  const double loss = optimizer.step([&] {
    optimizer.zero_grad();
    Tensor value = sum(square(x));
    value.backward();
    return value;
  });
  CHECK(loss == 5);
  CHECK(unused.item() == 5);
  CHECK(x.detach().abs().max().item() < 1e-7);
  LBFGS again{{unused, x, empty}};
  again.load_state_dict(optimizer.state_dict());
  CHECK(again.iterations() == optimizer.iterations());
}
