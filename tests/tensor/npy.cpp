#include "gradus/tensor/npy.hpp"

#include <cmath>

#include "gradus/tensor/factories.hpp"
#include "same_bits.hpp"
#include "tensor/bytes.hpp"

using namespace gradus;
using namespace std::string_literals;

namespace {

std::string npy(const std::string& header, const std::string& data, int version = 1) {
  std::string bytes = "\x93NUMPY"s + static_cast<char>(version) + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes + header + data;
}

std::string header_of(const std::string& type, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

Tensor load(const std::string& bytes) {
  const Folder folder;
  write_bytes(folder / "x.npy", bytes);
  return load_npy(folder / "x.npy");
}

void refused(const std::string& bytes, std::initializer_list<const char*> words) {
  const std::string text = thrown([&] { (void)load(bytes); });
  check_contains(text, {"load_npy", "x.npy"});
  check_contains(text, words);
}

}  // namespace

TEST_CASE("npy: what is loaded is what was saved") {
  const Folder folder;
  const std::string path = folder / "x.npy";
  for (const Tensor& x :
       {tensor({{1, -2, 3}, {0.5, 1e-40, 6}}), tensor({7, -9}, {.dtype = int64}), full({}, 3, {.dtype = float64}),
        tensor({std::nan(""), -0.0, INFINITY}, {.dtype = float64}), zeros({0, 3}), ones({1, 1, 1, 1, 1, 1, 1, 2})}) {
    save_npy(path, x);
    CHECK(same_bits(load_npy(path), x));
    CHECK(folder.entries() == 1);
  }
}

TEST_CASE("npy: the bytes are those that NumPy writes") {
  const Folder folder;
  save_npy(folder / "x.npy", tensor({1, -2}));
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  header.resize(128 - 10 - 1, ' ');
  CHECK(read_bytes(folder / "x.npy") == npy(header + "\n", "\0\0\x80\x3f\0\0\0\xc0"s));
}

TEST_CASE("npy: versions, byte orders, Fortran order and spellings") {
  const std::string data = "\1\0\2\0\3\0\4\0\5\0\6\0"s;
  const Tensor expected = tensor({{1, 2, 3}, {4, 5, 6}}, {.dtype = int64});
  for (const int version : {1, 2, 3}) CHECK(same_bits(load(npy(header_of("<i2", "(2, 3)"), data, version)), expected));
  CHECK(same_bits(load(npy(header_of(">u2", "(2, 3)"), "\0\1\0\2\0\3\0\4\0\5\0\6"s)), expected));
  CHECK(same_bits(load(npy(header_of("<i2", "(2, 3)", "True"), "\1\0\4\0\2\0\5\0\3\0\6\0"s)), expected));
  CHECK(same_bits(load(npy("{\"shape\":(2,3),\"descr\":\"=i2\",\n\"fortran_order\":False}", data)), expected));
  CHECK(same_bits(load(npy(header_of("<i2", "(2L, 3L)"), data)), expected));

  // (2, 3, 2) in Fortran order: element (i, j, k) lies at i + 2 j + 6 k.
  std::string cube;
  for (int at = 0; at < 12; ++at) cube += static_cast<char>(at);
  const Tensor columns = load(npy(header_of("|u1", "(2, 3, 2)", "True"), cube));
  REQUIRE(columns.shape() == Shape{2, 3, 2});
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j)
      for (Index k = 0; k < 2; ++k) CHECK(columns.data<std::int64_t>()[(i * 3 + j) * 2 + k] == i + 2 * j + 6 * k);

