#include "gradus/nn/serialize.hpp"

#include "gradus/core/format.hpp"
#include "gradus/tensor/safetensors.hpp"

namespace gradus {

void save(const nn::Module& module, const std::filesystem::path& path) {
  // visit() hands out references for those who change things; writing them down does not.
  save_safetensors(path, const_cast<nn::Module&>(module).state_dict(), {{"format", "pt"}});
}

void load(nn::Module& module, const std::filesystem::path& path) {
  const auto file = load_safetensors(path);
  try {
    module.load_state_dict(file.tensors);
  } catch (const Error& error) {
    failf("load", "{}: {}", path.string(), error.what());
  }
}

}  // namespace gradus
