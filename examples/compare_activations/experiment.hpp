#pragma once
// The experiment: data, paired runs, and what is watched while they train.
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gradus/data/dataset.hpp>

#include "settings.hpp"

namespace study {

// Training, validation and test part, inputs standardised with the mean and deviation of the training part.
struct Parts {
  gradus::data::Dataset train, validation, test;
  gradus::Shape sample;  // the shape of one input
  gradus::Index classes = 0;
  std::string description;
};
Parts load(const Settings& settings);

struct EpochRow {
  int epoch = 0;
  double lr = 0, train_loss = 0, val_loss = 0, val_accuracy = 0, test_accuracy = 0, seconds = 0;
};

// One layer with weights, and the activation behind it (NaN for the last layer, which has none).
struct LayerRow {
  int epoch = 0;
  int layer = 0;             // 1, 2, ...
  std::string weight;        // the name of the parameter
  double mean = 0;           // of the activation's output over the probe samples
  double variance = 0;
  double zero_gradient = 0;  // share of outputs at which the slope of the activation is exactly 0
  double dead = 0;           // share of units (features or channels) whose slope is 0 at every probe sample
  double grad_norm = 0;      // of the weights, at the last step of the epoch
  double update_ratio = 0;   // |change of the weights| / |weights| of that step
};

struct Run {
  std::string model, activation;
  int seed = 0;
  double lr = 0;
  bool diverged = false;
  std::string where = {};  // the first parameter or activation that was not finite
  int diverged_epoch = 0;
  std::int64_t diverged_step = 0;
  gradus::Index parameters = 0;
  std::vector<EpochRow> epochs = {};
  std::vector<LayerRow> layers = {};
};

struct RunOptions {
  std::string model, activation;
  int seed = 0;
  double lr = 0;
  int epochs = 0;
  bool watch = true;  // fill Run::layers and the test accuracy; a sweep does not look at the test part
};

// Trains one network. What is random depends on the seed alone, and is the same for every activation: the draws behind the weights
// (each layer from a stream of its own, scaled by the rule of initialisation) and the order of the data. Returns false in `finished`
// when `stop` was set meanwhile.
Run train_one(const Settings& settings, const Parts& parts, const RunOptions& options, const std::atomic<bool>& stop,
              const std::function<void()>& on_epoch, bool& finished);

// How many samples the layers are looked at with.
inline constexpr gradus::Index probe_samples = 1000;

}  // namespace study
