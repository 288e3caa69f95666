#include "gradus/data/idx.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/data/byte_reader.hpp"

namespace gradus::data {
namespace {

struct Header {
  std::uint8_t type;
  Shape shape;
  std::size_t element_bytes;
};

std::size_t element_bytes(std::uint8_t type) {
  switch (type) {
    case 0x08:
    case 0x09:
      return 1;  // unsigned and signed bytes
    case 0x0B:
      return 2;  // 16-bit whole numbers
    case 0x0C:
    case 0x0D:
      return 4;  // 32-bit whole numbers, float
    case 0x0E:
      return 8;  // double
    default:
      return 0;
  }
}

// Reads the header and makes sure, before anything is allocated, that the file can hold what it announces.
Header read_header(ByteReader& file) {
  std::array<std::uint8_t, 4> magic{};
  file.read_exactly(magic.data(), magic.size(), "the idx magic number");
  const std::size_t bytes = element_bytes(magic[2]), axes = magic[3];
  if (magic[0] != 0 || magic[1] != 0 || bytes == 0)
    file.fail(fmt::format(
        "is no idx file: it begins with {:02x} {:02x} {:02x} {:02x}, 00 00 and a type of 08 to 0e are expected",
        magic[0], magic[1], magic[2], magic[3]));
  if (axes == 0 || axes > Shape::max_axes)
    file.fail(fmt::format("announces {} axes; 1 to {} are possible", axes, std::size_t(Shape::max_axes)));
  Header header{magic[2], {}, bytes};
  std::uint64_t total = bytes;
  bool empty = false, overflow = false;
  for (std::size_t i = 0; i < axes; ++i) {
    std::array<std::uint8_t, 4> size{};
    file.read_exactly(size.data(), size.size(), fmt::format("the size of axis {}", i));
    const std::uint32_t value = std::uint32_t{size[0]} << 24 | std::uint32_t{size[1]} << 16 |
                                std::uint32_t{size[2]} << 8 | std::uint32_t{size[3]};
    header.shape.push_back(Index{value});
    empty = empty || value == 0;
    overflow = __builtin_mul_overflow(total, std::uint64_t{std::max(value, 1u)}, &total) || overflow;
  }
  overflow = __builtin_add_overflow(total, 4 + 4 * axes, &total) || overflow;
  if (overflow || (!empty && total > file.upper_bound()))
    file.fail(
        fmt::format("announces {} elements of {} bytes, more than a file of its size can hold", header.shape, bytes));
  return header;
}

// Calls body(raw elements, first, count) for the elements piece by piece, then checks that the file ends.
template <class Body>
void for_each_piece(ByteReader& file, const Header& header, Body&& body) {
  const std::size_t n = std::size_t(header.shape.numel()), bytes = header.element_bytes;
  std::vector<std::uint8_t> buffer(std::min<std::size_t>(n * bytes, 64 * 1024));
  for (std::size_t first = 0; first < n;) {
    const std::size_t count = std::min(n - first, buffer.size() / bytes);
    file.read_exactly(buffer.data(), count * bytes,
                      fmt::format("elements {} to {} of {}", first, first + count, header.shape));
    body(buffer.data(), first, count);
    first += count;
  }
  file.expect_end();
}

// The whole number in `bytes` big-endian bytes.
std::uint64_t big_endian(const std::uint8_t* raw, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | raw[i];
  return value;
}

template <class T>
T element(std::uint8_t type, const std::uint8_t* raw) {
  switch (type) {
    case 0x08:
      return T(raw[0]);
    case 0x09:
      return T(std::int8_t(raw[0]));
    case 0x0B:
      return T(std::int16_t(big_endian(raw, 2)));
    case 0x0C:
      return T(std::int32_t(big_endian(raw, 4)));
    case 0x0D:
      return T(std::bit_cast<float>(std::uint32_t(big_endian(raw, 4))));
    default:
      return T(std::bit_cast<double>(big_endian(raw, 8)));
  }
}

std::string find_file(const char* operation, const std::string& root, const std::string& name) {
  std::error_code ignored;
  for (const char* ending : {"", ".gz"}) {
    const std::string path = (std::filesystem::path(root) / (name + ending)).string();
    if (std::filesystem::exists(path, ignored)) return path;
  }
  failf(operation,
        "there is no {} and no {}.gz in {}; hint: datasets/download.sh fetches the files, and the folder they are in "
        "is the argument",
        name, name, root);
}

// The header of a file of unsigned bytes with the axes that `expected` describes.
Header read_byte_header(ByteReader& file, std::size_t axes, const char* expected) {
  const Header header = read_header(file);
  if (header.type != 0x08 || header.shape.size() != axes)
    file.fail(fmt::format("holds type {:02x} of shape {}; {} are expected", header.type, header.shape, expected));
  return header;
}

Dataset read_images(const char* operation, const std::string& root, Split split) {
  const std::string part = split == Split::train ? "train" : "t10k";
  const std::string image_path = find_file(operation, root, part + "-images-idx3-ubyte");
  const std::string label_path = find_file(operation, root, part + "-labels-idx1-ubyte");
  Dataset dataset;

  ByteReader labels(operation, label_path);
  const Header label_header = read_byte_header(labels, 1, "unsigned bytes of shape (n)");
  ByteReader images(operation, image_path);
  const Header image_header = read_byte_header(images, 3, "unsigned bytes of shape (n, 28, 28)");
  const Index n = image_header.shape[0];
  if (image_header.shape != Shape{n, 28, 28})
    images.fail(fmt::format("holds images of shape {}; (n, 28, 28) is expected", image_header.shape));
  if (label_header.shape[0] != n)
    failf(operation, "{} holds {} images but {} holds {} labels", image_path, n, label_path, label_header.shape[0]);
  if (n == 0) images.fail("holds no images");

  dataset.y = Tensor::make(operation, {n}, int64);
  std::int64_t* y = dataset.y.data<std::int64_t>();
  for_each_piece(labels, label_header, [&](const std::uint8_t* raw, std::size_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (raw[i] > 9) labels.fail(fmt::format("label {} of sample {} is no class; 0 to 9 are", raw[i], first + i));
      y[first + i] = raw[i];
    }
  });
  dataset.x = Tensor::make(operation, {n, 1, 28, 28}, float32);
  float* x = dataset.x.data<float>();
  for_each_piece(images, image_header, [&](const std::uint8_t* raw, std::size_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) x[first + i] = float(raw[i]) / 255.0f;
  });
  return dataset;
}

}  // namespace

