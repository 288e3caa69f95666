#include "gradus/data/npz.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "gradus/tensor/factories.hpp"
#include "npz_file.hpp"
#include "support.hpp"

using namespace gradus;

namespace {

const std::string floats = npy("<f4", "(2,)", std::string("\0\0\xc0\x3f\0\0\0\xc0", 8));
const std::string mask = npy("|b1", "(2, 3)", std::string("\0\1\1\0\0\1", 6));
const std::string bytes = npy("|u1", "(3,)", std::string("\0\1\xff", 3));

}  // namespace

TEST_CASE("npz: stored and compressed arrays, in the file's order") {
  const Folder folder;
  for (const bool packed : {false, true})
    for (const char* comment : {"", "a comment", "PK\x05\x06"}) {
      const NamedTensors got = data::load_npz(folder.write(
          "a.npz", zip({{"x.npy", floats, packed}, {"mask.npy", mask, packed}, {"b.npy", bytes, !packed}}, comment)));
      REQUIRE(got.size() == 3);
      CHECK(got[0].first == "x");
      CHECK(to_vector<float>(got[0].second) == std::vector<float>{1.5f, -2.0f});
      CHECK(got[1].first == "mask");
      CHECK(got[1].second.shape() == Shape{2, 3});
      CHECK(to_vector<std::int64_t>(got[1].second) == std::vector<std::int64_t>{0, 1, 1, 0, 0, 1});
      CHECK(got[2].first == "b");
      CHECK(to_vector<std::int64_t>(got[2].second) == std::vector<std::int64_t>{0, 1, 255});
    }
  CHECK(data::load_npz(folder.write("none.npz", zip({}))).empty());
  CHECK(data::load_npz(folder.write("empty.npz", zip({{"e.npy", npy("<i8", "(0, 7)", ""), true}})))[0].second.shape() ==
        Shape{0, 7});
}

TEST_CASE("npz: what is refused, with the path and the reason") {
  const Folder folder;
  const auto error = [&](const std::string& content, const data::NpzOptions& options = {}) {
    const std::string path = folder.write("odd.npz", content);
    const std::string text = error_of([&] { (void)data::load_npz(path, options); });
    CHECK(has(text, "load_npz"));
    CHECK(has(text, path));
    return text;
  };
  CHECK(has(error(""), "does not end as a zip file does"));
  CHECK(has(error(floats), "does not end as a zip file does"));
  CHECK(has(error(zip({{"x.npy", floats}}) + "x"), "does not end as a zip file does"));
  CHECK(has(error(zip({{"x.txt", floats}})), "\"x.txt\", which is no .npy file"));
  CHECK(has(error(zip({{"x.npy", floats}, {"x.npy", mask}})), "\"x.npy\" twice"));
  CHECK(has(error(zip({{"x\n.npy", floats}})), "no text"));
  CHECK(has(error(zip({{.name = "x.npy", .content = floats, .crc_off = 1}})), "checksum of \"x.npy\""));
  CHECK(has(error(zip({{.name = "x.npy", .content = floats, .packed = true, .crc_off = 1}})), "checksum of \"x.npy\""));
  CHECK(has(error(zip({{.name = "x.npy", .content = floats, .size_off = 1}})), "cannot have"));
  for (const std::uint32_t off : {1u, 0xffffffffu})
    CHECK(has(error(zip({{.name = "x.npy", .content = floats, .packed = true, .size_off = off}})),
              "does not decompress"));
  CHECK(has(error(zip({{.name = "x.npy", .content = floats, .packed = true, .size_off = 1u << 30}})), "cannot have"));
  CHECK(has(error(zip({{.name = "x.npy", .content = floats, .flags = 1}})), "encrypted"));
  CHECK(has(error(zip({{.name = "x.npy", .content = floats, .method = 12}})), "method 12"));
  CHECK(has(error(zip({{"x.npy", "no array"}})), "x.npy"));
  CHECK(has(error(zip({{"x.npy", npy("<f4", "(3,)", "abcdefgh")}})), "needs 12 bytes"));
  CHECK(has(error(zip({{"x.npy", npy("|b1", "(1,)", "\x02")}})), "truth value 2"));
  // A bomb: many zeros in few bytes, harmless one by one.
  const std::string zeros = npy("|u1", "(1000000,)", std::string(1000000, '\0'));
  CHECK(has(error(zip({{"a.npy", zeros, true}, {"b.npy", zeros, true}}), {.largest = 1500000}), "are allowed"));
  CHECK(error_of([&] {
          (void)data::load_npz(folder.write("ok.npz", zip({{"a.npy", zeros, true}})), {.largest = 1500000});
        }).empty());
  // Two directory entries for the same bytes.
  std::string shared = zip({{"a.npy", floats}, {"b.npy", floats}});
  const std::size_t second = shared.rfind("PK\x01\x02");
  shared.replace(second + 42, 4, little(0, 4));
  CHECK(has(error(shared), "overlaps"));
  CHECK(has(error_of([&] { (void)data::load_npz(folder / "missing.npz"); }), "no such file"));
  CHECK(has(error_of([&] { (void)data::load_npz(folder.path()); }), "folder"));
}

TEST_CASE("npz: cut anywhere it is refused; changed, refused or read") {
  const Folder folder;
  const std::string whole = zip({{"x.npy", floats, true}, {"mask.npy", mask}});
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    const std::string path = folder.write("cut.npz", whole.substr(0, length));
    CHECK(has(error_of([&] { (void)data::load_npz(path); }), path));
  }
  std::mt19937 random(1);
  int refused = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    std::string changed = whole;
    for (unsigned flips = random() % 3 + 1; flips > 0; --flips)
      changed[random() % changed.size()] ^= char(1 << random() % 8);
    const std::string path = folder.write("changed.npz", changed);
    try {
      const NamedTensors got = data::load_npz(path);
      // What the checksums pass is the content itself.
      REQUIRE(got.size() == 2);
      CHECK(to_vector<float>(got[0].second) == std::vector<float>{1.5f, -2.0f});
    } catch (const Error& e) {
      CHECK(has(e.what(), "load_npz"));
      ++refused;
    }
  }
  CHECK(refused > 500);
}

TEST_CASE("npz: the real splits of Cora") {
  const std::string path = real_data("cora/splits/cora_split_0.6_0.2_0.npz");
  if (path.empty()) return;
  Index counts[3] = {};
  const NamedTensors got = data::load_npz(path);
  REQUIRE(got.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(got[i].second.shape() == Shape{2708});
    for (const std::int64_t one : to_vector<std::int64_t>(got[i].second)) counts[i] += one;
  }
  CHECK(got[0].first == "train_mask");
  CHECK(counts[0] == 1192);
  CHECK(counts[1] == 796);
  CHECK(counts[2] == 497);
}
