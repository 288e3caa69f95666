#include "gradus/optim/optimizer.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "gradus/core/parallel.hpp"
#include "gradus/optim.hpp"
#include "gradus/tensor.hpp"
#include "optim/states.hpp"
#include "same_bits.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::optim;

namespace {

Tensor parameter(const std::vector<double>& values) { return from_vector(values).requires_grad_(); }

// The problem of tests/parity/optimizers.py: 0.7 (p - target) + 0.4 sin(1 + step + 2 i).
Tensor gradient(const Tensor& p, int step, int offset) {
  Tensor g = zeros(p.shape(), {.dtype = p.dtype()});
  dispatch(p.dtype(), [&]<class T> {
    for (Index k = 0; k < p.numel(); ++k) {
      const double i = double(k) + offset;
      g.data<T>()[k] = T(0.7 * (double(p.data<T>()[k]) - (0.25 * i - 0.5)) + 0.4 * std::sin(1 + step + 2 * i));
    }
  });
  return g;
}

struct Problem {
  Tensor first, second;
  explicit Problem(DType dtype = float64)
      : first(tensor({1.0, -2.0, 0.5, 3.0, -0.25}, {.dtype = dtype, .requires_grad = true})),
        second(tensor({-1.5, 0.75, 2.5}, {.dtype = dtype, .requires_grad = true})) {}
  std::vector<Tensor> parameters() const { return {first, second}; }
  NamedTensors named() const { return {{"net.weight", first}, {"net.bias", second}}; }
  void step(Optimizer& optimizer, int step) const {
    optimizer.zero_grad();
    first.set_grad(gradient(first, step, 0));
    if (step % 3 != 2) second.set_grad(gradient(second, step, 5));
    optimizer.step();
  }
  std::vector<double> values() const {
    std::vector<double> all = to_vector<double>(first.detach().to(float64));
    for (const double x : to_vector<double>(second.detach().to(float64))) all.push_back(x);
    return all;
  }
};

template <class Kind, class Options>
void check_parity(const char* what, const Options& options, const std::vector<double>& expected) {
  CAPTURE(std::string(what));
  for (const DType dtype : {float64, float32}) {
    CAPTURE(dtype == float64);
    const double tolerance = dtype == float64 ? 1e-12 : 2e-4;
    const Problem problem(dtype);
    Kind optimizer{problem.parameters(), options};
    std::vector<double> got;
    for (int step = 0; step < 12; ++step) {
      problem.step(optimizer, step);
      if (step == 0 || step == 11)
        for (const double x : problem.values()) got.push_back(x);
    }
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      CAPTURE(expected[i]);
      CAPTURE(got[i]);
      CHECK(std::abs(got[i] - expected[i]) <= tolerance * std::max(1.0, std::abs(expected[i])));
    }
  }
}

}  // namespace

TEST_CASE("every option of every optimiser agrees with PyTorch") {
#define PARITY(Kind, options, ...) check_parity<Kind>(#Kind " " #options, options, {__VA_ARGS__});
#include "optimizers.inc"
#undef PARITY
}

namespace {

// Six steps, then the state moves to a new optimiser over copies of the parameters: both must go on alike, to the bit.
template <class Kind, class Options>
void check_resumes(const Options& options) {
  CAPTURE(Options::name);
  const Problem problem(float32);
  Kind optimizer{problem.named(), options};
  for (int step = 0; step < 6; ++step) problem.step(optimizer, step);
  optimizer.set_lr(0.03);
  const NamedTensors state = optimizer.state_dict();

  const Problem copy(float32);
  {
    const NoGrad no_grad;
    Tensor(copy.first).copy_(problem.first);
    Tensor(copy.second).copy_(problem.second);
  }
  Kind resumed{copy.named(), {}};
  resumed.load_state_dict(state);
  CHECK(resumed.lr() == 0.03);
  const NamedTensors again = resumed.state_dict();
  REQUIRE(again.size() == state.size());
  for (std::size_t i = 0; i < state.size(); ++i) {
    CHECK(again[i].first == state[i].first);
    CHECK(same_bits(again[i].second, state[i].second));
  }
  for (int step = 6; step < 12; ++step) {
    problem.step(optimizer, step);
    problem.step(optimizer, step);
    copy.step(resumed, step);
    copy.step(resumed, step);
    CHECK(same_bits(problem.first, copy.first));
    CHECK(same_bits(problem.second, copy.second));
  }
}

}  // namespace

