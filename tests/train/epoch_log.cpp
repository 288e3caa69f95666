#include "gradus/train/epoch_log.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "folder.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/optim/sgd.hpp"
#include "gradus/report/text.hpp"
#include "gradus/tensor/factories.hpp"
#include "thrown.hpp"

using namespace gradus;
using namespace gradus::train;
namespace fs = std::filesystem;

namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

struct Files {
  Folder folder;
  std::string csv = folder / "log.csv", jsonl = folder / "log.jsonl", checkpoint = folder / "run.safetensors";
};

// Eight steps in each epoch.
History run(const FitOptions& options) {
  manual_seed(4);
  nn::Sequential net{nn::Linear{2, 2}};
  optim::SGD optimizer{net.parameters(), {.lr = 0.1}};
  Generator generator(1);
  const data::Dataset set{.x = randn({32, 2}, {.generator = &generator}),
                          .y = randint(0, 2, {32}, {.generator = &generator})};
  data::DataLoader loader{set, {.batch_size = 4, .seed = 3}};
  return fit(net, optimizer, loader, options);
}

// Both logs hold the history, each epoch once, to the last digit.
void check_logs(const Files& files, const History& history) {
  const auto records = report::parse_csv(text_of(files.csv));
  REQUIRE(records.size() == history.epochs.size() + 1);
  CHECK(records[0] == std::vector<std::string>{"epoch", "lr", "train_loss", "val_loss", "val_metric", "seconds"});
  std::istringstream lines(text_of(files.jsonl));
  for (std::size_t i = 0; i < history.epochs.size(); ++i) {
    const EpochRecord& r = history.epochs[i];
    CHECK(records[i + 1][0] == std::to_string(i));
    CHECK(std::stod(records[i + 1][2]) == r.train_loss);
    CHECK(std::stod(records[i + 1][5]) == r.seconds);
    CHECK(records[i + 1][3] == "nan");
    std::string line;
    REQUIRE(std::getline(lines, line));
    const nlohmann::json object = nlohmann::json::parse(line);
    CHECK(object.size() == 6);
    CHECK(object["epoch"] == i);
    CHECK(object["lr"] == r.lr);
    CHECK(object["train_loss"] == r.train_loss);
    CHECK(object["val_loss"].is_null());
    CHECK(object["val_metric"].is_null());
    CHECK(object["seconds"] == r.seconds);
  }
  std::string rest;
  CHECK(!std::getline(lines, rest));
}

}  // namespace

TEST_CASE("fit writes each epoch to its logs when it is over, and a new run replaces them") {
  const Files files;
  FitOptions options{.epochs = 3, .log_csv = files.csv, .log_jsonl = files.jsonl};
  options.on_epoch = [&](const EpochRecord& record) {
    const std::string csv = text_of(files.csv);
    CHECK(std::count(csv.begin(), csv.end(), '\n') == record.epoch + 2);
    return true;
  };
  check_logs(files, run(options));
  options.epochs = 1;
  check_logs(files, run(options));
}

TEST_CASE("a resumed run appends: no epoch twice, none missing, no torn line") {
  for (const int accident : {0, 1, 2, 3}) {
    CAPTURE(accident);
    const Files files;
    FitOptions options{.epochs = 5,
                       .checkpoint = files.checkpoint,
                       .checkpoint_every = Every::epochs(2),
                       .resume = true,
                       .log_csv = files.csv,
                       .log_jsonl = files.jsonl};
    // Three epochs are in the logs, two in the checkpoint.
    options.on_step = [](const StepRecord& record) -> bool {
      if (record.step == 27) throw std::runtime_error("the power went off");
      return true;
    };
    CHECK_THROWS_AS(run(options), std::runtime_error);
    const std::string csv = text_of(files.csv);
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 4);
    if (accident == 1)
      for (const std::string& path : {files.csv, files.jsonl}) fs::resize_file(path, fs::file_size(path) - 5);
    if (accident == 2)
      for (const std::string& path : {files.csv, files.jsonl}) fs::remove(path);
    if (accident == 3)
      for (const std::string& path : {files.csv, files.jsonl}) fs::resize_file(path, 20);
    options.on_step = {};
    const History history = run(options);
    CHECK(history.epochs.size() == 5);
    check_logs(files, history);
    // Once more, with nothing left to do.
    check_logs(files, run(options));
  }
}

TEST_CASE("a log that cannot be written is an error before the training begins") {
  const Files files;
  const auto refused = [&](FitOptions options, const char* part) {
    options.on_step = [](const StepRecord&) -> bool {
      FAIL("it trained");
      return false;
    };
    const std::string text = thrown([&] { run(options); });
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  refused({.epochs = 1, .log_csv = files.folder / "none/log.csv"}, "does its folder exist");
  refused({.epochs = 1, .log_jsonl = files.folder.path()}, "a folder has this name");
  refused({.epochs = 1, .log_csv = "/dev/full"}, "No space left on device");
  refused({.epochs = 1, .log_csv = files.csv, .log_jsonl = files.csv}, "the same file");
  // JSON lines have no header: the first line fails.
  CHECK(thrown([&] { run({.epochs = 1, .log_jsonl = "/dev/full"}); }).find("/dev/full") != std::string::npos);
}
