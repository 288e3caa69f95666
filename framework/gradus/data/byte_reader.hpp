#pragma once
// A file read from front to back, plain or compressed by gzip (told apart by content, not by name). Nothing in it is
// trusted.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace gradus::data {

class ByteReader {
 public:
  /// Opens the file. Throws Error, naming `operation` and the path, when it is not a regular file that can be read.
  ByteReader(std::string operation, std::string path);
  ~ByteReader();
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  /// The next `bytes` bytes; fewer only where the file ends. Throws for a damaged or cut gzip stream.
  std::size_t read(void* out, std::size_t bytes);
  /// The next `bytes` bytes, which are `what`. Throws when the file ends before.
  void read_exactly(void* out, std::size_t bytes, const std::string& what);
  /// Throws unless everything has been read.
  void expect_end();
  /// No more than this can come out of the file: its size, or what gzip can make of it at best.
  std::uint64_t upper_bound() const { return upper_bound_; }
  bool compressed() const;
  /// Throws Error: operation, path, message.
  [[noreturn]] void fail(const std::string& message) const;
  const std::string& path() const { return path_; }

 private:
  struct Stream;
  std::size_t read_file(unsigned char* out, std::size_t bytes);
  std::size_t inflate(unsigned char* out, std::size_t bytes);

  std::string operation_, path_;
  std::unique_ptr<Stream> stream_;
  std::uint64_t upper_bound_ = 0;
  std::uint64_t position_ = 0;
};

/// The whole file, decompressed, if it holds at most `limit` bytes.
std::string read_text(const std::string& operation, const std::string& path, std::uint64_t limit);

}  // namespace gradus::data
