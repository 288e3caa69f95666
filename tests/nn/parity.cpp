// The functions of nn against PyTorch, which wrote functions.inc (tests/parity/functions.py).
#include <cmath>
#include <map>
#include <string>

#include "gradus/nn/functional.hpp"
#include "gradus/nn/loss.hpp"
#include "nn/sketch.hpp"
#include "nn/support.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace F = gradus::nn::functional;
using nn::Reduction;

namespace {

struct Row {
  std::string name;
  std::vector<double> numbers;
};

const std::vector<Row> rows{
#include "nn/functions.inc"
};

Tensor numbers(int k, const Shape& shape) { return waves(k, shape, 1.5); }

Tensor labels(const Shape& shape, std::int64_t classes) {
  std::vector<std::int64_t> v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = (3 * std::int64_t(i) + 1) % classes;
  return from_vector(v, shape);
}

struct Case {
  std::vector<Shape> shapes;
  TensorFunction f;
};

using In = const std::vector<Tensor>&;

std::map<std::string, Case> cases() {
  std::map<std::string, Case> all;
  all["linear"] = {{{2, 5, 3}, {4, 3}, {4}}, [](In x) { return F::linear(x[0], x[1], x[2]); }};
  all["linear without bias"] = {{{7, 3}, {4, 3}}, [](In x) { return F::linear(x[0], x[1]); }};

  all["conv2d"] = {{{2, 3, 7, 6}, {4, 3, 3, 3}, {4}}, [](In x) { return F::conv2d(x[0], x[1], x[2]); }};
  all["conv2d padding"] = {{{2, 3, 7, 6}, {4, 3, 3, 3}, {4}},
                           [](In x) { return F::conv2d(x[0], x[1], x[2], {.padding = 1}); }};
  all["conv2d stride, groups"] = {
      {{2, 6, 15, 17}, {4, 3, 3, 5}}, [](In x) {
        return F::conv2d(x[0], x[1], {}, {.stride = {2, 1}, .padding = {1, 2}, .groups = 2});
      }};
  all["conv2d dilation"] = {{{1, 2, 9, 8}, {3, 2, 3, 2}, {3}}, [](In x) {
                              return F::conv2d(x[0], x[1], x[2], {.padding = 2, .dilation = {2, 3}});
                            }};
  all["conv2d 1x1"] = {{{3, 5, 4, 4}, {7, 5, 1, 1}, {7}}, [](In x) { return F::conv2d(x[0], x[1], x[2]); }};
  all["conv2d depthwise"] = {{{2, 4, 6, 6}, {4, 1, 3, 3}},
                             [](In x) { return F::conv2d(x[0], x[1], {}, {.padding = 1, .groups = 4}); }};

  all["max_pool2d"] = {{{2, 3, 6, 8}}, [](In x) { return F::max_pool2d(x[0], 2); }};
  all["max_pool2d overlapping"] = {{{2, 2, 7, 9}}, [](In x) {
                                     return F::max_pool2d(x[0], {3, 2}, {.stride = {2, 1}, .padding = 1});
                                   }};
  all["avg_pool2d"] = {{{2, 3, 6, 8}}, [](In x) { return F::avg_pool2d(x[0], 2); }};
  all["avg_pool2d padding"] = {{{2, 2, 7, 9}}, [](In x) {
                                 return F::avg_pool2d(x[0], {3, 2}, {.stride = {2, 1}, .padding = 1});
                               }};
  all["avg_pool2d inside"] = {
      {{2, 2, 7, 9}}, [](In x) {
        return F::avg_pool2d(x[0], {3, 2}, {.stride = {2, 1}, .padding = 1, .count_include_pad = false});
      }};
  all["adaptive_avg_pool2d"] = {{{2, 2, 7, 9}}, [](In x) { return F::adaptive_avg_pool2d(x[0], {3, 5}); }};

  all["layer_norm"] = {{{4, 3, 5}, {5}, {5}}, [](In x) { return F::layer_norm(x[0], {5}, x[1], x[2]); }};
  all["layer_norm of two axes"] = {{{4, 3, 5}}, [](In x) { return F::layer_norm(x[0], {3, 5}, {}, {}, 0.1); }};
  all["group_norm"] = {{{3, 6, 4}, {6}, {6}}, [](In x) { return F::group_norm(x[0], 3, x[1], x[2]); }};
  const auto batch_norm = [](In x) {
    const Tensor mean_of = full({3}, 0.5, {.dtype = float64}), var_of = full({3}, 2.0, {.dtype = float64});
    const Tensor y = F::batch_norm(x[0], mean_of, var_of, x[1], x[2], true, 0.2);
    return cat({y.reshape({y.numel()}), mean_of, var_of});
  };
  all["batch_norm training"] = {{{4, 3, 2, 5}, {3}, {3}}, batch_norm};
  all["batch_norm training of vectors"] = {{{6, 3}, {3}, {3}}, batch_norm};
  all["batch_norm eval"] = {{{4, 3, 2, 5}, {3}, {3}}, [](In x) {
                              return F::batch_norm(x[0], tensor({0.5, -1, 2}, {.dtype = float64}),
                                                   tensor({1, 0.25, 4}, {.dtype = float64}), x[1], x[2]);
                            }};

  all["cosine_similarity"] = {{{4, 5, 3}, {4, 5, 3}}, [](In x) { return nn::cosine_similarity(x[0], x[1]); }};
  all["cosine_similarity broadcast"] = {{{4, 1, 3}, {2, 3}},
                                        [](In x) { return nn::cosine_similarity(x[0], x[1], {.axis = -1}); }};

  const Tensor weight = tensor({0.5, 2, 0, 1, 3}, {.dtype = float64});
  const Tensor targets = sigmoid(numbers(5, {4, 5}));
  const std::vector<std::pair<std::string, Reduction>> reductions{{"mean", Reduction::mean},
                                                                  {"sum", Reduction::sum},
                                                                  {"none", Reduction::none},
                                                                  {"batchmean", Reduction::batch_mean}};
  for (const auto& [name, r] : reductions) {
    const Reduction reduction = r;
    all["kl_div " + name] = {
        {{4, 5}}, [=](In x) {
          return nn::kl_div(log_softmax(x[0], 1), softmax(numbers(5, {4, 5}), 1), {.reduction = reduction});
        }};
    all["kl_div of logarithms " + name] = {{{4, 5}, {4, 5}}, [=](In x) {
                                             return nn::kl_div(log_softmax(x[0], 1), log_softmax(x[1], 1),
                                                               {.reduction = reduction, .log_target = true});
                                           }};
    if (reduction == Reduction::batch_mean) continue;
    all["distillation_loss " + name] = {
        {{4, 5, 3}, {4, 5, 3}},
        [=](In x) { return nn::distillation_loss(x[0], x[1], {.temperature = 3, .reduction = reduction}); }};
    all["distillation_loss mixed " + name] = {{{7, 5}, {7, 5}}, [=](In x) {
                                                return nn::distillation_loss(
                                                    x[0], x[1], labels({7}, 5),
                                                    {.temperature = 4, .soft_weight = 0.3, .reduction = reduction});
                                              }};
    all["focal_loss " + name] = {
        {{7, 5}},
        [=](In x) { return nn::focal_loss(x[0], labels({7}, 5), {.weight = weight, .reduction = reduction}); }};
    all["focal_loss of half " + name] = {
        {{7, 5}}, [=](In x) { return nn::focal_loss(x[0], labels({7}, 5), {.gamma = 0.5, .reduction = reduction}); }};
    all["sigmoid_focal_loss " + name] = {
        {{4, 5}}, [=](In x) {
          return nn::sigmoid_focal_loss(x[0], labels({4, 5}, 2).to(float64), {.reduction = reduction});
        }};
    all["cosine_embedding_loss " + name] = {{{4, 5}, {4, 5}}, [=](In x) {
                                              return nn::cosine_embedding_loss(
                                                  x[0], x[1], from_vector(std::vector<std::int64_t>{-1, 1, -1, 1}),
                                                  {.margin = -0.3, .reduction = reduction});
                                            }};
    all["gaussian_nll_loss " + name] = {
        {{4, 5}, {4, 5}, {4, 5}},
        [=](In x) { return nn::gaussian_nll_loss(x[0], x[1], square(x[2]), {.eps = 0.3, .reduction = reduction}); }};
    all["gaussian_nll_loss full " + name] = {
        {{4, 5}, {4, 5}, {4}},
        [=](In x) { return nn::gaussian_nll_loss(x[0], x[1], exp(x[2]), {.full = true, .reduction = reduction}); }};
    all["cross_entropy " + name] = {
        {{7, 5}}, [=](In x) { return nn::cross_entropy(x[0], labels({7}, 5), {.reduction = reduction}); }};
    all["cross_entropy weighted " + name] = {
        {{7, 5}}, [=](In x) {
          return nn::cross_entropy(
              x[0], labels({7}, 5),
              {.weight = weight, .ignore_index = 1, .reduction = reduction, .label_smoothing = 0.1});
        }};
    all["cross_entropy of images " + name] = {
        {{2, 5, 3, 4}}, [=](In x) {
          return nn::cross_entropy(x[0], labels({2, 3, 4}, 5),
                                   {.ignore_index = 2, .reduction = reduction, .label_smoothing = 0.3});
        }};
    all["nll_loss " + name] = {{{7, 5}}, [=](In x) {
                                 return nn::nll_loss(x[0], labels({7}, 5),
                                                     {.weight = weight, .ignore_index = 3, .reduction = reduction});
                               }};
    all["soft_cross_entropy " + name] = {
        {{4, 5, 3}, {4, 5, 3}},
        [=](In x) { return nn::soft_cross_entropy(x[0], softmax(x[1], 1), {.reduction = reduction}); }};
    all["mse_loss " + name] = {{{4, 5}, {4, 5}},
                               [=](In x) { return nn::mse_loss(x[0], x[1], {.reduction = reduction}); }};
    all["l1_loss " + name] = {{{4, 5}, {4, 5}},
                              [=](In x) { return nn::l1_loss(x[0], x[1], {.reduction = reduction}); }};
    all["huber_loss " + name] = {
        {{4, 5}, {4, 5}}, [=](In x) { return nn::huber_loss(x[0], x[1], {.reduction = reduction, .delta = 0.7}); }};
    all["smooth_l1_loss " + name] = {
        {{4, 5}, {4, 5}}, [=](In x) { return nn::smooth_l1_loss(x[0], x[1], {.reduction = reduction, .beta = 0.7}); }};
    all["bce_with_logits " + name] = {
        {{4, 5}}, [=](In x) { return nn::bce_with_logits(x[0], targets, {.reduction = reduction}); }};
    all["bce_with_logits weighted " + name] = {
        {{4, 5}}, [=](In x) {
          return nn::bce_with_logits(
              x[0], targets,
              {.weight = exp(numbers(6, {4, 1})), .reduction = reduction, .pos_weight = exp(numbers(7, {5}))});
        }};
    all["binary_cross_entropy " + name] = {{{4, 5}}, [=](In x) {
                                             return nn::binary_cross_entropy(
                                                 sigmoid(x[0]), targets,
                                                 {.weight = exp(numbers(6, {5})), .reduction = reduction});
                                           }};
  }
  return all;
}

}  // namespace

TEST_CASE("the functions of nn and their gradients are PyTorch's, to ten digits") {
  const std::map<std::string, Case> all = cases();
  CHECK(rows.size() == all.size());
  for (const Row& row : rows) {
    CAPTURE(row.name);
    REQUIRE(all.count(row.name) == 1);
    const Case& c = all.at(row.name);
    for (const bool recorded : {false, true}) {
      std::vector<Tensor> inputs;
      for (std::size_t k = 0; k < c.shapes.size(); ++k) inputs.push_back(numbers(int(k), c.shapes[k]).requires_grad_());
      const Tensor y = c.f(inputs);
      std::vector<double> received;
      sketch(y, received);
      for (const Tensor& g : grad(y, inputs, {.grad_output = upstream(y.shape()), .create_graph = recorded}))
        sketch(g, received);
      REQUIRE(received.size() == row.numbers.size());
      for (std::size_t i = 0; i < received.size(); ++i) {
        CAPTURE(i);
        CHECK(std::abs(received[i] - row.numbers[i]) <= 1e-10 * (1 + std::abs(row.numbers[i])));
      }
    }
  }
}
