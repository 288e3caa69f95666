#include "gradus/core/atomic_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "gradus/core/format.hpp"

namespace gradus {
namespace {

// Numbers the files that this process writes beside others.
std::atomic<unsigned> counter{0};

std::string real_path(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, ignored);
  return ignored || real.empty() ? path : real.string();
}

}  // namespace

AtomicFile::AtomicFile(const char* operation, const std::string& path) : operation_(operation), path_(path) {
  if (path.empty()) fail(operation, "the path is empty");
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    if (S_ISDIR(info.st_mode)) fail_file(EISDIR);
    file_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file_ < 0) fail_file(errno);
    return;
  }
  target_ = real_path(path);
  // A process that was killed may have had this one's number and left a file of this name.
  do {
    temporary_ = fmt::format("{}.{}.{}.part", target_, ::getpid(), counter++);
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (file_ < 0 && errno == EEXIST);
  if (file_ < 0) {
    const int error = errno;
    temporary_.clear();
    fail_file(error);
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::write(const void* bytes, std::size_t count) {
  if (file_ < 0) failf(operation_, "\"{}\" is closed already", path_);
  // Some systems refuse more than 2 GiB at once.
  constexpr std::size_t most = std::size_t{1} << 30;
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = ::write(file_, next, std::min(count, most));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_file(errno);
    next += written;
    count -= std::size_t(written);
  }
}

void AtomicFile::commit() {
  if (file_ < 0) failf(operation_, "\"{}\" is closed already", path_);
  int error = 0;
  // EINVAL: a device or file system that has nothing to flush.
  if (::fsync(file_) != 0 && errno != EINVAL) error = errno;
  if (::close(std::exchange(file_, -1)) != 0 && error == 0) error = errno;
  if (temporary_.empty()) {
    if (error != 0) fail_file(error);
    return;
  }
  if (error == 0 && ::rename(temporary_.c_str(), target_.c_str()) != 0) error = errno;
  if (error != 0) {
    discard();
    fail_file(error);
  }
  temporary_.clear();
  // The new name reaches the disk with the folder; a file system that cannot do this is no reason to fail.
  const std::string folder = std::filesystem::path(target_).parent_path().string();
  if (const int handle = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      handle >= 0) {
    (void)::fsync(handle);
    ::close(handle);
  }
}

void AtomicFile::remove_leftovers(const std::string& path) noexcept {
  try {
    namespace fs = std::filesystem;
    const fs::path target = real_path(path);
    const std::string start = target.filename().string() + '.';
    constexpr std::string_view end = ".part";
    std::error_code ignored;
    for (const fs::directory_entry& entry :
         fs::directory_iterator(target.has_parent_path() ? target.parent_path() : ".", ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.size() <= start.size() + end.size() || !name.starts_with(start) || !name.ends_with(end)) continue;
      const char* last = name.data() + name.size() - end.size();
      pid_t process = 0;
      unsigned number = 0;
      const auto [dot, bad_process] = std::from_chars(name.data() + start.size(), last, process);
      if (bad_process != std::errc{} || process <= 0 || dot == last || *dot != '.') continue;
      const auto [stop, bad_number] = std::from_chars(dot + 1, last, number);
      if (bad_number != std::errc{} || stop != last) continue;
      // A file with a number that this process has not given yet is of an earlier one that was called the same.
      const bool abandoned =
          process == ::getpid() ? number >= counter.load() : ::kill(process, 0) != 0 && errno == ESRCH;
      if (abandoned) fs::remove(entry.path(), ignored);
    }
  } catch (...) {
    // Tidying up is no reason to fail.
  }
}

void AtomicFile::discard() noexcept {
  if (file_ >= 0) ::close(std::exchange(file_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::fail_file(int error) const {
  std::string_view hint;
  if (error == ENOENT) hint = "; hint: does its folder exist?";
  if (error == EISDIR) hint = "; hint: a folder has this name";
  failf(operation_, "cannot write \"{}\": {}{}", path_, std::generic_category().message(error), hint);
}

}  // namespace gradus
