#include "gradus/nn/recurrent.hpp"

#include <algorithm>
#include <cmath>

#include "gradus/autograd/observer.hpp"
#include "gradus/autograd/tape.hpp"
#include "gradus/core/allocator.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/sequential.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

template <class M>
M in_double(M module) {
  module.to(float64);
  return module;
}

// A cell with the weights of one layer.
template <class Cell, class Layers>
Cell cell_of(const Layers& layers, std::size_t i, Cell cell) {
  cell.weights = layers.layers[i];
  return cell;
}

template <class Layers, class Cell>
void check_loop(Layers layers, const Cell& cell) {
  const Tensor x = normal_numbers({5, 3, 4}, 1), h_0 = normal_numbers({2, 3, 6}, 2);
  const auto [output, h_n] = layers.run(x, h_0);
  Cell first = cell_of(layers, 0, cell), second = cell_of(layers, 1, cell);
  Tensor h0 = h_0[0], h1 = h_0[1];
  for (Index t = 0; t < 5; ++t) {
    h0 = first(x[t], h0);
    h1 = second(h0, h1);
    CHECK(largest_difference(output[t], h1) < 1e-14);
  }
  CHECK(largest_difference(h_n, stack({h0, h1})) < 1e-14);
}

// Bytes that a forward pass leaves on the tape, and those that a recorded backward pass leaves in addition.
struct Held {
  double forward, backward;
};
template <class Layers>
Held held(Layers& layers, Index length) {
  const Tensor x = leaf({length, 4, 8});
  const std::size_t before = memory::stats().in_use;
  const Tensor y = layers(x);
  const std::size_t between = memory::stats().in_use;
  const Tensor g = grad(square(y).sum(), x, {.create_graph = true});
  return {double(between - before), double(memory::stats().in_use - between)};
}

}  // namespace

TEST_CASE("layers over a sequence are cells in a loop") {
  check_loop(in_double(nn::RNN{4, 6, {.num_layers = 2}}), in_double(nn::RNNCell{4, 6}));
  check_loop(in_double(nn::GRU{4, 6, {.num_layers = 2}}), in_double(nn::GRUCell{4, 6}));
  check_loop(in_double(nn::GRU{4, 6, {.num_layers = 2, .bias = false}}), in_double(nn::GRUCell{4, 6, {.bias = false}}));
  nn::LSTM lstm = in_double(nn::LSTM{4, 6});
  nn::LSTMCell cell = cell_of(lstm, 0, in_double(nn::LSTMCell{4, 6}));
  const Tensor x = normal_numbers({5, 3, 4}, 1);
  const auto [output, h_n, c_n] = lstm.run(x);
  nn::LSTMState state;
  for (Index t = 0; t < 5; ++t) {
    state = cell(x[t], state);
    CHECK(largest_difference(output[t], state.h) < 1e-14);
  }
  CHECK(largest_difference(h_n[0], state.h) < 1e-14);
  CHECK(largest_difference(c_n[0], state.c) < 1e-14);
  CHECK(largest_difference(cell(x[0]), output[0]) < 1e-14);
}

