#include "gradus/nn/residual.hpp"

#include "gradus/data/digits.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/nn/pool.hpp"
#include "gradus/optim/sgd.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;

namespace {

using Names = std::vector<std::string>;

Names names_of(const NamedTensors& tensors) {
  Names names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

// Weights that are no longer 0 and 1 where layers start with these.
template <class Block>
Block stirred(Block block, std::uint64_t seed = 1) {
  const NoGrad no_grad;
  Generator generator(seed);
  for (const auto& [name, parameter] : block.named_parameters())
    Tensor(parameter).copy_(parameter + 0.3 * randn(parameter.shape(), {.generator = &generator}));
  block.to(float64);
  return block;
}

// The batch norm of the batch itself, from its definition.
Tensor normalised(const nn::BatchNorm& layer, const Tensor& x) {
  const ReduceOptions along{.axes = {0, 2, 3}, .keepdim = true};
  const Tensor centred = x - mean(x, along);
  const Shape column{1, x.shape()[1], 1, 1};
  return centred / sqrt(mean(square(centred), along) + 1e-5) * reshape(layer.weight, column) +
         reshape(layer.bias, column);
}

Tensor softplus_of(const Tensor& x) { return log(1.0 + exp(x)); }

struct Size {
  Index in, out;
  nn::IntPair stride;
};
const std::vector<Size> sizes{{3, 3, 1}, {3, 5, 1}, {3, 3, 2}, {2, 4, {2, 1}}};

template <class Block>
void check_training() {
  const data::Dataset digits = data::digits();
  const Tensor x = digits.x.slice(0, 0, 64), y = digits.y.slice(0, 0, 64);
  for (const char* activation : {"relu", "elu", "gelu", "silu"}) {
    CAPTURE(std::string(activation));
    manual_seed(4);
    nn::Sequential net{nn::Conv2d{1, 4, 3, {.padding = 1}}, Block{4, 6, {.stride = 2, .activation = activation}},
                       Block{6, 6, {.activation = activation}}, nn::GlobalAvgPool2d{}, nn::Linear{6, 10}};
    optim::SGD optimizer{net.parameters(), {.lr = 0.1, .momentum = 0.9}};
    const auto step = [&] {
      optimizer.zero_grad();
      const Tensor loss = nn::cross_entropy(net(x), y);
      loss.backward();
      optimizer.step();
      return loss.item();
    };
    const double first = step(), second = step();
    CHECK(second < first);
    for (int i = 0; i < 18; ++i) step();
    CHECK(step() < 0.7 * first);
  }
}

}  // namespace

TEST_CASE("PreActBlock is BN-act-conv-BN-act-conv plus the shortcut, and nothing after the sum") {
  for (const Size& size : sizes) {
    CAPTURE(size.out);
    CAPTURE(size.stride.height);
    auto block = stirred(nn::PreActBlock{size.in, size.out, {.stride = size.stride, .activation = "softplus"}});
    const Tensor x = normal_numbers({4, size.in, 7, 6});
    const Tensor active = softplus_of(normalised(block.bn1, x));
    const Tensor inner = F::conv2d(active, block.conv1.weight, {}, {.stride = size.stride, .padding = 1});
    const Tensor change = F::conv2d(softplus_of(normalised(block.bn2, inner)), block.conv2.weight, {}, {.padding = 1});
    const bool projects = size.in != size.out || size.stride != nn::IntPair{1};
    REQUIRE(block.shortcut.has_value() == projects);
    const Tensor shortcut = projects ? F::conv2d(active, block.shortcut->weight, {}, {.stride = size.stride}) : x;
    CHECK(largest_difference(block(x), change + shortcut) < 1e-12);
  }
}

TEST_CASE("PostActBlock is conv-BN-act-conv-BN plus the shortcut, and the activation of the sum") {
  for (const Size& size : sizes) {
    CAPTURE(size.out);
    CAPTURE(size.stride.height);
    auto block = stirred(nn::PostActBlock{size.in, size.out, {.stride = size.stride, .activation = "softplus"}});
    const Tensor x = normal_numbers({4, size.in, 7, 6});
    const Tensor inner = F::conv2d(x, block.conv1.weight, {}, {.stride = size.stride, .padding = 1});
    const Tensor change = normalised(
        block.bn2, F::conv2d(softplus_of(normalised(block.bn1, inner)), block.conv2.weight, {}, {.padding = 1}));
    const bool projects = size.in != size.out || size.stride != nn::IntPair{1};
    REQUIRE(block.shortcut.has_value() == projects);
    Tensor shortcut = x;
    if (projects) {
      const auto& conv = dynamic_cast<const nn::Conv2d&>((*block.shortcut)[0]);
      const auto& norm = dynamic_cast<const nn::BatchNorm2d&>((*block.shortcut)[1]);
      shortcut = normalised(norm, F::conv2d(x, conv.weight, {}, {.stride = size.stride}));
    }
    CHECK(largest_difference(block(x), softplus_of(change + shortcut)) < 1e-12);
  }
}

TEST_CASE("residual blocks: names, counts and shapes") {
  CHECK(names_of(nn::PreActBlock{4, 4}.named_parameters()) ==
        Names{"bn1.weight", "bn1.bias", "conv1.weight", "bn2.weight", "bn2.bias", "conv2.weight"});
  CHECK(names_of(nn::PreActBlock{4, 6}.named_parameters()) ==
        Names{"bn1.weight", "bn1.bias", "conv1.weight", "bn2.weight", "bn2.bias", "conv2.weight", "shortcut.weight"});
  CHECK(names_of(nn::PostActBlock{4, 4}.named_parameters()) ==
        Names{"conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight", "bn2.weight", "bn2.bias"});
  CHECK(names_of(nn::PostActBlock{4, 4, {.stride = 2}}.named_parameters()) ==
        Names{"conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight", "bn2.weight", "bn2.bias", "shortcut.0.weight",
              "shortcut.1.weight", "shortcut.1.bias"});
  CHECK(names_of(nn::PostActBlock{4, 4}.named_buffers()) == Names{"bn1.running_mean", "bn1.running_var",
                                                                  "bn1.num_batches_tracked", "bn2.running_mean",
                                                                  "bn2.running_var", "bn2.num_batches_tracked"});
  CHECK(nn::parameter_count(nn::PreActBlock{8, 16, {.stride = 2}}) == 16 + 9 * 8 * 16 + 32 + 9 * 16 * 16 + 8 * 16);
  CHECK(nn::parameter_count(nn::PostActBlock{8, 16, {.stride = 2}}) ==
        9 * 8 * 16 + 32 + 9 * 16 * 16 + 32 + 8 * 16 + 32);
  for (const Index height : {1, 2, 5, 8})
    for (const nn::IntPair stride : {nn::IntPair{1}, nn::IntPair{2}, nn::IntPair{3, 1}}) {
      CAPTURE(height);
      CAPTURE(stride.height);
      const Shape expected{2, 5, (height + stride.height - 1) / stride.height, (7 + stride.width - 1) / stride.width};
      CHECK(nn::PreActBlock{3, 5, {.stride = stride}}(zeros({2, 3, height, 7})).shape() == expected);
      CHECK(nn::PostActBlock{3, 5, {.stride = stride}}(zeros({2, 3, height, 7})).shape() == expected);
    }
  nn::PreActBlock pre{3, 5};
  nn::PostActBlock post{3, 5};
  pre.eval(), post.eval();
  CHECK(pre(zeros({0, 3, 4, 4})).shape() == Shape{0, 5, 4, 4});
  CHECK(post(zeros({0, 3, 4, 4})).shape() == Shape{0, 5, 4, 4});
}

TEST_CASE("residual blocks have derivatives of any order") {
  const auto check = [](auto block) {
    const Tensor x = leaf({3, 2, 4, 3}, 7);
    for (const bool training : {true, false}) {
      CAPTURE(training);
      block.train(training);
      check_derivatives([&](const std::vector<Tensor>& in) { return block(in[0]); }, {x}, {.rtol = 1e-4});
      const auto of_weights = [&](const std::vector<Tensor>& in) {
        auto copy = block;
        copy.conv1.weight = in[0];
        copy.bn2.weight = in[1];
        copy.conv2.weight = in[2];
        return copy(x.detach());
      };
      check_derivatives(of_weights, {block.conv1.weight, block.bn2.weight, block.conv2.weight}, {.rtol = 1e-4});
    }
  };
  check(stirred(nn::PreActBlock{2, 2, {.activation = "tanh"}}));
  check(stirred(nn::PreActBlock{2, 3, {.stride = 2, .activation = "tanh"}}));
  check(stirred(nn::PostActBlock{2, 2, {.activation = "tanh"}}));
  check(stirred(nn::PostActBlock{2, 3, {.stride = 2, .activation = "tanh"}}));
}

TEST_CASE("residual blocks: clones, copies and modes reach every part") {
  auto block = stirred(nn::PostActBlock{2, 3, {.activation = "elu"}});
  auto copy = nn::clone(block);
  const Tensor x = normal_numbers({4, 2, 5, 5});
  copy(x);
  CHECK(block.bn1.num_batches_tracked.item() == 0);
  CHECK(copy.bn1.num_batches_tracked.item() == 1);
  CHECK(dynamic_cast<nn::BatchNorm2d&>((*copy.shortcut)[1]).num_batches_tracked.item() == 1);
  block.load_state_dict(copy.state_dict());
  block.eval(), copy.eval();
  CHECK(largest_difference(block(x), copy(x)) == 0);
  // In eval mode a sample's output does not depend on its batch.
  CHECK(largest_difference(block(x).slice(0, 1, 2), block(x.slice(0, 1, 2))) < 1e-12);
}

TEST_CASE("residual blocks say what does not fit") {
  check_error([] { (void)nn::PreActBlock{0, 4}; }, {"PreActBlock", "0 channels in, 4 out", "at least 1"});
  check_error([] { (void)nn::PreActBlock{4, -1}; }, {"PreActBlock", "4 channels in, -1 out"});
  check_error([] { (void)nn::PreActBlock{4, 4, {.stride = 0}}; }, {"PreActBlock", "stride is (0, 0)", "at least 1"});
  check_error([] { (void)nn::PreActBlock{4, 4, {.activation = "rleu"}}; }, {"rleu", "relu"});
  check_error([] { (void)nn::PostActBlock{0, 4}; }, {"PostActBlock", "0 channels in, 4 out"});
  check_error([] { (void)nn::PostActBlock{4, 4, {.stride = {1, -2}}}; }, {"PostActBlock", "stride is (1, -2)"});
  check_error([] { (void)nn::PostActBlock{4, 4, {.activation = "rleu"}}; }, {"rleu", "relu"});
  check_error([] { (void)nn::PreActBlock{3, 4}(zeros({2, 5, 4, 4})); }, {"batch_norm", "(2, 5, 4, 4)", "3"});
  check_error([] { (void)nn::PreActBlock{3, 4}(zeros({2, 3, 4})); }, {"BatchNorm2d", "(2, 3, 4)"});
  check_error([] { (void)nn::PostActBlock{3, 4}(zeros({2, 5, 4, 4})); }, {"conv2d", "(2, 5, 4, 4)", "expects 3"});
}

TEST_CASE("PreActBlock learns to read digits") { check_training<nn::PreActBlock>(); }
TEST_CASE("PostActBlock learns to read digits") { check_training<nn::PostActBlock>(); }
