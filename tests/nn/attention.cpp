#include "gradus/nn/attention.hpp"

#include <cmath>

#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;

namespace {

using Vector = std::vector<double>;

// Straight from the definition, element by element.
Tensor naive(const nn::MultiheadAttention& m, const Tensor& query, const Tensor& key, const Tensor& value, Index heads,
             bool causal, const Tensor& padding = {}) {
  const Index batch = query.size(0), length = query.size(1), keys = key.size(1), width = query.size(2),
              d = width / heads;
  const double* w = m.in_proj_weight.data<double>();
  const auto projected = [&](const Tensor& x, Index part) {
    Vector y(std::size_t(x.numel()));
    for (Index row = 0; row < x.numel() / width; ++row)
      for (Index o = 0; o < width; ++o) {
        double total = m.in_proj_bias.defined() ? m.in_proj_bias.data<double>()[part * width + o] : 0;
        for (Index i = 0; i < width; ++i)
          total += x.data<double>()[row * width + i] * w[(part * width + o) * width + i];
        y[std::size_t(row * width + o)] = total;
      }
    return y;
  };
  const Vector q = projected(query, 0), k = projected(key, 1), v = projected(value, 2);
  Vector sums(std::size_t(query.numel()), 0.0);
  for (Index n = 0; n < batch; ++n)
    for (Index h = 0; h < heads; ++h)
      for (Index i = 0; i < length; ++i) {
        Vector p(std::size_t(keys), 0.0);
        double total = 0;
        for (Index j = 0; j < keys; ++j) {
          if ((causal && j > i) || (padding.defined() && padding.data<float>()[n * keys + j] != 0)) continue;
          double score = 0;
          for (Index c = 0; c < d; ++c)
            score += q[std::size_t((n * length + i) * width + h * d + c)] *
                     k[std::size_t((n * keys + j) * width + h * d + c)];
          total += p[std::size_t(j)] = std::exp(score / std::sqrt(double(d)));
        }
        for (Index j = 0; total > 0 && j < keys; ++j)
          for (Index c = 0; c < d; ++c)
            sums[std::size_t((n * length + i) * width + h * d + c)] +=
                p[std::size_t(j)] / total * v[std::size_t((n * keys + j) * width + h * d + c)];
      }
  const Tensor y = matmul(from_vector(sums, query.shape()), m.out_proj.weight.detach().t());
  return m.out_proj.bias.defined() ? y + m.out_proj.bias.detach() : y;
}

nn::MultiheadAttention in_double(Index width, Index heads, const nn::MultiheadAttentionOptions& options = {}) {
  nn::MultiheadAttention m{width, heads, options};
  m.to(float64);
  if (options.bias) {
    m.in_proj_bias.set_data(normal_numbers(m.in_proj_bias.shape(), 21));
    m.out_proj.bias.set_data(normal_numbers(m.out_proj.bias.shape(), 22));
  }
  return m;
}

}  // namespace

TEST_CASE("attention is the definition's") {
  for (const bool causal : {false, true})
    for (const bool bias : {false, true})
      for (const Index heads : {1, 2, 3, 6}) {
        CAPTURE(heads);
        nn::MultiheadAttention m = in_double(6, heads, {.causal = causal, .bias = bias});
        for (const Shape& shape : {Shape{1, 1, 6}, Shape{2, 7, 6}, Shape{3, 2, 6}}) {
          const Tensor x = normal_numbers(shape, 1), y = normal_numbers(shape, 2), z = normal_numbers(shape, 3);
          CHECK(largest_difference(m(x), naive(m, x, x, x, heads, causal)) < 1e-13);
          CHECK(largest_difference(m(x, y, z), naive(m, x, y, z, heads, causal)) < 1e-13);
        }
      }
  nn::MultiheadAttention m = in_double(6, 2);
  const Tensor q = normal_numbers({2, 3, 6}, 1), k = normal_numbers({2, 5, 6}, 2), v = normal_numbers({2, 5, 6}, 3);
  CHECK(largest_difference(m(q, k, v), naive(m, q, k, v, 2, false)) < 1e-13);
  nn::MultiheadAttention single{6, 2};
  CHECK(single(zeros({0, 3, 6})).shape() == Shape{0, 3, 6});
  CHECK(single(zeros({2, 0, 6})).shape() == Shape{2, 0, 6});
  // With no keys there is nothing but the bias.
  CHECK(single(ones({2, 3, 6}), zeros({2, 0, 6}), zeros({2, 0, 6})).abs().sum().item() == 0);
}

