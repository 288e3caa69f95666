#include "gradus/train/checkpoint.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "gradus/core/format.hpp"
#include "gradus/core/generator.hpp"
#include "gradus/tensor/factories.hpp"
#include "gradus/tensor/safetensors.hpp"

namespace gradus::train {
namespace {

constexpr auto saving = "save_checkpoint";
constexpr auto loading = "load_checkpoint";
constexpr auto kind = "training run 1";
constexpr std::array streams = {Stream::general, Stream::init, Stream::dropout, Stream::shuffle};
constexpr Index epoch_columns = 6;

// Each step is a bijection of the sum so far for a given word, and of the word for a given sum: one damaged word
// always shows.
class Checksum {
 public:
  void add(const void* bytes, std::size_t count) {
    const auto* next = static_cast<const std::byte*>(bytes);
    for (; count >= 8; next += 8, count -= 8) add_word(next, 8);
    add_word(next, count);
    add_number(count);
  }
  void add_number(std::uint64_t number) { add_word(&number, 8); }
  std::string text() const { return fmt::format("{:016x}", sum_); }

 private:
  void add_word(const void* bytes, std::size_t count) {
    std::uint64_t word = 0;
    if (count > 0) std::memcpy(&word, bytes, count);
    sum_ = std::rotl((sum_ ^ word) * 0x9E3779B97F4A7C15, 29);
  }
  std::uint64_t sum_ = 0;
};

std::string checksum(const NamedTensors& tensors, const std::string& where) {
  Checksum sum;
  sum.add(where.data(), where.size());
  for (const auto& [name, tensor] : tensors) {
    sum.add(name.data(), name.size());
    for (const Index size : tensor.shape()) sum.add_number(std::uint64_t(size));
    sum.add(tensor.raw_data(), std::size_t(tensor.numel()) * size_of(tensor.dtype()));
  }
  return sum.text();
}

void add(NamedTensors& file, const std::string& part, const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) file.emplace_back(part + '.' + name, tensor);
}

Tensor whole(const std::vector<std::int64_t>& numbers) { return from_vector(numbers); }

// Loader: seed, epoch, batches handed out; what must be the same for these to mean the same.
Tensor loader_state(const data::DataLoader& loader) {
  const data::DataLoader::State state = loader.state();
  return whole({std::int64_t(state.seed), std::int64_t(state.epoch), state.batches, loader.dataset().size(),
                loader.options().batch_size, loader.options().shuffle, loader.options().drop_last});
}

void add_run(NamedTensors& file, const RunState& run) {
  const History& history = run.history;
  std::vector<double> epochs;
  for (const EpochRecord& r : history.epochs)
    epochs.insert(epochs.end(), {double(r.epoch), r.lr, r.train_loss, r.val_loss, r.val_metric, r.seconds});
  file.emplace_back("run.epochs", from_vector(epochs, {Index(history.epochs.size()), epoch_columns}));
  file.emplace_back("run.counters",
                    whole({run.step, run.batch, run.samples, history.best_epoch.value_or(-1), history.stopped_early}));
  file.emplace_back("run.sums", from_vector(std::vector<double>{run.loss_sum, run.seconds, run.best}));
  if (history.divergence)
    file.emplace_back("run.divergence", whole({history.divergence->epoch, history.divergence->step}));
  add(file, "best", run.best_model);
}

// A checkpoint that has been read, part by part.
class Content {
 public:
  explicit Content(const std::string& path) : path_(path) {
    file_ = load_safetensors(path);
    if (text("gradus") != kind)
      refuse(
          "it is a safetensors file, but no checkpoint of this version (its text \"gradus\" is \"{}\" instead of "
          "\"{}\")",
          text("gradus"), kind);
    if (const std::string sum = checksum(file_.tensors, text("divergence")); text("checksum") != sum)
      refuse("it is damaged: its checksum is {}, but its content has {}", text("checksum"), sum);
    for (const auto& [name, tensor] : file_.tensors) {
      const std::size_t dot = name.find('.');
      parts_[name.substr(0, dot)].emplace_back(dot == std::string::npos ? "" : name.substr(dot + 1), tensor);
    }
  }

  std::string text(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    return found == file_.metadata.end() ? std::string{} : found->second;
  }

  bool has(const std::string& part) const { return parts_.contains(part); }

  const NamedTensors& part(const std::string& name) const {
    const auto found = parts_.find(name);
    if (found == parts_.end()) refuse("it has no {}", name);
    return found->second;
  }

  template <class T>
  std::vector<T> numbers(const std::string& part_name, const std::string& name, DType dtype, const Shape& shape) const {
    for (const auto& [each, tensor] : part(part_name)) {
      if (each != name) continue;
      if (tensor.dtype() != dtype || tensor.shape() != shape)
        refuse("its \"{}.{}\" is {} {}, expected {} {}", part_name, name, tensor.dtype(), tensor.shape(), dtype, shape);
      return to_vector<T>(tensor);
    }
    refuse("it has no \"{}.{}\"", part_name, name);
  }