TEST_CASE("a state that was saved and loaded continues to the same bits") {
  check_resumes<SGD>(SGDOptions{.lr = 0.1});
  check_resumes<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .nesterov = true});
  check_resumes<Adam>(AdamOptions{.lr = 0.1, .weight_decay = 0.1});
  check_resumes<Adam>(AdamOptions{.lr = 0.1, .betas = {0.8, 0.9}, .amsgrad = true});
  check_resumes<AdamW>(AdamWOptions{.lr = 0.1, .amsgrad = true, .maximize = true});
  check_resumes<Lion>(LionOptions{.lr = 0.1, .betas = {0.8, 0.9}, .weight_decay = 0.1, .maximize = true});
  check_resumes<RMSprop>(RMSpropOptions{.momentum = 0.9, .centered = true});
  check_resumes<Adagrad>(AdagradOptions{.lr_decay = 0.1, .initial_accumulator_value = 0.2});
}

TEST_CASE("state is saved under the names of the parameters") {
  const Problem problem;
  Adam optimizer{problem.named()};
  problem.step(optimizer, 2);  // the second parameter has no gradient in this step
  std::vector<std::string> names;
  for (const auto& [name, value] : optimizer.state_dict()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"net.weight.step", "net.weight.exp_avg", "net.weight.exp_avg_sq",
                                          "Adam.groups", "Adam.0.lr", "Adam.0.beta1", "Adam.0.beta2", "Adam.0.eps",
                                          "Adam.0.weight_decay", "Adam.0.amsgrad", "Adam.0.maximize"});
  Adam unnamed{problem.parameters()};
  problem.step(unnamed, 0);
  CHECK(unnamed.state_dict()[4].first == "1.exp_avg");
  // The state is a copy.
  const NamedTensors state = unnamed.state_dict();
  const Tensor before = state[4].second.clone();
  problem.step(unnamed, 1);
  CHECK(same_bits(before, state[4].second));
  CHECK(!same_bits(before, unnamed.state_dict()[4].second));
}

TEST_CASE("a state that does not fit is refused, all of it, with a list of what is wrong") {
  const Problem problem;
  Adam optimizer{problem.named(), {.lr = 0.1}};
  for (int step = 0; step < 3; ++step) problem.step(optimizer, step);
  const NamedTensors good = optimizer.state_dict();
  const auto refused = [&](const NamedTensors& state, std::initializer_list<const char*> words) {
    check_refused(optimizer, good, state, words);
  };
  NamedTensors bad = replaced(good, "net.weight.exp_avg", zeros({4}, {.dtype = float64}));
  std::erase_if(bad, [](const auto& entry) { return entry.first == "net.bias.exp_avg_sq"; });
  bad.emplace_back("head.weight.exp_avg", zeros({2}));
  refused(bad, {"Adam", "\"net.weight.exp_avg\" is float64 (4), expected float64 (5)",
                "missing \"net.bias.exp_avg_sq\" (3)", "unexpected \"head.weight.exp_avg\" (2)"});
  refused(replaced(good, "net.weight.exp_avg", zeros({5})), {"float32 (5), expected float64 (5)"});
  refused(replaced(good, "net.weight.step", full({}, -3, {.dtype = int64})), {"net.weight.step", "-3"});
  refused(replaced(good, "net.weight.step", zeros({2}, {.dtype = int64})), {"net.weight.step", "(2)"});
  refused(replaced(good, "Adam.0.lr", full({}, -1, {.dtype = float64})), {"Adam", "lr is -1"});
  refused(replaced(good, "Adam.0.beta2", full({}, std::nan(""), {.dtype = float64})), {"beta2 is nan"});
  refused(replaced(good, "Adam.0.amsgrad", full({}, 0.5, {.dtype = float64})), {"amsgrad", "0.5"});
  refused(replaced(good, "Adam.0.eps", Tensor{}), {"\"Adam.0.eps\" is undefined"});
  refused(replaced(good, "Adam.groups", full({}, 2, {.dtype = int64})), {"2 parameter groups", "the optimiser 1"});
  bad = good;
  bad.push_back(good.front());
  refused(bad, {"\"net.weight.step\" is there twice"});
  refused(SGD{problem.named()}.state_dict(), {"this is not the state of Adam"});
  refused({}, {"this is not the state of Adam"});
  for (int i = 0; i < 100; ++i) bad.emplace_back("x" + std::to_string(i), zeros({1}));
  refused(bad, {"and 81 more"});
}

