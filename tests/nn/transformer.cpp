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

TEST_CASE("an encoder is its blocks, one after another, each with weights of its own") {
  nn::TransformerEncoder encoder{8, 2, 3, {.feed_forward = "swiglu"}};
  const Tensor x = normal_numbers({2, 5, 8}, 1, float32);
  Tensor y = x;
  for (nn::TransformerBlock& layer : encoder.layers) y = layer(y);
  REQUIRE(encoder.norm.has_value());
  CHECK(largest_difference(encoder(x), (*encoder.norm)(y)) == 0);
  CHECK(largest_difference(encoder.layers[0].norm1.weight, encoder.layers[1].norm1.weight) == 0);
  CHECK(largest_difference(encoder.layers[0].self_attn.in_proj_weight, encoder.layers[1].self_attn.in_proj_weight) > 0);
  nn::TransformerEncoder last{8, 2, 1, {.norm_first = false}};
  CHECK(!last.norm.has_value());
  CHECK(largest_difference(last(x), last.layers[0](x)) == 0);
  nn::TransformerEncoder copy = nn::clone(encoder);
  encoder.layers[2].norm1.weight.set_data(zeros({8}));
  CHECK(largest_difference(encoder(x), copy(x)) > 0);
  check_error([] { nn::TransformerEncoder{8, 2, 0}; }, {"TransformerEncoder", "depth of 0"});
}

TEST_CASE("a decoder sees the memory and its own past") {
  nn::TransformerDecoder decoder{8, 2, 2, {.feed_forward = "geglu"}};
  decoder.to(float64);
  const Tensor x = normal_numbers({2, 5, 8}, 1), memory = normal_numbers({2, 3, 8}, 2);
  const Tensor y = decoder(x, memory);
  CHECK(y.shape() == x.shape());
  const Tensor later = cat({x.slice(1, 0, 4), normal_numbers({2, 1, 8}, 3)}, 1);
  CHECK(largest_difference(decoder(later, memory).slice(1, 0, 4), y.slice(1, 0, 4)) == 0);
  const Tensor other = cat({memory.slice(1, 0, 2), normal_numbers({2, 1, 8}, 4)}, 1);
  CHECK(largest_difference(decoder(x, other).slice(1, 0, 1), y.slice(1, 0, 1)) > 1e-3);
  const Tensor hide_last = tensor({{0, 0, 1}, {0, 0, 1}});
  CHECK(largest_difference(decoder(x, other, {.memory_key_padding_mask = hide_last}),
                           decoder(x, memory.slice(1, 0, 2))) < 1e-13);
  // The last two places of x are padding: what is there does not reach the others, causal or not.
  nn::TransformerDecoder open{8, 2, 1, {.causal = false}};
  open.to(float64);
  const Tensor padding = tensor({{0, 0, 0, 0, 1}, {0, 0, 0, 0, 1}});
  CHECK(largest_difference(open(later, memory, {.key_padding_mask = padding}).slice(1, 0, 4),
                           open(x.slice(1, 0, 4), memory)) < 1e-13);
  CHECK(largest_difference(open(later, memory).slice(1, 0, 4), open(x, memory).slice(1, 0, 4)) > 1e-3);
}

TEST_CASE("a decoder block has derivatives of any order, in x and memory") {
  for (const bool first : {true, false}) {
    nn::TransformerDecoderBlock block{4, 2, {.hidden = 6, .norm_first = first}};
    block.to(float64);
    check_derivatives([&](const std::vector<Tensor>& in) { return block(in[0], in[1]); },
                      {leaf({2, 3, 4}, 1), leaf({2, 2, 4}, 2)});
  }
}

TEST_CASE("a decoder says what does not fit") {
  nn::TransformerDecoder decoder{8, 2, 1};
  check_error([&] { (void)decoder(zeros({2, 3, 8}), zeros({1, 4, 8})); }, {"(2, 3, 8)", "(1, 4, 8)"});
  check_error([&] { (void)static_cast<nn::Module&>(decoder)(zeros({2, 3, 8})); }, {"TransformerDecoder", "forward(x)"});
  check_error([] { nn::TransformerDecoder{8, 2, -1}; }, {"TransformerDecoder", "depth of -1"});
  check_error([] { nn::TransformerDecoderBlock{8, 2, {.hidden = -1}}; }, {"TransformerDecoderBlock", "-1"});
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
