#pragma once
// Models on disk, as safetensors files that PyTorch reads as well.
#include <filesystem>

#include "gradus/nn/module.hpp"

namespace gradus {

/// Writes parameters and buffers by name, beside `path` first and then in its place: a crash leaves the old file.
void save(const nn::Module& module, const std::filesystem::path& path);

/// Reads them back. A file that is damaged, foreign, or of another model throws and changes nothing.
void load(nn::Module& module, const std::filesystem::path& path);

}  // namespace gradus