TEST_CASE("options that change between saving and the next step survive") {
  const Problem problem;
  SGD optimizer{problem.parameters(), {.lr = 0.1}};
  problem.step(optimizer, 0);
  optimizer.set_option("momentum", 0.9);
  const NamedTensors state = optimizer.state_dict();
  SGD resumed{problem.parameters()};
  resumed.load_state_dict(state);
  const std::vector<double> start = problem.values();
  problem.step(optimizer, 1);
  const std::vector<double> expected = problem.values();
  {
    const NoGrad no_grad;
    for (Index i = 0; i < 5; ++i) problem.first.data<double>()[i] = start[std::size_t(i)];
    for (Index i = 0; i < 3; ++i) problem.second.data<double>()[i] = start[std::size_t(i) + 5];
  }
  problem.step(resumed, 1);
  CHECK(problem.values() == expected);
}

TEST_CASE("bits do not depend on the number of threads") {
  struct Restore {
    int before = num_threads();
    ~Restore() { set_num_threads(before); }
  } restore;
  // Sizes around the blocks and grains that work is cut at.
  const std::vector<Index> sizes = {70001, 1, 0, 1023, 16385, 1024, 7, 33333, 0};
  const auto run = [&](int threads, auto make) {
    set_num_threads(threads);
    Generator generator(3);
    std::vector<Tensor> parameters;
    for (const Index size : sizes) parameters.push_back(randn({size}, {.generator = &generator}).requires_grad_());
    const auto optimizer = make(parameters);
    for (int step = 0; step < 3; ++step) {
      for (const Tensor& p : parameters) p.set_grad(randn(p.shape(), {.generator = &generator}));
      optimizer->step();
    }
    return parameters;
  };
  const auto check_all = [&](auto make) {
    const std::vector<Tensor> one = run(1, make);
    for (const int threads : {2, 3, 5}) {
      const std::vector<Tensor> many = run(threads, make);
      for (std::size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], many[i]));
    }
  };
  check_all([](auto& p) {
    return std::make_unique<SGD>(p, SGDOptions{.momentum = 0.9, .weight_decay = 0.1, .nesterov = true});
  });
  check_all([](auto& p) { return std::make_unique<Adam>(p, AdamOptions{.weight_decay = 0.1, .amsgrad = true}); });
  check_all([](auto& p) { return std::make_unique<AdamW>(p); });
  check_all([](auto& p) { return std::make_unique<RMSprop>(p, RMSpropOptions{.momentum = 0.9, .centered = true}); });
  check_all([](auto& p) { return std::make_unique<Adagrad>(p); });
  check_all([](auto& p) { return std::make_unique<Lion>(p, LionOptions{.weight_decay = 0.1}); });
}

TEST_CASE("a step over pieces is a step over each of them") {
  // Large enough to be cut for threads in one call; the reference takes each parameter in an optimiser of its own.
  const std::vector<Index> sizes = {20000, 3, 0, 9000, 1, 12345};
  Generator generator(5);
  std::vector<Tensor> together, alone;
  for (const Index size : sizes) {
    together.push_back(randn({size}, {.generator = &generator}).requires_grad_());
    alone.push_back(together.back().detach().clone().requires_grad_());
    const Tensor g = randn({size}, {.generator = &generator});
    together.back().set_grad(g);
    alone.back().set_grad(g);
  }
  AdamW{together}.step();
  for (const Tensor& p : alone) AdamW{{p}}.step();
  for (std::size_t i = 0; i < sizes.size(); ++i) CHECK(same_bits(together[i], alone[i]));
}

