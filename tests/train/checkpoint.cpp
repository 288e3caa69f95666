#include "gradus/train/checkpoint.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>

#include "folder.hpp"
#include "gradus/core/atomic_file.hpp"
#include "gradus/core/generator.hpp"
#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/dropout.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/ops/ops.hpp"
#include "gradus/optim/adam.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/tensor/factories.hpp"
#include "gradus/tensor/safetensors.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::train;
namespace fs = std::filesystem;

namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

data::Dataset two_clouds(Index n, std::uint64_t seed) {
  Generator generator(seed);
  const Tensor y = randint(0, 2, {n}, {.generator = &generator});
  const Tensor x = randn({n, 2}, {.generator = &generator}) + (2.0 * y.to(float32) - 1.0).unsqueeze(1);
  return {.x = x, .y = y};
}

// Everything that a run consists of, with every kind of state there is: running statistics, dropout, shuffling, random
// transforms, momentum, a schedule, averages. 37 samples make 5 batches of 8, the last of them smaller.
struct Setup {
  nn::Sequential net;
  data::Dataset set = two_clouds(37, 1), validation = two_clouds(20, 2);
  std::unique_ptr<optim::AdamW> optimizer;
  std::unique_ptr<optim::CosineAnnealingLR> schedule;
  std::unique_ptr<optim::ReduceLROnPlateau> plateau;  // used where there is no schedule, which would set its own rate
  std::unique_ptr<optim::EMA> ema;
  std::unique_ptr<data::DataLoader> loader;

  // A resumed run gets everything from the file, so it may begin with any seed.
  explicit Setup(std::uint64_t seed = 5, Index batch_size = 8, Index width = 6) {
    manual_seed(seed);
    net =
        nn::Sequential{nn::Linear{2, width}, nn::BatchNorm1d{width}, nn::ELU{}, nn::Dropout{0.2}, nn::Linear{width, 2}};
    optimizer = std::make_unique<optim::AdamW>(net.named_parameters(), optim::AdamWOptions{.lr = 0.05});
    schedule = std::make_unique<optim::CosineAnnealingLR>(*optimizer, optim::CosineAnnealingLROptions{.T_max = 30});
    plateau = std::make_unique<optim::ReduceLROnPlateau>(
        *optimizer, optim::ReduceLROnPlateauOptions{.factor = 0.5, .patience = 1, .threshold = 0.5, .cooldown = 1});
    ema = std::make_unique<optim::EMA>(net.state_dict(), optim::EMAOptions{.decay = 0.9, .warm_up = true});
    loader = std::make_unique<data::DataLoader>(
        set, data::LoaderOptions{
                 .batch_size = batch_size, .shuffle = true, .transform = [](const Tensor& x, Generator& generator) {
                   return x + 0.1 * randn(x.shape(), {.generator = &generator});
                 }});
  }

  FitOptions options(const std::string& checkpoint = {}) {
    return {.epochs = 4,
            .validation = &validation,
            .clip_norm = 1,
            .schedule = schedule.get(),
            .ema = ema.get(),
            .validate_average = true,
            .keep_best = true,
            .checkpoint = checkpoint,
            .checkpoint_every = Every::steps(1),
            .resume = !checkpoint.empty()};
  }
  History run(const FitOptions& options_) { return fit(net, *optimizer, *loader, options_); }
};

std::string bits(const NamedTensors& tensors) {
  std::string text;
  for (const auto& [name, tensor] : tensors) {
    text += name;
    text.append(static_cast<const char*>(tensor.raw_data()), std::size_t(tensor.numel()) * size_of(tensor.dtype()));
  }
  return text;
}

std::string bits(const History& history) {
  std::string text;
  for (const EpochRecord& r : history.epochs)
    for (const double value : {double(r.epoch), r.lr, r.train_loss, r.val_loss, r.val_metric})
      text.append(reinterpret_cast<const char*>(&value), sizeof value);
  return text + std::to_string(history.best_epoch.value_or(-1)) + (history.stopped_early ? "early" : "");
}

