#include "gradus/nn/feed_forward.hpp"

#include <limits>

#include "gradus/nn/module.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

std::vector<std::string> names_of(nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : module.named_parameters()) names.push_back(name);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a feed-forward network is linear, activation, linear") {
  nn::FeedForward plain{3, 5};
  CHECK(names_of(plain) == Names{"linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"});
  CHECK(plain.linear1.weight.shape() == Shape{5, 3});
  CHECK(plain.linear2.weight.shape() == Shape{3, 5});
  plain.to(float64);
  for (const Shape& shape : {Shape{3}, Shape{2, 3}, Shape{2, 7, 3}, Shape{0, 3}}) {
    const Tensor x = normal_numbers(shape);
    const Tensor h = matmul(x.reshape({-1, 3}), plain.linear1.weight.t()) + plain.linear1.bias;
    const Tensor y = matmul(h * 0.5 * (1.0 + erf(h * std::sqrt(0.5))), plain.linear2.weight.t()) + plain.linear2.bias;
    if (x.numel() > 0) CHECK(largest_difference(plain(x), y.reshape(shape)) < 1e-14);
    CHECK(plain(x).shape() == shape);
  }
  nn::FeedForward bare{3, 5, {.activation = "elu(0.5)", .bias = false}};
  CHECK(names_of(bare) == Names{"linear1.weight", "linear2.weight"});
  CHECK(bare.activation.type_name() == "elu(0.5)");
}

TEST_CASE("a gated network multiplies two maps, one of them activated") {
  const auto check_gate = [](auto network, const std::function<Tensor(const Tensor&)>& gate) {
    CHECK(names_of(network) == Names{"linear1.weight", "linear2.weight", "linear3.weight"});
    CHECK(network.linear3.weight.shape() == Shape{3, 5});
    network.to(float64);
    const Tensor x = normal_numbers({2, 7, 3});
    const Tensor h = gate(matmul(x, network.linear1.weight.t())) * matmul(x, network.linear2.weight.t());
    CHECK(largest_difference(network(x), matmul(h, network.linear3.weight.t())) < 1e-14);
  };
  check_gate(nn::GLU{3, 5}, [](const Tensor& x) { return 1.0 / (1.0 + exp(-x)); });
  check_gate(nn::ReGLU{3, 5}, [](const Tensor& x) { return maximum(x, 0.0); });
  check_gate(nn::GEGLU{3, 5}, [](const Tensor& x) { return x * 0.5 * erfc(x * -std::sqrt(0.5)); });
  check_gate(nn::SwiGLU{3, 5}, [](const Tensor& x) { return x / (1.0 + exp(-x)); });
  nn::SwiGLU biased{3, 5, {.bias = true}};
  CHECK(biased.named_parameters().size() == 6);
  CHECK(nn::SwiGLU{3, 5}.type_name().find("SwiGLU") != std::string::npos);
}

TEST_CASE("feed-forward networks have derivatives of any order") {
  nn::FeedForward plain{3, 4, {.activation = "tanh"}};
  nn::SwiGLU gated{3, 4};
  nn::GEGLU gelu{3, 4};
  const auto check_network = [](nn::Module& network) {
    network.to(float64);
    check_derivatives([&](const std::vector<Tensor>& in) { return network(in[0]); }, {leaf({2, 5, 3})});
  };
  check_network(plain);
  check_network(gated);
  check_network(gelu);
  const auto in_weights = [&](const std::vector<Tensor>& in) {
    gated.linear1.weight = in[0], gated.linear2.weight = in[1], gated.linear3.weight = in[2];
    return gated(normal_numbers({5, 3}, 9));
  };
  check_derivatives(in_weights, {leaf({4, 3}, 1), leaf({4, 3}, 2), leaf({3, 4}, 3)});
}

TEST_CASE("dropout drops hidden features, in training") {
  nn::FeedForward dropping{4, 6, {.dropout = 1.0, .bias = true}};
  nn::SwiGLU gated{4, 6, {.dropout = 1.0}};
  const Tensor x = normal_numbers({3, 4}, 1, float32);
  CHECK(largest_difference(dropping(x), zeros({3, 4}) + dropping.linear2.bias) == 0);
  CHECK(gated(x).abs().sum().item() == 0);
  dropping.eval();
  gated.eval();
  CHECK(largest_difference(dropping(x), dropping.linear2(dropping.activation(dropping.linear1(x)))) == 0);
  CHECK(gated(x).abs().sum().item() > 0);
}

TEST_CASE("matched widths give matched numbers of weights") {
  CHECK(nn::matched_hidden(128) == 88);
  CHECK(nn::matched_hidden(2048) == 1368);
  CHECK(nn::matched_hidden(12) == 8);
  CHECK(nn::matched_hidden(1) == 8);
  CHECK(nn::matched_hidden(17) == 8);
  CHECK(nn::matched_hidden(18) == 16);
  CHECK(nn::matched_hidden(std::numeric_limits<Index>::max() / 2) % 8 == 0);
  for (const Index width : {32, 48, 64, 100, 256}) {
    const nn::FeedForward plain{width, 4 * width};
    const nn::SwiGLU gated{width, nn::matched_hidden(4 * width)};
    CHECK(std::abs(double(nn::parameter_count(gated)) / double(nn::parameter_count(plain)) - 1) < 0.05);
  }
  check_error([] { (void)nn::matched_hidden(0); }, {"matched_hidden", "0"});
}

TEST_CASE("feed-forward networks say what does not fit") {
  nn::SwiGLU gated{3, 4};
  check_error([&] { (void)gated(zeros({2, 5})); }, {"linear", "5 features", "expects 3"});
  check_error([] { nn::FeedForward{3, 4, {.activation = "gelo"}}; }, {"gelo", "gelu"});
  check_error([] { nn::FeedForward{3, 4, {.dropout = 1.5}}; }, {"dropout", "1.5"});
  check_error([] { nn::SwiGLU{3, 4, {.dropout = -1}}; }, {"dropout", "-1"});
  check_error([] { nn::FeedForward{3, 0}; }, {"0"});
}