TEST_CASE("an RNN's time loop in one operation is the steps one by one") {
  // An observer sees the steps; without one there is a single operation.
  struct Watcher : autograd::Observer {};
  const auto check = [](const nn::RNNOptions& options, DType dtype, double tolerance, const Shape& shape,
                        Index hidden) {
    CAPTURE(shape);
    nn::RNN rnn{shape[2], hidden, options};
    rnn.to(dtype);
    const Index batch = shape[options.batch_first ? 0 : 1];
    Tensor x = normal_numbers(shape, 1, dtype).requires_grad_(),
           h_0 = normal_numbers({Index(rnn.layers.size()), batch, hidden}, 2, dtype).requires_grad_();
    std::vector<Tensor> in{x, h_0};
    for (const Tensor& parameter : rnn.parameters()) in.push_back(parameter);
    const auto run = [&](const std::vector<Tensor>&) {
      const auto [output, h_n] = rnn.run(x, h_0);
      return cat({output.flatten(), h_n.flatten()});
    };
    for (const bool recorded : {false, true}) {
      CAPTURE(recorded);
      const Tensor whole = run(in);
      const std::vector<Tensor> of_whole = gradients_of(run, in, recorded);
      const Watcher watcher;
      CHECK(largest_difference(whole, run(in)) <= tolerance);
      const std::vector<Tensor> of_steps = gradients_of(run, in, recorded);
      for (std::size_t i = 0; i < in.size(); ++i) {
        CAPTURE(i);
        const double scale = 1 + of_steps[i].abs().max().item();
        CHECK(largest_difference(of_whole[i], of_steps[i]) <= tolerance * scale);
      }
    }
  };
  check({}, float64, 1e-13, {7, 3, 5}, 6);
  check({.activation = "elu"}, float32, 1e-5, {20, 45, 3}, 34);
  check({.num_layers = 2, .bias = false, .batch_first = true}, float64, 1e-13, {3, 7, 5}, 1);
  check({.num_layers = 2, .batch_first = true, .bidirectional = true}, float64, 1e-13, {4, 6, 2}, 17);
  check({.activation = "relu", .bidirectional = true}, float64, 1e-13, {1, 2, 3}, 5);

  nn::RNN rnn = in_double(nn::RNN{2, 3, {.bidirectional = true}});
  const auto operations = [&] { return autograd::tape_size(rnn(leaf({50, 2, 2}))); };
  const std::size_t fused = operations();
  CHECK(fused < 25);
  {
    const Watcher watcher;
    CHECK(operations() > 200);
  }
  {
    nn::ActivationProbe probe;
    (void)rnn(leaf({50, 2, 2}));
    CHECK(probe.records.size() == 100);
  }
  CHECK(operations() == fused);
}

TEST_CASE("an RNN's gradients add up over several uses, and fit the state it starts from") {
  nn::RNN rnn = in_double(nn::RNN{2, 3, {.bidirectional = true}});
  std::vector<Tensor> in{leaf({4, 2, 2}, 1), leaf({2, 2, 3}, 2)};
  for (const Tensor& parameter : rnn.parameters()) in.push_back(parameter);
  // The second use has other numbers of the same weights; its gradients find sums that are there.
  check_derivatives(
      [&](const std::vector<Tensor>&) {
        const auto [output, h_n] = rnn.run(in[0], in[1]);
        return rnn.run(in[0] * 2.0, h_n).output + output;
      },
      in);
}

TEST_CASE("both ways: the second half is the same map over the reversed sequence") {
  nn::GRU both = in_double(nn::GRU{4, 6, {.batch_first = true, .bidirectional = true}}),
          one = in_double(nn::GRU{4, 6, {.batch_first = true}});
  const Tensor x = normal_numbers({3, 5, 4}, 1), h_0 = normal_numbers({2, 3, 6}, 2);
  const auto [output, h_n] = both.run(x, h_0);
  REQUIRE(output.shape() == Shape{3, 5, 12});
  REQUIRE(h_n.shape() == Shape{2, 3, 6});
  for (const Index side : {0, 1}) {
    one.layers[0] = both.layers[std::size_t(side)];
    const auto turned = [&](const Tensor& y) {
      std::vector<Tensor> steps = unbind(y, 1);
      if (side == 1) std::reverse(steps.begin(), steps.end());
      return stack(steps, 1);
    };
    const auto [part, last] = one.run(turned(x), h_0.slice(0, side, side + 1));
    CHECK(largest_difference(output.slice(2, 6 * side, 6 * side + 6), turned(part)) < 1e-14);
    CHECK(largest_difference(h_n.slice(0, side, side + 1), last) < 1e-14);
  }
}