  bool has_entry(const std::string& part_name, const std::string& name) const {
    for (const auto& [each, tensor] : part(part_name))
      if (each == name) return true;
    return false;
  }

  Shape shape_of(const std::string& part_name, const std::string& name) const {
    for (const auto& [each, tensor] : part(part_name))
      if (each == name) return tensor.shape();
    refuse("it has no \"{}.{}\"", part_name, name);
  }

  template <class... A>
  [[noreturn]] void refuse(fmt::format_string<A...> format, A&&... values) const {
    failf(loading, "\"{}\": {}; nothing was loaded", path_, fmt::format(format, std::forward<A>(values)...));
  }

 private:
  std::string path_;
  Safetensors file_;
  std::unordered_map<std::string, NamedTensors> parts_;
};

// Throws unless a load of `state` would succeed and convert nothing.
void check_model(const Content& content, const char* part, nn::Module& model) {
  const NamedTensors own = model.state_dict();
  if (own.empty() && !content.has(part)) return;
  std::unordered_map<std::string, Tensor> given;
  for (const auto& [name, tensor] : content.part(part)) given.emplace(name, tensor);
  std::string problems;
  for (const auto& [name, tensor] : own) {
    const auto found = given.find(name);
    if (found == given.end()) {
      problems += fmt::format("\n  missing     {} {}", name, tensor.shape());
      continue;
    }
    const Tensor& other = found->second;
    if (other.shape() != tensor.shape() || other.dtype() != tensor.dtype())
      problems += fmt::format("\n  different   {}: the file has {} {}, the model {} {}", name, other.dtype(),
                              other.shape(), tensor.dtype(), tensor.shape());
    given.erase(found);
  }
  for (const auto& [name, tensor] : given) problems += fmt::format("\n  unexpected  {} {}", name, tensor.shape());
  if (!problems.empty()) content.refuse("its {} is not that of this {}:{}\n", part, model.type_name(), problems);
}

data::DataLoader::State checked_loader(const Content& content, const data::DataLoader& loader) {
  const auto saved = content.numbers<std::int64_t>("loader", "state", int64, {7});
  const auto own = to_vector<std::int64_t>(loader_state(loader));
  constexpr std::array<const char*, 7> names = {"", "", "", "samples", "batch_size", "shuffle", "drop_last"};
  for (std::size_t i = 3; i < names.size(); ++i)
    if (saved[i] != own[i])
      content.refuse("its loader has {} = {}, this one {}: the batches would be others", names[i], saved[i], own[i]);
  if (saved[2] < 0 || saved[2] > loader.size())
    content.refuse("its loader has handed out {} batches of {}", saved[2], loader.size());
  return {std::uint64_t(saved[0]), std::uint64_t(saved[1]), saved[2]};
}

RunState checked_run(const Content& content) {
  RunState run;
  const Shape shape = content.shape_of("run", "epochs");
  const Index count = shape.empty() ? 0 : shape[0];
  const auto epochs = content.numbers<double>("run", "epochs", float64, {count, epoch_columns});
  const auto counters = content.numbers<std::int64_t>("run", "counters", int64, {5});
  const auto sums = content.numbers<double>("run", "sums", float64, {3});
  for (Index i = 0; i < count; ++i) {
    const double* row = epochs.data() + i * epoch_columns;
    if (row[0] != double(i)) content.refuse("epoch {} stands at place {} of its history", row[0], i);
    run.history.epochs.push_back({int(i), row[1], row[2], row[3], row[4], row[5]});
  }
  if (counters[0] < 0 || counters[1] < 0 || counters[2] < 0 || counters[3] < -1 || counters[3] >= count ||
      (counters[4] != 0 && counters[4] != 1))
    content.refuse("its counters make no sense: {} after {} epochs", fmt::join(counters, ", "), count);
  run.step = counters[0];
  run.batch = counters[1];
  run.samples = counters[2];
  if (counters[3] >= 0) run.history.best_epoch = int(counters[3]);
  run.history.stopped_early = counters[4] == 1;
  run.loss_sum = sums[0];
  run.seconds = sums[1];
  run.best = sums[2];
  if (content.has_entry("run", "divergence")) {
    const auto place = content.numbers<std::int64_t>("run", "divergence", int64, {2});
    if (place[0] < 0 || place[0] > count || place[1] < 0)
      content.refuse("it diverged in epoch {}, step {}, but has {} complete epochs", place[0], place[1], count);
    run.history.divergence = Divergence{int(place[0]), place[1], content.text("divergence")};
  }
  if (content.has("best")) run.best_model = content.part("best");
  return run;
}

// The weights are the averages between apply() and restore(): neither is what the other parts belong to.
void check_not_applied(const char* operation, const optim::EMA* ema) {
  if (ema != nullptr && ema->applied())
    fail(operation, "the averages of the EMA are in the weights; call restore() first");
}

}  // namespace

