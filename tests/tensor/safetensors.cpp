#include "gradus/tensor/safetensors.hpp"

#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <limits>

#include "gradus/tensor/factories.hpp"
#include "same_bits.hpp"
#include "tensor/bytes.hpp"

using namespace gradus;

namespace {

std::string little_endian(std::uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string file_of(const std::string& header, const std::string& data = "") {
  return little_endian(header.size()) + header + data;
}

// The text of the error for a file with these bytes; it must name the file.
std::string refusal(const std::string& bytes) {
  const Folder folder;
  const std::string path = folder / "model.safetensors";
  write_bytes(path, bytes);
  const std::string text = thrown([&] { (void)load_safetensors(path); });
  check_contains(text, {"load_safetensors", "model.safetensors"});
  return text;
}

NamedTensors sample() {
  return {{"fc.weight", tensor({{1, -2, 3}, {0.5, 1e-40, 6}})},
          {"steps", tensor({7, -9}, {.dtype = int64})},
          {"fc.bias", tensor({std::nan(""), -0.0, INFINITY}, {.dtype = float64})},
          {"scalar", full({}, 42)},
          {"none", zeros({0, 3})},
          {"\"quoted\" \\ \n \xC3\xA4", ones({1})}};
}

}  // namespace

TEST_CASE("safetensors: what is loaded is what was saved, in the order given") {
  const Folder folder;
  const std::string path = folder / "a.safetensors";
  const NamedTensors saved = sample();
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"epoch", "3"}, {"", "\t\xE2\x82\xAC"}};
  save_safetensors(path, saved, metadata);
  const Safetensors loaded = load_safetensors(path);
  REQUIRE(loaded.tensors.size() == saved.size());
  for (std::size_t i = 0; i < saved.size(); ++i) {
    CHECK(loaded.tensors[i].first == saved[i].first);
    CHECK(same_bits(loaded.tensors[i].second, saved[i].second));
  }
  CHECK(loaded.metadata == metadata);
  CHECK(folder.entries() == 1);

  save_safetensors(path, {});
  CHECK(load_safetensors(path).tensors.empty());
  CHECK(read_bytes(path) == file_of("{}      "));
}

TEST_CASE("safetensors: the bytes are those of the format") {
  const Folder folder;
  const std::string path = folder / "a.safetensors";
  save_safetensors(path, {{"b", tensor({1, -2})}, {"a", full({1, 1}, 3, {.dtype = int64})}}, {{"k", "v"}});
  std::string header = R"({"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
                       R"("a":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]}})";
  while (header.size() % 8 != 0) header += ' ';
  const std::string data("\3\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\xc0", 16);
  CHECK(read_bytes(path) == file_of(header, data));
}

TEST_CASE("safetensors: other types are converted") {
  const Folder folder;
  const std::string path = folder / "a.safetensors";
  const auto load_one = [&](const std::string& type, Index count, const std::string& data) {
    write_bytes(path, file_of("{\"x\":{\"dtype\":\"" + type + "\",\"shape\":[" + std::to_string(count) +
                                  "],\"data_offsets\":[0," + std::to_string(data.size()) + "]}}",
                              data));
    return load_safetensors(path).tensors.at(0).second;
  };
  using namespace std::string_literals;
  const auto integers = [&](const std::string& type, Index count, const std::string& data) {
    return to_vector<std::int64_t>(load_one(type, count, data));
  };
  CHECK(integers("BOOL", 2, "\1\0"s) == std::vector<std::int64_t>{1, 0});
  CHECK(integers("U8", 2, "\xff\x7f"s) == std::vector<std::int64_t>{255, 127});
  CHECK(integers("I8", 2, "\xff\x7f"s) == std::vector<std::int64_t>{-1, 127});
  CHECK(integers("U16", 1, "\xfe\xff"s) == std::vector<std::int64_t>{65534});
  CHECK(integers("I16", 1, "\xfe\xff"s) == std::vector<std::int64_t>{-2});
  CHECK(integers("U32", 1, "\xfe\xff\xff\xff"s) == std::vector<std::int64_t>{4294967294});
  CHECK(integers("I32", 1, "\xfe\xff\xff\xff"s) == std::vector<std::int64_t>{-2});
  CHECK(integers("U64", 1, "\xff\xff\xff\xff\xff\xff\xff\x7f"s) ==
        std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max()});
  check_contains(thrown([&] { integers("U64", 1, "\0\0\0\0\0\0\0\x80"s); }),
                 {"9223372036854775808", "\"x\"", "a.safetensors"});
  check_contains(thrown([&] { integers("BOOL", 1, "\2"s); }), {"truth value 2", "a.safetensors"});
  // 1, -2, largest, smallest normal, largest and smallest subnormal, inf, -0 of binary16
  const Tensor half = load_one("F16", 8, "\0\x3c\0\xc0\xff\x7b\0\x04\xff\x03\x01\0\0\x7c\0\x80"s);
  CHECK(half.dtype() == float32);
  CHECK(to_vector<float>(half) ==
        std::vector<float>{1, -2, 65504, 0x1p-14f, 1023 * 0x1p-24f, 0x1p-24f, INFINITY, -0.0f});
  CHECK(std::signbit(half.data<float>()[7]));
  CHECK(std::isnan(load_one("F16", 1, "\1\x7e"s).item()));
  const Tensor brain = load_one("BF16", 3, "\x80\x3f\x49\xc0\x80\x7f"s);
  CHECK(to_vector<float>(brain) == std::vector<float>{1, -3.140625f, INFINITY});
}

