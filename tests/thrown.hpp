#pragma once
// The text of the error that a misuse is answered with.
#include <string>

#include "gradus/core/error.hpp"

template <class Misuse> std::string thrown(Misuse&& misuse) {
  try {
    misuse();
  } catch (const gradus::Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}