// All that there is at the end of a run.
struct Ending {
  std::string model, optimizer, schedule, plateau, ema, history, generators;
  data::DataLoader::State place;

  Ending(Setup& setup, const History& h)
      : model(bits(setup.net.state_dict())),
        optimizer(bits(setup.optimizer->state_dict())),
        schedule(bits(setup.schedule->state_dict())),
        plateau(bits(setup.plateau->state_dict())),
        ema(bits(setup.ema->state_dict())),
        history(bits(h)),
        place(setup.loader->state()) {
    for (const Stream stream : {Stream::general, Stream::init, Stream::dropout, Stream::shuffle})
      generators += std::to_string(default_generator(stream).state().seed) + ' ' +
                    std::to_string(default_generator(stream).state().draws) + ' ';
  }
};

void check_same(const Ending& a, const Ending& b) {
  CHECK((a.model == b.model));
  CHECK((a.optimizer == b.optimizer));
  CHECK((a.schedule == b.schedule));
  CHECK((a.plateau == b.plateau));
  CHECK((a.ema == b.ema));
  CHECK((a.history == b.history));
  CHECK(a.generators == b.generators);
  CHECK(a.place.seed == b.place.seed);
  CHECK(a.place.epoch == b.place.epoch);
  CHECK(a.place.batches == b.place.batches);
}

Ending through(const std::function<void(FitOptions&)>& change = {}) {
  Setup setup;
  FitOptions options = setup.options();
  if (change) change(options);
  const History history = setup.run(options);
  return Ending(setup, history);
}

// A forked child that does `work`; its exit code, or 128 + the signal that ended it.
int in_child(const std::function<int()>& work, const std::function<void(pid_t)>& meanwhile = {}) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int code = 99;
    try {
      code = work();
    } catch (...) {
    }
    ::_exit(code);
  }
  if (meanwhile) meanwhile(child);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("a run that is stopped after any step and resumed ends with the bits of one that ran through") {
  const Folder folder;
  const Ending expected = through();
  // Within an epoch, at its last step, at its first, and in the last step of all.
  for (const std::int64_t stop : {1, 3, 5, 6, 13, 20}) {
    CAPTURE(stop);
    const std::string path = folder / "run.safetensors";
    fs::remove(path);
    {
      Setup setup;
      FitOptions options = setup.options(path);
      options.on_step = [&](const StepRecord& record) { return record.step < stop; };
      setup.run(options);
    }
    Setup setup(77);
    std::vector<std::int64_t> steps;
    FitOptions options = setup.options(path);
    options.on_step = [&](const StepRecord& record) {
      steps.push_back(record.step);
      return true;
    };
    const History history = setup.run(options);
    CHECK(std::int64_t(steps.size()) == 20 - stop);
    if (!steps.empty()) CHECK(steps.front() == stop + 1);
    check_same(Ending(setup, history), expected);
  }
  CHECK(folder.entries() == 1);
}

TEST_CASE("every rhythm of checkpoints, accumulation and an exception in the middle give the same bits") {
  const Folder folder;
  for (const Every every : {Every::epochs(1), Every::epochs(3), Every::steps(2), Every::steps(1000)})
    for (const int accumulate : {1, 2}) {
      CAPTURE(every.count);
      CAPTURE(accumulate);
      const auto change = [&](FitOptions& options) {
        options.accumulate = accumulate;
        options.checkpoint_every = every;
      };
      const Ending expected = through(change);
      const std::string path = folder / "run.safetensors";
      fs::remove(path);
      {
        Setup setup;
        FitOptions options = setup.options(path);
        change(options);
        options.on_step = [](const StepRecord& record) -> bool {
          if (record.step == 8) throw std::runtime_error("the power went off");
          return true;
        };
        CHECK_THROWS_AS(setup.run(options), std::runtime_error);
      }
      Setup setup(77);
      FitOptions options = setup.options(path);
      change(options);
      const History history = setup.run(options);
      check_same(Ending(setup, history), expected);
    }
}

