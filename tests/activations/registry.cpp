#include "gradus/activations/registry.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "activations/reference.hpp"
#include "gradus/core/error.hpp"

using namespace gradus;
using namespace gradus::test;
using activations::activation;
using activations::names;
using activations::register_activation;

namespace {

struct Doubled {
  template <class V> V f(const V& x) const { return V(2) * x; }
};

}  // namespace

TEST_CASE("every built-in activation has its name") {
  const std::vector<std::string> known = names();
  CHECK(std::is_sorted(known.begin(), known.end()));
  for (const char* name : {"relu", "leaky_relu", "prelu", "elu", "celu", "selu", "gelu", "gelu_tanh", "silu", "mish",
                           "softplus", "softsign", "tanh", "sigmoid", "hard_swish", "softshrink", "identity"}) {
    INFO(std::string(name));
    CHECK(std::count(known.begin(), known.end(), name) == 1);
    CHECK(activation(name).name() == name);
  }
  CHECK(builtins().size() == 17);
}

TEST_CASE("a name may carry parameters") {
  CHECK(activation("elu(0.5)")(-1) == doctest::Approx(0.5 * std::expm1(-1.0)));
  CHECK(activation(" elu( 0.5 ) ").name() == "elu( 0.5 )");
  CHECK(activation("leaky_relu(0.2)")(-1) == -0.2);
  CHECK(activation("softplus(2, 3)")(1.4) == doctest::Approx(std::log1p(std::exp(2.8)) / 2));
  CHECK(activation("softplus(2, 3)")(1.6) == 1.6);
  CHECK(activation("softshrink(0)")(0.25) == 0.25);
  CHECK(activation("elu(-1e-1)")(1, 0) == -0.1);
  CHECK(activation("elu(0.5)").traits().kinks == std::vector<double>{0});
  CHECK(activation("softshrink(2)").traits().kinks == std::vector<double>{-2, 2});
}

TEST_CASE("parameters that are none are refused") {
  const auto refused = [](const char* text, const char* message) {
    INFO(std::string(text));
    CHECK_THROWS_WITH_AS((void)activation(text), message, Error);
  };
  refused("elu(x)", "activation: \"elu(x)\": the parameter \"x\" is not a finite number");
  refused("elu()", "activation: \"elu()\": the parameter \"\" is not a finite number");
  refused("elu(1,)", "activation: \"elu(1,)\": the parameter \"\" is not a finite number");
  refused("elu(nan)", "activation: \"elu(nan)\": the parameter \"nan\" is not a finite number");
  refused("elu(inf)", "activation: \"elu(inf)\": the parameter \"inf\" is not a finite number");
  refused("elu(1e999)", "activation: \"elu(1e999)\": the parameter \"1e999\" is not a finite number");
  refused("elu(0.5", "activation: \"elu(0.5\" has no closing parenthesis at its end");
  refused("elu(0.5)x", "activation: \"elu(0.5)x\" has no closing parenthesis at its end");
  refused("elu(1, 2)", "activation: \"elu(1, 2)\" gives 2 parameters, but elu takes 1: alpha");
  refused("softplus(1, 2, 3)",
          "activation: \"softplus(1, 2, 3)\" gives 3 parameters, but softplus takes 2: beta, threshold");
  refused("relu(1)", "activation: \"relu(1)\": relu takes no parameters");
  refused("celu(0)", "activation: \"celu(0)\": alpha must be positive, got 0");
  refused("softplus(-1)", "activation: \"softplus(-1)\": beta must be positive, got -1");
  refused("softshrink(-0.5)", "activation: \"softshrink(-0.5)\": lambda must not be negative, got -0.5");
}

TEST_CASE("an unknown name is answered with the nearest and all known ones") {
  const auto unknown = [](const std::string& name, const char* part) {
    CHECK_THROWS_WITH_AS((void)activation(name), doctest::Contains(part), Error);
  };
  unknown("gleu", "there is no activation \"gleu\"; did you mean \"gelu\"?; known are celu, elu, gelu, gelu_tanh, ");
  unknown("hardswish", "did you mean \"hard_swish\"?");
  unknown("ELU(1)", "there is no activation \"ELU\"");
  unknown("", "there is no activation \"\"; known are");
  unknown("(1)", "there is no activation \"\"; known are");
  unknown("quite something else", "there is no activation \"quite something else\"; known are");
  unknown(std::string(1000000, 'a'), "there is no activation \"aaaa");
}

TEST_CASE("a user's activation gets a name, and may take a built-in's") {
  register_activation("test-doubled.1", activations::make_function(Doubled{}));
  CHECK(activation("test-doubled.1")(3) == 6);
  const std::vector<std::string> known = names();
  CHECK(std::count(known.begin(), known.end(), "test-doubled.1") == 1);
  CHECK_THROWS_WITH_AS((void)activation("test-doubled.1(2)"), doctest::Contains("takes no parameters"), Error);

  const activations::Function built_in = activation("softsign");
  register_activation("softsign", activations::make_function(Doubled{}));
  CHECK(activation("softsign")(3) == 6);
  CHECK(built_in(3) == 0.75);
  register_activation("softsign", built_in);
  CHECK(activation("softsign")(3) == 0.75);

  for (const char* name : {"", "two words", "elu(1)", "a,b"}) {
    INFO(std::string(name));
    CHECK_THROWS_WITH_AS(register_activation(name, built_in), doctest::Contains("is no name for an activation"), Error);
  }
}

TEST_CASE("names are registered and asked for from several threads") {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t, &wrong] {
      for (int i = 0; i < 200; ++i) {
        const std::string name = "thread-" + std::to_string(t) + "-" + std::to_string(i % 10);
        register_activation(name, activations::make_function(Doubled{}));
        if (activation(name)(1) != 2 || activation("elu(0.5)")(1) != 1 || names().size() < 17) ++wrong[t];
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0);
}
