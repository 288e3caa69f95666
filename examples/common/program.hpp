#pragma once
// What every example program does the same way: read its command line, stop on Ctrl-C, and tell what went wrong in one line.
#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace program {

// Reads the command line. Prints help and ends the program when asked to; throws gradus::Error for what makes no sense.
void parse(CLI::App& app, int argc, char** argv);

// Names and values of the options that the numbers depend on: all but --help and those named.
std::vector<std::pair<std::string, std::string>> settings_of(const CLI::App& app, const std::vector<std::string>& except);

// Throws, naming the option, unless `value` is the name of an activation.
void check_activation(const char* option, const std::string& value);

// Set by the first Ctrl-C (or SIGTERM) once stop_on_interrupt() was called; a second one ends the program at once.
extern std::atomic<bool> stop;
void stop_on_interrupt();
// Thrown where a program finds `stop` set and has nothing left to save.
struct Interrupted {};

// Calls the body, which returns the exit code. What it throws becomes one line on stderr ("NAME: what is wrong") and exit code 2 for
// gradus::Error (the user can mend it), 1 for anything else, 130 for Interrupted.
int run(std::string_view name, const std::function<int()>& body);

}  // namespace program