TEST_CASE("a rate that a plateau lowers goes on as it would have") {
  const Folder folder;
  const auto change = [](FitOptions& options, Setup& setup) {
    options.epochs = 9;
    options.schedule = nullptr;
    options.plateau = setup.plateau.get();
  };
  Setup whole;
  FitOptions options = whole.options();
  change(options, whole);
  const History all = whole.run(options);
  const Ending expected(whole, all);
  std::vector<double> rates;
  for (const EpochRecord& record : all.epochs) rates.push_back(record.lr);
  CHECK(rates.front() == 0.05);  // lowered more than once, and not in every epoch
  CHECK(rates.back() <= 0.0125);
  CHECK(std::adjacent_find(rates.begin() + 1, rates.end()) != rates.end());
  for (const std::int64_t stop : {5, 10, 11, 15, 23, 30, 44}) {
    CAPTURE(stop);
    const std::string path = folder / "run.safetensors";
    fs::remove(path);
    {
      Setup setup;
      options = setup.options(path);
      change(options, setup);
      options.on_step = [&](const StepRecord& record) { return record.step < stop; };
      setup.run(options);
    }
    Setup setup(77);
    options = setup.options(path);
    change(options, setup);
    const History history = setup.run(options);
    check_same(Ending(setup, history), expected);
    // The optimiser's rate means nothing without the plateau that led it.
    Setup without(77);
    CHECK(thrown([&] {
            load_checkpoint(path, {.model = &without.net, .optimizer = without.optimizer.get()});
          }).find("led by a ReduceLROnPlateau") != std::string::npos);
  }
}

TEST_CASE("averages in a checkpoint: asked for and not there, of other weights, and while they are in the model") {
  const Folder folder;
  const std::string path = folder / "run.safetensors";
  Setup a;
  a.run({.epochs = 1, .ema = a.ema.get()});
  CHECK(a.ema->updates() == 5);
  save_checkpoint(path, {.model = &a.net, .optimizer = a.optimizer.get()});
  const std::string before = bits(a.net.state_dict()) + bits(a.ema->state_dict()) + bits(a.plateau->state_dict());
  CHECK(thrown([&] { load_checkpoint(path, {.ema = a.ema.get()}); }).find("it has no ema") != std::string::npos);
  CHECK(thrown([&] { load_checkpoint(path, {.plateau = a.plateau.get()}); }).find("it has no plateau") !=
        std::string::npos);
  // The averages of another network: what came before them in the file is taken back.
  Setup wide(5, 8, 7);
  a.plateau->step(3);
  save_checkpoint(path,
                  {.model = &a.net, .optimizer = a.optimizer.get(), .plateau = a.plateau.get(), .ema = wide.ema.get()});
  Setup b;
  const std::string of_b = bits(b.net.state_dict()) + bits(b.ema->state_dict()) + bits(b.plateau->state_dict());
  const std::string text = thrown([&] {
    load_checkpoint(path,
                    {.model = &b.net, .optimizer = b.optimizer.get(), .plateau = b.plateau.get(), .ema = b.ema.get()});
  });
  CHECK(text.find("\"0.weight.average\" is float32 (7, 2), expected float32 (6, 2)") != std::string::npos);
  CHECK((bits(b.net.state_dict()) + bits(b.ema->state_dict()) + bits(b.plateau->state_dict()) == of_b));

  a.ema->apply();
  const char* const applied = "the averages of the EMA are in the weights; call restore() first";
  CHECK(thrown([&] { save_checkpoint(path, {.model = &a.net, .ema = a.ema.get()}); }) ==
        std::string("save_checkpoint: ") + applied);
  CHECK(thrown([&] { load_checkpoint(path, {.model = &a.net, .ema = a.ema.get()}); }) ==
        std::string("load_checkpoint: ") + applied);
  CHECK(thrown([&] { a.run({.epochs = 1, .ema = a.ema.get()}); }) == std::string("fit: ") + applied);
  a.ema->restore();
  CHECK((before.find(bits(a.net.state_dict()) + bits(a.ema->state_dict())) == 0));
}

