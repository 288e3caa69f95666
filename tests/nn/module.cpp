#include "gradus/nn/module.hpp"

#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/functional.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/loss.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/optim/adam.hpp"
#include "gradus/optim/sgd.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

struct Gated : nn::Module {
  nn::Linear value, gate;
  Tensor temperature = full({1}, 1.0, {.requires_grad = true});

  Gated(Index in, Index out) : value{in, out}, gate{in, out} {}
  Tensor forward(const Tensor& x) override { return value(x) * sigmoid(gate(x) / temperature); }
  void visit(nn::Visitor& v) override {
    v("value", value);
    v("gate", gate);
    v("temperature", temperature);
  }
};

// Everything that can be visited: children in vectors, loose tensors in vectors, an undefined parameter, buffers, a
// module of any type.
struct Zoo : nn::Module {
  std::vector<nn::Linear> layers;
  std::vector<Tensor> scales;
  Tensor none, steps = zeros({}, {.dtype = int64}), average = zeros({2});
  nn::AnyModule head = nn::Sequential{nn::Linear{2, 2}, nn::Dropout{0.5}};

  Zoo() {
    for (int i = 0; i < 2; ++i) {
      layers.emplace_back(2, 2, nn::LinearOptions{.bias = i == 1});
      scales.push_back(full({2}, 1.0 + i, {.requires_grad = true}));
    }
  }
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (std::size_t i = 0; i < layers.size(); ++i) y = layers[i](y) * scales[i];
    return head(y);
  }
  void visit(nn::Visitor& v) override {
    v("layers", layers);
    v("none", none);
    v.buffer("average", average);
    v("scales", scales);
    v.buffer("steps", steps);
    v("head", head);
  }
};

// One weight used twice.
struct Tied : nn::Module {
  nn::Linear encode{3, 3}, decode{3, 3, {.bias = false}};
  Tied() { decode.weight = encode.weight; }
  Tensor forward(const Tensor& x) override { return decode(encode(x)); }
  void visit(nn::Visitor& v) override {
    v("encode", encode);
    v("decode", decode);
  }
};

struct Pair : nn::Module {
  Tensor forward_pair(const Tensor& a, const Tensor& b) { return a + b; }
};

template <class T>
struct Holder : nn::Module {};

std::vector<std::string> names_of(const NamedTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

const Tensor& named(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [known, tensor] : tensors)
    if (known == name) return tensor;
  FAIL("no tensor is called " << name);
  return tensors.front().second;
}

bool same(const Tensor& a, const Tensor& b) { return allclose(a, b, {.rtol = 0, .atol = 0, .equal_nan = true}); }

// Whether two tensors look at the same numbers.
bool shared(const Tensor& a, const Tensor& b) { return a.raw_data() == b.raw_data(); }

}  // namespace

TEST_CASE("names are the paths of visit, in its order; buffers stand apart from parameters") {
  Zoo zoo;
  using Names = std::vector<std::string>;
  CHECK(names_of(zoo.named_parameters()) == Names{"layers.0.weight", "layers.1.weight", "layers.1.bias", "scales.0",
                                                  "scales.1", "head.0.weight", "head.0.bias"});
  CHECK(names_of(zoo.named_buffers()) == Names{"average", "steps"});
  CHECK(names_of(zoo.state_dict()) == Names{"layers.0.weight", "layers.1.weight", "layers.1.bias", "average",
                                            "scales.0", "scales.1", "steps", "head.0.weight", "head.0.bias"});
  CHECK(zoo.parameters().size() == 7);
  CHECK(nn::parameter_count(zoo) == 4 + 6 + 4 + 6);

  nn::Sequential deep{nn::Residual{nn::Sequential{nn::Linear{2, 2}, nn::Residual{nn::Linear{2, 2, {.bias = false}}}}},
                      nn::ReLU{}};
  CHECK(names_of(deep.named_parameters()) == Names{"0.f.0.weight", "0.f.0.bias", "0.f.1.f.weight"});
  nn::Sequential gated{Gated{4, 8}, nn::Dropout{0.5}, nn::Linear{8, 1}};
  CHECK(names_of(gated.named_parameters()) ==
        Names{"0.value.weight", "0.value.bias", "0.gate.weight", "0.gate.bias", "0.temperature", "2.weight", "2.bias"});
  CHECK(nn::Sequential{}.parameters().empty());
  CHECK(nn::ReLU{}.state_dict().empty());
}

