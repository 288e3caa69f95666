#include "gradus/data/cifar.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "support.hpp"

using namespace gradus;

namespace {

std::string record(int label, int shift) {
  std::string bytes(1, char(label));
  for (int i = 0; i < 3072; ++i) bytes += char((i + shift) % 251);
  return bytes;
}

}  // namespace

TEST_CASE("cifar10 reads complete records of all files") {
  for (const std::string sub : {"", "cifar-10-batches-bin/"}) {
    const Folder folder;
    if (!sub.empty()) std::filesystem::create_directory(folder / sub);
    for (int i = 1; i <= 5; ++i) {
      std::string bytes;
      for (int r = 0; r < i; ++r) bytes += record(i, r);
      folder.write(sub + "data_batch_" + std::to_string(i) + ".bin", bytes);
    }
    folder.write(sub + "test_batch.bin", record(9, 100));
    const data::Dataset train = data::cifar10(folder.path(), data::Split::train),
                        test = data::cifar10(folder.path(), data::Split::test);
    CHECK(train.x.shape() == Shape{15, 3, 32, 32});
    CHECK(train.class_counts() == std::vector<Index>{0, 1, 2, 3, 4, 5, 0, 0, 0, 0});
    CHECK(test.x.shape() == Shape{1, 3, 32, 32});
    CHECK(test.y.data<std::int64_t>()[0] == 9);
    CHECK(test.class_names[9] == "truck");
    for (Index i = 0; i < 3072; ++i) {
      REQUIRE(test.x.data<float>()[i] == float((i + 100) % 251) / 255.0f);
      REQUIRE(train.x.data<float>()[14 * 3072 + i] == float((i + 4) % 251) / 255.0f);
    }
    std::filesystem::remove(folder / (sub + "data_batch_3.bin"));
    CHECK(has(error_of([&] { (void)data::cifar10(folder.path(), data::Split::train); }), "data_batch_3.bin"));
  }
  const std::string nowhere = error_of([] { (void)data::cifar10("/nowhere", data::Split::train); });
  CHECK(has(nowhere, "/nowhere"));
  CHECK(has(nowhere, "data_batch_1.bin"));
}

TEST_CASE("parts of records and odd labels are refused") {
  const Folder folder;
  const auto error = [&](const std::string& bytes) {
    const std::string path = folder.write("test_batch.bin", bytes);
    const std::string text = error_of([&] { (void)data::cifar10(folder.path(), data::Split::test); });
    CHECK((text.empty() || has(text, path)));
    return text;
  };
  const std::string two = record(1, 0) + record(2, 0);
  for (std::size_t length = 0; length < two.size(); length += length % 3073 < 4 ? 1 : 61) {
    CAPTURE(length);
    CHECK(error(two.substr(0, length)).empty() == (length == 3073));
  }
  CHECK(error(two).empty());
  CHECK(has(error(two + "x"), "6147 bytes"));
  CHECK(has(error(record(10, 0)), "label 10"));
  CHECK(has(error(record(0, 0) + record(255, 0)), "label 255 of record 1"));
  CHECK(has(error(gzip(record(1, 0))), "gzip"));
  std::mt19937 random(2);
  for (int trial = 0; trial < 100; ++trial) {
    std::string bytes = two;
    bytes[random() % 2 == 0 ? random() % 2 * 3073 : random() % bytes.size()] ^= char(1 << random() % 8);
    const bool good = bytes[0] >= 0 && bytes[0] <= 9 && bytes[3073] >= 0 && bytes[3073] <= 9;
    CHECK(error(bytes).empty() == good);
  }
}

TEST_CASE("the real CIFAR-10, in part") {
  const std::string root = real_data("cifar10_subset");
  if (root.empty()) return;
  const data::Dataset train = data::cifar10(root, data::Split::train), test = data::cifar10(root, data::Split::test);
  CHECK(train.x.shape() == Shape{4000 + 4 * 1017, 3, 32, 32});
  CHECK(test.x.shape() == Shape{1017, 3, 32, 32});
  // The first record is a frog, the first test record a cat.
  CHECK(train.class_names[std::size_t(train.y.data<std::int64_t>()[0])] == "frog");
  CHECK(test.class_names[std::size_t(test.y.data<std::int64_t>()[0])] == "cat");
  const std::vector<Index> counts = train.class_counts();
  CHECK(*std::min_element(counts.begin(), counts.end()) > 700);
  CHECK(*std::max_element(counts.begin(), counts.end()) < 900);
}
