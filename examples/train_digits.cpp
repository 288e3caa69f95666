// Trains a small network to read digits or to tell clothes apart, with the activation of your choice.
//
//   train_digits                                             the built-in 8 x 8 digits, LeNet, seconds
//   train_digits --data mnist --root DIR --activation gelu   about 99.2 % after 10 epochs
//   train_digits --model autoencoder                         squeezes each digit into 16 numbers and restores it
//
// What you should see: a line for each epoch, the accuracy on digits that were never trained on, and which ones it mistakes.
#include <string>

#include <fmt/format.h>

#include <gradus/gradus.hpp>
#include <gradus/models/autoencoder.hpp>
#include <gradus/models/lenet.hpp>
#include <gradus/models/mlp.hpp>
#include <gradus/models/self_normalizing.hpp>
#include <gradus/report/table.hpp>

#include "training/training.hpp"

using namespace gradus;

namespace {

struct Parts {
  data::Dataset train, validation, test;
};

// The test part is the published one where there is one. A tenth of the rest is for validation.
Parts load(const std::string& name, const std::string& root, bool quick) {
  const auto with_test = [&](const data::Dataset& all, const data::Dataset& test) {
    const auto [train, validation] = data::split(all, {.test_fraction = 0.1, .stratify = true});
    return Parts{train, validation, test};
  };
  Parts parts;
  if (name == "digits") {
    const data::ThreeParts three = data::split_three(data::digits(), {.stratify = true});
    parts = {three.train, three.validation, three.test};
  } else if (root.empty()) {
    fail("--root", fmt::format("{} needs the folder with its files; datasets/download.sh gets them", name));
  } else if (name == "mnist") {
    parts = with_test(data::mnist(root, data::Split::train), data::mnist(root, data::Split::test));
  } else {
    parts = with_test(data::fashion_mnist(root, data::Split::train), data::fashion_mnist(root, data::Split::test));
  }
  if (quick)
    for (data::Dataset* part : {&parts.train, &parts.validation, &parts.test}) {
      part->x = part->x.slice(0, 0, std::min<Index>(part->size(), 1000));
      part->y = part->y.slice(0, 0, part->x.size(0));
    }
  const data::Standardize scale{parts.train.x};
  return {scale(parts.train), scale(parts.validation), scale(parts.test)};
}

nn::Sequential build(const std::string& model, const data::Dataset& train, const std::string& activation) {
  const Shape image = train.x.shape();
  const Index pixels = train.x.numel() / train.size(), classes = train.num_classes();
  if (model == "mlp") return models::mlp(pixels, classes, {.hidden = {256, 128}, .activation = activation, .dropout = 0.1});
  if (model == "self_normalizing") return models::self_normalizing(pixels, classes, {.dropout = 0.05});
  return models::lenet({image[1], image[2], image[3]}, classes, {.activation = activation});
}

void classify(training::Run& run, const Parts& parts, const std::string& model) {
  const training::Options& options = run.options();
  nn::Sequential net = build(model, parts.train, options.activation);
  const Shape image = parts.train.x.shape();
  run.text("The network", nn::summary(net, {1, image[1], image[2], image[3]}).text());

  optim::AdamW optimizer{net.parameters(), {.lr = options.lr}};
  data::DataLoader loader{parts.train, {.batch_size = options.batch_size, .shuffle = true, .seed = options.seed}};
  optim::OneCycleLR schedule{optimizer, {.max_lr = options.lr, .total_steps = options.epochs * loader.size()}};
  run.fit(net, optimizer, loader, {.validation = &parts.validation, .schedule = &schedule});

  const Tensor scores = train::predict(net, parts.test.x);
  run.result("test accuracy, %", 100 * train::accuracy(scores, parts.test.y), 2);
  run.confusion(scores, parts.test.y, parts.test.class_names);
}

// The first samples and what became of them, side by side, as one picture.
report::Figure pictures(const Tensor& before, const Tensor& after, Index count) {
  report::Figure figure("Digits, and what is left of them after the code");
  for (const auto& [title, images] : {std::pair<const char*, Tensor>{"before", before}, {"after", after}}) {
    const Index height = images.size(2), width = images.size(3);
    std::vector<double> canvas(std::size_t(height * width * count));
    for (Index n = 0; n < count; ++n)
      for (Index i = 0; i < height; ++i)
        for (Index j = 0; j < width; ++j)
          canvas[std::size_t(i * width * count + n * width + j)] = images.data<float>()[((n * images.size(1)) * height + i) * width + j];
    figure.panel(title).heat_map(canvas, std::size_t(height), std::size_t(width * count));
  }
  return std::move(figure.columns(1));
}

void compress(training::Run& run, const Parts& parts) {
  const training::Options& options = run.options();
  const Index pixels = parts.train.x.numel() / parts.train.size();
  models::Autoencoder net{pixels, {.activation = options.activation}};
  optim::AdamW optimizer{net.parameters(), {.lr = options.lr}};
  // The target of a sample is the sample itself.
  data::Dataset images = parts.train, unseen = parts.validation;
  images.y = images.x, unseen.y = unseen.x;
  data::DataLoader loader{images, {.batch_size = options.batch_size, .shuffle = true, .seed = options.seed}};
  optim::OneCycleLR schedule{optimizer, {.max_lr = options.lr, .total_steps = options.epochs * loader.size()}};
  const auto mse = [](const Tensor& output, const Tensor& target) { return nn::mse_loss(output, target); };
  run.fit(net, optimizer, loader, {.validation = &unseen, .loss = mse, .schedule = &schedule}, "minus MSE");

  const Tensor restored = train::predict(net, parts.test.x);
  const NoGrad no_grad;
  const double error = nn::mse_loss(restored, parts.test.x).item(), variance = mean(square(parts.test.x)).item();
  run.result("test MSE", error);
  run.result("share of the test variance that 16 numbers keep, %", 100 * (1 - error / variance), 2);
  run.figure("restored", pictures(parts.test.x, restored, 10), "The first ten test samples, standardised.");
}

}  // namespace

int main(int argc, char** argv) {
  training::Program program("train_digits", "Trains a small network on images of digits or clothes.",
                            {.activation = "gelu", .epochs = 15, .batch_size = 64, .lr = 3e-3});
  std::string data = "digits", root, model = "lenet";
  program.app().add_option("--data", data, "digits (built in), mnist or fashion_mnist")->check(CLI::IsMember({"digits", "mnist", "fashion_mnist"}));
  program.app().add_option("--root", root, "the folder that holds the files of mnist or fashion_mnist");
  program.app().add_option("--model", model, "lenet, mlp, self_normalizing (SELU alone) or autoencoder")
      ->check(CLI::IsMember({"lenet", "mlp", "self_normalizing", "autoencoder"}));
  Parts parts;
  return program.main(
      argc, argv,
      [&](training::Run& run) {
        run.say(fmt::format("{}: {} samples to train, {} to validate, {} to test", data, parts.train.size(), parts.validation.size(), parts.test.size()));
        model == "autoencoder" ? compress(run, parts) : classify(run, parts, model);
      },
      [&] { parts = load(data, root, program.options().quick); });
}