TEST_CASE("patience goes on counting, and a run that is over stays as it is, until there is more to do") {
  const Folder folder;
  const std::string path = folder / "run.safetensors";
  // Ties are no improvement: the best epoch is 1, and with patience 2 the run ends after epoch 3.
  const auto change = [](FitOptions& options) {
    options.epochs = 8;
    options.patience = 2;
    options.loss = {};
    options.metric = [](const Tensor&, const Tensor&) { return 0.5; };
  };
  const Ending expected = through(change);
  for (const std::int64_t stop : {4, 9, 11}) {
    CAPTURE(stop);
    fs::remove(path);
    {
      Setup setup;
      FitOptions options = setup.options(path);
      change(options);
      options.on_step = [&](const StepRecord& record) { return record.step < stop; };
      CHECK(!setup.run(options).stopped_early);
    }
    for (int round = 0; round < 2; ++round) {
      Setup setup(77);
      FitOptions options = setup.options(path);
      change(options);
      const History history = setup.run(options);
      CHECK(history.stopped_early);
      CHECK(history.epochs.size() == 3);
      check_same(Ending(setup, history), expected);
    }
  }
  // The file holds the last state, the model has the best one: more epochs go on from the last.
  Setup setup(77);
  FitOptions options = setup.options(path);
  change(options);
  options.patience = 0;
  const History more = setup.run(options);
  CHECK(more.epochs.size() == 8);
  CHECK(!more.stopped_early);
  const auto no_patience = [&](FitOptions& o) {
    change(o);
    o.patience = 0;
  };
  check_same(Ending(setup, more), through(no_patience));
}

TEST_CASE("a process that is killed at any moment, again and again, ends with the same bits") {
  const Folder folder;
  const std::string path = folder / "run.safetensors";
  const Ending expected = through();
  // Fork before threads are at work is what a child may rely on, so each run is a child of its own, on one thread.
  Generator generator(std::uint64_t(::getpid()));
  int killed = 0;
  for (int round = 0; round < 30; ++round) {
    const auto microseconds = useconds_t(Generator(generator.next().key).split(std::uint64_t(round)).seed() % 12000);
    const int code = in_child(
        [&] {
          Setup setup(77);
          if (!fs::exists(path)) setup = Setup(5);
          setup.run(setup.options(path));
          return 0;
        },
        [&](pid_t child) {
          ::usleep(microseconds);
          ::kill(child, SIGKILL);
        });
    CAPTURE(code);
    CHECK((code == 0 || code == 128 + SIGKILL));
    killed += code != 0;
  }
  MESSAGE("killed " << killed << " of 30 times");
  Setup setup(fs::exists(path) ? 77 : 5);
  const History history = setup.run(setup.options(path));
  check_same(Ending(setup, history), expected);
  // Nothing that a kill left half-written stays beside the file.
  CHECK(folder.entries() == 1);
}

TEST_CASE("a process that is killed while it writes leaves the last good checkpoint") {
  const Folder folder;
  const std::string path = folder / "run.safetensors";
  const Ending expected = through();
  // The limit on the size of files ends the write in its middle, with a signal that kills.
  int steps = 0;
  {
    Setup setup;
    FitOptions options = setup.options(path);
    options.on_step = [&](const StepRecord& r) { return ++steps, r.step < 7; };
    setup.run(options);
  }
  const std::string good = bytes_of(path);
  const int code = in_child([&] {
    const struct rlimit core { 0, 0 };
    ::setrlimit(RLIMIT_CORE, &core);
    const struct rlimit limit { rlim_t(good.size() / 2), rlim_t(good.size() / 2) };
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Setup setup(77);
    setup.run(setup.options(path));
    return 0;
  });
  CHECK(code == 128 + SIGXFSZ);
  CHECK((bytes_of(path) == good));
  CHECK(folder.entries() == 2);  // with what was half-written
  Setup setup(77);
  const History history = setup.run(setup.options(path));
  check_same(Ending(setup, history), expected);
  CHECK(folder.entries() == 1);
}

