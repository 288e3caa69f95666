#pragma once
// The text of the error that a misuse is answered with.
#include <doctest/doctest.h>

#include <initializer_list>
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

inline void check_contains(const std::string& text, std::initializer_list<const char*> words) {
  for (const std::string word : words) {
    CAPTURE(text);
    CAPTURE(word);
    CHECK(text.find(word) != std::string::npos);
  }
}