TEST_CASE("both ways: names, empty sequences, errors") {
  nn::LSTM lstm{3, 4, {.num_layers = 2, .bias = false, .bidirectional = true}};
  std::vector<std::string> names;
  for (const auto& [name, parameter] : lstm.named_parameters()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse",
                                          "weight_ih_l1", "weight_hh_l1", "weight_ih_l1_reverse", "weight_hh_l1_reverse"});
  CHECK(lstm.layers[2].weight_ih.shape() == Shape{16, 8});
  CHECK(lstm(zeros({0, 2, 3})).shape() == Shape{0, 2, 8});
  CHECK(lstm(zeros({5, 0, 3})).shape() == Shape{5, 0, 8});
  CHECK(lstm.run(zeros({1, 2, 3})).c_n.shape() == Shape{4, 2, 4});
  check_error(
      [&] {
        (void)lstm.run(zeros({5, 7, 3}), {zeros({2, 7, 4}), zeros({4, 7, 4})});
      },
      {"LSTM", "h_0 has shape (2, 7, 4)", "(2 layers, N, hidden) = (4, 7, 4)"});
}

TEST_CASE("an RNN takes any activation") {
  nn::RNN rnn = in_double(nn::RNN{3, 4, {.activation = "elu(0.5)"}});
  nn::RNNCell cell = cell_of(rnn, 0, in_double(nn::RNNCell{3, 4, {.activation = "elu(0.5)"}}));
  const Tensor x = normal_numbers({2, 5, 3}, 1);
  const nn::RecurrentParameters& p = cell.weights;
  const Tensor h1 = elu(matmul(x[0], p.weight_ih.t()) + p.bias_ih + p.bias_hh, 0.5);
  const Tensor h2 = elu(matmul(x[1], p.weight_ih.t()) + p.bias_ih + matmul(h1, p.weight_hh.t()) + p.bias_hh, 0.5);
  CHECK(largest_difference(cell(x[0]), h1) < 1e-14);
  CHECK(largest_difference(rnn(x)[1], h2) < 1e-14);
  CHECK((h2 < 0.0).sum().item() > 0);
}

TEST_CASE("a sequence may be run in pieces") {
  const Tensor x = normal_numbers({2, 7, 4}, 1);
  nn::LSTM lstm = in_double(nn::LSTM{4, 6, {.num_layers = 2, .batch_first = true}});
  const nn::LSTMResult whole = lstm.run(x), first = lstm.run(x.slice(1, 0, 3)),
                       rest = lstm.run(x.slice(1, 3, 7), {first.h_n, first.c_n});
  CHECK(whole.output.shape() == Shape{2, 7, 6});
  CHECK(whole.h_n.shape() == Shape{2, 2, 6});
  CHECK(largest_difference(whole.output, cat({first.output, rest.output}, 1)) < 1e-14);
  CHECK(largest_difference(whole.c_n, rest.c_n) < 1e-14);
  CHECK(largest_difference(whole.h_n, rest.h_n) < 1e-14);
  // One part of the state may be left out.
  const Tensor c_0 = normal_numbers({2, 2, 6}, 2);
  CHECK(largest_difference(lstm.run(x, {.c = c_0}).output,
                           lstm.run(x, {zeros({2, 2, 6}, {.dtype = float64}), c_0}).output) == 0);
}

TEST_CASE("sequences and batches may be empty") {
  nn::RNN rnn{3, 4, {.num_layers = 2}};
  nn::GRU gru{3, 4, {.batch_first = true}};
  nn::LSTM lstm{3, 4};
  const Tensor h_0 = normal_numbers({2, 5, 4}, 1, float32);
  const auto [output, h_n] = rnn.run(zeros({0, 5, 3}), h_0);
  CHECK(output.shape() == Shape{0, 5, 4});
  CHECK(largest_difference(h_n, h_0) == 0);
  CHECK(gru(zeros({5, 0, 3})).shape() == Shape{5, 0, 4});
  CHECK(gru(zeros({0, 7, 3})).shape() == Shape{0, 7, 4});
  CHECK(lstm.run(zeros({7, 0, 3})).c_n.shape() == Shape{1, 0, 4});
  const Tensor x = zeros({0, 5, 3}, {.requires_grad = true});
  CHECK(grad(lstm(x).sum(), x).shape() == x.shape());
  CHECK(nn::GRUCell(3, 4)(zeros({0, 3})).shape() == Shape{0, 4});
}

