#pragma once
// NumPy's file format for one array. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include <string>
#include <string_view>

#include "gradus/tensor/tensor.hpp"

namespace gradus {

/// Writes the tensor for numpy.load: little-endian, row-major, version 1.0. A file that is there already is replaced
/// when the new one is complete, and not before.
void save_npy(const std::string& path, const Tensor& tensor);

/// Reads versions 1 to 3, either byte order, C or Fortran order. Floats up to 32 bits become float32, 64 bits float64;
/// integers and booleans become int64. Throws Error with the path for every other type (complex, text, objects, ...),
/// for uint64 values beyond int64, and for a file that is damaged, too short or too long.
Tensor load_npy(const std::string& path);
/// The same from the content of such a file, as archives hold it. Errors begin with `operation`, and `name` stands for
/// the path.
Tensor read_npy(const char* operation, const std::string& name, std::string_view content);

}  // namespace gradus
