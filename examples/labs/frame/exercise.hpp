#pragma once
// Exercises of the labs. A stub in exercises/LAB.hpp says what is wanted and calls to_do(); the student replaces it and runs
//
//   make check LAB=signal_moments EXERCISE=1
//
// which tells what was received, what was expected, and for which input.
#include <functional>
#include <string>
#include <vector>

namespace exercise {

// Thrown by a stub.
struct NotDone {
  std::string hint;
};
// What a stub returns: nothing, with a hint.
template <class T = double>
T to_do(const std::string& hint) {
  throw NotDone{hint};
}

// Thrown by a check that failed.
struct Wrong {
  std::string message;
};

// Throws Wrong unless |received - expected| <= tolerance * max(1, |expected|). `where` names the input: "q = 0.5".
void expect_close(const std::string& where, double received, double expected, double tolerance = 1e-9);
// Throws Wrong with this message unless `condition`.
void expect(bool condition, const std::string& message);

struct Exercise {
  std::string title;
  std::function<void()> check;
};

// The main function of the checks of a lab: PROGRAM [NUMBER], without a number all of them. Exit code 0 when all that were asked for
// are solved.
int main_of(const std::string& lab, const std::vector<Exercise>& exercises, int argc, char** argv);

}  // namespace exercise