TEST_CASE("recurrent layers start as PyTorch's, or orthogonal, or with the identity") {
  manual_seed(1);
  nn::GRU gru{64, 25, {.num_layers = 2}};
  CHECK(gru.layers[0].weight_ih.shape() == Shape{75, 64});
  CHECK(gru.layers[1].weight_ih.shape() == Shape{75, 25});
  for (const auto& [name, parameter] : gru.named_parameters()) {
    CAPTURE(name);
    const double largest = parameter.detach().abs().max().item();
    CHECK(largest <= 0.2 * (1 + 1e-6));
    CHECK(largest > 0.18);
    CHECK(parameter.is_leaf());
  }
  const auto gates = [](const Tensor& weight) { return chunk(weight.detach().to(float64), weight.size(0) / 25); };
  const Tensor one = eye(25, {.dtype = float64});
  nn::LSTM lstm{7, 25, {.num_layers = 2, .recurrent_init = nn::RecurrentInit::orthogonal}};
  for (const nn::RecurrentParameters& p : lstm.layers)
    for (const Tensor& w : gates(p.weight_hh)) CHECK(largest_difference(matmul(w, w.t()), one) < 1e-5);
  CHECK(largest_difference(gates(lstm.layers[0].weight_hh)[0], gates(lstm.layers[0].weight_hh)[1]) > 0.1);
  nn::GRUCell cell{7, 25, {.recurrent_init = nn::RecurrentInit::identity}};
  REQUIRE(gates(cell.weights.weight_hh).size() == 3);
  for (const Tensor& w : gates(cell.weights.weight_hh)) CHECK(largest_difference(w, one) == 0);
  CHECK(cell.weights.weight_hh.requires_grad());
  // relu, the identity and no bias: what comes in once is kept.
  nn::RNN keeper{2, 2, {.activation = "relu", .bias = false, .recurrent_init = nn::RecurrentInit::identity}};
  keeper.layers[0].weight_ih.set_data(eye(2));
  const Tensor kept = keeper(cat({tensor({{{3, 5}}}), zeros({40, 1, 2})}));
  CHECK(largest_difference(kept[40], tensor({{3, 5}})) == 0);
}

TEST_CASE("recurrent parameters have PyTorch's names, and fit where a layer does") {
  nn::Sequential model{nn::GRU{3, 4, {.num_layers = 2, .bias = false}}, nn::RNN{4, 5}, nn::Linear{5, 2}};
  std::vector<std::string> names;
  for (const auto& [name, parameter] : model.named_parameters()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"0.weight_ih_l0", "0.weight_hh_l0", "0.weight_ih_l1", "0.weight_hh_l1",
                                          "1.weight_ih_l0", "1.weight_hh_l0", "1.bias_ih_l0", "1.bias_hh_l0",
                                          "2.weight", "2.bias"});
  const Tensor x = normal_numbers({6, 2, 3}, 1, float32);
  CHECK(model(x).shape() == Shape{6, 2, 2});
  const nn::LSTM original{3, 4};
  nn::LSTM copy = clone(original), other{3, 4};
  other.load_state_dict(copy.state_dict());
  CHECK(largest_difference(copy(x), other(x)) == 0);
  {
    const NoGrad off;
    copy.layers[0].weight_hh.zero_();
  }
  CHECK(original.layers[0].weight_hh.detach().abs().sum().item() > 0);
  CHECK(nn::RNNCell(3, 4).named_parameters()[3].first == "bias_hh");
}

