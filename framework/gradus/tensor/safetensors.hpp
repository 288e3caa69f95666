#pragma once
// safetensors: the file format in which models travel. Eight bytes with the length of a header (little-endian), the
// header in JSON, the numbers. https://huggingface.co/docs/safetensors
#include <map>
#include <string>

#include "gradus/tensor/named.hpp"

namespace gradus {

/// What a safetensors file holds: tensors in the order of its header, and its texts ("__metadata__").
struct Safetensors {
  NamedTensors tensors;
  std::map<std::string, std::string> metadata;
};

/// Writes float32, float64 and int64 tensors as F32, F64 and I64, so that the official readers take the file: header
/// padded to a multiple of eight, wide types first so that every tensor is aligned, no holes. The header keeps the
/// order given. A file that is there already is replaced when the new one is complete, and not before. Throws for names
/// that are given twice, "__metadata__" as a name, texts that are not UTF-8, undefined tensors, and when the disk does
/// not take it.
void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata = {});

/// Reads a whole file, or throws Error with its path and what is wrong with it: anything that the official reader
/// refuses is refused. F16 and BF16 become float32; BOOL, U8, I8, U16, I16, U32, I32 and U64 (up to 2^63 - 1) become
/// int64.
Safetensors load_safetensors(const std::string& path);

}  // namespace gradus