TEST_CASE("attention's parameters are named and start as PyTorch's") {
  manual_seed(1);
  nn::MultiheadAttention m{64, 4};
  const NamedTensors all = m.named_parameters();
  REQUIRE(all.size() == 4);
  CHECK(all[0].first == "in_proj_weight");
  CHECK(all[1].first == "in_proj_bias");
  CHECK(all[2].first == "out_proj.weight");
  CHECK(all[3].first == "out_proj.bias");
  CHECK(all[0].second.shape() == Shape{192, 64});
  CHECK(m.in_proj_bias.detach().abs().sum().item() == 0);
  CHECK(m.out_proj.bias.detach().abs().sum().item() == 0);
  const double in_bound = std::sqrt(6.0 / (64 + 192)), out_bound = 1 / std::sqrt(64.0);
  const double in_largest = m.in_proj_weight.detach().abs().max().item(),
               out_largest = m.out_proj.weight.detach().abs().max().item();
  CHECK(in_largest <= in_bound * (1 + 1e-6));
  CHECK(in_largest > 0.99 * in_bound);
  CHECK(out_largest <= out_bound * (1 + 1e-6));
  CHECK(out_largest > 0.99 * out_bound);
  nn::MultiheadAttention bare{4, 2, {.bias = false}};
  CHECK(bare.named_parameters().size() == 2);
}

TEST_CASE("causal attention does not see what comes later, to the bit") {
  nn::MultiheadAttention m = in_double(8, 2, {.causal = true});
  const Tensor x = normal_numbers({2, 7, 8}, 1);
  for (Index seen = 1; seen < 7; ++seen) {
    const Tensor changed = cat({x.slice(1, 0, seen), normal_numbers({2, 7 - seen, 8}, 5) * 30.0}, 1);
    CHECK(largest_difference(m(x).slice(1, 0, seen), m(changed).slice(1, 0, seen)) == 0);
    CHECK(largest_difference(m(x).slice(1, seen, 7), m(changed).slice(1, seen, 7)) > 0.01);
  }
  const Tensor input = leaf({1, 5, 8});
  const Tensor g = grad(m(input).slice(1, 2, 3).sum(), input);
  CHECK(g.slice(1, 3, 5).abs().max().item() == 0);
  CHECK(g.slice(1, 0, 1).abs().max().item() > 0);
  // The other kind sees everything.
  nn::MultiheadAttention open = in_double(8, 2);
  CHECK(grad(open(input).slice(1, 2, 3).sum(), input).slice(1, 4, 5).abs().max().item() > 0);
}

TEST_CASE("padded keys are not seen") {
  const Tensor padding = tensor({{0, 0, 1, 1}, {0, 1, 0, 0}, {0, 0, 0, 0}});
  for (const bool causal : {false, true}) {
    nn::MultiheadAttention m = in_double(6, 3, {.causal = causal});
    const Tensor x = normal_numbers({3, 4, 6}, 1);
    const Tensor y = m(x, {.key_padding_mask = padding});
    CHECK(largest_difference(y, naive(m, x, x, x, 3, causal, padding)) < 1e-13);
    CHECK(largest_difference(y, m(x, {.key_padding_mask = padding.to(int64)})) == 0);
    CHECK(largest_difference(y, m(x, x, x, {.key_padding_mask = padding.to(float64) * 7.0})) == 0);
    // The first sample is one of two places only.
    const Tensor lone = m(x.slice(0, 0, 1).slice(1, 0, 2));
    CHECK(largest_difference(y.slice(0, 0, 1).slice(1, 0, 2), lone) < 1e-14);
  }
}

TEST_CASE("a query that sees no key gets the bias, and nobody gets a NaN") {
  // The second sample starts with padding: causal attention leaves its first two places with nothing.
  const Tensor padding = tensor({{0, 0, 0}, {1, 1, 0}, {1, 1, 1}});
  nn::MultiheadAttention m = in_double(4, 2, {.causal = true});
  const Tensor x = leaf({3, 3, 4});
  const Tensor y = m(x, {.key_padding_mask = padding});
  CHECK(largest_difference(y, naive(m, x, x, x, 2, true, padding)) < 1e-13);
  CHECK(largest_difference(y[1][0], m.out_proj.bias) == 0);
  CHECK(largest_difference(y[2][2], m.out_proj.bias) == 0);
  for (const bool recorded : {false, true}) {
    const Tensor g = grad(square(y).sum(), x, {.retain_graph = true, .create_graph = recorded});
    CHECK(isfinite(g).sum().item() == double(g.numel()));
    CHECK(g[2].abs().max().item() == 0);
    CHECK(g[0].abs().max().item() > 0);
  }
  check_derivatives([&](const std::vector<Tensor>& in) { return m(in[0], {.key_padding_mask = padding}); }, {x});
}

