#include "gradus/data/png.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "gradus/tensor/factories.hpp"
#include "support.hpp"

using namespace gradus;

namespace {

// A PNG written from the standard alone: signature, chunks, every row with filter 0, packed bits, Adam7 if wanted.
enum Colour { grey = 0, rgb = 2, palette = 3, grey_alpha = 4, rgba = 6 };

struct Image {
  int width, height, depth;
  Colour colour;
  std::vector<unsigned> values;  // pixel by pixel; for a palette its indices
  std::vector<int> colours = {};  // of the palette
  std::string transparency = {};  // content of tRNS; empty: none
  bool interlaced = false;

  int channels() const { return colour == rgb ? 3 : colour == grey_alpha ? 2 : colour == rgba ? 4 : 1; }
};

std::string chunk(const std::string& type, const std::string& content) {
  const std::string named = type + content;
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(named.data()), uInt(named.size()));
  return big_endian(std::uint32_t(content.size())) + named + big_endian(std::uint32_t(sum));
}

std::string deflated(const std::string& bytes) { return compressed(bytes, 15); }

// The rows of every step-th pixel from (y0, x0) on.
std::string rows_of(const Image& image, int y0, int x0, int dy, int dx) {
  std::string out;
  if (x0 >= image.width) return out;
  for (int y = y0; y < image.height; y += dy) {
    out += '\0';
    std::string bits;
    for (int x = x0; x < image.width; x += dx)
      for (int c = 0; c < image.channels(); ++c)
        for (int b = image.depth - 1; b >= 0; --b)
          bits += char(image.values[std::size_t((y * image.width + x) * image.channels() + c)] >> b & 1);
    for (std::size_t i = 0; i < bits.size(); i += 8) {
      int byte = 0;
      for (std::size_t b = 0; b < 8; ++b) byte = 2 * byte + (i + b < bits.size() ? bits[i + b] : 0);
      out += char(byte);
    }
  }
  return out;
}

const std::string signature = "\x89PNG\r\n\x1a\n";

std::string header(const Image& image) {
  return chunk("IHDR", big_endian(std::uint32_t(image.width)) + big_endian(std::uint32_t(image.height)) + char(image.depth) +
                           char(image.colour) + '\0' + '\0' + char(image.interlaced));
}

std::string encode(const Image& image) {
  std::string out = signature + header(image), rows;
  if (image.colour == palette) out += chunk("PLTE", std::string(image.colours.begin(), image.colours.end()));
  if (!image.transparency.empty()) out += chunk("tRNS", image.transparency);
  if (image.interlaced)
    for (const auto& [y, x, dy, dx] : {std::array{0, 0, 8, 8}, {0, 4, 8, 8}, {4, 0, 8, 4}, {0, 2, 4, 4}, {2, 0, 4, 2}, {0, 1, 2, 2}, {1, 0, 2, 1}})
      rows += rows_of(image, y, x, dy, dx);
  else
    rows = rows_of(image, 0, 0, 1, 1);
  return out + chunk("tEXt", std::string("Title\0a test", 12)) + chunk("IDAT", deflated(rows)) + chunk("IEND", "");
}

Image random_image(Colour colour, int depth, int width, int height, bool interlaced, unsigned seed) {
  Image image{width, height, depth, colour, {}, {}, {}, interlaced};
  std::mt19937 random(seed);
  for (int i = 0; i < width * height * image.channels(); ++i) image.values.push_back(unsigned(random() % (1U << depth)));
  if (colour == palette)
    for (int i = 0; i < 3 << depth; ++i) image.colours.push_back(int(random() % 256));
  return image;
}

// What is to be read: colour c of pixel i, alpha laid over `background`.
double expected(const Image& image, std::size_t i, int c, double background = 1) {
  const int channels = image.channels();
  const double most = double((1U << image.depth) - 1);
  const bool has_alpha = image.colour == grey_alpha || image.colour == rgba;
  double value = 0, alpha = has_alpha ? image.values[(i + 1) * std::size_t(channels) - 1] / most : 1;
  if (image.colour == palette) {
    const unsigned index = image.values[i];
    value = image.colours[3 * index + std::size_t(c)] / 255.0;
    if (index < image.transparency.size()) alpha = static_cast<unsigned char>(image.transparency[index]) / 255.0;
  } else {
    value = image.values[i * std::size_t(channels) + std::size_t(channels < 3 ? 0 : c)] / most;
  }
  return alpha * value + (1 - alpha) * background;
}

void check_image(const Tensor& x, const Image& image, int channels, double background = 1) {
  REQUIRE(x.shape() == Shape{channels, image.height, image.width});
  const std::size_t pixels = std::size_t(image.width * image.height);
  for (int c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < pixels; ++i) {
      CAPTURE(i);
      REQUIRE(std::abs(x.data<float>()[std::size_t(c) * pixels + i] - expected(image, i, c, background)) < 1e-7);
    }
}

const Image small = random_image(rgb, 8, 3, 2, false, 1);

}  // namespace

