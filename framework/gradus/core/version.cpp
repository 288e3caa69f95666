#include "gradus/core/version.hpp"

#include <omp.h>

#include <fstream>

#include "gradus/core/format.hpp"
#include "gradus/core/simd.hpp"
#include "gradus/core/xtensor.hpp"

namespace gradus {

BuildInfo build_info() {
  BuildInfo info;
  info.version = GRADUS_VERSION;
#ifdef __clang__
  info.compiler = fmt::format("clang++ {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  info.compiler = fmt::format("g++ {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
  info.build_type = GRADUS_BUILD_TYPE;
  info.xtensor = fmt::format("{}.{}.{}", XTENSOR_VERSION_MAJOR, XTENSOR_VERSION_MINOR, XTENSOR_VERSION_PATCH);
  info.simd = fmt::format("{}, {} floats", xsimd::default_arch::name(), simd::Batch<float>::size);
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);)
    if (line.starts_with("model name")) {
      info.processor = line.substr(line.find(':') + 2);
      break;
    }
  info.cores = omp_get_num_procs();
  return info;
}

}  // namespace gradus
