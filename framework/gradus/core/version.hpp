#pragma once
// What this library was built from and where it runs, for the records of experiments.
#include <string>

namespace gradus {

struct BuildInfo {
  std::string version;     ///< of gradus
  std::string compiler;    ///< e.g. "g++ 12.2.0"
  std::string build_type;  ///< e.g. "Release"
  std::string xtensor;     ///< its version
  std::string simd;        ///< the instruction set compiled for, e.g. "avx512bw, 16 floats"
  std::string processor;   ///< as the system names it; empty when it does not
  int cores;               ///< that this process may use
};
BuildInfo build_info();

}  // namespace gradus
