#include "gradus/tensor/npy.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "gradus/core/atomic_file.hpp"
#include "gradus/core/format.hpp"
#include "gradus/kernels/movement.hpp"
#include "gradus/tensor/file_reader.hpp"

namespace gradus {
namespace {

constexpr auto saving = "save_npy";
constexpr auto loading = "load_npy";
constexpr std::string_view magic = "\x93NUMPY";
constexpr std::uint64_t largest_header = 1 << 20;
constexpr std::uint64_t largest_tensor = std::uint64_t{1} << 58;

static_assert(std::endian::native == std::endian::little, "this machine's numbers are written as they are");

using detail::FileReader;
using detail::Stored;

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran;
  std::optional<std::vector<std::uint64_t>> shape;
};

// The header is a Python dictionary with three keys, in any order:
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class Parser {
 public:
  Parser(const FileReader& file, std::string_view text) : file_(file), text_(text) {}

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string key = word();
      expect(':');
      if (key == "descr" && !header.descr)
        header.descr = word();
      else if (key == "fortran_order" && !header.fortran)
        header.fortran = truth();
      else if (key == "shape" && !header.shape)
        header.shape = tuple();
      else
        file_.refuse("its header has an unexpected '{}'", key);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip();
    if (at_ != text_.size()) wrong("the end");
    if (!header.descr || !header.fortran || !header.shape)
      file_.refuse("its header has no '{}'", !header.descr ? "descr" : !header.fortran ? "fortran_order" : "shape");
    return header;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool accept(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) wrong(std::string_view(&c, 1));
  }
  [[noreturn]] void wrong(std::string_view wanted) const {
    file_.refuse("its header is wrong at byte {}: expected {}", at_, wanted);
  }

  // '...' or "...": names and types have no escapes.
  std::string word() {
    skip();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) wrong("a text");
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) wrong("the end of a text");
    const std::string_view found = text_.substr(at_ + 1, end - at_ - 1);
    for (const char c : found)
      if (c < ' ' || c > '~' || c == '\\') wrong("plain letters in a text");
    at_ = end + 1;
    return std::string(found);
  }
  bool truth() {
    skip();
    for (const auto& [name, value] :
         {std::pair{std::string_view("True"), true}, std::pair{std::string_view("False"), false}})
      if (text_.substr(at_, name.size()) == name) {
        at_ += name.size();
        return value;
      }
    wrong("True or False");
  }
  std::vector<std::uint64_t> tuple() {
    std::vector<std::uint64_t> sizes;
    expect('(');
    while (!accept(')')) {
      skip();
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), size);
      if (error != std::errc{}) wrong("a size");
      at_ = std::size_t(end - text_.data());
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // written by Python 2
      sizes.push_back(size);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  const FileReader& file_;
  std::string_view text_;
  std::size_t at_ = 0;
};

Stored stored_type(const FileReader& file, const std::string& descr) {
  struct Known {
    std::string_view code;
    Stored stored;
  };
  constexpr Known all[] = {{"b1", Stored::boolean}, {"u1", Stored::u8},  {"i1", Stored::i8},  {"u2", Stored::u16},
                           {"i2", Stored::i16},     {"u4", Stored::u32}, {"i4", Stored::i32}, {"u8", Stored::u64},
                           {"i8", Stored::i64},     {"f2", Stored::f16}, {"f4", Stored::f32}, {"f8", Stored::f64}};
  if (descr.size() == 3 && std::string_view("<>|=").find(descr[0]) != std::string_view::npos)
    for (const Known& known : all)
      if (std::string_view(descr).substr(1) == known.code && (descr[0] != '|' || detail::size_of(known.stored) == 1))
        return known.stored;
  file.refuse("its elements are '{}'; floats, integers and booleans of at most 64 bits can be read", descr);
}

Tensor read_array(const char* operation, FileReader& file) {
  char start[8];
  if (file.size() < sizeof start + 2) file.refuse("it has only {} bytes", file.size());
  file.read(start, sizeof start);
  if (std::string_view(start, magic.size()) != magic) file.refuse("it does not start as a .npy file does");
  const int version = static_cast<unsigned char>(start[6]);
  if (version < 1 || version > 3) file.refuse("its version is {}; 1, 2 and 3 are known", version);
  std::uint32_t length = 0;
  const std::size_t bytes_of_length = version == 1 ? 2 : 4;
  if (file.size() < sizeof start + bytes_of_length) file.refuse("it has only {} bytes", file.size());
  file.read(&length, bytes_of_length);
  if (length > largest_header || length > file.size() - file.position())
    file.refuse("its header would have {} bytes, in a file of {}", length, file.size());
  std::string text(length, '\0');
  file.read(text.data(), length);
  const Header header = Parser(file, text).parse();

  const Stored stored = stored_type(file, *header.descr);
  if (header.shape->size() > Shape::max_axes)
    file.refuse("it has {} axes; at most {} are supported", header.shape->size(), Shape::max_axes);
  Shape shape;
  std::uint64_t bytes = detail::size_of(stored);
  bool fits = true;
  for (const std::uint64_t size : *header.shape) {
    fits = fits && size <= largest_tensor && !__builtin_mul_overflow(bytes, size, &bytes) && bytes <= largest_tensor;
    shape.push_back(Index(size));
  }
  if (!fits) file.refuse("its shape ({}) is too large", fmt::join(*header.shape, ", "));
  const std::uint64_t rest = file.size() - file.position();
  if (bytes != rest)
    file.refuse("shape {} of '{}' needs {} bytes, but {} follow the header", shape, *header.descr, bytes, rest);

  const bool swap = (*header.descr)[0] == '>';
  if (!*header.fortran || shape.size() < 2) return file.read_tensor("array", stored, shape, swap);
  // Fortran order is row-major order with the axes reversed.
  Shape reversed = shape;
  std::reverse(reversed.begin(), reversed.end());
  const Tensor columns = file.read_tensor("array", stored, reversed, swap);
  Tensor result = Tensor::make(operation, shape, columns.dtype());
  std::vector<std::size_t> axes(shape.size());
  for (std::size_t axis = 0; axis < axes.size(); ++axis) axes[axis] = axes.size() - 1 - axis;
  dispatch(result.dtype(), [&]<class T> { kernels::permute(columns.data<T>(), reversed, axes, result.data<T>()); });
  return result;
}

}  // namespace

void save_npy(const std::string& path, const Tensor& tensor) {
  if (!tensor.defined()) failf(saving, "\"{}\": the tensor is undefined", path);
  const char* const descr = tensor.dtype() == float32 ? "<f4" : tensor.dtype() == float64 ? "<f8" : "<i8";
  const Shape& shape = tensor.shape();
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                                   fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  // Magic, version, length and header together are a multiple of 64 and end in a newline.
  constexpr std::size_t before = 10;
  header.resize((before + header.size() + 1 + 63) / 64 * 64 - before - 1, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  AtomicFile file(saving, path);
  file.write(magic.data(), magic.size());
  file.write("\x01\x00", 2);
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  file.write(tensor.raw_data(), std::size_t(tensor.numel()) * size_of(tensor.dtype()));
  file.commit();
}

Tensor load_npy(const std::string& path) {
  FileReader file(loading, path);
  return read_array(loading, file);
}

Tensor read_npy(const char* operation, const std::string& name, std::string_view content) {
  FileReader file(operation, name, content);
  return read_array(operation, file);
}

}  // namespace gradus