Tensor read_idx(const std::string& path, const IdxOptions& options) {
  ByteReader file("read_idx", path);
  const Header header = read_header(file);
  const DType natural = header.type == 0x0D ? float32 : header.type == 0x0E ? float64 : int64;
  const DType wanted = options.dtype.value_or(natural);
  if (wanted == int64 && natural != int64)
    file.fail(fmt::format("holds {} elements; they do not become int64", natural));
  Tensor out = Tensor::make("read_idx", header.shape, wanted);
  dispatch(wanted, [&]<class T> {
    T* values = out.data<T>();
    for_each_piece(file, header, [&](const std::uint8_t* raw, std::size_t first, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i)
        values[first + i] = element<T>(header.type, raw + i * header.element_bytes);
    });
  });
  return out;
}

Dataset mnist(const std::string& root, Split split) {
  Dataset dataset = read_images("mnist", root, split);
  for (char digit = '0'; digit <= '9'; ++digit) dataset.class_names.emplace_back(1, digit);
  dataset.name = split == Split::train ? "mnist train" : "mnist test";
  return dataset;
}

Dataset fashion_mnist(const std::string& root, Split split) {
  Dataset dataset = read_images("fashion_mnist", root, split);
  dataset.class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                         "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  dataset.name = split == Split::train ? "fashion-mnist train" : "fashion-mnist test";
  return dataset;
}

}  // namespace gradus::data