TEST_CASE("what is handed out are handles to the module's own tensors") {
  nn::Linear layer{2, 3};
  CHECK(layer.parameters()[0].impl() == layer.weight.impl());
  CHECK(layer.state_dict()[1].second.impl() == layer.bias.impl());
  const NoGrad no_grad;
  layer.parameters()[1].fill_(4);
  CHECK(same(layer.bias.detach(), full({3}, 4)));
}

TEST_CASE("a tied weight is one parameter with two names in the state") {
  Tied net;
  using Names = std::vector<std::string>;
  CHECK(names_of(net.named_parameters()) == Names{"encode.weight", "encode.bias"});
  CHECK(names_of(net.state_dict()) == Names{"encode.weight", "encode.bias", "decode.weight"});
  CHECK(nn::parameter_count(net) == 12);

  Tied copy = nn::clone(net);
  CHECK(copy.decode.weight.impl() == copy.encode.weight.impl());
  CHECK(!shared(copy.encode.weight, net.encode.weight));
  CHECK(same(copy.encode.weight, net.encode.weight));
  // An optimiser over the clone moves both uses at once and nothing of the original.
  const Tensor before = net.encode.weight.detach().clone();
  optim::SGD optimizer{copy.parameters(), {.lr = 0.1}};
  copy(ones({2, 3})).sum().backward();
  optimizer.step();
  CHECK(same(copy.decode.weight, copy.encode.weight));
  CHECK(!same(copy.encode.weight, before));
  CHECK(same(net.encode.weight, before));

  net.to(float64);
  CHECK(net.decode.weight.impl() == net.encode.weight.impl());
  CHECK(net.decode.weight.dtype() == float64);
  net.load_state_dict(copy.state_dict());
  CHECK(same(net.decode.weight, copy.encode.weight.to(float64)));
}

TEST_CASE("a state goes round, through other types as well") {
  Zoo a, b;
  a.average.fill_(0.25);
  a.steps.fill_(7);
  const Tensor x = normal_numbers({3, 2}, 1, float32);
  a.eval(), b.eval();
  CHECK(!same(a(x), b(x)));
  const TensorImpl* identity = b.layers[0].weight.impl();
  const NamedTensors state = a.state_dict();
  b.load_state_dict(state);
  CHECK(same(a(x), b(x)));
  CHECK(b.steps.item() == 7);
  CHECK(same(b.average, full({2}, 0.25)));
  // Numbers are copied, not shared, and an optimiser that holds the parameters goes on with them.
  CHECK(!shared(a.layers[0].weight, b.layers[0].weight));
  CHECK(b.layers[0].weight.impl() == identity);
  CHECK(b.layers[0].weight.requires_grad());
  CHECK(!b.average.requires_grad());
  // Loading one's own state is harmless, the order of names does not matter, and types are converted.
  a.load_state_dict(a.state_dict());
  CHECK(same(a(x), b(x)));
  NamedTensors doubled;
  for (const auto& [name, tensor] : state)
    doubled.emplace(doubled.begin(), name, tensor.dtype() == int64 ? tensor : tensor.detach().to(float64));
  Zoo c;
  c.eval();
  c.load_state_dict(doubled);
  CHECK(c.layers[0].weight.dtype() == float32);
  CHECK(same(a(x), c(x)));
}

TEST_CASE("loading while recording leaves nothing on the tape") {
  nn::Linear a{2, 2}, b{2, 2};
  NamedTensors state;
  for (const auto& [name, tensor] : a.state_dict()) state.emplace_back(name, tensor * 2.0);
  b.load_state_dict(state);
  CHECK(b.weight.is_leaf());
  CHECK(same(b.weight, a.weight * 2.0));
}

