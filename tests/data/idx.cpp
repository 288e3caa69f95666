#include "gradus/data/idx.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "gradus/tensor/factories.hpp"
#include "support.hpp"

using namespace gradus;

namespace {

std::string idx_header(int type, const std::vector<std::uint32_t>& sizes) {
  std::string header{'\0', '\0', char(type), char(sizes.size())};
  for (const std::uint32_t size : sizes) header += big_endian(size);
  return header;
}

std::string images(std::uint32_t n) {
  std::string file = idx_header(8, {n, 28, 28});
  for (std::uint32_t i = 0; i < n * 784; ++i) file += char((i * 7 + i / 784) % 256);
  return file;
}

std::string labels(std::uint32_t n) {
  std::string file = idx_header(8, {n});
  for (std::uint32_t i = 0; i < n; ++i) file += char(i % 10);
  return file;
}

}  // namespace

TEST_CASE("idx files of every type") {
  const Folder folder;
  const auto read = [&](const std::string& bytes, const data::IdxOptions& options = {}) {
    return data::read_idx(folder.write("file", bytes), options);
  };
  using namespace std::string_literals;
  const Tensor bytes = read(idx_header(0x08, {2, 3}) + "\x00\x01\x7f\x80\xfe\xff"s);
  CHECK(bytes.shape() == Shape{2, 3});
  CHECK(to_vector<std::int64_t>(bytes) == std::vector<std::int64_t>{0, 1, 127, 128, 254, 255});
  CHECK(to_vector<std::int64_t>(read(idx_header(0x09, {2}) + "\x7f\x80"s)) == std::vector<std::int64_t>{127, -128});
  CHECK(to_vector<std::int64_t>(read(idx_header(0x0B, {2}) + "\x01\x02\xff\xfe"s)) ==
        std::vector<std::int64_t>{258, -2});
  CHECK(to_vector<std::int64_t>(read(idx_header(0x0C, {2}) + big_endian(0x01020304) + big_endian(0x80000000))) ==
        std::vector<std::int64_t>{0x01020304, -2147483648LL});
  CHECK(to_vector<float>(read(idx_header(0x0D, {2}) + big_endian(0x3fc00000) + big_endian(0xc0000000))) ==
        std::vector<float>{1.5f, -2.0f});
  CHECK(to_vector<double>(read(idx_header(0x0E, {1}) + big_endian(0x3ff80000) + big_endian(0))) ==
        std::vector<double>{1.5});
  CHECK(to_vector<float>(read(idx_header(0x08, {1}) + "\xff"s, {.dtype = float32})) == std::vector<float>{255.0f});
  CHECK(read(idx_header(0x08, {0, 5})).shape() == Shape{0, 5});
  CHECK(read(gzip(idx_header(0x0E, {1}) + big_endian(0x3ff80000) + big_endian(0))).item() == 1.5);
  // Two gzip members in one file are one stream.
  CHECK(read(gzip(idx_header(0x08, {2}) + "\x01") + gzip("\x02")).data<std::int64_t>()[1] == 2);
}

TEST_CASE("what is no idx file is refused, with its path and the reason") {
  const Folder folder;
  const auto error = [&](const std::string& bytes, const data::IdxOptions& options = {}) {
    const std::string path = folder.write("odd.idx", bytes);
    const std::string text = error_of([&] { (void)data::read_idx(path, options); });
    CHECK(has(text, path));
    return text;
  };
  CHECK(has(error(""), "cut short"));
  CHECK(has(error("abcdefgh"), "no idx file"));
  CHECK(has(error(idx_header(0x0A, {1}) + "x"), "no idx file"));
  CHECK(has(error(idx_header(0x08, {})), "0 axes"));
  CHECK(has(error(idx_header(0x08, std::vector<std::uint32_t>(9, 1)) + "x"), "9 axes"));
  CHECK(has(error(idx_header(0x08, {4}) + "abc"), "more than a file of its size can hold"));
  CHECK(has(error(idx_header(0x08, {4}) + "abcde"), "goes on after"));
  CHECK(has(error(idx_header(0x08, {0xffffffff, 0xffffffff, 0xffffffff}) + "abc"),
            "more than a file of its size can hold"));
  CHECK(has(error(idx_header(0x08, {0xffffffff, 0xffffffff, 0xffffffff, 0})), "more than a file of its size can hold"));
  CHECK(has(error(gzip(idx_header(0x08, {1u << 30}) + "abc")), "more than a file of its size can hold"));
  CHECK(has(error(gzip(idx_header(0x08, {4}) + "abc")), "cut short"));
  CHECK(has(error(gzip(idx_header(0x08, {4}) + "abcde")), "goes on after"));
  CHECK(has(error(gzip(idx_header(0x08, {4}) + "abcd") + "garbage"), "gzip stream is damaged"));
  CHECK(has(error(idx_header(0x0D, {1}) + "abcd", {.dtype = int64}), "float32"));
  CHECK(has(error_of([&] { (void)data::read_idx(folder / "missing"); }), "no such file"));
  CHECK(has(error_of([&] { (void)data::read_idx(folder.path()); }), "folder"));
  CHECK(has(error_of([] { (void)data::read_idx("/dev/zero"); }), "not a regular file"));
}

TEST_CASE("an idx file cut at any byte is refused; so is a gzip file") {
  const Folder folder;
  const std::string plain = idx_header(0x0B, {3, 2}) + "abcdefghijkl", packed = gzip(plain);
  for (const std::string& whole : {plain, packed}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      CAPTURE(length);
      const std::string path = folder.write("cut", whole.substr(0, length));
      CHECK(has(error_of([&] { (void)data::read_idx(path); }), path));
    }
    CHECK(data::read_idx(folder.write("whole", whole)).shape() == Shape{3, 2});
  }
}