void save_checkpoint(const std::string& path, const CheckpointParts& parts) {
  check_not_applied(saving, parts.ema);
  NamedTensors file;
  std::map<std::string, std::string> texts{{"gradus", kind}};
  if (parts.model != nullptr) add(file, "model", parts.model->state_dict());
  if (parts.optimizer != nullptr) add(file, "optimizer", parts.optimizer->state_dict());
  if (parts.schedule != nullptr) add(file, "schedule", parts.schedule->state_dict());
  if (parts.plateau != nullptr) add(file, "plateau", parts.plateau->state_dict());
  if (parts.ema != nullptr) add(file, "ema", parts.ema->state_dict());
  if (parts.loader != nullptr) file.emplace_back("loader.state", loader_state(*parts.loader));
  if (parts.generators) {
    std::vector<std::int64_t> states;
    for (const Stream stream : streams) {
      const Generator::State state = default_generator(stream).state();
      states.insert(states.end(), {std::int64_t(state.seed), std::int64_t(state.draws)});
    }
    file.emplace_back("generators.states", from_vector(states, {Index(streams.size()), 2}));
  }
  std::string where;
  if (parts.run != nullptr) {
    add_run(file, *parts.run);
    if (parts.run->history.divergence) texts["divergence"] = where = parts.run->history.divergence->where;
  }
  texts["checksum"] = checksum(file, where);
  try {
    save_safetensors(path, file, texts);
  } catch (const Error& error) {
    failf(saving, "the checkpoint could not be written, the one before is as it was: {}", error.what());
  }
}

void load_checkpoint(const std::string& path, const CheckpointParts& parts) {
  check_not_applied(loading, parts.ema);
  const Content content(path);
  // All checks come first. What optimiser, schedule and averages say themselves, while they load, is taken back if it
  // is no.
  if (parts.model != nullptr) check_model(content, "model", *parts.model);
  std::optional<data::DataLoader::State> place;
  if (parts.loader != nullptr) place = checked_loader(content, *parts.loader);
  std::vector<std::int64_t> states;
  if (parts.generators)
    states = content.numbers<std::int64_t>("generators", "states", int64, {Index(streams.size()), 2});
  RunState run;
  if (parts.run != nullptr) {
    run = checked_run(content);
    if (parts.model != nullptr && content.has("best")) check_model(content, "best", *parts.model);
    if (place && run.batch > parts.loader->size())
      content.refuse("it has done {} batches of {} in an epoch", run.batch, parts.loader->size());
  }
  if (parts.optimizer != nullptr) (void)content.part("optimizer");
  if (parts.schedule != nullptr) (void)content.part("schedule");
  if (parts.plateau != nullptr) (void)content.part("plateau");
  if (parts.ema != nullptr) (void)content.part("ema");
  if (parts.optimizer != nullptr && parts.schedule == nullptr && content.has("schedule"))
    content.refuse("its optimizer was led by a schedule, but there is none here");
  if (parts.optimizer != nullptr && parts.plateau == nullptr && content.has("plateau"))
    content.refuse("its optimizer was led by a ReduceLROnPlateau, but there is none here");

  // The optimiser comes after the schedule, which sets its rate as it loads: a rate that was set by hand since the last
  // step is the optimiser's.
  const auto state_of = [](const auto* part) { return part != nullptr ? part->state_dict() : NamedTensors{}; };
  const auto load = [](auto* part, const NamedTensors& state) {
    if (part != nullptr) part->load_state_dict(state);
  };
  const NamedTensors old_optimizer = state_of(parts.optimizer), old_schedule = state_of(parts.schedule);
  const NamedTensors old_plateau = state_of(parts.plateau), old_ema = state_of(parts.ema);
  try {
    if (parts.schedule != nullptr) parts.schedule->load_state_dict(content.part("schedule"));
    if (parts.plateau != nullptr) parts.plateau->load_state_dict(content.part("plateau"));
    if (parts.ema != nullptr) parts.ema->load_state_dict(content.part("ema"));
    if (parts.optimizer != nullptr) parts.optimizer->load_state_dict(content.part("optimizer"));
    if (parts.model != nullptr && content.has("model")) parts.model->load_state_dict(content.part("model"));
  } catch (const Error& error) {
    load(parts.schedule, old_schedule);
    load(parts.plateau, old_plateau);
    load(parts.ema, old_ema);
    load(parts.optimizer, old_optimizer);
    failf(loading, "\"{}\": {}", path, error.what());
  }
  if (place) parts.loader->set_state(*place);
  for (std::size_t i = 0; i < states.size() / 2; ++i)
    default_generator(streams[i]).set_state({std::uint64_t(states[2 * i]), std::uint64_t(states[2 * i + 1])});
  if (parts.run != nullptr) *parts.run = std::move(run);
}

}  // namespace gradus::train
