#include "gradus/data/png.hpp"

#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <vector>

#include "gradus/core/atomic_file.hpp"
#include "gradus/core/format.hpp"
#include "gradus/data/byte_reader.hpp"

namespace gradus::data {
namespace {

constexpr auto reading = "read_png";
constexpr auto writing = "write_png";
constexpr std::size_t signature_size = 8;
// Deflate turns two bits into at most 258 bytes: 1032 to 1 (https://zlib.net/zlib_tech.html).
constexpr std::uint64_t most_inflation = 1032;

// libpng leaves by longjmp when something is wrong. That runs no destructors, so every call that may fail stands in a
// function of a few lines that sets the jump, has nothing to destroy, and tells by its result whether it came through.
// Exceptions do not pass through libpng either: callbacks keep them here.
struct Failure {
  std::array<char, 200> message{};
  std::exception_ptr exception;
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& failure = *static_cast<Failure*>(png_get_error_ptr(png));
  std::snprintf(failure.message.data(), failure.message.size(), "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

// -- reading

void on_read(png_structp png, png_bytep bytes, std::size_t count) {
  std::size_t got = 0;
  try {
    got = static_cast<ByteReader*>(png_get_io_ptr(png))->read(bytes, count);
  } catch (...) {
    static_cast<Failure*>(png_get_error_ptr(png))->exception = std::current_exception();
  }
  if (got < count) png_error(png, "is cut short");
}

struct Reader {
  Failure failure;
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Reader(ByteReader& file) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      file.fail("libpng has no memory to read it");
    }
    png_set_read_fn(png, &file, on_read);
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

// The header and what stands before the pixels.
bool read_header(png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_sig_bytes(png, int(signature_size));
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the caller counts pixels
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_read_info(png, info);
  return true;
}

// Asks for grey, grey + alpha, RGB or RGBA of 8 or 16 bits, the latter in this machine's order.
bool ask_for_numbers(png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_expand(png);
  if (png_get_bit_depth(png, info) == 16) png_set_swap(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return true;
}

bool read_pixels(png_structp png, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

// Numbers of type T, pixel by pixel -> planes of floats in [0, 1].
template <class T>
Tensor to_planes(const std::vector<T>& values, Index height, Index width, Index stored, const PngOptions& options) {
  const Index pixels = height * width, colours = stored < 3 ? 1 : 3, count = options.channels == 0 ? colours : options.channels;
  const bool has_alpha = stored == 2 || stored == 4;
  constexpr double scale = 1.0 / double(std::numeric_limits<T>::max());
  Tensor out = Tensor::make(reading, {count, height, width}, float32);
  float* to = out.data<float>();
  for (Index i = 0; i < pixels; ++i) {
    const T* from = values.data() + i * stored;
    const double alpha = has_alpha ? from[stored - 1] * scale : 1;
    const auto shown = [&](Index c) { return alpha * (from[c] * scale) + (1 - alpha) * options.background; };
    if (count == 1 && colours == 3)
      to[i] = float(0.299 * shown(0) + 0.587 * shown(1) + 0.114 * shown(2));
    else
      for (Index c = 0; c < count; ++c) to[c * pixels + i] = float(shown(std::min(c, colours - 1)));
  }
  return out;
}

// -- writing

void on_write(png_structp png, png_bytep bytes, std::size_t count) {
  auto& failure = *static_cast<Failure*>(png_get_error_ptr(png));
  try {
    static_cast<AtomicFile*>(png_get_io_ptr(png))->write(bytes, count);
  } catch (...) {
    failure.exception = std::current_exception();
  }
  if (failure.exception) png_error(png, "cannot be written");
}

void on_flush(png_structp) {}

struct Writer {
  Failure failure;
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Writer(AtomicFile& file) {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) {
      png_destroy_write_struct(&png, nullptr);
      fail(writing, "libpng has no memory");
    }
    png_set_write_fn(png, &file, on_write, on_flush);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

bool write_image(png_structp png, png_infop info, png_uint_32 width, png_uint_32 height, int colour, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_IHDR(png, info, width, height, 8, colour, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_write_image(png, rows);
  png_write_end(png, info);
  return true;
}

std::vector<png_bytep> row_pointers(png_bytep bytes, std::size_t row, std::size_t height) {
  std::vector<png_bytep> rows(height);
  for (std::size_t i = 0; i < height; ++i) rows[i] = bytes + i * row;
  return rows;
}

}  // namespace

Tensor read_png(const std::string& path, const PngOptions& options) {
  if (options.channels != 0 && options.channels != 1 && options.channels != 3)
    failf(reading, "{} channels were asked for; 1 (grey), 3 (RGB) or 0 (as the file has it) can be had", options.channels);
  if (!(options.background >= 0 && options.background <= 1))
    failf(reading, "the background is {}; it must be in [0, 1]", options.background);
  ByteReader file(reading, path);
  std::array<png_byte, signature_size> signature{};
  if (file.read(signature.data(), signature.size()) < signature.size() ||
      png_sig_cmp(signature.data(), 0, signature.size()) != 0)
    file.fail("is not a PNG file");

  Reader reader(file);
  const auto check = [&](bool came_through) {
    if (came_through) return;
    if (reader.failure.exception) std::rethrow_exception(reader.failure.exception);
    file.fail(fmt::format("is damaged: {}", reader.failure.message.data()));
  };
  check(read_header(reader.png, reader.info));
  const std::uint64_t width = png_get_image_width(reader.png, reader.info);
  const std::uint64_t height = png_get_image_height(reader.png, reader.info);
  if (width * height > options.largest)
    file.fail(fmt::format("claims {} x {} pixels, more than the {} that are allowed; hint: PngOptions::largest", width,
                          height, options.largest));
  if (png_get_rowbytes(reader.png, reader.info) * height / most_inflation > file.upper_bound())
    file.fail(fmt::format("claims {} x {} pixels, which its {} bytes cannot hold", width, height, file.upper_bound()));
  check(ask_for_numbers(reader.png, reader.info));

  const Index stored = png_get_channels(reader.png, reader.info);
  const auto read_as = [&]<class T>(T) {
    const std::size_t row = std::size_t(width) * std::size_t(stored);
    if (png_get_rowbytes(reader.png, reader.info) != row * sizeof(T)) file.fail("has rows of a length that libpng does not explain");
    std::vector<T> values(row * height);
    std::vector<png_bytep> rows = row_pointers(reinterpret_cast<png_bytep>(values.data()), row * sizeof(T), height);
    check(read_pixels(reader.png, rows.data()));
    return to_planes(values, Index(height), Index(width), stored, options);
  };
  return png_get_bit_depth(reader.png, reader.info) == 16 ? read_as(std::uint16_t{}) : read_as(std::uint8_t{});
}

void write_png(const std::string& path, const Tensor& x) {
  check_floating(writing, x);
  if (x.dim() != 3 || (x.size(0) != 1 && x.size(0) != 3))
    failf(writing, "needs an image of shape (1, height, width) or (3, height, width), got {}", x.shape());
  const Index channels = x.size(0), height = x.size(1), width = x.size(2), pixels = height * width;
  if (pixels == 0 || std::max(height, width) > Index(PNG_UINT_31_MAX))
    failf(writing, "an image of shape {}; a PNG has 1 to 2^31 - 1 pixels on each side", x.shape());
  std::vector<png_byte> bytes(static_cast<std::size_t>(x.numel()));
  dispatch_floating(writing, x.dtype(), [&]<class T> {
    const T* from = x.data<T>();
    for (Index c = 0; c < channels; ++c)
      for (Index i = 0; i < pixels; ++i) {
        const double value = double(from[c * pixels + i]);
        if (!std::isfinite(value)) failf(writing, "the image of shape {} has values that are not finite", x.shape());
        bytes[std::size_t(i * channels + c)] = png_byte(std::lround(255 * std::clamp(value, 0.0, 1.0)));
      }
  });
  std::vector<png_bytep> rows = row_pointers(bytes.data(), std::size_t(width * channels), std::size_t(height));

  AtomicFile file(writing, path);
  Writer writer(file);
  if (!write_image(writer.png, writer.info, png_uint_32(width), png_uint_32(height),
                   channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, rows.data())) {
    if (writer.failure.exception) std::rethrow_exception(writer.failure.exception);
    failf(writing, "\"{}\": {}", path, writer.failure.message.data());
  }
  file.commit();
}

}  // namespace gradus::data