TEST_CASE("attention has derivatives of any order, with respect to everything") {
  nn::MultiheadAttention m = in_double(4, 2, {.causal = true});
  check_derivatives([&](const std::vector<Tensor>& in) { return m(in[0]); }, {leaf({2, 3, 4})});
  nn::MultiheadAttention cross = in_double(4, 2);
  const auto f = [&](const std::vector<Tensor>& in) {
    cross.in_proj_weight = in[3], cross.in_proj_bias = in[4], cross.out_proj.weight = in[5],
    cross.out_proj.bias = in[6];
    return cross(in[0], in[1], in[2]);
  };
  check_derivatives(f, {leaf({2, 3, 4}, 1), leaf({2, 5, 4}, 2), leaf({2, 5, 4}, 3), leaf({12, 4}, 4), leaf({12}, 5),
                        leaf({4, 4}, 6), leaf({4}, 7)});
}

TEST_CASE("attention does not depend on the number of threads") {
  nn::MultiheadAttention m = in_double(32, 4, {.causal = true});
  check_threads([&](const std::vector<Tensor>& in) { return m(in[0]); }, {leaf({8, 33, 32})});
}

TEST_CASE("large scores do not overflow") {
  nn::MultiheadAttention m{8, 2, {.causal = true}};
  const Tensor y = m(normal_numbers({2, 5, 8}, 1, float32) * 1e6);
  CHECK(isfinite(y).sum().item() == double(y.numel()));
}

TEST_CASE("attention drops weights in training only") {
  nn::MultiheadAttention m{8, 2, {.dropout = 1.0}};
  const Tensor x = normal_numbers({2, 5, 8}, 1, float32);
  CHECK(m(x).abs().sum().item() == 0);
  m.eval();
  nn::MultiheadAttention plain = m;
  plain.dropout = nn::Dropout{0.0};
  CHECK(largest_difference(m(x), plain(x)) == 0);
  CHECK(m(x).abs().sum().item() > 0);
}

TEST_CASE("attention says what does not fit") {
  check_error([] { nn::MultiheadAttention{10, 3}; }, {"MultiheadAttention", "width of 10", "3 heads", "divide"});
  check_error([] { nn::MultiheadAttention{8, 0}; }, {"MultiheadAttention", "0 heads"});
  check_error([] { nn::MultiheadAttention{0, 1}; }, {"MultiheadAttention", "width of 0"});
  check_error([] { nn::MultiheadAttention{8, 2, {.dropout = 2}}; }, {"dropout", "2"});
  nn::MultiheadAttention m{8, 2}, causal{8, 2, {.causal = true}};
  check_error([&] { (void)m(zeros({2, 3, 6})); }, {"MultiheadAttention", "(2, 3, 6)", "width 8"});
  check_error([&] { (void)m(zeros({3, 8})); }, {"MultiheadAttention", "(3, 8)", "(N, length, width)"});
  check_error([&] { (void)m(zeros({2, 3, 8}, {.dtype = float64})); }, {"float64", "float32"});
  const Tensor q = zeros({2, 3, 8}), k = zeros({2, 5, 8});
  check_error([&] { (void)m(q, k, q); }, {"(2, 3, 8)", "(2, 5, 8)", "one length for key and value"});
  check_error([&] { (void)m(q, zeros({1, 5, 8}), zeros({1, 5, 8})); }, {"(1, 5, 8)", "one batch size"});
  check_error([&] { (void)m(q, zeros({2, 5, 4}), k); }, {"key has shape (2, 5, 4)"});
  check_error([&] { (void)causal(q, k, k); }, {"causal", "3 queries to 5 keys"});
  check_error([&] { (void)m(q, k, k, {.key_padding_mask = zeros({2, 3})}); }, {"key_padding_mask", "(2, 3)", "(2, 5)"});
}
