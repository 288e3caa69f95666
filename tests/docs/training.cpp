// The programs of docs/training.md, compiled and checked.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "folder.hpp"
#include "gradus/gradus.hpp"
#include "thrown.hpp"

using namespace gradus;

namespace {

nn::Sequential network() { return {nn::Linear{2, 32}, nn::GELU{}, nn::Linear{32, 32}, nn::GELU{}, nn::Linear{32, 2}}; }

std::pair<data::Dataset, data::Dataset> spirals() {
  return data::split(data::two_spirals(400, {.noise = 0.05, .seed = 1}), {.test_fraction = 0.25, .seed = 1});
}

std::size_t lines(const std::string& path) {
  std::ifstream file(path);
  std::size_t count = 0;
  for (std::string line; std::getline(file, line);) ++count;
  return count;
}

}  // namespace

TEST_CASE("fit, logs, and a run that goes on") {
  const Folder temporary;
  const std::string folder = temporary.path();
  manual_seed(7);
  const auto [training, validation] = data::split(data::two_spirals(1000, {.noise = 0.05, .seed = 1}));
  nn::Sequential net{nn::Linear{2, 32}, nn::GELU{}, nn::Linear{32, 32}, nn::GELU{}, nn::Linear{32, 2}};
  optim::AdamW optimizer{net.named_parameters(), {.lr = 1e-2}};
  data::DataLoader loader{training, {.batch_size = 32, .shuffle = true}};
  optim::CosineAnnealingLR schedule{optimizer, {.T_max = 60 * loader.size()}};

  const train::History history = train::fit(net, optimizer, loader, {
      .epochs = 60,
      .validation = &validation,
      .clip_norm = 1,
      .schedule = &schedule,
      .patience = 20,
      .keep_best = true,
      .checkpoint = folder + "/spirals.safetensors",
      .resume = true,
      .log_csv = folder + "/spirals.csv",
  });
  for (const train::EpochRecord& epoch : history.epochs)
    std::printf("%2d  %.4f  %.4f\n", epoch.epoch, epoch.train_loss, epoch.val_metric);
  CHECK(history.epochs[*history.best_epoch].val_metric > 0.9);
  CHECK(lines(folder + "/spirals.csv") == history.epochs.size() + 1);

  // The same again finds all done.
  manual_seed(8);
  nn::Sequential fresh = network();
  optim::AdamW other{fresh.named_parameters(), {.lr = 1e-2}};
  data::DataLoader again{training, {.batch_size = 32, .shuffle = true}};
  optim::CosineAnnealingLR curve{other, {.T_max = 60 * again.size()}};
  int steps = 0;
  train::fit(fresh, other, again,
             {.epochs = int(history.epochs.size()),
              .validation = &validation,
              .schedule = &curve,
              .keep_best = true,
              .checkpoint = folder + "/spirals.safetensors",
              .resume = true,
              .on_step = [&](const train::StepRecord&) { return ++steps, true; }});
  CHECK(steps == 0);
  CHECK(allclose(fresh(validation.x), net(validation.x)));
}

TEST_CASE("a loop of one's own with a checkpoint") {
  const Folder temporary;
  const std::string path = temporary / "run.safetensors";
  const auto [training, validation] = spirals();
  nn::Sequential net = network();
  optim::SGD optimizer{net.named_parameters(), {.lr = 0.1, .momentum = 0.9}};
  optim::EMA ema{net.named_parameters(), {.decay = 0.99}};
  data::DataLoader loader{training, {.batch_size = 50, .shuffle = true}};

  const train::CheckpointParts parts{.model = &net, .optimizer = &optimizer, .ema = &ema, .loader = &loader};
  if (std::filesystem::exists(path)) train::load_checkpoint(path, parts);
  while (loader.state().epoch < 3) {
    for (const auto& [x, y] : loader) {
      optimizer.zero_grad();
      nn::cross_entropy(net(x), y).backward();
      optimizer.step();
      ema.update();
      train::save_checkpoint(path, parts);  // the batch at hand counts as done
    }
  }
  CHECK(ema.updates() == 18);
  nn::Sequential restored = network();
  train::load_checkpoint(path, {.model = &restored});
  CHECK(allclose(restored(validation.x), net(validation.x)));
}

TEST_CASE("averages are validated") {
  const auto [training, validation] = spirals();
  nn::Sequential net = network();
  optim::SGD optimizer{net.named_parameters(), {.lr = 0.1, .momentum = 0.9}};
  data::DataLoader loader{training, {.batch_size = 50, .shuffle = true}};

  optim::EMA ema{net.state_dict(), {.decay = 0.99, .warm_up = true}};
  optim::ReduceLROnPlateau plateau{optimizer, {.factor = 0.5, .patience = 3}};
  train::fit(net, optimizer, loader, {
      .epochs = 5,
      .validation = &validation,
      .plateau = &plateau,
      .ema = &ema,
      .validate_average = true,
  });
  ema.apply();  // net has the averages now, for good
  CHECK(ema.updates() == 30);
  CHECK(ema.applied());
}

TEST_CASE("the first NaN is found") {
  const Tensor x = from_vector(std::vector<float>{4, 2, -1});
  const std::string text = thrown([&] {
    const autograd::DetectAnomaly guard;
    const Tensor y = log(x);
  });
  CHECK(text.find("detect_anomaly: forward of log (shape (3)) gave NaN in 1 of 3 elements") == 0);
}

TEST_CASE("a summary") {
  nn::Sequential net{nn::Conv2d{1, 8, 3, {.padding = 1}}, nn::ELU{}, nn::Flatten{}, nn::Linear{8 * 28 * 28, 10}};
  std::ostringstream out;
  std::streambuf* before = std::cout.rdbuf(out.rdbuf());
  std::cout << nn::summary(net, {1, 1, 28, 28}).text();
  std::cout.rdbuf(before);
  CHECK(out.str().find("Conv2d") != std::string::npos);
  CHECK(nn::summary(net, {1, 1, 28, 28}).parameters == 80 + 62730);
}

TEST_CASE("private training, and the gradients of single samples") {
  manual_seed(3);
  const auto [train_set, validation] = data::split(data::two_moons(2000, {.noise = 0.1, .seed = 1}), {.test_fraction = 0.05});
  nn::Sequential net = network();
  const double before = train::evaluate(net, validation).loss;
  const double rate = 256.0 / double(train_set.size());  // 256 samples a batch, on average
  data::PoissonLoader batches{train_set, {.sampling_rate = rate}};
  optim::DPSGD private_sgd{net.named_parameters(),
                           {.lr = 0.5, .noise_multiplier = 1.1, .max_grad_norm = 1, .expected_batch_size = batches.expected_batch_size()}};
  for (Index step = 0; step < 10 * batches.size(); ++step) train::private_step(net, private_sgd, batches.next());
  std::printf("epsilon %.2f at delta 1e-5\n", train::privacy_spent(private_sgd, rate, 1e-5).epsilon);
  CHECK(train::evaluate(net, validation).loss < 0.7 * before);

  const auto [x, y] = validation;
  const autograd::BatchLoss loss = [](const Tensor& output, const Tensor& target) {
    return nn::cross_entropy(output, target);
  };
  for (const auto& [name, gradients] : autograd::per_sample_gradients(net, loss, x, y))
    std::printf("%s: %.4f\n", name.c_str(), norm(gradients[3]).item());  // gradients: (N, shape of the parameter...)
  const Tensor squared = autograd::per_sample_squared_norms(net, loss, x, y);  // (N), and no gradient was kept
  CHECK(squared.shape() == Shape{100});
}
