#include "gradus/core/atomic_file.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gradus/core/error.hpp"

namespace {

struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / "gradus_core_XXXXXX").string();
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::ptrdiff_t entries() const {
    return std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator());
  }
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("an atomic file is there after commit, and not before") {
  const Folder folder;
  const std::string path = folder.path + "/a";
  {
    gradus::AtomicFile file("test", path);
    file.write("one", 3);
    CHECK(!std::filesystem::exists(path));
    file.write(" two", 4);
    file.commit();
    CHECK(content(path) == "one two");
    CHECK_THROWS_WITH_AS(file.write("x", 1), doctest::Contains("closed already"), gradus::Error);
    CHECK_THROWS_WITH_AS(file.commit(), doctest::Contains("closed already"), gradus::Error);
  }
  CHECK(folder.entries() == 1);
  { gradus::AtomicFile("test", path).write("three", 5); }
  CHECK(content(path) == "one two");
  CHECK(folder.entries() == 1);
}

TEST_CASE("an atomic file writes to a device directly and names its failure") {
  gradus::AtomicFile nothing("test", "/dev/null");
  nothing.write("x", 1);
  nothing.commit();
  if (std::filesystem::exists("/dev/full")) {
    gradus::AtomicFile full("test", "/dev/full");
    CHECK_THROWS_WITH_AS(full.write("x", 1), doctest::Contains("test: cannot write \"/dev/full\": No space left"),
                         gradus::Error);
  } else {
    MESSAGE("skipped: this system has no /dev/full");
  }
}