TEST_CASE("read_png reads every kind of PNG") {
  const Folder folder;
  for (const Colour colour : {grey, rgb, palette, grey_alpha, rgba})
    for (const int depth : {1, 2, 4, 8, 16}) {
      if ((colour == palette && depth == 16) || (colour != grey && colour != palette && depth < 8)) continue;
      for (const bool interlaced : {false, true})
        for (const auto& [width, height] : {std::pair{1, 1}, {5, 3}, {13, 17}, {8, 1}}) {
          CAPTURE(int(colour));
          CAPTURE(depth);
          CAPTURE(interlaced);
          const Image image = random_image(colour, depth, width, height, interlaced, unsigned(width + depth));
          const Tensor x = data::read_png(folder.write("image.png", encode(image)));
          check_image(x, image, colour == grey || colour == grey_alpha ? 1 : 3);
        }
    }
}

TEST_CASE("what is transparent shows the background") {
  const Folder folder;
  Image image = random_image(palette, 2, 7, 5, false, 3);
  image.transparency = std::string("\x00\x80\xff", 3);  // the fourth colour is opaque
  check_image(data::read_png(folder.write("a.png", encode(image)), {.background = 0.25}), image, 3, 0.25);
  const Image full = random_image(rgba, 16, 4, 4, false, 4);
  check_image(data::read_png(folder.write("b.png", encode(full)), {.background = 0}), full, 3, 0);
  // One grey level that counts as transparent.
  Image level{3, 1, 8, grey, {10, 20, 30}};
  level.transparency = std::string("\0\x14", 2);
  CHECK(to_vector<float>(data::read_png(folder.write("c.png", encode(level)), {.background = 0.5})) ==
        std::vector<float>{float(10 / 255.0), 0.5F, float(30 / 255.0)});
}

TEST_CASE("grey becomes colour and colour grey") {
  const Folder folder;
  const Image colourful = random_image(rgb, 8, 6, 5, false, 5), plain = random_image(grey, 8, 6, 5, false, 6);
  const Tensor luma = data::read_png(folder.write("a.png", encode(colourful)), {.channels = 1});
  REQUIRE(luma.shape() == Shape{1, 5, 6});
  for (std::size_t i = 0; i < 30; ++i)
    CHECK(luma.data<float>()[i] ==
          doctest::Approx(0.299 * expected(colourful, i, 0) + 0.587 * expected(colourful, i, 1) + 0.114 * expected(colourful, i, 2)).epsilon(1e-6));
  check_image(data::read_png(folder.write("b.png", encode(plain)), {.channels = 3}), plain, 3);
  check_image(data::read_png(folder.write("b.png", encode(plain)), {.channels = 1}), plain, 1);
}

TEST_CASE("what write_png writes is read again, to the nearest of 256 levels") {
  const Folder folder;
  const std::string path = folder / "image.png";
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{3, 1, 1}, Shape{1, 7, 13}, Shape{3, 31, 17}}) {
    const Tensor x = uniform(shape, -0.1, 1.1);
    data::write_png(path, x);
    const Tensor y = data::read_png(path);
    REQUIRE(y.shape() == shape);
    for (Index i = 0; i < x.numel(); ++i)
      REQUIRE(std::abs(y.data<float>()[i] - std::min(1.0F, std::max(0.0F, x.data<float>()[i]))) <= 0.5F / 255 + 1e-6F);
    data::write_png(path, y.to(float64));
    CHECK(to_vector<float>(data::read_png(path)) == to_vector<float>(y));
  }
  CHECK(folder.entries() == 1);
}

TEST_CASE("cut at any length, a file is refused") {
  const Folder folder;
  for (const Image& image : {small, random_image(palette, 4, 5, 5, true, 2)}) {
    const std::string bytes = encode(image);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      CAPTURE(length);
      const std::string path = folder.write("cut.png", bytes.substr(0, length));
      const std::string text = error_of([&] { (void)data::read_png(path); });
      CHECK(has(text, "read_png: " + path));
      CHECK(has(text, length < 8 ? "is not a PNG file" : "is cut short"));
    }
  }
}

TEST_CASE("every single bit counts") {
  const Folder folder;
  const std::string bytes = encode(small);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    CAPTURE(bit);
    std::string damaged = bytes;
    damaged[bit / 8] = char(damaged[bit / 8] ^ 1 << bit % 8);
    CHECK(has(error_of([&] { (void)data::read_png(folder.write("bit.png", damaged)); }), "bit.png: "));
  }
}

