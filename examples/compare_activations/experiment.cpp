#include "experiment.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include <fmt/format.h>

#include <gradus/activations/registry.hpp>
#include <gradus/core/allocator.hpp>
#include <gradus/data/cifar.hpp>
#include <gradus/data/csv.hpp>
#include <gradus/data/digits.hpp>
#include <gradus/data/idx.hpp>
#include <gradus/data/loader.hpp>
#include <gradus/data/standardize.hpp>
#include <gradus/models/lenet.hpp>
#include <gradus/models/mlp.hpp>
#include <gradus/nn.hpp>
#include <gradus/optim.hpp>
#include <gradus/tensor.hpp>
#include <gradus/train/fit.hpp>
#include <gradus/train/metrics.hpp>

namespace study {

using namespace gradus;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
// The division into parts is the same for all seeds: seeds vary weights and order, not the question.
constexpr std::uint64_t split_seed = 1;

data::Dataset first(const data::Dataset& dataset, Index count) {
  std::vector<Index> indices(std::size_t(std::min(count, dataset.size())));
  std::iota(indices.begin(), indices.end(), 0);
  return dataset.subset(indices);
}

// The target is a name or, if it reads as one, a number. Rows with missing values are left out: what fills them would have to come
// from the training part alone.
data::CsvOptions csv_options(const Settings& settings) {
  data::CsvOptions options{.missing = data::Missing::drop, .categorical = true};
  if (settings.target.empty()) return options;
  Index column = 0;
  const char* end = settings.target.data() + settings.target.size();
  const auto [stop, error] = std::from_chars(settings.target.data(), end, column);
  options.target = error == std::errc{} && stop == end ? data::Column(column) : data::Column(settings.target);
  return options;
}

nn::Sequential build(const Settings& settings, const Parts& parts, const RunOptions& options) {
  // PyTorch's default initialisation draws while layers are made, so the seed is set first.
  manual_seed(std::uint64_t(options.seed));
  nn::Sequential net = options.model == "cnn"
                           ? models::lenet(parts.sample, parts.classes, {.activation = options.activation})
                           : models::mlp(parts.sample.numel(), parts.classes,
                                         {.hidden = settings.hidden, .activation = options.activation});
  if (settings.init == "pytorch") return net;
  const Generator seed = Generator(std::uint64_t(options.seed)).split("weights");
  std::uint64_t layer = 0;
  for (auto& [name, parameter] : net.named_parameters()) {
    if (parameter.dim() < 2) {
      nn::init::zeros_(parameter);
      continue;
    }
    Generator draws = seed.split(layer);
    if (settings.init == "preserving")  // the first layer sees standardised inputs, the others what the activation made
      nn::init::variance_preserving_(parameter, layer == 0 ? "identity" : options.activation, {.generator = &draws});
    else if (settings.init == "he")
      nn::init::kaiming_normal_(parameter, {.nonlinearity = "relu", .generator = &draws});
    else if (settings.init == "xavier")
      nn::init::xavier_normal_(parameter, 1, &draws);
    else if (settings.init == "lecun")
      nn::init::lecun_normal_(parameter, &draws);
    else
      nn::init::orthogonal_(parameter, 1, &draws);
    ++layer;
  }
  return net;
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Settings& settings, const NamedTensors& parameters, double lr) {
  if (settings.optimizer == "sgd")
    return std::make_unique<optim::SGD>(parameters, optim::SGDOptions{.lr = lr, .momentum = 0.9, .weight_decay = settings.weight_decay});
  if (settings.optimizer == "adam")
    return std::make_unique<optim::Adam>(parameters, optim::AdamOptions{.lr = lr, .weight_decay = settings.weight_decay});
  return std::make_unique<optim::AdamW>(parameters, optim::AdamWOptions{.lr = lr, .weight_decay = settings.weight_decay});
}

std::unique_ptr<optim::Schedule> make_schedule(const Settings& settings, optim::Optimizer& optimizer, double lr, std::int64_t steps) {
  if (settings.schedule == "cosine")
    return std::make_unique<optim::CosineAnnealingLR>(optimizer, optim::CosineAnnealingLROptions{.T_max = steps});
  if (settings.schedule == "one_cycle")
    return std::make_unique<optim::OneCycleLR>(optimizer, optim::OneCycleLROptions{.max_lr = lr, .total_steps = steps});
  return nullptr;
}

double norm_of(const Tensor& x) { return norm(x.detach()).item(); }

// The layers with weights, in order.
std::vector<std::pair<std::string, Tensor>> weights_of(nn::Module& net) {
  std::vector<std::pair<std::string, Tensor>> weights;
  for (auto& [name, parameter] : net.named_parameters())
    if (parameter.dim() >= 2) weights.emplace_back(name, parameter);
  return weights;
}

// What the activation behind each layer does with the probe samples.
void look_at_activations(nn::Module& net, const Tensor& samples, std::vector<LayerRow>& rows) {
  const NoGrad no_grad;
  net.eval();
  nn::ActivationProbe probe;
  (void)net(samples);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    LayerRow& row = rows[i];
    row.mean = row.variance = row.zero_gradient = row.dead = nan;
    if (i >= probe.records.size()) continue;
    const auto& record = probe.records[i];
    row.mean = record.output.mean().item();
    row.variance = record.output.var({.correction = 0}).item();
    const Tensor slope = empty_like(record.input);
    record.function.evaluate(1, record.input.data<float>(), slope.data<float>(), slope.numel());
    const Tensor zero = slope == 0.0;
    row.zero_gradient = zero.mean().item();
    // A unit is a feature, or a channel of an image: axis 1.
    std::vector<Index> others;
    for (Index axis = 0; axis < zero.dim(); ++axis)
      if (axis != 1) others.push_back(axis);
    row.dead = zero.min({.axes = others}).mean().item();
  }
}

}  // namespace