TEST_CASE("a full disk is reported and leaves the last good checkpoint") {
  const Folder folder;
  const std::string path = folder / "run.safetensors";
  {
    Setup setup;
    save_checkpoint(path, {.model = &setup.net});
  }
  const std::string good = bytes_of(path), report = folder / "report";
  const int code = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit { 500, 500 };
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Setup setup;
    const std::string text = thrown([&] { save_checkpoint(path, {.model = &setup.net}); });
    write(report, text.substr(0, 400));
    return 0;
  });
  CHECK(code == 0);
  const std::string text = bytes_of(report);
  CAPTURE(text);
  CHECK(text.find("save_checkpoint") == 0);
  CHECK(text.find("the one before is as it was") != std::string::npos);
  CHECK(text.find("run.safetensors") != std::string::npos);
  CHECK(text.find("File too large") != std::string::npos);
  CHECK((bytes_of(path) == good));
  CHECK(folder.entries() == 2);
  // fit says so before it trains.
  Setup setup;
  int steps = 0;
  FitOptions options = setup.options("/dev/full");
  options.resume = false;
  options.on_step = [&](const StepRecord&) { return ++steps, true; };
  CHECK(thrown([&] { setup.run(options); }).find("No space left on device") != std::string::npos);
  CHECK(thrown([&] { setup.run(setup.options(folder / "none/run")); }).find("does its folder exist") !=
        std::string::npos);
  CHECK(steps == 0);
}