TEST_CASE("a state that does not fit is refused with everything that is wrong, and changes nothing") {
  nn::Sequential net{nn::Linear{3, 4}, nn::BatchNorm1d{4}, nn::Linear{4, 2}};
  NamedTensors before;
  for (const auto& [name, tensor] : net.state_dict()) before.emplace_back(name, tensor.detach().clone());

  NamedTensors state;
  for (const auto& [name, tensor] : before) {
    if (name == "0.weight")
      state.emplace_back(name, zeros({5, 3}));
    else if (name == "1.running_mean")
      continue;
    else if (name == "1.num_batches_tracked")
      state.emplace_back(name, zeros({}));
    else if (name == "2.bias")
      continue;
    else
      state.emplace_back(name, full(tensor.shape(), 9));
  }
  state.emplace_back("3.weight", zeros({1, 2}));
  state.emplace_back("head", zeros({}));
  const std::string text = error_of([&] { net.load_state_dict(state); });
  CAPTURE(text);
  for (const char* part : {"load_state_dict", "Sequential", "missing     1.running_mean (4)", "missing     2.bias (2)",
                           "shape       0.weight: the file has (5, 3), the model (4, 3)",
                           "type        1.num_batches_tracked: the file has float32, the model int64",
                           "unexpected  3.weight (1, 2)", "unexpected  head ()"})
    CHECK(text.find(part) != std::string::npos);
  const NamedTensors after = net.state_dict();
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(same(before[i].second, after[i].second));

  check_error([&] { net.load_state_dict({}); }, {"missing     0.weight (4, 3)", "missing     2.bias (2)"});
  check_error([&] { nn::ReLU{}.load_state_dict({{"weight", zeros({1})}}); }, {"relu", "unexpected  weight (1)"});
  CHECK_NOTHROW(nn::ReLU{}.load_state_dict({}));
}

TEST_CASE("conversion to float64 and back keeps the identity of parameters, so that an optimiser goes on") {
  nn::Sequential net{nn::Linear{3, 4}, nn::BatchNorm1d{4}, nn::Tanh{}, nn::Linear{4, 1}};
  optim::SGD optimizer{net.parameters(), {.lr = 0.1, .momentum = 0.0}};
  const std::vector<Tensor> before = net.parameters();
  const Tensor x = normal_numbers({8, 3});
  net(x.to(float32)).sum().backward();
  net.to(float64);
  const std::vector<Tensor> after = net.parameters();
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(before[i].impl() == after[i].impl());
    CHECK(before[i].dtype() == float64);
    CHECK(before[i].requires_grad());
    CHECK(!before[i].grad().defined());
  }
  for (const auto& [name, buffer] : net.named_buffers()) {
    CAPTURE(name);
    CHECK(buffer.dtype() == (name == "1.num_batches_tracked" ? int64 : float64));
  }
  const double loss = net(x).square().sum().item();
  optimizer.zero_grad();
  net(x).square().sum().backward();
  const Tensor weight = before[0].detach().clone();
  optimizer.step();
  CHECK(!same(weight, before[0]));
  CHECK(net(x).square().sum().item() != loss);
  check_error([&] { (void)net(x.to(float32)); }, {"linear", "float32", "float64"});
  net.to(float32);
  CHECK(net(x.to(float32)).dtype() == float32);
  check_error([&] { net.to(int64); }, {"to:", "int64"});
}

TEST_CASE("train and eval reach every module below") {
  nn::Sequential net{nn::Linear{2, 2}, nn::Residual{nn::Sequential{nn::Dropout{0.5}, nn::Residual{nn::Dropout{0.3}}}}};
  Zoo zoo;
  nn::Sequential outer{net, zoo};
  const auto all = [](nn::Module& root, bool wanted) {
    struct Count : nn::Visitor {
      int on = 0, modules = 0;
      void on_module(const std::string&, nn::Module& module) override {
        ++modules;
        on += module.training() ? 1 : 0;
      }
    } count;
    root.visit(count);
    return count.modules > 0 && count.on == (wanted ? count.modules : 0) && root.training() == wanted;
  };
  CHECK(all(outer, true));
  outer.eval();
  CHECK(all(outer, false));
  outer.train();
  CHECK(all(outer, true));
  outer.train(false);
  CHECK(all(outer, false));
  // A mode belongs to each object; the modules that were put in are copies.
  CHECK(all(net, true));
  net.eval();
  net[1].train();
  CHECK(!net[0].training());
  CHECK(net[1].training());
  const Tensor x = ones({4, 2});
  net.eval();
  CHECK(same(net(x), net(x)));
  nn::Sequential copy = nn::clone(net);
  CHECK(!copy.training());
  CHECK(!copy[1].training());
}

