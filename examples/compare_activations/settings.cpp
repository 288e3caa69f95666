#include "settings.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <gradus/activations/registry.hpp>
#include <gradus/core/error.hpp>

#include "../common/program.hpp"

namespace study {
namespace {

void check_unique(const char* option, const std::vector<std::string>& values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (std::find(values.begin() + std::ptrdiff_t(i) + 1, values.end(), values[i]) != values.end())
      gradus::fail(option, fmt::format("{} is named twice", values[i]));
}

void check_one_of(const char* option, const std::string& value, std::initializer_list<const char*> known) {
  if (std::find(known.begin(), known.end(), value) == known.end())
    gradus::fail(option, fmt::format("\"{}\" is not known; it can be {}", value, fmt::join(known, ", ")));
}

// CLI11 splits at commas, which activations with parameters do not contain: "elu(0.5)".
double number(const char* option, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value > 0) || !std::isfinite(value))
    gradus::fail(option, fmt::format("\"{}\" is no positive number, nor \"sweep\"", text));
  return value;
}

}  // namespace

std::vector<double> Settings::lr_grid() const {
  if (optimizer == "sgd") return quick ? std::vector<double>{0.03, 0.1} : std::vector<double>{0.01, 0.03, 0.1, 0.3};
  return quick ? std::vector<double>{1e-3, 3e-3} : std::vector<double>{3e-4, 1e-3, 3e-3, 1e-2};
}

std::string Settings::fingerprint() const {
  return fmt::format(
      "data={} root={} target={} models={} activations={} epochs={} batch_size={} optimizer={} lr={} schedule={} init={} "
      "weight_decay={} hidden={} quick={}",
      data, root.string(), target, fmt::join(models, ","), fmt::join(activations, ","), epochs, batch_size, optimizer,
      lr ? fmt::format("{}", *lr) : "sweep", schedule, init, weight_decay, fmt::join(hidden, ","), quick);
}

Settings parse(int argc, char** argv) {
  Settings s;
  std::string lr = "sweep";
  CLI::App app{
      "Trains the same network with several activation functions, over several seeds, and reports what differs and how sure that is.\n"
      "The results land in one folder: report.html (open it first), results.csv, layers.csv, summary.json, run.json, figures.\n"
      "Started again with the same --out, it goes on where it stopped."};
  app.option_defaults()->always_capture_default();
  app.add_option("--data", s.data, "digits (built in), mnist, fashion_mnist, cifar10, or the path of a CSV file");
  app.add_option("--root", s.root, "the folder that holds the files of mnist, fashion_mnist or cifar10");
  app.add_option("--target", s.target, "CSV: name or number of the column with the class (default: the last)");
  app.add_option("--model", s.models, "mlp, cnn (LeNet) or both")->delimiter(',');
  app.add_option("--activations", s.activations, "names, e.g. relu,elu,gelu,silu,leaky_relu(0.2); relu is what the others are compared with")
      ->delimiter(',');
  CLI::Option* seeds = app.add_option("--seeds", s.seeds, "how many runs of each, with different weights and data order");
  CLI::Option* epochs = app.add_option("--epochs", s.epochs, "passes over the training data");
  app.add_option("--batch-size", s.batch_size, "samples in a step");
  app.add_option("--optimizer", s.optimizer, "sgd (momentum 0.9), adam or adamw");
  app.add_option("--lr", lr, "a learning rate for all, or sweep: chosen for each activation on the validation part");
  app.add_option("--schedule", s.schedule, "of the learning rate: constant, cosine or one_cycle");
  app.add_option("--init", s.init, "of the weights: preserving (variance kept, computed for each activation), he, xavier, lecun, orthogonal or pytorch");
  app.add_option("--weight-decay", s.weight_decay, "weight decay");
  app.add_option("--hidden", s.hidden, "widths of the mlp's hidden layers")->delimiter(',');
  app.add_option("--threads", s.threads, "0: all cores");
  app.add_option("--out", s.out, "the folder for the results");
  app.add_flag("--quick", s.quick, "a small run that takes seconds: 2 seeds, 3 epochs, a part of the data");
  program::parse(app, argc, argv);
  const bool epochs_given = epochs->count() > 0, seeds_given = seeds->count() > 0;
  if (s.quick && !epochs_given) s.epochs = 3;
  if (s.quick && !seeds_given) s.seeds = 2;
  if (!epochs_given && !s.quick && s.data != "digits" && !s.is_csv()) s.epochs = 10;  // larger data need fewer passes

  if (!s.is_csv()) check_one_of("--data", s.data, {"digits", "mnist", "fashion_mnist", "cifar10", "FILE.csv"});
  if (s.data != "digits" && !s.is_csv() && s.root.empty())
    gradus::fail("--root", fmt::format("{} needs the folder with its files; datasets/download.sh gets them", s.data));
  if (s.models.empty() || s.activations.empty()) gradus::fail("command line", "no model or no activation is named");
  if (s.is_csv() && app.get_option("--model")->count() == 0) s.models = {"mlp"};
  for (const std::string& model : s.models) check_one_of("--model", model, {"mlp", "cnn"});
  if (s.is_csv() && std::find(s.models.begin(), s.models.end(), "cnn") != s.models.end())
    gradus::fail("--model", "a CSV file holds no images; only mlp can be trained on it");
  check_unique("--model", s.models);
  check_unique("--activations", s.activations);
  for (const std::string& activation : s.activations) (void)gradus::activations::activation(activation);
  if (s.seeds < 1) gradus::fail("--seeds", fmt::format("{} seeds; at least 1 is needed, 2 or more to say how sure a difference is", s.seeds));
  if (s.epochs < 1) gradus::fail("--epochs", fmt::format("{} epochs; at least 1 is needed", s.epochs));
  if (s.batch_size < 1) gradus::fail("--batch-size", fmt::format("{} samples; at least 1 is needed", s.batch_size));
  if (s.threads < 0) gradus::fail("--threads", fmt::format("{} threads", s.threads));
  if (!(s.weight_decay >= 0)) gradus::fail("--weight-decay", fmt::format("{} is negative", s.weight_decay));
  for (const gradus::Index width : s.hidden)
    if (width < 1) gradus::fail("--hidden", fmt::format("a layer of width {}", width));
  check_one_of("--optimizer", s.optimizer, {"sgd", "adam", "adamw"});
  check_one_of("--schedule", s.schedule, {"constant", "cosine", "one_cycle"});
  check_one_of("--init", s.init, {"preserving", "he", "xavier", "lecun", "orthogonal", "pytorch"});
  if (lr != "sweep") s.lr = number("--lr", lr);
  return s;
}

}  // namespace study