TEST_CASE("files that are damaged, foreign or of another run are refused, say why, and change nothing") {
  const Folder folder;
  const std::string path = folder / "run.safetensors";
  RunState run;
  {
    Setup setup;
    FitOptions options = setup.options(path);
    options.on_step = [](const StepRecord& record) { return record.step < 13; };
    setup.run(options);
  }
  const std::string good = bytes_of(path);

  // Loads `path` into `setup`, which must not change, and gives the text of the error.
  const auto refusal = [&](Setup& setup, bool with_schedule = true) {
    const History none;
    const Ending before(setup, none);
    const std::string run_before = bits(run.history);
    const std::string text = thrown([&] {
      load_checkpoint(path, {.model = &setup.net,
                             .optimizer = setup.optimizer.get(),
                             .schedule = with_schedule ? setup.schedule.get() : nullptr,
                             .loader = setup.loader.get(),
                             .run = &run});
    });
    check_same(Ending(setup, none), before);
    CHECK((bits(run.history) == run_before));
    return text;
  };
  const auto refused = [&](Setup& setup, std::initializer_list<const char*> parts, bool with_schedule = true) {
    const std::string text = refusal(setup, with_schedule);
    CAPTURE(text);
    CHECK(text.find("run.safetensors") != std::string::npos);
    for (const char* part : parts) CHECK(text.find(part) != std::string::npos);
  };

  Setup setup(77);
  // Any byte that is changed, and any end that is missing.
  for (std::size_t place = 0; place < good.size(); place += 13) {
    std::string bad = good;
    bad[place] = char(bad[place] ^ 0x10);
    write(path, bad);
    const std::string text = refusal(setup);
    CAPTURE(place);
    CHECK(text != "nothing was thrown");
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, good.size() / 3, good.size() - 1}) {
    write(path, good.substr(0, size));
    refused(setup, {});
  }
  std::string bad = good;
  bad[good.size() - 5] = char(bad[good.size() - 5] ^ 1);
  write(path, bad);
  refused(setup, {"damaged", "checksum"});
  write(path, "not a checkpoint at all");
  refused(setup, {"load_safetensors"});
  save_safetensors(path, setup.net.state_dict());
  refused(setup, {"no checkpoint", "nothing was loaded"});
  save_checkpoint(path, {.model = &setup.net});
  refused(setup, {"it has no loader"});
  fs::remove(path);
  refused(setup, {"No such file"});

  // Whole, but of something else.
  write(path, good);
  Setup wide(77, 8, 7), batches(77, 9);
  refused(wide, {"its model is not that of this Sequential", "0.weight", "(6, 2)", "(7, 2)"});
  refused(batches, {"batch_size = 8", "9"});
  refused(setup, {"was led by a schedule"}, false);
  Setup longer(77);
  longer.set = two_clouds(38, 1);
  longer.loader = std::make_unique<data::DataLoader>(longer.set, data::LoaderOptions{.batch_size = 8, .shuffle = true});
  refused(longer, {"samples = 37", "38"});
  Setup other(77);
  other.optimizer = std::make_unique<optim::AdamW>(other.net.named_parameters(), optim::AdamWOptions{.amsgrad = true});
  other.schedule =
      std::make_unique<optim::CosineAnnealingLR>(*other.optimizer, optim::CosineAnnealingLROptions{.T_max = 30});
  save_checkpoint(path, {.model = &other.net,
                         .optimizer = other.optimizer.get(),
                         .schedule = other.schedule.get(),
                         .loader = other.loader.get(),
                         .run = &run});
  manual_seed(3);
  Setup plain(77);
  plain.optimizer.reset();
  plain.schedule.reset();
  optim::SGD sgd{plain.net.named_parameters(), {.lr = 0.5, .momentum = 0.9}};
  const std::string before = bits(plain.net.state_dict()) + bits(sgd.state_dict());
  CHECK(thrown([&] { load_checkpoint(path, {.model = &plain.net, .optimizer = &sgd}); }).find("schedule") !=
        std::string::npos);
  save_checkpoint(path, {.model = &other.net, .optimizer = other.optimizer.get()});
  const std::string text = thrown([&] { load_checkpoint(path, {.model = &plain.net, .optimizer = &sgd}); });
  CAPTURE(text);
  CHECK(text.find("SGD") != std::string::npos);
  CHECK((bits(plain.net.state_dict()) + bits(sgd.state_dict()) == before));
}

TEST_CASE("counters that make no sense are refused, though the checksum is right") {
  const Folder folder;
  const std::string path = folder / "run.safetensors";
  const auto refused = [&](RunState run, const char* part) {
    save_checkpoint(path, {.run = &run, .generators = false});
    RunState read;
    read.step = 42;
    const std::string text = thrown([&] { load_checkpoint(path, {.run = &read, .generators = false}); });
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
    CHECK(read.step == 42);
  };
  refused({.history = {}, .step = -1}, "counters make no sense");
  refused({.history = {}, .batch = -1}, "counters make no sense");
  refused({.history = {.best_epoch = 3}}, "counters make no sense");
  refused({.history = {.epochs = {{4, 0, 0, 0, 0, 0}}}}, "epoch 4 stands at place 0");
  refused({.history = {.divergence = Divergence{2, 1, "loss"}}}, "diverged in epoch 2");
}