TEST_CASE("parameters without a gradient are left alone, empty ones are no trouble") {
  Tensor a = parameter({1, 2}), b = parameter({3}), none = zeros({0, 3}, {.dtype = float64, .requires_grad = true});
  AdamW optimizer{{a, b, none}};
  a.set_grad(ones_like(a));
  none.set_grad(zeros_like(none));
  optimizer.step();
  CHECK(b.item() == 3);
  CHECK(a.data<double>()[0] != 1);
  CHECK(optimizer.state_dict()[0].first == "0.step");
  CHECK(optimizer.state_dict()[3].first == "2.step");
  AdamW fresh{{a, b, none}};
  fresh.load_state_dict(optimizer.state_dict());
  optimizer.zero_grad();
  CHECK(!a.grad().defined());
  optimizer.step();
}

TEST_CASE("a step changes numbers in place, off the tape, and the tape notices") {
  Tensor w = parameter({2, 3});
  SGD optimizer{{w}, {.lr = 0.5}};
  const double* const address = w.data<double>();
  (w * w).sum().backward();
  optimizer.step();
  CHECK(w.data<double>() == address);
  CHECK(to_vector<double>(w.detach()) == std::vector<double>{0, 0});
  CHECK(w.is_leaf());
  const Tensor loss = (w * w).sum();
  optimizer.step();
  CHECK_THROWS_AS(loss.backward(), Error);
}

TEST_CASE("gradients that grad() returned can be given to step") {
  Tensor a = parameter({1, 2}), b = parameter({3});
  SGD optimizer{{a, b}, {.lr = 0.5}};
  optimizer.step({ones_like(a), Tensor{}});
  CHECK(to_vector<double>(a.detach()) == std::vector<double>{0.5, 1.5});
  CHECK(b.item() == 3);
  check_contains(thrown([&] { optimizer.step({ones_like(a)}); }), {"SGD", "1 gradients", "2 parameters"});
  check_contains(thrown([&] { optimizer.step({ones_like(b), ones_like(b)}); }), {"SGD", "\"0\"", "(1)", "(2)"});
  check_contains(thrown([&] { optimizer.step({ones({2}), Tensor{}}); }), {"float32", "float64"});
  CHECK(to_vector<double>(a.detach()) == std::vector<double>{0.5, 1.5});
}

TEST_CASE("groups have options of their own") {
  Tensor a = parameter({1}), b = parameter({1});
  AdamW optimizer{{{.params = {a}, .options = {.lr = 0.1, .weight_decay = 0.5}},
                   {.params = {b}, .options = {.lr = 0.1, .weight_decay = 0}}}};
  REQUIRE(optimizer.groups() == 2);
  a.set_grad(ones_like(a));
  b.set_grad(ones_like(b));
  optimizer.step();
  CHECK(a.item() == doctest::Approx(0.95 - 0.1));
  CHECK(b.item() == doctest::Approx(1 - 0.1));
  CHECK(optimizer.options(1).weight_decay == 0);
  optimizer.set_lr(0.2);
  optimizer.set_lr(0.3, 1);
  CHECK(optimizer.lr() == 0.2);
  CHECK(optimizer.lr(1) == 0.3);
  AdamW named{{{.params = NamedTensors{{"x", a}}}, {.params = {b}}}};
  named.step();
  CHECK(named.state_dict()[0].first == "x.step");
  CHECK(named.state_dict()[3].first == "1.step");
  check_contains(thrown([&] { (void)optimizer.lr(2); }), {"AdamW", "group 2"});
  const NamedTensors state = optimizer.state_dict();
  AdamW same{{{.params = {a}}, {.params = {b}}}};
  same.load_state_dict(state);
  CHECK(same.lr(1) == 0.3);
  CHECK(same.options(0).weight_decay == 0.5);
}

