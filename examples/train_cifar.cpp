// Trains a residual network on the photographs of CIFAR-10, with the activation of your choice.
//
//   train_cifar --root DIR                                     ResNet-14 before the activation, 30 epochs
//   train_cifar --root DIR --activation elu --model postact    the first ResNet, with ELU
//   train_cifar --root DIR --depth 20                          the published network of 20 layers
//
// DIR holds data_batch_1.bin ... test_batch.bin (datasets/download.sh cifar10 gets them); shorter files will do. Each image is moved by
// up to four pixels and mirrored at random before it is trained on, so no image is seen twice alike. The learning rate rises for three
// tenths of the run and falls for the rest (one cycle).
//
// What you should see: a line for each epoch, the accuracy on images that were never trained on, and which ones it mistakes.
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gradus/gradus.hpp>
#include <gradus/models/postact_resnet.hpp>
#include <gradus/models/preact_resnet.hpp>

#include "training/training.hpp"

using namespace gradus;

namespace {

struct Network {
  std::string model = "preact";
  std::vector<Index> widths = {16, 32, 64};
  Index blocks = 2, depth = 0;
};

struct Parts {
  data::Dataset train, validation, test;  // without a share for validation it is empty
};

data::Dataset first(const data::Dataset& all, Index count) {
  data::Dataset part = all;
  part.x = all.x.slice(0, 0, count), part.y = all.y.slice(0, 0, count);
  return part;
}

Parts load(const std::string& root, double validation, bool quick) {
  if (root.empty()) fail("--root", "the folder with the files of CIFAR-10 is needed (data_batch_1.bin, ...); datasets/download.sh cifar10 gets them");
  if (!(validation >= 0 && validation < 1)) fail("--validation", fmt::format("{} is no share; 0 to below 1 is", validation));
  Parts parts{data::cifar10(root, data::Split::train), {}, data::cifar10(root, data::Split::test)};
  if (quick) parts.train = first(parts.train, 400), parts.test = first(parts.test, 200);
  if (validation > 0) std::tie(parts.train, parts.validation) = data::split(parts.train, {.test_fraction = validation, .stratify = true});
  const data::Standardize scale{parts.train.x};
  for (data::Dataset* part : {&parts.train, &parts.validation, &parts.test})
    if (part->x.defined()) *part = scale(*part);
  return parts;
}

template <class ModelOptions>
ModelOptions model_options(const Network& network, const std::string& activation) {
  ModelOptions options{.widths = network.widths, .blocks = network.blocks, .depth = {}, .activation = activation};
  if (network.depth > 0) options.depth = network.depth;
  return options;
}

nn::Sequential build(const Network& network, const std::string& activation) {
  const Shape image{3, 32, 32};
  if (network.model == "preact") return models::preact_resnet(image, 10, model_options<models::PreactResnetOptions>(network, activation));
  return models::postact_resnet(image, 10, model_options<models::PostactResnetOptions>(network, activation));
}

void train_and_test(training::Run& run, const Parts& parts, const Network& network) {
  const training::Options& options = run.options();
  const bool holds_out = parts.validation.x.defined();
  run.say(fmt::format("CIFAR-10: {} images to train, {} to test", parts.train.size(), parts.test.size()));
  nn::Sequential net = build(network, options.activation);
  run.text("The network", nn::summary(net, {1, 3, 32, 32}).text());

  const data::Compose augment{{data::RandomCrop{32, {.padding = 4}}, data::RandomHorizontalFlip{}}};
  data::DataLoader loader{parts.train,
                          {.batch_size = options.batch_size, .shuffle = true, .seed = options.seed, .transform = augment}};
  optim::SGD optimizer{net.parameters(), {.lr = options.lr, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true}};
  optim::OneCycleLR schedule{optimizer, {.max_lr = options.lr, .total_steps = options.epochs * loader.size(), .cycle_momentum = false}};
  // Nothing is chosen by these numbers, neither an epoch nor an option, so without a part held out it may be the test part.
  run.fit(net, optimizer, loader, {.validation = holds_out ? &parts.validation : &parts.test, .schedule = &schedule}, "accuracy",
          holds_out ? "validation" : "test");

  const Tensor scores = train::predict(net, parts.test.x);
  run.result("test accuracy, %", 100 * train::accuracy(scores, parts.test.y), 2);
  run.result("right class among the first three, %", 100 * train::top_k_accuracy(scores, parts.test.y, 3), 2);
  run.confusion(scores, parts.test.y, parts.test.class_names);
}

}  // namespace

int main(int argc, char** argv) {
  training::Program program("train_cifar", "Trains a residual network on CIFAR-10. --root is needed.",
                            {.activation = "relu", .epochs = 30, .batch_size = 64, .lr = 0.05});
  std::string root;
  Network network;
  double validation = 0;
  program.app().add_option("--root", root, "the folder that holds data_batch_1.bin ... data_batch_5.bin and test_batch.bin");
  program.app().add_option("--model", network.model, "preact (activation before the convolutions) or postact (after the sum)")
      ->check(CLI::IsMember({"preact", "postact"}));
  program.app().add_option("--widths", network.widths, "channels of each stage, separated by commas")->delimiter(',');
  program.app().add_option("--blocks", network.blocks, "residual blocks in each stage");
  program.app().add_option("--depth", network.depth, "in place of --blocks: 2 * stages * blocks + 2; 0: as --blocks says");
  program.app().add_option("--validation", validation, "share of the training images that is held out and looked at instead of the test images");
  Parts parts;
  return program.main(
      argc, argv, [&](training::Run& run) { train_and_test(run, parts, network); },
      [&] {
        const training::Options& options = program.options();
        if (options.quick && program.app().get_option("--widths")->count() == 0) network.widths = {8, 16};
        if (network.depth < 0) fail("--depth", fmt::format("{} layers", network.depth));
        (void)build(network, options.activation);
        parts = load(root, validation, options.quick);
      });
}