TEST_CASE("a checkpoint of one's own loop holds what it was given, and gives back a part alone") {
  const Folder folder;
  const std::string path = folder / "run.safetensors";
  Setup a;
  a.run({.epochs = 1, .schedule = a.schedule.get()});
  a.optimizer->set_lr(0.0123);  // by hand, since the last step
  RunState run{.history = {.epochs = {{0, 0.1, NAN, INFINITY, -INFINITY, 3}}, .divergence = Divergence{1, 8, "loss"}},
               .step = 8};
  save_checkpoint(path, {.model = &a.net, .optimizer = a.optimizer.get(), .schedule = a.schedule.get(), .run = &run});
  const double next = randn({}).item();

  Setup b(9);
  RunState read;
  load_checkpoint(path, {.model = &b.net, .optimizer = b.optimizer.get(), .schedule = b.schedule.get(), .run = &read});
  CHECK(b.optimizer->lr() == 0.0123);
  CHECK(randn({}).item() == next);
  CHECK(read.history.divergence->where == "loss");
  CHECK(read.history.divergence->step == 8);
  CHECK(std::isnan(read.history.epochs[0].train_loss));
  CHECK(read.history.epochs[0].val_metric == -INFINITY);
  CHECK((bits(b.net.state_dict()) == bits(a.net.state_dict())));
  CHECK((bits(b.optimizer->state_dict()) == bits(a.optimizer->state_dict())));

  Setup c(9);
  const auto state = default_generator().state();
  load_checkpoint(path, {.model = &c.net, .generators = false});
  CHECK((bits(c.net.state_dict()) == bits(a.net.state_dict())));
  CHECK(default_generator().state().seed == state.seed);
  CHECK(thrown([&] { load_checkpoint(path, {.loader = c.loader.get()}); }).find("it has no loader") !=
        std::string::npos);
}

TEST_CASE("fit refuses to resume what it cannot, and a run that diverges keeps the last good checkpoint") {
  const Folder folder;
  const std::string path = folder / "run.safetensors";
  Setup setup;
  FitOptions options = setup.options();
  options.resume = true;
  CHECK(thrown([&] { setup.run(options); }).find("resume needs a checkpoint") != std::string::npos);
  options = setup.options(path);
  options.checkpoint_every = Every::steps(0);
  CHECK(thrown([&] { setup.run(options); }).find("a checkpoint every 0 steps") != std::string::npos);

  options = setup.options(path);
  options.keep_best = false;
  options.epochs = 1;
  setup.run(options);
  options.keep_best = true;
  CHECK(thrown([&] { setup.run(options); }).find("written without keep_best") != std::string::npos);

  // From step 8 on the loss is not finite.
  std::string good;
  Setup bad(5);
  fs::remove(path);
  options = bad.options(path);
  int calls = 0;
  options.validation = nullptr;
  options.keep_best = options.validate_average = false;
  options.loss = [&](const Tensor& output, const Tensor&) {
    return ++calls > 8 ? output.mean() * INFINITY : output.square().mean();
  };
  const History history = bad.run(options);
  REQUIRE(history.divergence.has_value());
  RunState run;
  load_checkpoint(path, {.run = &run, .generators = false});
  CHECK(run.step == 8);
  CHECK(!run.history.divergence.has_value());
}

TEST_CASE("what killed writers left is removed, and nothing else") {
  const Folder folder;
  const std::string path = folder / "a";
  // No process has this number: it is beyond what Linux gives out.
  const std::string dead = path + ".2147483646.0.part",
                    own = path + "." + std::to_string(::getpid()) + ".4000000000.part";
  const std::string parent = path + "." + std::to_string(::getppid()) + ".0.part";
  const std::vector<std::string> kept = {parent,
                                         path + ".part",
                                         path + ".x.0.part",
                                         path + ".2147483646.0.partial",
                                         path + "b.2147483646.0.part",
                                         path + ".2147483646.part"};
  write(dead, "1");
  write(own, "2");
  for (const std::string& name : kept) write(name, "3");
  AtomicFile::remove_leftovers(path);
  CHECK(!fs::exists(dead));
  CHECK(!fs::exists(own));
  for (const std::string& name : kept) {
    CAPTURE(name);
    CHECK(fs::exists(name));
  }
  AtomicFile::remove_leftovers(folder / "none/b");
}