TEST_CASE("different types of parameters share an optimiser") {
  Tensor a = full({2}, 1, {.requires_grad = true}), b = parameter({1, 1}), c = full({3}, 1, {.requires_grad = true});
  Adam optimizer{{a, b, c}, {.lr = 0.5}};
  for (const Tensor& p : {a, b, c}) p.set_grad(ones_like(p));
  optimizer.step();
  for (const Tensor& p : {a, b, c})
    for (const double x : to_vector<double>(p.detach().to(float64))) CHECK(x == doctest::Approx(0.5));
}

TEST_CASE("gradients that are not finite are not hidden") {
  const double inf = std::numeric_limits<double>::infinity();
  const auto stepped = [&](auto make, double g) {
    Tensor p = parameter({1, 1});
    const auto optimizer = make(std::vector<Tensor>{p});
    p.set_grad(from_vector(std::vector<double>{g, 1}));
    optimizer->step();
    p.set_grad(from_vector(std::vector<double>{0, 1}));
    optimizer->step();
    CHECK(std::isfinite(p.data<double>()[1]));
    return p.data<double>()[0];
  };
  for (const double g : {std::nan(""), inf}) {
    CHECK(!std::isfinite(stepped([](auto p) { return std::make_unique<SGD>(p, SGDOptions{.momentum = 0.9}); }, g)));
    CHECK(!std::isfinite(stepped([](auto p) { return std::make_unique<Adam>(p); }, g)));
    CHECK(!std::isfinite(stepped([](auto p) { return std::make_unique<AdamW>(p, AdamWOptions{.amsgrad = true}); }, g)));
    CHECK(!std::isfinite(
        stepped([](auto p) { return std::make_unique<RMSprop>(p, RMSpropOptions{.centered = true}); }, g)));
    CHECK(!std::isfinite(stepped([](auto p) { return std::make_unique<Adagrad>(p); }, g)));
  }
}

TEST_CASE("the variance of a constant gradient does not become NaN by rounding") {
  Tensor p = full({64}, 1, {.requires_grad = true});
  RMSprop optimizer{{p}, {.lr = 1e-12, .alpha = 0.3, .centered = true}};
  Generator generator(1);
  p.set_grad(randn({64}, {.generator = &generator}));
  for (int step = 0; step < 200; ++step) optimizer.step();
  for (const float x : to_vector<float>(p.detach())) CHECK(std::isfinite(x));
}