TEST_CASE("chunks with right checksums and wrong contents give an image or an error") {
  const Folder folder;
  std::mt19937 random(7);
  int refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    Image image = random_image(std::array{grey, rgb, palette, grey_alpha, rgba}[random() % 5], 8, int(1 + random() % 6), int(1 + random() % 6),
                               random() % 2 == 0, unsigned(trial));
    if (random() % 3 == 0) image.transparency = std::string(random() % 9, char(random()));
    std::string bytes = encode(image);
    // Changes the content of one chunk and gives it the checksum that belongs to it.
    std::vector<std::size_t> starts;
    for (std::size_t at = 8; at < bytes.size();) {
      starts.push_back(at);
      at += 12 + std::size_t(std::uint8_t(bytes[at + 3])) + 256 * std::size_t(std::uint8_t(bytes[at + 2]));
    }
    const std::size_t at = starts[random() % starts.size()];
    const std::size_t length = std::size_t(std::uint8_t(bytes[at + 3])) + 256 * std::size_t(std::uint8_t(bytes[at + 2]));
    std::string type = bytes.substr(at + 4, 4), content = bytes.substr(at + 8, length);
    for (std::size_t changes = 1 + random() % 3; changes > 0; --changes)
      switch (random() % 4) {
        case 0: content.resize(random() % (length + 3)); break;
        case 1: type = std::array{"IHDR", "PLTE", "IDAT", "tRNS", "gAMA", "iCCP", "zTXt", "sBIT", "hIST", "IEND"}[random() % 10]; break;
        default:
          if (!content.empty()) content[random() % content.size()] = char(random());
      }
    bytes = bytes.substr(0, at) + chunk(type, content) + bytes.substr(at + 12 + length);
    try {
      const Tensor x = data::read_png(folder.write("odd.png", bytes), {.largest = 100000});
      for (Index i = 0; i < x.numel(); ++i) REQUIRE((x.data<float>()[i] >= 0 && x.data<float>()[i] <= 1));
    } catch (const Error& error) {
      ++refused;
      REQUIRE(has(error.what(), "odd.png"));
    }
  }
  CHECK(refused > 500);
  CHECK(refused < 3000);
}

TEST_CASE("sizes that a file cannot have are refused before anything is allocated") {
  const Folder folder;
  const auto claims = [&](int width, int height, const data::PngOptions& options = {}) {
    Image image{width, height, 8, grey, {}};
    const std::string bytes = signature + header(image) + chunk("IDAT", deflated("abc")) + chunk("IEND", "");
    return error_of([&] { (void)data::read_png(folder.write("huge.png", bytes), options); });
  };
  CHECK(has(claims(2147483647, 2147483647), "claims 2147483647 x 2147483647 pixels, more than the 268435456"));
  CHECK(has(claims(100000, 2684), "cannot hold"));
  CHECK(has(claims(11, 10, {.largest = 100}), "claims 11 x 10 pixels, more than the 100"));
  CHECK(has(claims(0, 5), "damaged"));
  CHECK(has(claims(5, 0), "damaged"));
  CHECK(has(claims(5, -1), "damaged"));
  CHECK(has(claims(10, 10), "damaged"));  // fits, but the pixels are not there
}

TEST_CASE("misuse of read_png and write_png") {
  const Folder folder;
  const std::string path = folder / "image.png";
  CHECK(has(error_of([&] { (void)data::read_png(path); }), "there is no such file"));
  CHECK(has(error_of([&] { (void)data::read_png(folder.path()); }), "is a folder"));
  CHECK(has(error_of([&] { (void)data::read_png(folder.write("text.png", "GIF89a, or so it says")); }), "is not a PNG file"));
  CHECK(has(error_of([&] { (void)data::read_png(path, {.channels = 2}); }), "2 channels"));
  CHECK(has(error_of([&] { (void)data::read_png(path, {.background = 1.5}); }), "background is 1.5"));
  std::filesystem::remove(folder / "text.png");
  for (const Shape& shape : {Shape{4, 4}, Shape{2, 4, 4}, Shape{4, 4, 4}, Shape{1, 3, 4, 4}})
    CHECK(has(error_of([&] { data::write_png(path, zeros(shape)); }), "(3, height, width), got " + to_string(shape)));
  for (const Shape& shape : {Shape{1, 0, 4}, Shape{3, 4, 0}})
    CHECK(has(error_of([&] { data::write_png(path, zeros(shape)); }), "an image of shape " + to_string(shape)));
  CHECK(has(error_of([&] { data::write_png(path, zeros({1, 2, 2}, {.dtype = int64})); }), "write_png"));
  for (const double odd : {std::nan(""), std::numeric_limits<double>::infinity()})
    CHECK(has(error_of([&] { data::write_png(path, full({1, 2, 2}, odd)); }), "not finite"));
  CHECK(folder.entries() == 0);
  CHECK(has(error_of([&] { data::write_png(folder / "none" + "/image.png", zeros({1, 2, 2})); }), "write_png"));
}

TEST_CASE("a disk that is full is an error, and libpng is left in good order") {
  if (!std::filesystem::exists("/dev/full")) {
    MESSAGE("skipped: there is no /dev/full");
    return;
  }
  CHECK(has(error_of([] { data::write_png("/dev/full", zeros({1, 64, 64})); }), "/dev/full"));
}

TEST_CASE("real photographs") {
  // Sums of the bytes, by another reader.
  for (const auto& [name, channels, sum] :
       {std::tuple{"images/camera.png", 1, 33832495.0}, std::tuple{"images/astronaut.png", 3, 90124324.0}}) {
    const std::string path = real_data(name);
    if (path.empty()) return;
    const Tensor x = data::read_png(path);
    REQUIRE(x.shape() == Shape{channels, 512, 512});
    double total = 0;
    for (Index i = 0; i < x.numel(); ++i) total += std::round(255.0 * x.data<float>()[i]);
    CHECK(total == sum);
  }
}