TEST_CASE("a clone shares nothing with its original") {
  Generator generator(3);
  nn::Sequential net{Gated{3, 3}, nn::Residual{nn::Sequential{nn::Linear{3, 3}, nn::BatchNorm1d{3}, nn::PReLU{}}},
                     Tied{}};
  (void)net(randn({8, 3}, {.generator = &generator}));
  nn::Sequential copy = nn::clone(net);
  const NamedTensors a = net.state_dict(), b = copy.state_dict();
  REQUIRE(names_of(a) == names_of(b));
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].first);
    CHECK(same(a[i].second, b[i].second));
    CHECK(!shared(a[i].second, b[i].second));
    CHECK(a[i].second.requires_grad() == b[i].second.requires_grad());
    CHECK(a[i].second.impl() != b[i].second.impl());
  }
  // Running statistics of the original stand still while the clone trains.
  const Tensor mean = named(a, "1.f.1.running_mean").clone();
  (void)copy(randn({8, 3}, {.generator = &generator}) + 5.0);
  CHECK(same(mean, named(a, "1.f.1.running_mean")));
  CHECK(!same(mean, named(b, "1.f.1.running_mean")));

  // Frozen stays frozen; gradients are not taken along.
  net(ones({2, 3})).sum().backward();
  net.requires_grad_(false);
  nn::Sequential frozen = nn::clone(net);
  for (const Tensor& p : frozen.parameters()) CHECK(!p.requires_grad());
  nn::Linear layer{2, 2};
  layer(ones({1, 2})).sum().backward();
  CHECK(!nn::clone(layer).weight.grad().defined());
  CHECK(layer.weight.grad().defined());
}

TEST_CASE("a copy shares its tensors, as handles do") {
  nn::Sequential net{nn::Linear{2, 2}, nn::Tanh{}, nn::Linear{2, 1}};
  nn::Sequential copy = net;
  CHECK(shared(copy.parameters()[0], net.parameters()[0]));
  CHECK(copy.parameters()[0].impl() == net.parameters()[0].impl());
  optim::SGD optimizer{net.parameters(), {.lr = 0.1}};
  net(ones({1, 2})).sum().backward();
  optimizer.step();
  CHECK(same(net(ones({1, 2})), copy(ones({1, 2}))));
  nn::Sequential assigned;
  assigned = net;
  assigned.push_back(nn::Tanh{});
  CHECK(assigned.size() == 4);
  CHECK(net.size() == 3);
  nn::Sequential moved = std::move(assigned);
  CHECK(moved.size() == 4);
}

TEST_CASE("a module of any type is copied and moved with what it is") {
  nn::AnyModule a = Gated{2, 3};
  CHECK(a->type_name() == "Gated");
  const Tensor x = normal_numbers({4, 2}, 1, float32);
  nn::AnyModule b = a;
  CHECK(b->type_name() == "Gated");
  CHECK(&*a != &*b);
  CHECK(same(a(x), b(x)));
  CHECK(shared(a->parameters()[0], b->parameters()[0]));
  nn::AnyModule c = std::move(b);
  CHECK(same(a(x), c(x)));
  c = nn::AnyModule(nn::Linear{2, 1});
  CHECK(c->type_name() == "Linear");
  c = a;
  CHECK(c->type_name() == "Gated");
  c = *&c;
  CHECK(same(a(x), c(x)));
  nn::AnyModule d = nn::clone(a);
  CHECK(same(a(x), d(x)));
  CHECK(!shared(a->parameters()[0], d->parameters()[0]));

  std::vector<nn::AnyModule> many;
  for (int i = 0; i < 20; ++i) many.push_back(nn::Linear{2, 2});
  nn::Sequential net{nn::Linear{2, 2}, many[3], nn::activation("elu(0.5)")};
  CHECK(net.size() == 3);
  CHECK(net[1].type_name() == "Linear");
}

