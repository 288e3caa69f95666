// Every layer that has parameters, as its gradients sample by sample are.
#include <doctest/doctest.h>

#include "gradus/autograd/checkpoint.hpp"
#include "gradus/autograd/observer.hpp"
#include "gradus/models/char_transformer.hpp"
#include "gradus/models/recurrent.hpp"
#include "gradus/nn.hpp"
#include "per_sample_support.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace per_sample_tests;

namespace {

// A module made of a layer and of what happens before and after it.
template <class Layer>
struct With : nn::Module {
  Layer layer;
  std::function<Tensor(Layer&, const Tensor&)> call;
  With(Layer l, std::function<Tensor(Layer&, const Tensor&)> c) : layer(std::move(l)), call(std::move(c)) {}
  Tensor forward(const Tensor& x) override { return call(layer, x); }
  void visit(nn::Visitor& v) override { v("layer", layer); }
};
template <class Layer>
With(Layer, auto) -> With<Layer>;

// One sample, two, and a prime number; `shape` is that of one sample, of the input and of the output.
void check_batches(nn::Module& model, const Shape& in, const Shape& out) {
  scatter(model);
  for (const Index n : {1, 2, 5}) {
    CAPTURE(n);
    Shape x{n}, y{n};
    for (const Index size : in) x.push_back(size);
    for (const Index size : out) y.push_back(size);
    check_against_loop(model, mse, numbers(x, 11), numbers(y, 12));
  }
}

// Both ways of the ghost norm: few places and a wide map, and many places and a narrow one.
struct Size {
  Index places, width;
};
constexpr Size sizes[] = {{2, 6}, {7, 2}};

template <class Cell>
Tensor unrolled(Cell& cell, const Tensor& x);

template <>
Tensor unrolled(nn::RNNCell& cell, const Tensor& x) {
  Tensor h = zeros({x.size(0), cell.weights.weight_hh.size(1)}, {.dtype = x.dtype()});
  for (const Tensor& at : unbind(x, 1)) h = cell(at, h);
  return h;
}
template <>
Tensor unrolled(nn::GRUCell& cell, const Tensor& x) {
  Tensor h = zeros({x.size(0), cell.weights.weight_hh.size(1)}, {.dtype = x.dtype()});
  for (const Tensor& at : unbind(x, 1)) h = cell(at, h);
  return h;
}
template <>
Tensor unrolled(nn::LSTMCell& cell, const Tensor& x) {
  nn::LSTMState state;
  for (const Tensor& at : unbind(x, 1)) state = cell(at, state);
  return state.h + state.c;
}

template <class Layers>
void check_recurrent(Index width) {
  for (const bool bias : {true, false}) {
    CAPTURE(bias);
    Layers rows{3, width, {.num_layers = 2, .bias = bias, .batch_first = true}};
    check_batches(rows, {4, 3}, {4, width});
    // As long as the batch is large, and longer: axes must not be mistaken for each other.
    for (const Index length : {2, 5}) {
      With columns(Layers{3, width, {.bias = bias}}, [](Layers& layers, const Tensor& x) {
        return layers.run(x.transpose(0, 1)).output.transpose(0, 1);
      });
      check_batches(columns, {length, 3}, {length, width});
    }
  }
}

}  // namespace

TEST_CASE("per-sample gradients of attention: in_proj is three maps, of one input or of several") {
  for (const auto& [length, width] : sizes)
    for (const bool bias : {true, false}) {
      nn::MultiheadAttention self{width, 2, {.causal = true, .bias = bias}};
      check_batches(self, {length, width}, {length, width});
      With crossed(nn::MultiheadAttention{width, 2, {.bias = bias}}, [](nn::MultiheadAttention& a, const Tensor& x) {
        const Tensor memory = tanh(x.slice(1, 0, 1));
        return a(x, memory, memory * 2.0, {});
      });
      check_batches(crossed, {length, width}, {length, width});
      // Called twice, its parts are used twice.
      With twice(nn::MultiheadAttention{width, 1, {.bias = bias}},
                 [](nn::MultiheadAttention& a, const Tensor& x) { return a(tanh(a(x, x, x, {})), x, x, {}); });
      check_batches(twice, {length, width}, {length, width});
    }
}

