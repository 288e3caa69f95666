#pragma once
// A training run in one file, from which it goes on to the same bits. fit() writes and reads such files by itself
// (FitOptions::checkpoint); a loop of one's own does it like this:
//
//   train::save_checkpoint("run.safetensors", {.model = &net, .optimizer = &optimizer, .loader = &loader});
//   train::load_checkpoint("run.safetensors", {.model = &net, .optimizer = &optimizer, .loader = &loader});
#include <limits>
#include <string>

#include "gradus/optim/ema.hpp"
#include "gradus/tensor/named.hpp"
#include "gradus/train/fit.hpp"

namespace gradus::train {

/// Where a run of fit() is, between two steps.
struct RunState {
  History history;        ///< of the complete epochs; their number is that of the running epoch
  std::int64_t step = 0;  ///< optimiser steps so far
  Index batch = 0;        ///< batches done in the running epoch
  Index samples = 0;      ///< in these batches
  double loss_sum = 0;    ///< over these samples
  double seconds = 0;     ///< of training in the running epoch
  double best = -std::numeric_limits<double>::infinity();  ///< the highest val_metric
  NamedTensors best_model = {};                            ///< the model's state then, if it is to be kept
};

/// What a checkpoint is made of, and given back to. Null pointers are left out.
struct CheckpointParts {
  nn::Module* model = nullptr;
  optim::Optimizer* optimizer = nullptr;
  optim::Schedule* schedule = nullptr;
  optim::ReduceLROnPlateau* plateau = nullptr;
  optim::EMA* ema = nullptr;           ///< not between its apply() and restore()
  data::DataLoader* loader = nullptr;  ///< its place: within a loop, the batch at hand counts as done
  RunState* run = nullptr;
  bool generators = true;  ///< the default streams of random numbers
};

/// Writes a safetensors file: "model.0.weight", "optimizer.0.weight.exp_avg", ... It is written beside `path` first and
/// then put in its place: a crash, a kill or a full disk leave the checkpoint that was there. A checksum covers all
/// numbers and names. Throws when it cannot be written, and while averages are in the model's weights.
void save_checkpoint(const std::string& path, const CheckpointParts& parts);

/// Gives the parts what save_checkpoint() wrote; parts of the file that are not asked for are passed over, so that a
/// model can be taken alone. Throws, with the path and what is wrong, and changes nothing, when the file is damaged or
/// no checkpoint, when a part is not in it or does not fit, and when an optimiser is asked for without the schedule or
/// ReduceLROnPlateau that led it.
void load_checkpoint(const std::string& path, const CheckpointParts& parts);

}  // namespace gradus::train