TEST_CASE("nothing is cut off a module by copying it through a reference to a base") {
  nn::Sequential net{nn::Linear{2, 2}, nn::ELU{0.5}};
  static_assert(!std::is_constructible_v<nn::AnyModule, nn::Module&>);
  static_assert(!std::is_constructible_v<nn::Sequential, nn::Module&, nn::Module&>);
  check_error([&] { (void)nn::clone(net[0]); }, {"clone", "Linear", "Module"});
  struct Named : nn::Sequential {
    using Sequential::Sequential;
    Tensor extra = ones({1}, {.requires_grad = true});
    void visit(nn::Visitor& v) override {
      Sequential::visit(v);
      v("extra", extra);
    }
  };
  Named net_named{nn::Linear{2, 2}, nn::Tanh{}};
  nn::Sequential& base = net_named;
  check_error([&] { (void)nn::clone(base); }, {"clone", "Named", "Sequential"});
  Named copy = nn::clone(net_named);
  CHECK(names_of(copy.named_parameters()) == std::vector<std::string>{"0.weight", "0.bias", "extra"});
  CHECK(copy.size() == 2);
  const nn::AnyModule any = net_named;
  CHECK(nn::clone(any)->parameters().size() == 3);
}

TEST_CASE("freezing") {
  nn::Sequential net{nn::Linear{2, 2}, nn::Tanh{}, nn::Linear{2, 1}};
  optim::AdamW optimizer{net.parameters(), {.lr = 0.1}};
  net[0].requires_grad_(false);
  const Tensor before = net.parameters()[0].detach().clone();
  net(ones({3, 2})).sum().backward();
  optimizer.step();
  CHECK(same(net.parameters()[0], before));
  CHECK(!net.parameters()[0].grad().defined());
  CHECK(net.parameters()[2].grad().defined());
  CHECK(nn::parameter_count(net) == 9);
  net.requires_grad_();
  for (const Tensor& p : net.parameters()) CHECK(p.requires_grad());
  net(ones({3, 2})).sum().backward();
  CHECK(net.parameters()[0].grad().defined());
  net.zero_grad();
  for (const Tensor& p : net.parameters()) CHECK(!p.grad().defined());
  net.requires_grad_(false);
  CHECK(!net(ones({3, 2})).requires_grad());
  net.to(float64);
  CHECK(!net.parameters()[0].requires_grad());
}

TEST_CASE("a module that is called in another way says so") {
  Pair pair;
  check_error([&] { (void)pair(zeros({1})); }, {"Pair", "forward"});
  nn::Sequential net{Pair{}};
  check_error([&] { (void)net(zeros({1})); }, {"Pair", "forward"});
}

TEST_CASE("types have the names that they are written with") {
  CHECK(nn::Linear{1, 1}.type_name() == "Linear");
  CHECK(nn::Sequential{}.type_name() == "Sequential");
  CHECK(nn::ELU{}.type_name() == "elu");
  CHECK(Holder<int>{}.type_name() == "Holder<int>");
  CHECK(Holder<nn::Linear>{}.type_name() == "Holder<gradus::nn::Linear>");
  struct Local : nn::Module {};
  CHECK(Local{}.type_name() == "Local");
}

TEST_CASE("the modules of a Sequential can be reached and walked over") {
  nn::Sequential net{nn::Linear{2, 3}, nn::Tanh{}, nn::Linear{3, 1}};
  const Tensor x = normal_numbers({4, 2}, 1, float32);
  Tensor y = x;
  for (auto& module : net) y = module(y);
  CHECK(same(y, net(x)));
  CHECK(dynamic_cast<nn::Linear&>(net[2]).weight.shape() == Shape{1, 3});
  check_error([&] { (void)net[3]; }, {"Sequential", "3"});
  check_error([] { (void)nn::Sequential{}[0]; }, {"Sequential", "0"});
  CHECK(same(nn::Sequential{}(x), x));
  CHECK(nn::Sequential{nn::Flatten{}}(zeros({2, 3, 4})).shape() == Shape{2, 12});
  CHECK(nn::Flatten{0, 1}(zeros({2, 3, 4})).shape() == Shape{6, 4});
  CHECK(same(nn::Identity{}(x), x));
  check_error([] { (void)nn::Residual{nn::Linear{2, 3}}(zeros({1, 2})); }, {"residual", "(1, 2)", "(1, 3)"});
  nn::Residual residual{nn::Linear{2, 2}};
  const NamedTensors state = residual.state_dict();
  CHECK(same(residual(x), x + nn::functional::linear(x, named(state, "f.weight"), named(state, "f.bias"))));
  nn::Lambda scaled{[](const Tensor& t) { return 2.0 * t; }};
  CHECK(same(nn::Sequential{scaled, scaled}(x), 4.0 * x));
}
