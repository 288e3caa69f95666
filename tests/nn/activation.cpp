#include "gradus/nn/activation.hpp"

#include <cmath>

#include "gradus/activations/registry.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/sequential.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

struct Cubic {
  double scale = 1;
  template <class V>
  V f(const V& x) const {
    return V(scale) * x * x * x;
  }
  template <class V>
  V df(const V& x) const {
    return V(3 * scale) * x * x;
  }
};

bool same(const Tensor& a, const Tensor& b) { return allclose(a, b, {.rtol = 0, .atol = 0}); }

}  // namespace

TEST_CASE("the layers compute what the functions of their names do, with PyTorch's parameters") {
  const Tensor x = linspace(-4, 25, 200);
  const auto is = [&](nn::Activation layer, const Tensor& y, const char* name) {
    CAPTURE(std::string(name));
    CHECK(same(layer(x), y));
    CHECK(layer.type_name() == name);
    CHECK(layer.parameters().empty());
  };
  is(nn::ReLU{}, relu(x), "relu");
  is(nn::LeakyReLU{}, leaky_relu(x, 0.01), "leaky_relu");
  is(nn::ELU{}, elu(x), "elu");
  is(nn::CELU{}, celu(x), "celu");
  is(nn::SELU{}, selu(x), "selu");
  is(nn::GELU{}, gelu(x), "gelu");
  is(nn::GELU{"tanh"}, gelu_tanh(x), "gelu_tanh");
  is(nn::SiLU{}, silu(x), "silu");
  is(nn::Mish{}, mish(x), "mish");
  is(nn::Softplus{}, softplus(x), "softplus");
  is(nn::Softsign{}, softsign(x), "softsign");
  is(nn::Tanh{}, tanh(x), "tanh");
  is(nn::Sigmoid{}, sigmoid(x), "sigmoid");
  is(nn::Hardswish{}, hard_swish(x), "hard_swish");
  is(nn::Softshrink{}, softshrink(x, 0.5), "softshrink");
  CHECK(same(nn::ELU{0.5}(x), elu(x, 0.5)));
  CHECK(same(nn::CELU{2}(x), celu(x, 2)));
  CHECK(same(nn::LeakyReLU{0.3}(x), leaky_relu(x, 0.3)));
  CHECK(same(nn::Softplus{2, 10}(x), softplus(x, 2, 10)));
  CHECK(same(nn::Softshrink{1}(x), softshrink(x, 1)));
  check_error([] { nn::GELU{"exact"}; }, {"GELU", "exact", "tanh"});
}

TEST_CASE("parameters outside of their range are refused, however they are given") {
  const Tensor x = zeros({2});
  for (const double beta : {0.0, -1.0, std::nan("")}) {
    check_error([&] { nn::CELU{beta}; }, {"celu", "alpha"});
    check_error([&] { (void)celu(x, beta); }, {"celu", "alpha"});
    check_error([&] { nn::Softplus{beta}; }, {"softplus", "beta"});
    check_error([&] { (void)softplus(x, beta); }, {"softplus", "beta"});
  }
  check_error([&] { nn::Softshrink{-0.5}; }, {"softshrink", "lambda", "-0.5"});
  check_error([&] { (void)softshrink(x, -0.5); }, {"softshrink", "lambda", "-0.5"});
  check_error([&] { nn::ELU{std::nan("")}; }, {"elu", "alpha", "nan"});
  check_error([&] { nn::LeakyReLU{INFINITY}; }, {"leaky_relu", "inf"});
  CHECK_NOTHROW(nn::ELU{-1});
  CHECK_NOTHROW(nn::Softshrink{0});
}

TEST_CASE("activations by name, with parameters, and a user's own") {
  const Tensor x = linspace(-3, 3, 101);
  nn::Activation half = nn::activation("elu(0.5)");
  CHECK(half.type_name() == "elu(0.5)");
  CHECK(same(half(x), elu(x, 0.5)));
  check_error([] { (void)nn::activation("gleu"); }, {"gleu", "gelu", "did you mean"});
  nn::Activation cubic{Cubic{2}};
  CHECK(cubic.type_name() == "Cubic");
  CHECK(allclose(cubic(x), 2.0 * x * x * x));
  nn::register_activation("cubic-for-test", Cubic{});
  CHECK(nn::activation("cubic-for-test").type_name() == "cubic-for-test");
  CHECK(allclose(nn::activation("cubic-for-test")(x), x * x * x));
  check_error([] { nn::register_activation("not a name", Cubic{}); }, {"register_activation", "not a name"});
  nn::Sequential net{nn::Linear{2, 3}, nn::Activation{Cubic{}}, nn::activation("cubic-for-test"), nn::Linear{3, 1}};
  CHECK(net(zeros({5, 2})).shape() == Shape{5, 1});
  CHECK(net.parameters().size() == 4);
}

TEST_CASE("PReLU learns its slopes") {
  nn::PReLU one, many{{.num_parameters = 3, .init = 0.1}};
  CHECK(one.weight.shape() == Shape{1});
  CHECK(one.weight.item() == 0.25);
  CHECK(many.weight.shape() == Shape{3});
  CHECK(one.named_parameters()[0].first == "weight");
  const Tensor x = tensor({{-1, -2, 3}, {-4, 5, -6}});
  CHECK(allclose(one(x), tensor({{-0.25, -0.5, 3}, {-1, 5, -1.5}})));
  CHECK(allclose(many(x), tensor({{-0.1, -0.2, 3}, {-0.4, 5, -0.6}})));
  one(x).sum().backward();
  CHECK(one.weight.grad().shape() == Shape{1});
  CHECK(one.weight.grad().item() == -13);
  many(x).sum().backward();
  CHECK(allclose(many.weight.grad(), tensor({-5, -2, -6})));
  CHECK(many(zeros({2, 3, 4, 5})).shape() == Shape{2, 3, 4, 5});
  check_error([&] { (void)many(zeros({2, 4})); }, {"prelu", "(2, 4)", "3"});
  check_error([] { nn::PReLU{{.num_parameters = 0}}; }, {"PReLU", "0"});
  check_error([] { nn::PReLU{{.num_parameters = -2}}; }, {"PReLU", "-2"});
}

TEST_CASE("a probe sees what flows through the activation layers while it lives") {
  nn::Sequential net{nn::Linear{2, 4}, nn::GELU{}, nn::Residual{nn::Sequential{nn::Linear{4, 4}, nn::ELU{0.5}}}};
  const Tensor x = normal_numbers({3, 2}, 1, float32);
  const Tensor expected = net(x);
  {
    nn::ActivationProbe outer;
    CHECK(outer.records.empty());
    CHECK(same(net(x), expected));
    REQUIRE(outer.records.size() == 2);
    CHECK(outer.records[0].function.name() == "gelu");
    CHECK(outer.records[0].input.shape() == Shape{3, 4});
    CHECK(same(gelu(outer.records[0].input), outer.records[0].output));
    CHECK(same(elu(outer.records[1].input, 0.5), outer.records[1].output));
    {
      nn::ActivationProbe inner;
      (void)net(x);
      CHECK(inner.records.size() == 2);
      CHECK(outer.records.size() == 2);
    }
    (void)net(x);
    CHECK(outer.records.size() == 4);
    // The tensors are those of the tape: gradients with respect to them can be asked for.
    const Tensor loss = net(x).sum();
    const Tensor g = grad(loss, outer.records[4].output);
    CHECK(g.shape() == Shape{3, 4});
  }
  CHECK(same(net(x), expected));
}