TEST_CASE("per-sample gradients of Transformers") {
  for (const bool norm_first : {true, false}) {
    nn::TransformerEncoder encoder{4, 2, 2, {.hidden = 5, .feed_forward = "gelu", .norm_first = norm_first}};
    check_batches(encoder, {3, 4}, {3, 4});
  }
  nn::TransformerEncoder gated{4, 2, 1, {.hidden = 12, .feed_forward = "swiglu"}};
  check_batches(gated, {3, 4}, {3, 4});
  With decoder(nn::TransformerDecoder{4, 2, 1, {.hidden = 5}},
               [](nn::TransformerDecoder& d, const Tensor& x) { return d(x, tanh(x.slice(1, 0, 2))); });
  check_batches(decoder, {3, 4}, {3, 4});
}

TEST_CASE("per-sample gradients of convolutions along a line and of transposed ones") {
  for (const Index length : {4, 11}) {
    nn::Conv1d line{4, 6, 3, {.stride = 2, .padding = 1, .dilation = 1, .groups = 2}};
    check_batches(line, {4, length}, {6, (length - 1) / 2 + 1});
    nn::Conv1d plain{4, 3, 2, {.dilation = 2, .bias = false}};
    check_batches(plain, {4, length}, {3, length - 2});
  }
  for (const Index size : {2, 5})
    for (const bool bias : {true, false}) {
      nn::ConvTranspose2d up{4,
                             6,
                             {3, 2},
                             {.stride = {2, 1},
                              .padding = {1, 0},
                              .output_padding = {1, 0},
                              .dilation = {1, 2},
                              .groups = 2,
                              .bias = bias}};
      check_batches(up, {4, size, size}, {6, 2 * size, size + 2});
    }
  With twice(nn::Conv2d{2, 2, 3, {.padding = 1}}, [](nn::Conv2d& c, const Tensor& x) { return c(tanh(c(x))); });
  check_batches(twice, {2, 4, 3}, {2, 4, 3});
}

TEST_CASE("per-sample gradients of recurrent layers and cells: sums over the steps") {
  for (const Index width : {2, 7}) {
    check_recurrent<nn::RNN>(width);
    check_recurrent<nn::GRU>(width);
    check_recurrent<nn::LSTM>(width);
    With rnn(nn::RNNCell{3, width}, [](nn::RNNCell& cell, const Tensor& x) { return unrolled(cell, x); });
    check_batches(rnn, {4, 3}, {width});
    With gru(nn::GRUCell{3, width}, [](nn::GRUCell& cell, const Tensor& x) { return unrolled(cell, x); });
    check_batches(gru, {4, 3}, {width});
    With lstm(nn::LSTMCell{3, width}, [](nn::LSTMCell& cell, const Tensor& x) { return unrolled(cell, x); });
    check_batches(lstm, {4, 3}, {width});
  }
  nn::Sequential model = models::recurrent(3, 2, {.cell = "lstm", .hidden = 4, .layers = 2});
  check_batches(model, {5, 3}, {2});
}

TEST_CASE("per-sample gradients of learned activations, one slope or one for each channel") {
  for (const Index channels : {1, 3}) {
    nn::Sequential prelu{nn::Conv2d{2, 3, 1}, nn::PReLU{{.num_parameters = channels}}};
    check_batches(prelu, {2, 2, 2}, {3, 2, 2});
    nn::Sequential elu{nn::Linear{2, 3}, nn::LearnedELU{channels}};
    check_batches(elu, {2}, {3});
    nn::Sequential of_images{nn::Conv2d{2, 3, 1}, nn::LearnedELU{channels}};
    check_batches(of_images, {2, 2, 2}, {3, 2, 2});
  }
  With shared(nn::PReLU{}, [](nn::PReLU& f, const Tensor& x) { return f(f(x) - 0.5); });
  check_batches(shared, {9}, {9});
}