Parts load(const Settings& settings) {
  Parts parts;
  data::Dataset rest;
  if (settings.data == "mnist" || settings.data == "fashion_mnist" || settings.data == "cifar10") {
    const auto read = [&](data::Split split) {
      if (settings.data == "mnist") return data::mnist(settings.root.string(), split);
      if (settings.data == "fashion_mnist") return data::fashion_mnist(settings.root.string(), split);
      return data::cifar10(settings.root.string(), split);
    };
    rest = read(data::Split::train);
    parts.test = read(data::Split::test);
    if (settings.quick) rest = first(rest, 2000), parts.test = first(parts.test, 1000);
  } else {
    const data::Dataset all = settings.data == "digits" ? data::digits() : data::csv(settings.data, csv_options(settings));
    std::tie(rest, parts.test) = data::split(all, {.test_fraction = 0.2, .stratify = true, .seed = split_seed});
  }
  const double share = rest.size() > 20000 ? 0.1 : 0.2;
  std::tie(parts.train, parts.validation) = data::split(rest, {.test_fraction = share, .stratify = true, .seed = split_seed + 1});
  parts.classes = parts.train.num_classes();
  parts.sample = parts.train.x.shape();
  parts.sample.erase(0);
  if (parts.train.size() < settings.batch_size)
    fail("--batch-size", fmt::format("{} samples, but the training part has only {}", settings.batch_size, parts.train.size()));
  // Large data are copied once by the split and once by standardising; neither leftover is needed while training.
  rest = {};
  memory::empty_cache();
  const data::Standardize standardise{parts.train.x};  // per channel of images, per column of tables
  for (data::Dataset* part : {&parts.train, &parts.validation, &parts.test}) *part = standardise(*part);
  memory::empty_cache();
  parts.description = fmt::format("{}: {} samples to train on, {} to choose the learning rate with, {} to test on; inputs {}, {} classes",
                                  settings.data, parts.train.size(), parts.validation.size(), parts.test.size(),
                                  to_string(parts.sample), parts.classes);
  return parts;
}

Run train_one(const Settings& settings, const Parts& parts, const RunOptions& options, const std::atomic<bool>& stop,
              const std::function<void()>& on_epoch, bool& finished) {
  Run run{.model = options.model, .activation = options.activation, .seed = options.seed, .lr = options.lr};
  nn::Sequential net = build(settings, parts, options);
  run.parameters = nn::parameter_count(net);
  data::DataLoader loader{parts.train, {.batch_size = settings.batch_size, .shuffle = true, .seed = std::uint64_t(options.seed)}};
  const auto batches = std::int64_t(loader.size());
  const auto optimizer = make_optimizer(settings, net.named_parameters(), options.lr);
  const auto schedule = make_schedule(settings, *optimizer, options.lr, batches * options.epochs);

  const auto weights = weights_of(net);
  const Tensor samples = parts.validation.x.slice(0, 0, probe_samples);
  std::vector<Tensor> before(weights.size());
  std::vector<LayerRow> rows(weights.size());
  const auto remember = [&] {
    for (std::size_t i = 0; i < weights.size(); ++i) before[i] = weights[i].second.detach().clone();
  };
  if (options.watch) remember();

  train::FitOptions fit_options{.epochs = options.epochs, .validation = &parts.validation};
  fit_options.schedule = schedule.get();
  fit_options.on_step = [&](const train::StepRecord& record) {
    if (stop) return false;
    if (!options.watch) return true;
    if (record.step % batches == 0) {
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const Tensor& weight = weights[i].second;
        rows[i].grad_norm = weight.grad().defined() ? norm_of(weight.grad()) : nan;
        rows[i].update_ratio = norm_of(weight.detach() - before[i]) / norm_of(weight);
      }
    }
    if ((record.step + 1) % batches == 0) remember();
    return true;
  };
  fit_options.on_epoch = [&](const train::EpochRecord& record) {
    EpochRow row{record.epoch + 1, record.lr, record.train_loss, record.val_loss, record.val_metric, nan, record.seconds};
    if (options.watch) {
      row.test_accuracy = train::evaluate(net, parts.test).metric;
      look_at_activations(net, samples, rows);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i].epoch = row.epoch;
        rows[i].layer = int(i) + 1;
        rows[i].weight = weights[i].first;
        run.layers.push_back(rows[i]);
      }
    }
    run.epochs.push_back(row);
    on_epoch();
    return !stop;
  };
  const train::History history = train::fit(net, *optimizer, loader, fit_options);
  if (history.divergence) {
    run.diverged = true;
    run.where = history.divergence->where;
    run.diverged_epoch = history.divergence->epoch + 1;
    run.diverged_step = history.divergence->step;
  }
  finished = run.diverged || run.epochs.size() == std::size_t(options.epochs);
  return run;
}

}  // namespace study