TEST_CASE("a changed byte is either refused or read, never worse") {
  const Folder folder;
  const std::string plain = idx_header(0x08, {5, 4}) + std::string(20, 'x'), packed = gzip(plain);
  std::mt19937 random(1);
  for (const std::string& whole : {plain, packed}) {
    int refused = 0;
    for (int trial = 0; trial < 400; ++trial) {
      std::string bytes = whole;
      for (unsigned flips = random() % 3 + 1; flips > 0; --flips)
        bytes[random() % bytes.size()] ^= char(1 << random() % 8);
      const std::string path = folder.write("changed", bytes);
      try {
        (void)data::read_idx(path);
      } catch (const Error& error) {
        CHECK(has(error.what(), "read_idx"));
        ++refused;
      }
    }
    CHECK(refused > 100);
  }
}

TEST_CASE("mnist reads a folder, plain or packed") {
  for (const bool packed : {false, true}) {
    const Folder folder;
    const std::string ending = packed ? ".gz" : "";
    const auto form = [&](const std::string& bytes) { return packed ? gzip(bytes) : bytes; };
    folder.write("train-images-idx3-ubyte" + ending, form(images(13)));
    folder.write("train-labels-idx1-ubyte" + ending, form(labels(13)));
    const data::Dataset set = data::mnist(folder.path(), data::Split::train);
    CHECK(set.x.shape() == Shape{13, 1, 28, 28});
    CHECK(set.y.shape() == Shape{13});
    CHECK(set.num_classes() == 10);
    for (Index i = 0; i < 13 * 784; ++i) REQUIRE(set.x.data<float>()[i] == float((i * 7 + i / 784) % 256) / 255.0f);
    CHECK(set.y.data<std::int64_t>()[12] == 2);
    CHECK(data::fashion_mnist(folder.path(), data::Split::train).class_names[9] == "Ankle boot");
    const std::string missing = error_of([&] { (void)data::mnist(folder.path(), data::Split::test); });
    CHECK(has(missing, folder.path()));
    CHECK(has(missing, "t10k-images-idx3-ubyte"));
  }
  const std::string nowhere = error_of([] { (void)data::mnist("/nowhere", data::Split::train); });
  CHECK(has(nowhere, "/nowhere"));
  CHECK(has(nowhere, "train-images"));
}

TEST_CASE("mnist refuses what does not fit together") {
  const Folder folder;
  const auto error = [&](const std::string& image_bytes, const std::string& label_bytes) {
    folder.write("t10k-images-idx3-ubyte", image_bytes);
    folder.write("t10k-labels-idx1-ubyte", label_bytes);
    return error_of([&] { (void)data::mnist(folder.path(), data::Split::test); });
  };
  CHECK(error(images(3), labels(3)).empty());
  CHECK(has(error(images(3), labels(4)), "3 images"));
  CHECK(has(error(images(0), labels(0)), "no images"));
  CHECK(has(error(labels(3), labels(3)), "(n, 28, 28) are expected"));
  CHECK(has(error(images(3), images(3)), "(n) are expected"));
  CHECK(has(error(idx_header(8, {1, 28, 27}) + std::string(28 * 27, 'x'), labels(1)), "(1, 28, 27)"));
  CHECK(has(error(images(1), idx_header(8, {1}) + "\x0a"), "label 10"));
  CHECK(has(error(images(2) + "x", labels(2)), "goes on after"));
  CHECK(has(error(images(2).substr(0, 1000), labels(2)), "t10k-images"));
}

TEST_CASE("the real MNIST") {
  const std::string root = real_data("mnist");
  if (root.empty()) return;
  const data::Dataset test = data::mnist(root, data::Split::test), train = data::mnist(root, data::Split::train);
  CHECK(train.x.shape() == Shape{60000, 1, 28, 28});
  CHECK(test.x.shape() == Shape{10000, 1, 28, 28});
  // Counts as on http://yann.lecun.com/exdb/mnist and mean and deviation as everybody normalises with: 0.1307, 0.3081.
  CHECK(train.class_counts() == std::vector<Index>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  CHECK(test.class_counts() == std::vector<Index>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
  double sum = 0, squares = 0;
  for (Index i = 0; i < train.x.numel(); ++i) {
    const double value = double(train.x.data<float>()[i]);
    sum += value;
    squares += value * value;
  }
  const double mean = sum / double(train.x.numel());
  CHECK(mean == doctest::Approx(0.1307).epsilon(5e-4));
  CHECK(std::sqrt(squares / double(train.x.numel()) - mean * mean) == doctest::Approx(0.3081).epsilon(5e-4));
  CHECK(train.y.data<std::int64_t>()[0] == 5);
  CHECK(test.y.data<std::int64_t>()[0] == 7);
}

TEST_CASE("the real Fashion-MNIST, in part") {
  const std::string root = real_data("fashion_mnist_subset");
  if (root.empty()) return;
  const data::Dataset train = data::fashion_mnist(root, data::Split::train),
                      test = data::fashion_mnist(root, data::Split::test);
  CHECK(train.x.shape() == Shape{8226, 1, 28, 28});
  CHECK(test.x.shape() == Shape{6978, 1, 28, 28});
  const std::vector<Index> counts = train.class_counts();
  CHECK(*std::min_element(counts.begin(), counts.end()) == 766);
  CHECK(*std::max_element(counts.begin(), counts.end()) == 873);
  CHECK(train.class_names[std::size_t(train.y.data<std::int64_t>()[0])] == "Ankle boot");
}
