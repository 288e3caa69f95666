#pragma once
// A file that appears whole or not at all.
#include <cstddef>
#include <string>

namespace gradus {

/// Writes beside `path` and renames into place: a crash, a kill or a full disk never leave half a file, and an older
/// file of that name survives a failure. A symbolic link stays a link; devices and pipes are written directly. Every
/// failure throws Error with the operation, the path and the reason.
class AtomicFile {
 public:
  AtomicFile(const char* operation, const std::string& path);
  /// Without commit() nothing has happened.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, std::size_t count);
  /// Flushes to the disk and gives the file its name.
  void commit();

  /// Removes what writers of `path` that were killed have left beside it. Files of processes that live are not touched.
  static void remove_leftovers(const std::string& path) noexcept;

 private:
  [[noreturn]] void fail_file(int error) const;
  void discard() noexcept;

  const char* operation_;
  std::string path_, target_, temporary_;
  int file_ = -1;
};

}  // namespace gradus
