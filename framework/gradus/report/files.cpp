#include "gradus/report/files.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "gradus/core/atomic_file.hpp"
#include "gradus/core/format.hpp"

namespace gradus::report {

void write_file_atomically(const std::string& path, std::string_view content) {
  AtomicFile file("write_file_atomically", path);
  file.write(content.data(), content.size());
  file.commit();
}

std::string read_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) failf("read_file", "\"{}\" is a folder", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) failf("read_file", "cannot read \"{}\": {}", path, std::generic_category().message(errno));
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

void create_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error && !std::filesystem::is_directory(path)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) failf("create_folder", "cannot create the folder \"{}\": {}", path, error.message());
}

}  // namespace gradus::report