TEST_CASE("per-sample gradients of positions, whole and in part") {
  for (const Index length : {2, 5}) {
    nn::PositionalEmbedding positions{5, 3};
    check_batches(positions, {length, 3}, {length, 3});
  }
}

TEST_CASE("per-sample gradients of embeddings with tied output weights") {
  struct Tied : nn::Module {
    nn::Embedding tokens{7, 4};
    nn::PositionalEmbedding positions{6, 4};
    nn::Linear out{4, 7, {.bias = false}};
    Tied() { out.weight = tokens.weight; }
    Tensor forward(const Tensor& x) override { return out(tanh(positions(tokens(x))).mean({.axes = {1}})); }
    void visit(nn::Visitor& v) override {
      v("tokens", tokens);
      v("positions", positions);
      v("out", out);
    }
  };
  Tied net;
  scatter(net);
  CHECK(net.parameters().size() == 2);
  for (const Index n : {1, 2, 5}) check_against_loop(net, cross_entropy, labels({n, 4}, 7, 3), labels({n}, 7));
}

TEST_CASE("per-sample gradients of a character Transformer") {
  models::CharTransformer net{{.vocabulary = 7, .context = 5, .width = 4, .layers = 2, .heads = 2, .hidden = 6}};
  scatter(net);
  for (const Index n : {1, 2, 5}) check_against_loop(net, mse, labels({n, 4}, 7, 3), numbers({n, 4, 7}, 5));
}

TEST_CASE("per-sample gradients of group norm, of one channel and of several") {
  nn::GroupNorm one{1, 1}, several{2, 4};
  check_batches(one, {1, 3, 2}, {1, 3, 2});
  check_batches(several, {4, 3}, {4, 3});
}

TEST_CASE("per-sample gradients of reparametrised weights") {
  nn::WeightNorm linear{nn::Linear{3, 4}};
  check_batches(linear, {2, 3}, {2, 4});
  nn::WeightNorm wide{nn::Linear{9, 7}};
  check_batches(wide, {2, 9}, {2, 7});
  check_batches(wide, {9}, {7});
  wide.weight_g.requires_grad_(false);
  check_batches(wide, {3, 9}, {3, 7});
  With twice(nn::WeightNorm{nn::Linear{4, 4}},
             [](nn::WeightNorm<nn::Linear>& l, const Tensor& x) { return l(tanh(l(x))); });
  check_batches(twice, {2, 4}, {2, 4});
  nn::WeightNorm line{nn::Conv1d{2, 4, 3, {.stride = 2, .padding = 1, .groups = 2}}};
  check_batches(line, {2, 5}, {4, 3});
  nn::WeightNorm plane{nn::Conv2d{2, 3, 2, {.bias = false}}};
  check_batches(plane, {2, 4, 3}, {3, 3, 2});
  plane.weight_g.requires_grad_(false);
  check_batches(plane, {2, 4, 3}, {3, 3, 2});
  nn::SpectralNorm spectral{nn::Conv2d{2, 3, 2}};
  spectral.eval();
  check_batches(spectral, {2, 4, 3}, {3, 3, 2});
  nn::SpectralNorm mapped{nn::Linear{3, 4}};
  mapped.eval();
  check_batches(mapped, {3}, {4});
}

TEST_CASE("per-sample gradients of flows, their output and their density") {
  nn::FlowSequence flow{nn::Affine{3}, nn::AffineCoupling{3, {.hidden = {4}, .activation = "tanh"}},
                        nn::Permutation::reversal(3), nn::AffineCoupling{3, {.hidden = {4}, .activation = "tanh"}}};
  check_batches(flow, {3}, {3});
  With density(std::move(flow),
               [](nn::FlowSequence& f, const Tensor& x) { return nn::flow_log_prob(f, x).unsqueeze(1); });
  check_batches(density, {3}, {1});
  With inverse(nn::Affine{3}, [](nn::Affine& f, const Tensor& x) { return f.inverse(x).x; });
  check_batches(inverse, {3}, {3});
}

