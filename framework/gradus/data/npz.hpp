#pragma once
// NumPy's archives of arrays: a zip file of .npy files.
// https://numpy.org/doc/stable/reference/generated/numpy.savez.html
#include <cstdint>
#include <string>

#include "gradus/tensor/named.hpp"

namespace gradus::data {

struct NpzOptions {
  std::uint64_t largest = std::uint64_t{1} << 31;  ///< bytes that all arrays together may have, decompressed
};

/// The arrays that numpy.savez or numpy.savez_compressed wrote, in the file's order, named without ".npy". Types are
/// converted as load_npy does: bool and u8 masks become int64. Throws Error with the path and the name of the array for
/// anything but a complete archive of arrays: checksums, sizes and the directory must agree. Archives that need zip64
/// (4 GiB and more) or a password are refused.
NamedTensors load_npz(const std::string& path, const NpzOptions& options = {});

}  // namespace gradus::data
