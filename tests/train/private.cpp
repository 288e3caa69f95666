#include "gradus/train/private.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gradus/data/digits.hpp"
#include "gradus/data/poisson.hpp"
#include "gradus/nn.hpp"
#include "gradus/tensor.hpp"
#include "thrown.hpp"

using namespace gradus;
using autograd::PerSampleMethod;

namespace {

nn::Sequential small() { return nn::Sequential{nn::Flatten{}, nn::Linear{64, 8}, nn::ELU{}, nn::Linear{8, 10}}; }

// The digits, with features of size about 1.
data::Dataset digits() {
  data::Dataset dataset = data::digits();
  dataset.x = (dataset.x - mean(dataset.x).item()) * 3;
  return dataset;
}

}  // namespace

TEST_CASE("a private step without noise is clipped SGD: a loop over samples, clipped by hand") {
  manual_seed(3);
  nn::Sequential net = small();
  net.to(float64);
  const data::Dataset dataset = digits();
  data::PoissonLoader loader{dataset, {.sampling_rate = 0.01, .seed = 2}};
  data::Batch batch = loader.next();
  batch.x = batch.x.to(float64);
  std::vector<std::vector<Tensor>> gradients;
  std::vector<double> norms;
  for (Index i = 0; i < batch.y.numel(); ++i) {
    gradients.push_back(
        grad(nn::cross_entropy(net(batch.x.slice(0, i, i + 1)), batch.y.slice(0, i, i + 1)), net.parameters()));
    double squared = 0;
    for (const Tensor& g : gradients.back()) squared += sum(square(g)).item();
    norms.push_back(std::sqrt(squared));
  }
  std::vector<double> sorted = norms;
  std::sort(sorted.begin(), sorted.end());
  const double C = 0.5 * (sorted[5] + sorted[6]), expected = loader.expected_batch_size();  // six are not clipped
  std::vector<Tensor> by_hand, total;
  for (const Tensor& p : net.parameters()) {
    by_hand.push_back(p.detach().clone());
    total.push_back(zeros(p.shape(), {.dtype = float64}));
  }
  for (std::size_t i = 0; i < norms.size(); ++i)
    for (std::size_t p = 0; p < total.size(); ++p) total[p].add_(gradients[i][p], std::min(1.0, C / norms[i]));

  optim::DPSGD optimizer{net.named_parameters(),
                         {.lr = 0.7, .noise_multiplier = 0, .max_grad_norm = C, .expected_batch_size = expected}};
  const Tensor found = train::private_step(net, optimizer, batch);
  for (std::size_t i = 0; i < norms.size(); ++i)
    CHECK(found.data<double>()[i] == doctest::Approx(norms[i]).epsilon(1e-10));
  const auto parameters = net.parameters();
  for (std::size_t p = 0; p < total.size(); ++p) {
    by_hand[p].add_(total[p], -0.7 / expected);
    CHECK(max(abs(parameters[p].detach() - by_hand[p])).item() < 1e-12);
  }
}

TEST_CASE("a sum as the loss and the slow way give the same step") {
  const auto after = [](nn::Reduction reduction, PerSampleMethod method) {
    manual_seed(3);
    nn::Sequential net = small();
    data::PoissonLoader loader{digits(), {.sampling_rate = 0.01, .seed = 2}};
    optim::DPSGD optimizer{net.named_parameters(),
                           {.lr = 1, .expected_batch_size = loader.expected_batch_size(), .seed = 1}};
    (void)train::private_step(net, optimizer, loader.next(), {}, {.reduction = reduction, .method = method});
    return net.parameters()[0].detach().clone();
  };
  const Tensor reference = after(nn::Reduction::mean, PerSampleMethod::formulas);
  CHECK(max(abs(after(nn::Reduction::sum, PerSampleMethod::formulas) - reference)).item() < 1e-5);
  CHECK(max(abs(after(nn::Reduction::mean, PerSampleMethod::loop) - reference)).item() < 1e-5);
}

TEST_CASE("an empty batch is a step of noise") {
  manual_seed(3);
  nn::Sequential net = small();
  optim::DPSGD optimizer{net.named_parameters(), {.lr = 1, .expected_batch_size = 1, .seed = 1}};
  const Tensor before = net.parameters()[0].detach().clone();
  CHECK(train::private_step(net, optimizer, {zeros({0, 1, 8, 8}), zeros({0}, {.dtype = int64})}).numel() == 0);
  CHECK(max(abs(net.parameters()[0].detach() - before)).item() > 0);
  CHECK(optimizer.releases()[0].steps == 1);
}

TEST_CASE("batch normalisation is refused, and nothing has changed") {
  nn::Sequential net{nn::Linear{3, 4}, nn::BatchNorm1d{4}, nn::Linear{4, 2}};
  optim::DPSGD optimizer{net.named_parameters(), {.lr = 1, .expected_batch_size = 5, .seed = 1}};
  const Tensor before = net.parameters()[0].detach().clone();
  check_contains(thrown([&] {
                   (void)train::private_step(net, optimizer, {ones({5, 3}), zeros({5}, {.dtype = int64})});
                 }),
                 {"the model has a BatchNorm1d at 1, which mixes the samples"});
  CHECK(max(abs(net.parameters()[0].detach() - before)).item() == 0);
  CHECK(optimizer.releases().empty());
}

TEST_CASE("what is spent is the accountant's sum over all steps") {
  const Tensor p = zeros({2}).requires_grad_();
  optim::DPSGD optimizer{std::vector{p}, {.lr = 1, .noise_multiplier = 1.1, .expected_batch_size = 256, .seed = 1}};
  CHECK(train::privacy_spent(optimizer, 256.0 / 60000, 1e-5).epsilon == 0);
  for (int step = 0; step < 300; ++step) optimizer.step(std::vector<Tensor>{Tensor{}});
  for (const auto conversion : {theory::Conversion::improved, theory::Conversion::classic})
    CHECK(train::privacy_spent(optimizer, 256.0 / 60000, 1e-5, conversion).epsilon ==
          doctest::Approx(theory::privacy_spent({.sampling_rate = 256.0 / 60000,
                                                 .noise_multiplier = 1.1,
                                                 .steps = 300,
                                                 .delta = 1e-5,
                                                 .conversion = conversion})
                              .epsilon)
              .epsilon(1e-12));
  optimizer.set_option("noise_multiplier", 0);
  optimizer.step(std::vector<Tensor>{Tensor{}});
  CHECK(train::privacy_spent(optimizer, 256.0 / 60000, 1e-5).epsilon == std::numeric_limits<double>::infinity());
}