TEST_CASE("per-sample gradients where a parameter is frozen beside one that is not") {
  nn::MultiheadAttention attention{4, 2};
  attention.in_proj_bias.requires_grad_(false);
  check_batches(attention, {3, 4}, {3, 4});
  nn::GRU gru{3, 4, {.batch_first = true}};
  gru.layers[0].weight_hh.requires_grad_(false);
  check_batches(gru, {3, 3}, {3, 4});
  nn::LSTM lstm{3, 4, {.batch_first = true}};
  lstm.layers[0].bias_ih.requires_grad_(false);
  lstm.layers[0].weight_ih.requires_grad_(false);
  check_batches(lstm, {3, 3}, {3, 4});
  nn::Conv1d conv{2, 3, 2};
  conv.weight.requires_grad_(false);
  check_batches(conv, {2, 4}, {3, 3});
}

TEST_CASE("norms need no gradient of a weight where the places are few") {
  // The largest value of any operation, those of derivative rules left out.
  struct Largest final : autograd::Observer {
    void ran(const char* /*operation*/, const Tensor& value, const autograd::Inputs& /*inputs*/,
             bool in_rule) override {
      if (!in_rule) numel = std::max(numel, value.numel());
    }
    Index numel = 0;
  };
  const Index n = 5, width = 24;
  nn::MultiheadAttention attention{width, 2};
  nn::LSTM lstm{width, width, {.batch_first = true}};
  With columns(nn::GRU{width, width},
               [](nn::GRU& gru, const Tensor& v) { return gru(v.transpose(0, 1)).transpose(0, 1); });
  With twice(nn::Linear{width, width}, [](nn::Linear& l, const Tensor& v) { return l(tanh(l(v))); });
  nn::WeightNorm normed{nn::Linear{width, width}};
  for (nn::Module* model : std::initializer_list<nn::Module*>{&attention, &lstm, &columns, &twice, &normed}) {
    scatter(*model);
    CAPTURE(model->type_name());
    const Tensor x = numbers({n, 2, width}, 1), y = numbers({n, 2, width}, 2);
    const Index of_weights = n * width * width;
    const auto largest = [](const std::function<void()>& work) {
      const Largest watching;
      work();
      return watching.numel;
    };
    CHECK(largest([&] { (void)autograd::per_sample_squared_norms(*model, mse(nn::Reduction::mean), x, y); }) <
          of_weights);
    CHECK(largest([&] { (void)autograd::per_sample_gradients(*model, mse(nn::Reduction::mean), x, y); }) >= of_weights);
  }
}

TEST_CASE("what mixes samples is refused by name, with both methods") {
  const Tensor x = numbers({4, 3}, 1), y = numbers({4, 3}, 2);
  const auto refused = [&](nn::Module& model, const char* part) {
    for (const PerSampleMethod method : {PerSampleMethod::formulas, PerSampleMethod::loop}) {
      const std::string text = thrown(
          [&] { (void)autograd::per_sample_gradients(model, mse(nn::Reduction::mean), x, y, {.method = method}); });
      CAPTURE(text);
      CHECK(text.find(part) != std::string::npos);
    }
  };
  nn::Sequential statistics{nn::Linear{3, 3}, nn::StatisticsELU{}};
  scatter(statistics);
  refused(statistics, "the model has a StatisticsELU at 1, which follows the statistics of the batch");
  statistics.eval();
  check_against_loop(statistics, mse, x, y);

  nn::SpectralNorm spectral{nn::Linear{3, 3}};
  scatter(spectral);
  refused(spectral, "the model has a SpectralNorm, which changes its weight with each forward pass");

  const Tensor pairs = from_vector(std::vector<std::int64_t>{0, 1, 1, 2, 2, 3}, {3, 2});
  const nn::EdgeIndex edges{pairs, 4, {.symmetrise = true}};
  With gcn(nn::GCNConv{3, 3}, [&](nn::GCNConv& layer, const Tensor& v) { return layer(v, edges); });
  With sage(nn::SAGEConv{3, 3}, [&](nn::SAGEConv& layer, const Tensor& v) { return layer(v, edges); });
  With gat(nn::GATConv{3, 3}, [&](nn::GATConv& layer, const Tensor& v) { return layer(v, edges); });
  for (nn::Module* model : std::initializer_list<nn::Module*>{&gcn, &sage, &gat}) {
    model->to(float64);
    refused(*model, "at layer, which mixes the nodes of a graph");
  }
  nn::PreActBlock block{1, 1};
  refused(block, "the model has a BatchNorm2d at bn1, which mixes the samples");
}

