#include "gradus/data/cifar.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/data/byte_reader.hpp"

namespace gradus::data {
namespace {

constexpr std::size_t pixels = 3 * 32 * 32, record = 1 + pixels;

std::string find_folder(const std::string& root, const std::string& first) {
  std::error_code ignored;
  for (const std::filesystem::path& folder :
       {std::filesystem::path(root), std::filesystem::path(root) / "cifar-10-batches-bin"})
    if (std::filesystem::exists(folder / first, ignored)) return folder.string();
  failf("cifar10",
        "there is no {} in {}, nor in its folder cifar-10-batches-bin; hint: datasets/download.sh cifar10 fetches it",
        first, root);
}

}  // namespace

Dataset cifar10(const std::string& root, Split split) {
  std::vector<std::string> names;
  if (split == Split::test)
    names = {"test_batch.bin"};
  else
    for (char i = '1'; i <= '5'; ++i) names.push_back(std::string("data_batch_") + i + ".bin");
  const std::filesystem::path folder = find_folder(root, names.front());

  // All sizes are known before anything is allocated.
  std::vector<std::unique_ptr<ByteReader>> files;
  std::vector<std::size_t> records;
  Index n = 0;
  for (const std::string& name : names) {
    files.push_back(std::make_unique<ByteReader>("cifar10", (folder / name).string()));
    ByteReader& file = *files.back();
    if (file.compressed()) file.fail("is compressed by gzip; the .bin files themselves are expected");
    const std::uint64_t size = file.upper_bound();
    if (size == 0 || size % record != 0)
      file.fail(fmt::format("has {} bytes; a whole number of records of {} bytes is expected", size, record));
    records.push_back(std::size_t(size / record));
    n += Index(records.back());
  }

  Dataset dataset;
  dataset.x = Tensor::make("cifar10", {n, 3, 32, 32}, float32);
  dataset.y = Tensor::make("cifar10", {n}, int64);
  float* x = dataset.x.data<float>();
  std::int64_t* y = dataset.y.data<std::int64_t>();
  std::vector<std::uint8_t> raw(record);
  for (std::size_t f = 0; f < files.size(); ++f) {
    for (std::size_t r = 0; r < records[f]; ++r) {
      files[f]->read_exactly(raw.data(), record, fmt::format("record {}", r));
      if (raw[0] > 9) files[f]->fail(fmt::format("label {} of record {} is no class; 0 to 9 are", raw[0], r));
      *y++ = raw[0];
      for (std::size_t i = 0; i < pixels; ++i) x[i] = float(raw[1 + i]) / 255.0f;
      x += pixels;
    }
    files[f]->expect_end();
  }
  dataset.class_names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  dataset.name = split == Split::train ? "cifar10 train" : "cifar10 test";
  return dataset;
}

}  // namespace gradus::data