TEST_CASE("misuse is named") {
  Tensor a = parameter({1, 2}), b = parameter({3});
  const std::vector<Tensor> params = {a, b};
  check_contains(thrown([&] { SGD{{a.clone().detach().requires_grad_()}, {.lr = -1.0}}; }), {"SGD", "lr is -1"});
  check_contains(thrown([&] { SGD{params, {.lr = std::nan("")}}; }), {"lr is nan"});
  check_contains(thrown([&] { SGD{params, {.momentum = -0.5}}; }), {"momentum is -0.5"});
  check_contains(thrown([&] { SGD{params, {.dampening = INFINITY}}; }), {"dampening is inf"});
  check_contains(thrown([&] { SGD{params, {.weight_decay = -2}}; }), {"weight_decay is -2"});
  check_contains(thrown([&] { SGD{params, {.nesterov = true}}; }), {"nesterov", "momentum > 0"});
  check_contains(thrown([&] {
                   SGD{params, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}};
                 }),
                 {"nesterov", "dampening 0.1"});
  check_contains(thrown([&] { Adam{params, {.betas = {1.0, 0.9}}}; }), {"Adam", "beta1 is 1"});
  check_contains(thrown([&] { AdamW{params, {.betas = {0.9, -0.1}}}; }), {"AdamW", "beta2 is -0.1"});
  check_contains(thrown([&] { AdamW{params, {.eps = -1}}; }), {"eps is -1"});
  check_contains(thrown([&] { AdamW{params, {.weight_decay = -1}}; }), {"weight_decay is -1"});
  check_contains(thrown([&] { RMSprop{params, {.alpha = 1.5}}; }), {"RMSprop", "alpha is 1.5"});
  check_contains(thrown([&] { Adagrad{params, {.lr_decay = -1}}; }), {"Adagrad", "lr_decay is -1"});
  check_contains(thrown([&] {
                   Adagrad{params, {.initial_accumulator_value = -1}};
                 }),
                 {"initial_accumulator_value is -1"});

  check_contains(thrown([] { SGD{std::vector<Tensor>{}}; }), {"SGD", "empty"});
  check_contains(thrown([] { SGD{std::vector<SGD::Group>{}}; }), {"SGD", "no parameters"});
  check_contains(thrown([&] { SGD{{a, b, a}}; }), {"\"0\" and \"2\"", "(2)"});
  check_contains(thrown([&] { SGD{NamedTensors{{"x", a}, {"x", b}}}; }), {"two parameters are called \"x\""});
  check_contains(thrown([&] {
                   SGD{NamedTensors{{"w", a.detach()}}};
                 }),
                 {"no parameters to train", "none requires a gradient"});
  check_contains(thrown([&] { SGD{{a, Tensor::make("labels", {2}, int64)}}; }), {"\"1\"", "(2)", "int64"});
  check_contains(thrown([&] { SGD{{a * 2}}; }), {"\"0\"", "(2)", "leaves"});
  check_contains(thrown([&] { SGD{{a, Tensor{}}}; }), {"\"1\" is undefined"});

  SGD optimizer{params, {.lr = 0.1, .momentum = 0.9}};
  check_contains(thrown([&] { optimizer.set_lr(-2); }), {"SGD", "lr is -2"});
  CHECK(optimizer.lr() == 0.1);
  check_contains(thrown([&] { (void)optimizer.option("beta1"); }), {"\"beta1\"", "momentum"});
  CHECK(!optimizer.has_option("beta1"));
  CHECK(optimizer.has_option("nesterov"));
  optimizer.set_option("nesterov", 1);
  CHECK(optimizer.options().nesterov);
  check_contains(thrown([&] { optimizer.set_option("momentum", 0); }), {"nesterov needs momentum > 0"});
  CHECK(optimizer.option("momentum") == 0.9);

  a.set_grad(ones_like(a));
  optimizer.step();
  a.set_data(zeros({3}));
  a.set_grad(ones({3}));
  check_contains(thrown([&] { optimizer.step(); }), {"\"0\"", "float32 (3)", "momentum_buffer is float64 (2)"});
}

TEST_CASE("frozen parameters among the others are left alone") {
  Tensor trained = full({2}, 1.0, {.requires_grad = true});
  const Tensor frozen = full({3}, 5.0);
  SGD optimizer{{frozen, trained}, {.lr = 0.5}};
  (trained * trained).sum().backward();
  optimizer.step();
  CHECK(trained.data<float>()[0] == 0.0F);
  CHECK(frozen.data<float>()[0] == 5.0F);
}

TEST_CASE("Lion takes the sign: equal steps, none at 0, and a NaN is seen") {
  Tensor p = parameter({1, 1, 1, 1, 1});
  p.set_grad(from_vector(std::vector<double>{1e-300, -1e300, 0, INFINITY, NAN}));
  Lion optimizer{{p}, {.lr = 0.25}};
  optimizer.step();
  const std::vector<double> got = to_vector<double>(p.detach());
  CHECK(got[0] == 0.75);
  CHECK(got[1] == 1.25);
  CHECK(got[2] == 1);
  CHECK(got[3] == 0.75);
  CHECK(std::isnan(got[4]));
  check_contains(thrown([&] { Lion{{p}, {.betas = {0.9, 1}}}; }), {"Lion", "beta2 is 1"});
  check_contains(thrown([&] { Lion{{p}, {.lr = -1}}; }), {"Lion", "lr is -1"});
  check_contains(thrown([&] { Lion{{p}, {.weight_decay = NAN}}; }), {"Lion", "weight_decay is nan"});
}