TEST_CASE("safetensors: hostile headers are refused") {
  using namespace std::string_literals;
  const std::string good = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  check_contains(refusal(""), {"0 bytes"});
  check_contains(refusal("1234567"), {"7 bytes"});
  check_contains(refusal(little_endian(9) + "{}"), {"9 bytes", "only 2"});
  check_contains(refusal(little_endian(std::numeric_limits<std::uint64_t>::max()) + "{}"), {"at most 100000000"});
  check_contains(refusal(little_endian(100'000'001) + "{}"), {"at most 100000000"});
  check_contains(refusal(file_of("")), {"start with {"});
  check_contains(refusal(file_of(" {}")), {"start with {"});
  check_contains(refusal(file_of("[]")), {"start with {"});
  check_contains(refusal(file_of("{")), {"not JSON"});
  check_contains(refusal(file_of("{} x")), {"not JSON"});
  check_contains(refusal(file_of("{\"\xff\":1}")), {"not JSON"});
  check_contains(refusal(file_of("{" + good + "}\0"s, "1234")), {"zero byte"});
  check_contains(refusal(file_of(R"({"a":)" + std::string(100000, '['))), {"\"a\" is a list instead of an object"});
  std::string nested = "{";
  for (int i = 0; i < 100000; ++i) nested += "\"a\":{";
  check_contains(refusal(file_of(nested)), {"unknown \"a\""});
  for (const char* value : {"null", "true", "1", "-1", "1.5", "\"x\""})
    check_contains(refusal(file_of("{\"a\":"s + value + "}")), {"\"a\" is ", " instead of an object"});
  check_contains(refusal(file_of("{" + good + "," + good + "}", "1234")), {"\"a\" is there twice"});
  check_contains(refusal(file_of(R"({"__metadata__":{},"__metadata__":{}})")), {"\"__metadata__\" is there twice"});
  check_contains(refusal(file_of(R"({"__metadata__":{"k":"1","k":"2"}})")), {"\"k\" is twice"});
  check_contains(refusal(file_of(R"({"__metadata__":{"k":1}})")), {"\"k\"", "instead of a text"});
  check_contains(refusal(file_of(R"({"__metadata__":{"k":[]}})")), {"\"k\"", "instead of a text"});
  check_contains(refusal(file_of(R"({"__metadata__":{"k":{}}})")), {"\"k\"", "instead of a text"});
  check_contains(refusal(file_of(R"({"__metadata__":3})")), {"instead of an object"});

  const auto entry = [](const std::string& inside, const std::string& data = "") {
    return refusal(file_of("{\"a\":{" + inside + "}}", data));
  };
  check_contains(entry(R"("shape":[1],"data_offsets":[0,4])", "1234"), {"no \"dtype\""});
  check_contains(entry(R"("dtype":"F32","data_offsets":[0,4])", "1234"), {"no \"shape\""});
  check_contains(entry(R"("dtype":"F32","shape":[1])", "1234"), {"no \"data_offsets\""});
  check_contains(entry(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])", "1234"), {"two \"dtype\""});
  check_contains(entry(R"("dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4])", "1234"), {"two \"shape\""});
  check_contains(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1)", "1234"), {"unknown \"x\""});
  check_contains(entry(R"("dtype":"C64","shape":[1],"data_offsets":[0,8])", "12345678"), {"the type \"C64\""});
  check_contains(entry(R"("dtype":4)"), {"\"dtype\" of tensor \"a\"", "expected"});
  check_contains(entry(R"("dtype":["F32"])"), {"\"dtype\" of tensor \"a\"", "expected"});
  check_contains(entry(R"("shape":1)"), {"\"shape\" of tensor \"a\"", "expected"});
  check_contains(entry(R"("shape":[[1]])"), {"\"shape\" of tensor \"a\"", "a list"});
  check_contains(entry(R"("shape":["1"])"), {"\"shape\" of tensor \"a\"", "the text \"1\""});
  check_contains(entry(R"("shape":[{}])"), {"\"shape\" of tensor \"a\"", "an object"});
  check_contains(entry(R"("shape":[-1])"), {"\"shape\" of tensor \"a\"", "the number -1"});
  check_contains(entry(R"("shape":[1.0])"), {"\"shape\" of tensor \"a\"", "the number 1.0"});
  check_contains(entry(R"("shape":[1e999])"), {"not JSON"});
  check_contains(entry(R"("shape":[18446744073709551616])"), {"the number 18446744073709551616"});
  check_contains(entry(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4])", "1234"), {"too large"});
  check_contains(entry(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
                 {"too large", "4294967296, 4294967296"});
  check_contains(entry(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])"), {"too large"});
  check_contains(entry(R"("dtype":"U8","shape":[1152921504606846976,0],"data_offsets":[0,0])"), {"too large"});
  check_contains(entry(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])", "1234"), {"9 axes"});
  check_contains(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0])", "1234"), {"1 data_offsets"});
  check_contains(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])", "1234"), {"3 data_offsets"});
  check_contains(entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", "1234"), {"bytes 4 to 0"});
  check_contains(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615])", "1234"), {"of 4 bytes"});
  check_contains(
      entry(R"("dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551615])", "1234"),
      {"of 4 bytes"});
  check_contains(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", "1234"), {"(2)", "8 bytes", "have 4"});
  check_contains(entry(R"("dtype":"F32","shape":[1],"data_offsets":[1,5])", "12345"), {"starts at byte 1"});
  check_contains(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", "12345"), {"end at byte 4", "5 bytes"});

  const std::string b = R"("b":{"dtype":"F32","shape":[1],"data_offsets":)";
  check_contains(refusal(file_of("{" + good + "," + b + "[0,4]}}", "12345678")), {"starts at byte 0", "ends at 4"});
  check_contains(refusal(file_of("{" + good + "," + b + "[2,6]}}", "12345678")), {"\"b\" starts at byte 2"});
  check_contains(refusal(file_of("{" + good + "," + b + "[8,12]}}", "123456789012")), {"\"b\" starts at byte 8"});
}

TEST_CASE("safetensors: missing files, folders and devices are named") {
  const Folder folder;
  check_contains(thrown([&] { (void)load_safetensors(folder / "none.safetensors"); }),
                 {"none.safetensors", "No such file"});
  check_contains(thrown([&] { (void)load_safetensors(folder.path()); }), {"a folder"});
  check_contains(thrown([&] { (void)load_safetensors("/dev/zero"); }), {"/dev/zero", "not a regular file"});
  check_contains(thrown([&] { save_safetensors(folder / "no/a.safetensors", {}); }),
                 {"no/a.safetensors", "does its folder exist"});
  check_contains(thrown([&] { save_safetensors(folder.path(), {}); }), {"a folder"});
  check_contains(thrown([&] { save_safetensors("", {}); }), {"the path is empty"});
}

TEST_CASE("safetensors: what cannot be saved leaves the old file alone") {
  const Folder folder;
  const std::string path = folder / "a.safetensors";
  save_safetensors(path, sample());
  const std::string before = read_bytes(path);
  const auto refused = [&](const NamedTensors& tensors, const std::map<std::string, std::string>& metadata,
                           std::initializer_list<const char*> words) {
    check_contains(thrown([&] { save_safetensors(path, tensors, metadata); }), words);
    CHECK(read_bytes(path) == before);
    CHECK(folder.entries() == 1);
  };
  refused({{"x", ones({1})}, {"x", ones({1})}}, {}, {"a.safetensors", "two tensors are called \"x\""});
  refused({{"__metadata__", ones({1})}}, {}, {"a.safetensors", "__metadata__"});
  refused({{"x", Tensor{}}}, {}, {"a.safetensors", "\"x\" is undefined"});
  refused({{"\xff", ones({1})}}, {}, {"a.safetensors", "not UTF-8"});
  refused({}, {{"k", "\xff"}}, {"a.safetensors", "not UTF-8"});

  // A disk that is full: the limit on the size of files has the same effect.
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  const rlimit small{4096, old.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string text = thrown([&] { save_safetensors(path, {{"x", ones({5000})}}); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  check_contains(text, {"save_safetensors", "a.safetensors", "File too large"});
  CHECK(read_bytes(path) == before);
  CHECK(folder.entries() == 1);
}

TEST_CASE("safetensors: a link stays a link") {
  const Folder folder;
  save_safetensors(folder / "real", {{"x", ones({1})}});
  std::filesystem::create_symlink("real", folder / "link");
  save_safetensors(folder / "link", {{"y", ones({2})}});
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(load_safetensors(folder / "real").tensors.at(0).first == "y");
}

TEST_CASE("safetensors: a file cut off anywhere is refused") {
  const Folder folder;
  const std::string path = folder / "model.safetensors";
  save_safetensors(path, sample(), {{"k", "v"}});
  check_cut_off(path, [](const std::string& file) { (void)load_safetensors(file); });
  write_bytes(path, read_bytes(path) + '\0');
  check_contains(thrown([&] { (void)load_safetensors(path); }), {"model.safetensors"});
}

TEST_CASE("safetensors: flipped bits are an Error or other numbers, nothing else") {
  const Folder folder;
  const std::string path = folder / "model.safetensors";
  save_safetensors(path, sample(), {{"k", "v"}});
  check_flipped_bits(path, [](const std::string& file) { (void)load_safetensors(file); });
}
