#include "run_folder.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <gradus/core/atomic_file.hpp>
#include <gradus/core/error.hpp>
#include <gradus/core/parallel.hpp>
#include <gradus/core/version.hpp>
#include <gradus/kernels/blas.hpp>
#include <gradus/report/files.hpp>

namespace program {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using namespace gradus::report;

namespace {

Json as_json(const Settings& settings) {
  Json json = Json::object();
  for (const auto& [name, value] : settings) json[name] = value;
  return json;
}

// Throws unless the folder is new, empty, or of the same program and settings.
void check_folder(const fs::path& folder, const std::string& program, const Settings& settings) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return;
  if (!fs::is_directory(folder, ignored)) gradus::fail("--out", fmt::format("{} is no folder", folder.string()));
  // A run that was killed while it wrote its first file left nothing else.
  gradus::AtomicFile::remove_leftovers((folder / "run.json").string());
  if (fs::is_empty(folder, ignored)) return;
  const fs::path about = folder / "run.json";
  if (!fs::exists(about, ignored))
    gradus::fail("--out", fmt::format("{} holds files that {} did not write; choose another folder", folder.string(), program));
  try {
    const Json json = Json::parse(read_file(about.string()));
    if (json.at("program") != program)
      gradus::fail("--out", fmt::format("{} holds a run of {}; choose another folder", folder.string(), json.at("program").get<std::string>()));
    const Json earlier = json.at("settings"), mine = as_json(settings);
    for (const auto& [name, value] : mine.items())
      if (!earlier.contains(name) || earlier[name] != value)
        gradus::fail("--out", fmt::format("{} holds a run with {} = {}, not {}; choose another folder, or the same settings to go on",
                                          folder.string(), name, earlier.contains(name) ? earlier[name].dump() : "(none)", value.dump()));
  } catch (const Json::exception&) {
    gradus::fail("--out", fmt::format("{} is damaged; choose another folder", about.string()));
  }
}

}  // namespace

Json environment() {
  const gradus::BuildInfo build = gradus::build_info();
  Json json;
  json["threads"] = gradus::num_threads();
  json["versions"] = {{"gradus", build.version}, {"compiler", build.compiler}, {"build", build.build_type},
                      {"blas", gradus::kernels::blas_description()}, {"xtensor", build.xtensor}, {"simd", build.simd}};
  json["machine"] = {{"processor", build.processor}, {"cores", build.cores}};
  return json;
}

std::vector<std::pair<std::string, std::string>> environment_lines() {
  const gradus::BuildInfo build = gradus::build_info();
  return {{"gradus", build.version + ", " + build.build_type}, {"Compiler", build.compiler},
          {"BLAS", gradus::kernels::blas_description()}, {"xtensor", build.xtensor}, {"SIMD", build.simd},
          {"Processor", build.processor}, {"Threads", fmt::format("{} of {} cores", gradus::num_threads(), build.cores)}};
}

RunFolder::RunFolder(fs::path folder, std::string program, Settings settings)
    : folder_(std::move(folder)), program_(std::move(program)), settings_(std::move(settings)) {
  check_folder(folder_, program_, settings_);
  create_folder(folder_.string());
  write();
}

void RunFolder::result(const std::string& name, double value) {
  const auto known = std::find_if(results_.begin(), results_.end(), [&](const auto& r) { return r.first == name; });
  if (known != results_.end())
    known->second = value;
  else
    results_.emplace_back(name, value);
}

void RunFolder::figure(const std::string& name, Figure figure, const std::string& caption) {
  figures_.push_back({name, caption, std::move(figure)});
}

void RunFolder::write() const {
  Json json;
  json["program"] = program_;
  json["settings"] = as_json(settings_);
  json.update(environment());
  Json results = Json::object();
  for (const auto& [name, value] : results_) results[name] = std::isfinite(value) ? Json(value) : Json(nullptr);
  if (!results_.empty()) json["results"] = results;
  write_file_atomically((folder_ / "run.json").string(), json.dump(2) + "\n");
}

void RunFolder::finish(const std::string& title, const std::string& subtitle, const std::function<void(Page&)>& body) const {
  write();
  std::vector<std::pair<std::string, const Figure*>> all;
  for (const Drawn& drawn : figures_) all.emplace_back(drawn.name, &drawn.figure);
  if (!all.empty()) {
    create_folder((folder_ / "figures").string());
    save_figures((folder_ / "figures").string(), all);
  }
  Page page(title, subtitle);
  body(page);
  for (const Drawn& drawn : figures_) page.figure(drawn.figure, drawn.caption);
  page.heading("How to get these numbers again");
  page.paragraph("The same settings and seed give the same numbers on the same machine.");
  page.definitions(settings_);
  page.definitions(environment_lines());
  page.save((folder_ / "report.html").string());
}

}  // namespace program