TEST_CASE("weights that reach the output on no known way are refused") {
  const auto message = [](nn::Module& model, const Tensor& x, const Tensor& y) {
    return thrown([&] { (void)autograd::per_sample_gradients(model, mse(nn::Reduction::mean), x, y); });
  };
  const Tensor x = numbers({4, 3}, 1);
  With constant(nn::Linear{3, 4}, [](nn::Linear& l, const Tensor&) { return l.weight; });
  scatter(constant);
  CHECK(message(constant, x, x) == "per_sample_gradients: the model's output does not depend on its input");
  With divided(nn::PReLU{}, [](nn::PReLU& l, const Tensor& v) { return v / l.weight; });
  scatter(divided);
  CHECK(message(divided, x, x).find("the parameter layer.weight (shape (1)) is used by div") != std::string::npos);
  With functional(nn::Conv2d{1, 1, 2},
                  [](nn::Conv2d& l, const Tensor& v) { return nn::functional::conv2d(v, l.weight, l.bias, {}); });
  scatter(functional);
  CHECK(message(functional, numbers({2, 1, 3, 3}, 1), numbers({2, 1, 2, 2}, 1))
            .find("the parameter layer.weight (shape (1, 1, 2, 2)) is used by conv2d") != std::string::npos);
  With table(nn::PReLU{{.num_parameters = 3}}, [](nn::PReLU& l, const Tensor& v) {
    return v + (l.weight * numbers({2, 3}, 3)).sum({.axes = {0}});
  });
  scatter(table);
  CHECK(message(table, x, x).find("sees a tensor of shape (2, 3); axis 0 must count the 4 samples") !=
        std::string::npos);

  // Constants that are as long as the batch by chance.
  With masked(nn::Linear{3, 4}, [](nn::Linear& l, const Tensor& v) {
    return nn::functional::linear(v, l.weight * numbers({4, 3}, 3), l.bias);
  });
  scatter(masked);
  CHECK(message(masked, x, numbers({4, 4}, 2)).find("the parameter layer.weight (shape (4, 3)) is used by mul") !=
        std::string::npos);
  With long_table(nn::PReLU{{.num_parameters = 3}}, [](nn::PReLU& l, const Tensor& v) {
    return v + (l.weight * numbers({4, 3}, 3)).sum({.axes = {0}});
  });
  scatter(long_table);
  CHECK(message(long_table, x, x).find("the parameter layer.weight (shape (3)) is used by mul") != std::string::npos);
  With again(nn::Linear{3, 3}, [](nn::Linear& l, const Tensor& v) {
    return autograd::checkpoint([&](const Tensor& u) { return l(u); }, v);
  });
  scatter(again);
  CHECK(message(again, x, x).find("the parameter layer.weight (shape (3, 3)) is used by checkpoint") !=
        std::string::npos);

  struct Shared : nn::Module {
    nn::LSTM lstm{3, 1};
    nn::Linear other{3, 4, {.bias = false}};
    Shared() { other.weight = lstm.layers[0].weight_ih; }
    Tensor forward(const Tensor& v) override { return other(v) + lstm(v.transpose(0, 1)).transpose(0, 1); }
    void visit(nn::Visitor& v) override {
      v("lstm", lstm);
      v("other", other);
    }
  };
  Shared shared;
  scatter(shared);
  CHECK(message(shared, numbers({2, 2, 3}, 1), numbers({2, 2, 4}, 1))
            .find("is tied between a recurrent layer over (T, N, ...) and another layer") != std::string::npos);
}
