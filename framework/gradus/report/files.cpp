#include "gradus/report/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "gradus/core/format.hpp"

namespace gradus::report {
namespace {

[[noreturn]] void fail_file(const char* operation, const std::string& path, int error) {
  std::string_view hint;
  if (error == ENOENT) hint = "; hint: does its folder exist?";
  if (error == EISDIR) hint = "; hint: a folder has this name";
  failf(operation, "cannot write \"{}\": {}{}", path, std::generic_category().message(error), hint);
}

// 0, or the errno of the first failure.
int write_all(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

void write_file_atomically(const std::string& path, std::string_view content) {
  constexpr auto operation = "write_file_atomically";
  if (path.empty()) fail(operation, "the path is empty");
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    if (S_ISDIR(info.st_mode)) fail_file(operation, path, EISDIR);
    const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file < 0) fail_file(operation, path, errno);
    const int error = write_all(file, content);
    ::close(file);
    if (error) fail_file(operation, path, error);
    return;
  }
  // A symbolic link stays a link: what it points to is replaced.
  std::error_code ignored;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, ignored);
  const std::string target = ignored || real.empty() ? path : real.string();
  static std::atomic<unsigned> counter{0};
  const std::string temporary = fmt::format("{}.{}.{}.part", target, ::getpid(), counter++);
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) fail_file(operation, path, errno);
  int error = write_all(file, content);
  if (!error && ::fsync(file) != 0 && errno != EINVAL) error = errno;
  if (::close(file) != 0 && !error) error = errno;
  if (!error && ::rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error) {
    ::unlink(temporary.c_str());
    fail_file(operation, path, error);
  }
  // The new name reaches the disk with the folder; a file system that cannot do this is no reason to fail.
  const std::string folder = std::filesystem::path(target).parent_path().string();
  if (const int handle = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      handle >= 0) {
    (void)::fsync(handle);
    ::close(handle);
  }
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
