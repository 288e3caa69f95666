#include "program.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <gradus/activations/registry.hpp>
#include <gradus/core/error.hpp>

namespace program {

std::atomic<bool> stop{false};

void parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    std::exit(app.exit(help));
  } catch (const CLI::ParseError& error) {
    gradus::fail("command line", std::string(error.what()) + " (--help lists the options)");
  }
}

std::vector<std::pair<std::string, std::string>> settings_of(const CLI::App& app, const std::vector<std::string>& except) {
  std::vector<std::pair<std::string, std::string>> settings;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_single_name();
    if (name == "help" || std::find(except.begin(), except.end(), name) != except.end()) continue;
    settings.emplace_back(name, option->count() > 0 ? fmt::format("{}", fmt::join(option->results(), ",")) : option->get_default_str());
  }
  return settings;
}

void check_activation(const char* option, const std::string& value) {
  try {
    (void)gradus::activations::activation(value);
  } catch (const gradus::Error& error) {
    gradus::fail(option, error.what());
  }
}

void stop_on_interrupt() {
  const auto on_signal = [](int) {
    if (stop.exchange(true)) std::_Exit(130);
  };
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

int run(std::string_view name, const std::function<int()>& body) {
  try {
    return body();
  } catch (const Interrupted&) {
    fmt::print(stderr, "{}: interrupted. The same command goes on from here.\n", name);
    return 130;
  } catch (const gradus::Error& error) {
    // One line: what follows a line break is detail for programmers.
    const std::string text = error.what();
    fmt::print(stderr, "{}: {}\n", name, text.substr(0, text.find('\n')));
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", name, error.what());
    return 1;
  }
}

}  // namespace program
