#include "gradus/nn/transformer.hpp"

#include "gradus/nn/embedding.hpp"
#include "gradus/nn/sequential.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

std::vector<std::string> names_of(nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : module.named_parameters()) names.push_back(name);
  return names;
}

}  // namespace

TEST_CASE("a block adds attention and feed-forward network to x") {
  for (const bool first : {true, false}) {
    nn::TransformerBlock block{6, 2, {.hidden = 5, .causal = true, .norm_first = first}};
    block.to(float64);
    const Tensor x = normal_numbers({2, 4, 6});
    if (first) {
      const Tensor y = x + block.self_attn(block.norm1(x));
      CHECK(largest_difference(block(x), y + block.feed_forward(block.norm2(y))) < 1e-15);
    } else {
      const Tensor y = block.norm1(x + block.self_attn(x));
      CHECK(largest_difference(block(x), block.norm2(y + block.feed_forward(y))) < 1e-15);
    }
  }
}

TEST_CASE("a block's parameters are named as PyTorch's") {
  using Names = std::vector<std::string>;
  nn::TransformerBlock plain{8, 2};
  CHECK(names_of(plain) == Names{"self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight",
                                 "self_attn.out_proj.bias", "linear1.weight", "linear1.bias", "linear2.weight",
                                 "linear2.bias", "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"});
  nn::TransformerBlock gated{8, 2, {.feed_forward = "swiglu", .bias = false}};
  CHECK(names_of(gated) == Names{"self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight",
                                 "linear2.weight", "linear3.weight", "norm1.weight", "norm1.bias", "norm2.weight",
                                 "norm2.bias"});
  nn::Sequential stack{nn::Embedding{5, 8}, nn::TransformerBlock{8, 2}};
  CHECK(names_of(stack)[1] == "1.self_attn.in_proj_weight");
  CHECK(names_of(stack)[5] == "1.linear1.weight");
}

TEST_CASE("every feed-forward network has its place, and about the same size") {
  const Index plain = nn::parameter_count(nn::TransformerBlock{48, 4});
  for (const char* name : {"gelu", "relu", "elu(0.5)", "mish", "glu", "reglu", "geglu", "swiglu"}) {
    CAPTURE(name);
    nn::TransformerBlock block{48, 4, {.feed_forward = name}};
    CHECK(std::abs(double(nn::parameter_count(block)) / double(plain) - 1) < 0.05);
    const Tensor x = normal_numbers({2, 3, 48}, 1, float32);
    CHECK(block(x).shape() == x.shape());
  }
  CHECK(nn::TransformerBlock(8, 2, {.feed_forward = "geglu"}).feed_forward->type_name().find("GEGLU") !=
        std::string::npos);
  nn::TransformerBlock wide{8, 2};
  CHECK(wide.named_parameters()[4].second.shape() == Shape{32, 8});
  nn::TransformerBlock narrow{8, 2, {.hidden = 5}};
  CHECK(narrow.named_parameters()[4].second.shape() == Shape{5, 8});
}

TEST_CASE("a block has derivatives of any order") {
  for (const char* name : {"gelu", "swiglu"})
    for (const bool first : {true, false}) {
      CAPTURE(name);
      nn::TransformerBlock block{4, 2, {.hidden = 6, .feed_forward = name, .causal = true, .norm_first = first}};
      block.to(float64);
      check_derivatives([&](const std::vector<Tensor>& in) { return block(in[0]); }, {leaf({2, 3, 4})});
    }
}

TEST_CASE("every parameter of a block gets a gradient") {
  for (const char* name : {"gelu", "geglu"}) {
    nn::TransformerBlock block{8, 2, {.feed_forward = name, .causal = true}};
    square(block(normal_numbers({2, 5, 8}, 1, float32))).sum().backward();
    for (const auto& [path, parameter] : block.named_parameters()) {
      CAPTURE(path);
      REQUIRE(parameter.grad().defined());
      CHECK(parameter.grad().abs().max().item() > 0);
    }
  }
}

TEST_CASE("a causal block does not see what comes later; padding is passed on") {
  nn::TransformerBlock causal{8, 2, {.feed_forward = "swiglu", .causal = true}};
  const Tensor x = normal_numbers({2, 6, 8}, 1, float32);
  const Tensor changed = cat({x.slice(1, 0, 4), x.slice(1, 4, 6) * 5.0}, 1);
  CHECK(largest_difference(causal(x).slice(1, 0, 4), causal(changed).slice(1, 0, 4)) == 0);
  nn::TransformerBlock open{8, 2};
  open.to(float64);
  const Tensor padding = tensor({{0, 0, 0, 0, 1, 1}, {0, 0, 0, 0, 1, 1}}), y = x.to(float64);
  CHECK(largest_difference(open(y, {.key_padding_mask = padding}).slice(1, 0, 4), open(y.slice(1, 0, 4))) < 1e-14);
  CHECK(largest_difference(open(y).slice(1, 0, 4), open(y.slice(1, 0, 4))) > 1e-3);
}

TEST_CASE("training mode reaches every part, and a clone shares nothing") {
  nn::TransformerBlock block{8, 2, {.feed_forward = "swiglu", .dropout = 0.5}};
  const Tensor x = normal_numbers({2, 5, 8}, 1, float32);
  CHECK(largest_difference(block(x), block(x)) > 0);
  block.eval();
  CHECK(!block.feed_forward->training());
  CHECK(!block.self_attn.dropout.training());
  CHECK(largest_difference(block(x), block(x)) == 0);
  nn::TransformerBlock copy = nn::clone(block);
  CHECK(largest_difference(block(x), copy(x)) == 0);
  {
    const NoGrad no_grad;
    for (Tensor& parameter : block.parameters()) parameter.mul_(2);
  }
  CHECK(largest_difference(block(x), copy(x)) > 0);
  copy.load_state_dict(block.state_dict());
  CHECK(largest_difference(block(x), copy(x)) == 0);
}

TEST_CASE("a block says what does not fit") {
  check_error([] { nn::TransformerBlock{10, 4}; }, {"width of 10", "4 heads"});
  check_error([] { nn::TransformerBlock{8, 2, {.feed_forward = "swigloo"}}; }, {"swigloo"});
  check_error([] { nn::TransformerBlock{8, 2, {.hidden = -4}}; }, {"TransformerBlock", "-4"});
  check_error([] { nn::TransformerBlock{8, 2, {.dropout = 1.01}}; }, {"dropout", "1.01"});
  check_error([] { nn::TransformerBlock{8, 2, {.layer_norm_eps = 0}}; }, {"LayerNorm", "eps"});
  nn::TransformerBlock block{8, 2};
  check_error([&] { (void)block(zeros({2, 3, 6})); }, {"(2, 3, 6)"});
}