TEST_CASE("recurrent layers drop between layers, in training only") {
  const Tensor x = normal_numbers({5, 2, 3}, 1, float32);
  nn::RNN rnn{3, 4, {.num_layers = 2, .dropout = 1.0}};
  nn::RNN second{4, 4};
  second.layers[0] = rnn.layers[1];
  CHECK(largest_difference(rnn(x), second(zeros({5, 2, 4}))) == 0);
  nn::RNN plain{3, 4, {.num_layers = 2}};
  plain.layers = rnn.layers;
  CHECK(largest_difference(rnn(x), plain(x)) > 0.01);
  rnn.eval();
  CHECK(largest_difference(rnn(x), plain(x)) == 0);
  nn::GRU single{3, 4, {.dropout = 1.0}};
  CHECK(single(x).abs().sum().item() > 0);
}

TEST_CASE("recurrent layers have derivatives of any order, with respect to everything") {
  const auto parameters = [](Index gates, bool batch_first) {
    const Index h = 2;
    std::vector<Tensor> in{leaf(batch_first ? Shape{2, 3, 3} : Shape{3, 2, 3}, 1), leaf({1, 2, h}, 2)};
    for (const Shape& shape : {Shape{gates * h, 3}, Shape{gates * h, h}, Shape{gates * h}, Shape{gates * h}})
      in.push_back(leaf(shape, in.size() + 1));
    return in;
  };
  const auto set = [](nn::RecurrentParameters& p, const std::vector<Tensor>& in) { p = {in[2], in[3], in[4], in[5]}; };
  // Output and last state have gradients of their own.
  const auto all = [](const Tensor& output, const Tensor& state) { return cat({output.flatten(), state.flatten()}); };
  nn::RNN rnn{3, 2};
  check_derivatives(
      [&](const std::vector<Tensor>& in) {
        set(rnn.layers[0], in);
        const auto [output, h] = rnn.run(in[0], in[1]);
        return all(output, h);
      },
      parameters(1, false));
  nn::GRU gru{3, 2, {.batch_first = true}};
  check_derivatives(
      [&](const std::vector<Tensor>& in) {
        set(gru.layers[0], in);
        const auto [output, h] = gru.run(in[0], in[1]);
        return all(output, h);
      },
      parameters(3, true));
  nn::LSTM lstm{3, 2};
  check_derivatives(
      [&](const std::vector<Tensor>& in) {
        set(lstm.layers[0], in);
        const auto [output, h, c] = lstm.run(in[0], {in[1], in[1] * 2.0});
        return all(output, h * c);
      },
      parameters(4, false));
  nn::RNN both = in_double(nn::RNN{2, 2, {.activation = "elu", .num_layers = 2, .bidirectional = true}});
  check_derivatives([&](const std::vector<Tensor>& in) { return both(in[0]); }, {leaf({3, 2, 2})});
  nn::GRU deep = in_double(nn::GRU{2, 3, {.num_layers = 2}});
  check_derivatives([&](const std::vector<Tensor>& in) { return deep(in[0]); }, {leaf({3, 1, 2})});
}

TEST_CASE("memory of recurrent layers grows with the length, not with its square") {
  const auto check = [](auto layers) {
    layers.to(float64);
    (void)held(layers, 16);
    const Held one = held(layers, 40), two = held(layers, 80), four = held(layers, 160);
    CHECK(one.forward > 40 * 4 * 16 * 8);
    CHECK(two.forward / one.forward == doctest::Approx(2).epsilon(0.05));
    CHECK(four.forward / two.forward == doctest::Approx(2).epsilon(0.05));
    CHECK(two.backward / one.backward == doctest::Approx(2).epsilon(0.05));
    CHECK(four.backward / two.backward == doctest::Approx(2).epsilon(0.05));
    const auto nodes = [&](Index length) { return double(autograd::tape_size(layers(leaf({length, 2, 8})))); };
    CHECK(nodes(80) - nodes(40) == nodes(120) - nodes(80));
  };
  check(nn::RNN{8, 16});
  check(nn::GRU{8, 16, {.num_layers = 2}});
  check(nn::LSTM{8, 16});
}

