#pragma once
// The training loop, for when writing it out has become a habit:
//
//   for (const auto& [x, y] : loader) {
//     optimizer.zero_grad();
//     nn::cross_entropy(model(x), y).backward();
//     optimizer.step();
//   }
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gradus/data/loader.hpp"
#include "gradus/nn/module.hpp"
#include "gradus/optim/ema.hpp"
#include "gradus/optim/optimizer.hpp"
#include "gradus/optim/schedule.hpp"

namespace gradus::train {

/// From outputs and targets to a scalar to be minimised.
using Loss = std::function<Tensor(const Tensor& output, const Tensor& target)>;
/// From outputs and targets to a number to look at.
using Metric = std::function<double(const Tensor& output, const Tensor& target)>;

struct StepRecord {
  int epoch;          ///< from 0
  std::int64_t step;  ///< optimiser steps so far, this one included
  double loss;
  double lr;
  double grad_norm;  ///< before clipping; NaN unless it is clipped
};

struct EpochRecord {
  int epoch;
  double lr;          ///< at the end of the epoch
  double train_loss;  ///< mean over the samples seen, while the weights moved
  double val_loss;    ///< NaN without validation data
  double val_metric;
  double seconds;  ///< of training, without validation
};

/// Where a run stopped making sense.
struct Divergence {
  int epoch;
  std::int64_t step;
  /// The first parameter or activation that is not finite, or "loss"; with detect_anomaly, its message.
  std::string where;
};

struct History {
  std::vector<EpochRecord> epochs;
  std::optional<Divergence> divergence;
  std::optional<int> best_epoch;  ///< the one with the highest val_metric, when there is validation data
  bool stopped_early = false;
};

/// How often something is done: Every::epochs(1), Every::steps(500).
struct Every {
  enum class Unit { epochs, steps };
  static constexpr Every epochs(std::int64_t count) { return {count, Unit::epochs}; }
  static constexpr Every steps(std::int64_t count) { return {count, Unit::steps}; }
  std::int64_t count;
  Unit unit;
};

struct FitOptions {
  int epochs = 10;
  const data::Dataset* validation = nullptr;  ///< evaluated after every epoch
  Loss loss = {};                             ///< default: nn::cross_entropy
  Metric metric = {};    ///< larger is better; default: accuracy, or minus the loss where targets are no classes
  double clip_norm = 0;  ///< largest allowed norm of all gradients together; 0: no clipping
  int accumulate = 1;    ///< batches whose gradients are averaged into one step
  optim::Schedule* schedule = nullptr;  ///< advanced after every step
  /// Advanced after every epoch, with val_metric if it is made to maximise, else with val_loss.
  optim::ReduceLROnPlateau* plateau = nullptr;
  optim::EMA* ema = nullptr;      ///< of the model's weights, updated after every step
  bool validate_average = false;  ///< validation, and with it the best state, is that of the averages of `ema`
  int patience = 0;               ///< stop after this many epochs without a better val_metric; 0: never
  bool keep_best = false;         ///< at the end, however it came, give the model the state of the best epoch
  bool detect_anomaly = false;    ///< slower: Divergence::where tells the first operation that gave NaN or infinity
  bool progress = false;          ///< a bar on stderr, if that is a terminal
  /// A file that holds the run (gradus/train/checkpoint.hpp); none if empty. It is written as checkpoint_every says,
  /// and when the run ends, unless it diverges: the file then stays what it was. A failure to write it throws.
  std::string checkpoint = {};
  Every checkpoint_every = Every::epochs(1);
  /// Goes on where the checkpoint was taken, or starts if there is no such file. A run that was killed at any moment
  /// and is resumed, by the same program with the same options, ends with the same bits as one that ran through, and
  /// with the same history but for `seconds`. A run that a callback stopped goes on; so does one that was complete,
  /// when there are more epochs or more patience now. A file that is damaged or of another run throws and changes
  /// nothing.
  bool resume = false;
  /// Files that get a line for each epoch as soon as it is over: epoch, lr, train_loss, val_loss, val_metric, seconds;
  /// with a header in CSV, as objects in JSON lines, where numbers that are not finite are null. None if empty. A
  /// resumed run has each epoch in them once; any other replaces them.
  std::string log_csv = {};
  std::string log_jsonl = {};
  /// After each step; the gradients are still there. Returns false to stop at once, in the middle of the epoch.
  std::function<bool(const StepRecord&)> on_step = {};
  /// After each epoch. Returns false to stop.
  std::function<bool(const EpochRecord&)> on_epoch = {};
};

/// Trains `model`, which is left in training mode. A loss that is NaN or infinite ends the run and is reported in the
/// history.
History fit(nn::Module& model, optim::Optimizer& optimizer, data::DataLoader& loader, const FitOptions& options);

struct Evaluation {
  double loss, metric;
};
/// Loss and metric over a data set, batch by batch, in eval mode and without recording; the mode is put back.
Evaluation evaluate(nn::Module& model, const data::Dataset& dataset, const Loss& loss = {}, const Metric& metric = {},
                    Index batch_size = 512);
/// The outputs for all of x, batch by batch, in eval mode and without recording.
Tensor predict(nn::Module& model, const Tensor& x, Index batch_size = 512);

/// The first parameter or activation of `model` at input `x` that is not finite, e.g. "input", "parameter 2.weight",
/// "activation 1 (elu)"; "loss" when all are.
std::string first_non_finite(nn::Module& model, const Tensor& x);

}  // namespace gradus::train