  const auto one = [](const std::string& type, const std::string& bytes) {
    return load(npy(header_of(type, "()"), bytes));
  };
  CHECK(one("<f4", "\0\0\x80\x3f"s).item() == 1);
  CHECK(one(">f4", "\x3f\x80\0\0"s).item() == 1);
  CHECK(one(">f8", "\x3f\xf0\0\0\0\0\0\0"s).item() == 1);
  CHECK(one(">f8", "\x3f\xf0\0\0\0\0\0\0"s).dtype() == float64);
  CHECK(one(">i8", "\xff\xff\xff\xff\xff\xff\xff\xfe"s).item<std::int64_t>() == -2);
  CHECK(one(">i4", "\xff\xff\xff\xfe"s).item<std::int64_t>() == -2);
  CHECK(one("<f2", "\0\xc0"s).item() == -2);
  CHECK(one("|b1", "\1").item<std::int64_t>() == 1);
  CHECK(one("|i1", "\xff").item<std::int64_t>() == -1);
  CHECK(one("<u4", "\xff\xff\xff\xff").item<std::int64_t>() == 4294967295);
}

TEST_CASE("npy: hostile files are refused") {
  const std::string good = header_of("<f4", "(2,)");
  refused("", {"0 bytes"});
  refused("\x93NUMPX\1\0\0\0"s, {"does not start"});
  refused(npy(good, "12345678", 4), {"version is 4"});
  refused("\x93NUMPY\2\0\0\0"s, {"only 10 bytes"});
  refused("\x93NUMPY\2\0\xff\xff\xff\xff{}"s, {"4294967295"});
  refused("\x93NUMPY\1\0\x10\0{}"s, {"16 bytes"});
  refused(npy(good, "1234567"), {"(2)", "8 bytes", "7 follow"});
  refused(npy(good, "123456789"), {"8 bytes", "9 follow"});
  refused(npy(header_of("<c8", "(1,)"), "12345678"), {"'<c8'"});
  refused(npy(header_of("|O", "(1,)"), "12345678"), {"'|O'"});
  refused(npy(header_of("|f4", "(2,)"), "12345678"), {"'|f4'"});
  refused(npy(header_of("<U2", "(1,)"), "12345678"), {"'<U2'"});
  refused(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234"), {"a text"});
  refused(npy(header_of("<f4", "(-1,)"), ""), {"a size"});
  refused(npy(header_of("<f4", "(1.5,)"), ""), {"expected )"});
  refused(npy(header_of("<f4", "(99999999999999999999,)"), ""), {"a size"});
  refused(npy(header_of("<f4", "(4294967296, 4294967296)"), ""), {"too large"});
  refused(npy(header_of("<f4", "(4611686018427387904,)"), ""), {"too large"});
  refused(npy(header_of("<f4", "(0, 9223372036854775808)"), ""), {"too large"});
  refused(npy(header_of("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "1234"), {"9 axes"});
  refused(npy(header_of("<f4", "(1,)", "Maybe"), "1234"), {"True or False"});
  refused(npy("{'descr': '<f4', 'shape': (1,)}", "1234"), {"no 'fortran_order'"});
  refused(npy("{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", "1234"), {"unexpected 'descr'"});
  refused(npy("{'descr': '<f4', 'x': '<f4', 'shape': (1,)}", "1234"), {"unexpected 'x'"});
  refused(npy("{'descr': '<f4", ""), {"the end of a text"});
  refused(npy(good + "x", "12345678"), {"the end"});
  refused(npy("", ""), {"expected {"});
  refused(npy(header_of("<u8", "()"), "\0\0\0\0\0\0\0\x80"s), {"beyond int64"});
  refused(npy(header_of("|b1", "()"), "\2"), {"truth value 2"});
  const Folder folder;
  check_contains(thrown([&] { (void)load_npy(folder / "none.npy"); }), {"none.npy"});
  check_contains(thrown([&] { save_npy(folder / "x.npy", Tensor{}); }), {"x.npy", "undefined"});
  check_contains(thrown([&] { save_npy(folder / "no/x.npy", ones({1})); }), {"no/x.npy", "folder"});
}

TEST_CASE("npy: a file cut off anywhere is refused, flipped bits are an Error or other numbers") {
  const Folder folder;
  const std::string path = folder / "x.npy";
  save_npy(path, tensor({{1, 2, 3}, {4, 5, 6}}));
  const auto read = [](const std::string& file) { (void)load_npy(file); };
  check_cut_off(path, read);
  check_flipped_bits(path, read);
}
