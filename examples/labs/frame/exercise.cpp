#include "exercise.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <fmt/format.h>

namespace exercise {

void expect_close(const std::string& where, double received, double expected, double tolerance) {
  if (std::fabs(received - expected) <= tolerance * std::max(1.0, std::fabs(expected))) return;
  throw Wrong{fmt::format("at {}: received {:.10g}, expected {:.10g}", where, received, expected)};
}

void expect(bool condition, const std::string& message) {
  if (!condition) throw Wrong{message};
}

namespace {

bool solved(const std::string& lab, std::size_t number, const Exercise& exercise) {
  fmt::print("{} {}: {}\n", lab, number, exercise.title);
  try {
    exercise.check();
    fmt::print("  solved\n");
    return true;
  } catch (const NotDone& stub) {
    fmt::print("  not done yet. Hint: {}\n  The stub is in examples/labs/exercises/{}.hpp\n", stub.hint, lab);
  } catch (const Wrong& wrong) {
    fmt::print("  not right yet: {}\n", wrong.message);
  } catch (const std::exception& error) {
    fmt::print("  the solution threw: {}\n", error.what());
  }
  return false;
}

}  // namespace

int main_of(const std::string& lab, const std::vector<Exercise>& exercises, int argc, char** argv) {
  std::size_t first = 1, last = exercises.size();
  if (argc > 1) {
    char* end = nullptr;
    const unsigned long number = std::strtoul(argv[1], &end, 10);
    if (argc > 2 || *end != '\0' || number < 1 || number > exercises.size()) {
      fmt::print(stderr, "{}: \"{}\" is no exercise of it; they are 1 to {}\n", lab, argv[1], exercises.size());
      return 2;
    }
    first = last = number;
  }
  bool all = true;
  for (std::size_t i = first; i <= last; ++i) all = solved(lab, i, exercises[i - 1]) && all;
  return all ? 0 : 1;
}

}  // namespace exercise
