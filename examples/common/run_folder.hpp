#pragma once
// The folder of one run: run.json (settings, versions, machine, results), figures/ and report.html. It belongs to one set of
// settings: a program that is started again with the same ones goes on in it, and with others it is refused.
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <gradus/report/html.hpp>
#include <gradus/report/plot.hpp>

namespace program {

using Settings = std::vector<std::pair<std::string, std::string>>;

// Versions, machine and threads, for the records of experiments.
nlohmann::ordered_json environment();
// The same for a reader: names and values, for Page::definitions.
std::vector<std::pair<std::string, std::string>> environment_lines();

class RunFolder {
 public:
  // Creates the folder if need be. Throws, and leaves everything as it is, when it holds files of something else or of other settings.
  RunFolder(std::filesystem::path folder, std::string program, Settings settings);

  std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  const Settings& settings() const { return settings_; }

  // A number that the run was made for; it stands in run.json, a later one with the same name in place of the first. NaN becomes null.
  void result(const std::string& name, double value);
  // A figure for figures/NAME.svg and .png, and for the report.
  void figure(const std::string& name, gradus::report::Figure figure, const std::string& caption);

  // Writes run.json. It is written when the folder is opened as well, so that a run that was killed is known by its settings.
  void write() const;
  // Writes run.json, the figures, and report.html: `body` fills the page, then come the figures, the settings and the machine.
  void finish(const std::string& title, const std::string& subtitle, const std::function<void(gradus::report::Page&)>& body) const;

 private:
  struct Drawn {
    std::string name, caption;
    gradus::report::Figure figure;
  };
  std::filesystem::path folder_;
  std::string program_;
  Settings settings_;
  std::vector<std::pair<std::string, double>> results_;
  std::vector<Drawn> figures_;
};

}  // namespace program
