#include "gradus/nn/serialize.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "gradus/nn/activation.hpp"
#include "gradus/nn/batch_norm.hpp"
#include "gradus/nn/linear.hpp"
#include "gradus/nn/sequential.hpp"
#include "gradus/tensor/safetensors.hpp"
#include "nn/support.hpp"
#include "tensor/bytes.hpp"

using namespace gradus;
using namespace gradus::testing;
namespace fs = std::filesystem;

namespace {

nn::Sequential model(Index width = 5) {
  return {nn::Linear{3, width}, nn::BatchNorm1d{width}, nn::ReLU{}, nn::Linear{width, 2}};
}

bool same(const Tensor& a, const Tensor& b) { return allclose(a, b, {.rtol = 0, .atol = 0, .equal_nan = true}); }

void check_same_state(nn::Module& a, const NamedTensors& b) {
  const NamedTensors state = a.state_dict();
  REQUIRE(state.size() == b.size());
  for (std::size_t i = 0; i < b.size(); ++i) {
    CAPTURE(b[i].first);
    CHECK(state[i].first == b[i].first);
    CHECK(same(state[i].second, b[i].second));
  }
}

NamedTensors copied(nn::Module& module) {
  NamedTensors copies;
  for (const auto& [name, tensor] : module.state_dict()) copies.emplace_back(name, tensor.detach().clone());
  return copies;
}

}  // namespace

TEST_CASE("what is loaded is what was saved, to the bit, running statistics and all") {
  const Folder folder;
  const fs::path path = folder / "model.safetensors";
  nn::Sequential net = model(), other = model();
  (void)net(normal_numbers({64, 3}, 1, float32));
  (void)net(normal_numbers({64, 3}, 2, float32));
  const NamedTensors state = copied(net);
  save(net, path);
  check_same_state(net, state);
  load(other, path);
  check_same_state(other, state);
  net.eval(), other.eval();
  const Tensor x = normal_numbers({7, 3}, 3, float32);
  CHECK(same(net(x), other(x)));
  CHECK(other.parameters()[0].requires_grad());

  // PyTorch's names, in a file that it reads.
  std::vector<std::string> names;
  for (const auto& [name, tensor] : load_safetensors(path).tensors) {
    names.push_back(name);
    if (name == "1.num_batches_tracked") {
      CHECK(tensor.dtype() == int64);
      CHECK(tensor.shape() == Shape{});
      CHECK(tensor.item() == 2);
    }
  }
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"0.bias", "0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean",
                                          "1.running_var", "1.weight", "3.bias", "3.weight"});
  // Saving again goes in the old file's place, and leaves nothing beside it.
  save(other, path);
  CHECK(folder.entries() == 1);
}

TEST_CASE("a file of one floating type loads into a model of the other") {
  const Folder folder;
  const fs::path path = folder / "model.safetensors";
  nn::Sequential net = model(), wide = model();
  save(net, path);
  wide.to(float64);
  load(wide, path);
  CHECK(wide.parameters()[0].dtype() == float64);
  CHECK(same(wide.parameters()[0], net.parameters()[0].to(float64)));
}

TEST_CASE("a file that is not the model's harms nothing") {
  const Folder folder;
  const fs::path path = folder / "model.safetensors";
  nn::Sequential net = model(), narrow = model(4), other = model();
  save(net, path);
  const NamedTensors before = copied(narrow), untouched = copied(other);
  check_error([&] { load(narrow, path); },
              {"load", "model.safetensors", "0.weight", "(5, 3)", "(4, 3)", "3.weight", "1.running_var"});
  check_same_state(narrow, before);
  nn::Sequential shorter{nn::Linear{3, 5}};
  check_error([&] { load(shorter, path); }, {"unexpected  1.weight", "unexpected  3.bias"});
  check_error([&] { load(other, folder / "none.safetensors"); }, {"none.safetensors"});
  check_error([&] { load(other, folder.path()); }, {folder.path()});

  // Cut anywhere, it is refused.
  const auto size = fs::file_size(path);
  for (std::uintmax_t kept :
       {size - 1, size - 7, size / 2, std::uintmax_t{9}, std::uintmax_t{8}, std::uintmax_t{3}, std::uintmax_t{0}}) {
    save(net, path);
    fs::resize_file(path, kept);
    CAPTURE(kept);
    check_error([&] { load(other, path); }, {"model.safetensors"});
  }
  std::ofstream(path, std::ios::binary) << "not a model";
  check_error([&] { load(other, path); }, {"model.safetensors"});
  check_same_state(other, untouched);
}

TEST_CASE("saving where nothing can be written says where") {
  nn::Sequential net = model();
  check_error([&] { save(net, "/nowhere/at/all/model.safetensors"); }, {"/nowhere/at/all"});
}