TEST_CASE("long sequences pass") {
  nn::RNN rnn{1, 2, {.recurrent_init = nn::RecurrentInit::orthogonal}};
  const Tensor x = zeros({20000, 1, 1}, {.requires_grad = true});
  const Tensor g = grad(rnn(x)[19999].sum(), x);
  CHECK(isfinite(g).sum().item() == 20000);
  CHECK(g[19999].abs().item() > 0);
}

TEST_CASE("recurrent layers do not depend on the number of threads") {
  nn::LSTM lstm = in_double(nn::LSTM{32, 48, {.num_layers = 2}});
  check_threads([&](const std::vector<Tensor>& in) { return lstm(in[0]); }, {leaf({9, 65, 32})});
  nn::RNN rnn = in_double(nn::RNN{32, 48, {.num_layers = 2}});
  check_threads([&](const std::vector<Tensor>&) { return rnn(leaf({9, 131, 32})); }, rnn.parameters());
}

TEST_CASE("recurrent layers say what does not fit") {
  check_error([] { nn::RNN{0, 4}; }, {"RNN", "0 features", "at least 1"});
  check_error([] { nn::LSTM{4, -1}; }, {"LSTM", "state of -1"});
  check_error([] { nn::GRU{4, 4, {.num_layers = 0}}; }, {"GRU", "0 layers"});
  check_error([] { nn::GRU{4, 4, {.dropout = 1.5}}; }, {"dropout", "1.5"});
  check_error([] { nn::RNN{4, 4, {.activation = "tangens"}}; }, {"tangens", "tanh"});
  check_error([] { nn::LSTMCell{4, 0}; }, {"LSTMCell", "state of 0"});
  nn::RNN rnn{3, 4};
  nn::LSTM lstm{3, 4, {.num_layers = 2, .batch_first = true}};
  nn::GRU gru{3, 4};
  check_error([&] { (void)rnn(zeros({5, 3})); }, {"RNN", "(5, 3)", "(T, N, 3)", "unsqueeze(1)"});
  check_error([&] { (void)lstm(zeros({5, 3})); }, {"LSTM", "(5, 3)", "(N, T, 3)", "unsqueeze(0)"});
  check_error([&] { (void)gru(zeros({5, 2, 4})); }, {"GRU", "(5, 2, 4)", "(T, N, 3)"});
  CHECK(error_of([&] { (void)gru(zeros({5, 2, 4})); }).find("unsqueeze") == std::string::npos);
  check_error([&] { (void)gru(zeros({5, 2, 3}, {.dtype = float64})); }, {"float64", "float32"});
  check_error(
      [&] {
        (void)rnn.run(zeros({5, 2, 3}), zeros({2, 4}));
      },
      {"RNN", "h_0 has shape (2, 4)", "(layers, N, hidden) = (1, 2, 4)"});
  check_error(
      [&] {
        (void)lstm.run(zeros({5, 7, 3}), {zeros({2, 5, 4}), zeros({2, 7, 4})});
      },
      {"LSTM", "c_0 has shape (2, 7, 4)", "(2, 5, 4)"});
  check_error([&] { (void)rnn.run(zeros({5, 2, 3}), zeros({1, 2, 4}, {.dtype = float64})); }, {"RNN", "float64"});
  nn::GRUCell cell{3, 4};
  check_error([&] { (void)cell(zeros({3})); }, {"GRUCell", "(3)", "(N, 3)", "unsqueeze(0)"});
  check_error([&] { (void)cell(zeros({2, 5, 3})); }, {"GRUCell", "(2, 5, 3)", "one time step"});
  check_error([&] { (void)cell(zeros({2, 3}), zeros({1, 4})); }, {"GRUCell", "h has shape (1, 4)", "= (2, 4)"});
}
