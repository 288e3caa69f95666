#include "gradus/tensor/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "gradus/core/atomic_file.hpp"
#include "gradus/core/format.hpp"
#include "gradus/tensor/file_reader.hpp"

namespace gradus {
namespace {

constexpr auto saving = "save_safetensors";
constexpr auto loading = "load_safetensors";
constexpr std::uint64_t largest_header = 100'000'000;             // the official limit
constexpr std::uint64_t largest_tensor = std::uint64_t{1} << 58;  // beyond any disk, and no product with it overflows
constexpr auto metadata_name = "__metadata__";

static_assert(std::endian::native == std::endian::little, "the numbers of a safetensors file are little-endian");

using detail::FileReader;
using detail::Stored;

struct Type {
  std::string_view name;
  Stored stored;
};
constexpr Type types[] = {{"F32", Stored::f32},   {"F64", Stored::f64},      {"I64", Stored::i64}, {"F16", Stored::f16},
                          {"BF16", Stored::bf16}, {"BOOL", Stored::boolean}, {"U8", Stored::u8},   {"I8", Stored::i8},
                          {"U16", Stored::u16},   {"I16", Stored::i16},      {"U32", Stored::u32}, {"I32", Stored::i32},
                          {"U64", Stored::u64}};

std::string_view type_name(DType dtype) { return dtype == float32 ? "F32" : dtype == float64 ? "F64" : "I64"; }

// JSON's quotation of a text; throws when it is not UTF-8.
std::string quoted(const std::string& text, const std::string& path) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    failf(saving, "\"{}\": the name or text \"{}\" is not UTF-8", path,
          nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  }
}

// What the header says about one tensor.
struct Entry {
  std::string name;
  std::optional<std::string> type;
  std::optional<std::vector<std::uint64_t>> shape, offsets;
};

// Takes the header as it is parsed. Only its exact form passes, so that depth and memory stay within what the file's
// size explains.
class Header : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string problem;

  bool null() override { return wrong("null"); }
  bool boolean(bool) override { return wrong("a boolean"); }
  bool number_integer(number_integer_t value) override { return wrong(fmt::format("the number {}", value)); }
  bool number_float(number_float_t, const string_t& text) override { return wrong(fmt::format("the number {}", text)); }
  bool binary(binary_t&) override { return wrong("binary data"); }
  bool number_unsigned(number_unsigned_t value) override {
    if (list_ == nullptr) return wrong(fmt::format("the number {}", value));
    list_->push_back(value);
    return true;
  }
  bool string(string_t& value) override {
    if (in_metadata_ && depth_ == 2) {
      metadata[key_] = value;
      return true;
    }
    if (depth_ == 2 && list_ == nullptr && key_ == "dtype") {
      entries.back().type = value;
      return true;
    }
    return wrong(fmt::format("the text \"{}\"", value));
  }
  bool start_object(std::size_t) override {
    if (depth_ >= 2 || list_ != nullptr) return wrong("an object");
    ++depth_;
    return true;
  }
  bool key(string_t& value) override {
    key_ = value;
    if (depth_ == 1) {
      if (!names_.insert(value).second) return refuse(fmt::format("\"{}\" is there twice", value));
      in_metadata_ = value == metadata_name;
      if (!in_metadata_) entries.push_back({value, {}, {}, {}});
      return true;
    }
    if (in_metadata_) return !metadata.contains(value) || refuse(fmt::format("\"{}\" is twice in its metadata", value));
    const Entry& entry = entries.back();
    const bool twice = (value == "dtype" && entry.type) || (value == "shape" && entry.shape) ||
                       (value == "data_offsets" && entry.offsets);
    if (twice) return refuse(fmt::format("tensor \"{}\" has two \"{}\"", entry.name, value));
    if (value != "dtype" && value != "shape" && value != "data_offsets")
      return refuse(fmt::format("tensor \"{}\" has an unknown \"{}\"", entry.name, value));
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || list_ != nullptr || key_ == "dtype") return wrong("a list");
    list_ = &(key_ == "shape" ? entries.back().shape : entries.back().offsets).emplace();
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    return refuse(fmt::format("it is not JSON at byte {}", position));
  }

 private:
  bool refuse(std::string text) {
    problem = std::move(text);
    return false;
  }
  bool wrong(std::string_view what) {
    if (depth_ == 0) return refuse(fmt::format("it is {} instead of an object", what));
    if (depth_ == 1) return refuse(fmt::format("\"{}\" is {} instead of an object", key_, what));
    if (in_metadata_) return refuse(fmt::format("\"{}\" of its metadata is {} instead of a text", key_, what));
    return refuse(fmt::format("\"{}\" of tensor \"{}\" has {} where {} is expected", key_, entries.back().name, what,
                              key_ == "dtype" ? "a text" : "a list of numbers >= 0"));
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::string key_;
  std::vector<std::uint64_t>* list_ = nullptr;
  std::set<std::string> names_;
};

// An entry that has been checked.
struct Placed {
  std::string name;
  Stored stored;
  Shape shape;
  std::uint64_t begin, end;
};

Placed checked(const FileReader& file, Entry& entry, std::uint64_t data) {
  const std::string& name = entry.name;
  if (!entry.type || !entry.shape || !entry.offsets)
    file.refuse("tensor \"{}\" has no \"{}\"", name, !entry.type ? "dtype" : !entry.shape ? "shape" : "data_offsets");
  const auto type =
      std::find_if(std::begin(types), std::end(types), [&](const Type& t) { return t.name == *entry.type; });
  if (type == std::end(types))
    file.refuse("tensor \"{}\" has the type \"{}\"; known are F64, F32, F16, BF16, I64 to I8, U64 to U8 and BOOL", name,
                *entry.type);
  if (entry.shape->size() > Shape::max_axes)
    file.refuse("tensor \"{}\" has {} axes; at most {} are supported", name, entry.shape->size(), Shape::max_axes);
  if (entry.offsets->size() != 2)
    file.refuse("tensor \"{}\" has {} data_offsets instead of 2", name, entry.offsets->size());
  Placed placed{name, type->stored, {}, (*entry.offsets)[0], (*entry.offsets)[1]};
  std::uint64_t bytes = size_of(type->stored);
  bool fits = true;
  for (const std::uint64_t size : *entry.shape) {
    fits = fits && size <= std::uint64_t(std::numeric_limits<Index>::max()) &&
           !__builtin_mul_overflow(bytes, size, &bytes);
    placed.shape.push_back(Index(size));
  }
  if (!fits || bytes > largest_tensor)
    file.refuse("tensor \"{}\" has a shape that is too large: ({})", name, fmt::join(*entry.shape, ", "));
  if (placed.end < placed.begin || placed.end > data)
    file.refuse("tensor \"{}\" lies at bytes {} to {} of {} bytes of data", name, placed.begin, placed.end, data);
  if (placed.end - placed.begin != bytes)
    file.refuse("tensor \"{}\" of shape {} and type {} needs {} bytes, its data_offsets have {}", name, placed.shape,
                type->name, bytes, placed.end - placed.begin);
  return placed;
}

}  // namespace

void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::set<std::string_view> names;
  for (const auto& [name, value] : tensors) {
    if (!value.defined()) failf(saving, "\"{}\": the tensor \"{}\" is undefined", path, name);
    if (name == metadata_name) failf(saving, "\"{}\": a tensor may not be called \"{}\"", path, name);
    if (!names.insert(name).second) failf(saving, "\"{}\": two tensors are called \"{}\"", path, name);
  }
  // The wide types first: every tensor starts at a multiple of its element size.
  std::vector<std::size_t> order(tensors.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return size_of(tensors[a].second.dtype()) > size_of(tensors[b].second.dtype());
  });
  const auto bytes_of = [](const Tensor& x) { return std::uint64_t(x.numel()) * size_of(x.dtype()); };
  std::vector<std::uint64_t> begin(tensors.size());
  std::uint64_t at = 0;
  for (const std::size_t i : order) {
    begin[i] = at;
    at += bytes_of(tensors[i].second);
  }

  std::string header = "{";
  if (!metadata.empty()) {
    header += fmt::format("\"{}\":{{", metadata_name);
    for (const auto& [key, text] : metadata)
      header += fmt::format("{}{}:{}", header.back() == '{' ? "" : ",", quoted(key, path), quoted(text, path));
    header += "}";
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, value] = tensors[i];
    header += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() == 1 ? "" : ",", quoted(name, path), type_name(value.dtype()),
                          fmt::join(value.shape(), ","), begin[i], begin[i] + bytes_of(value));
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  if (header.size() > largest_header)
    failf(saving, "\"{}\": the names and texts take {} bytes; the format allows {}", path, header.size(),
          largest_header);

  AtomicFile file(saving, path);
  const std::uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  for (const std::size_t i : order) file.write(tensors[i].second.raw_data(), bytes_of(tensors[i].second));
  file.commit();
}

Safetensors load_safetensors(const std::string& path) {
  FileReader file(loading, path);
  if (file.size() < 8) file.refuse("it has {} bytes; a safetensors file starts with 8 bytes of length", file.size());
  std::uint64_t length = 0;
  file.read(&length, sizeof length);
  if (length > largest_header)
    file.refuse("its header would have {} bytes; at most {} are allowed", length, largest_header);
  if (length > file.size() - 8)
    file.refuse("its header should have {} bytes, but only {} follow", length, file.size() - 8);
  std::string text(length, '\0');
  file.read(text.data(), length);
  if (text.empty() || text[0] != '{') file.refuse("its header does not start with {{");

  // The parser takes a zero byte for the end.
  if (text.find('\0') != std::string::npos) file.refuse("its header has a zero byte");
  Header header;
  if (!nlohmann::json::sax_parse(text, &header) || !header.problem.empty())
    file.refuse("its header is wrong: {}", header.problem);

  const std::uint64_t data = file.size() - 8 - length;
  std::vector<Placed> placed;
  placed.reserve(header.entries.size());
  for (Entry& entry : header.entries) placed.push_back(checked(file, entry, data));
  std::vector<std::size_t> order(placed.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(placed[a].begin, placed[a].end) < std::pair(placed[b].begin, placed[b].end);
  });
  std::uint64_t at = 0;
  for (const std::size_t i : order) {
    const Placed& tensor = placed[i];
    if (tensor.begin != at)
      file.refuse("tensor \"{}\" starts at byte {} of the data, but the one before it ends at {}", tensor.name,
                  tensor.begin, at);
    at = tensor.end;
  }
  if (at != data) file.refuse("its tensors end at byte {} of the data, but {} bytes follow the header", at, data);

  Safetensors result;
  result.metadata = std::move(header.metadata);
  result.tensors.resize(placed.size());
  for (const std::size_t i : order) {
    result.tensors[i].first = placed[i].name;
    result.tensors[i].second = file.read_tensor(placed[i].name, placed[i].stored, placed[i].shape);
  }
  return result;
}

}  // namespace gradus
