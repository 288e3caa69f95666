#include "gradus/data/byte_reader.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <vector>

#include "gradus/core/format.hpp"

namespace gradus::data {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// Deflate turns two bits into at most 258 bytes: 1032 to 1 (https://zlib.net/zlib_tech.html). The extra room is for the
// smallest files.
constexpr std::uint64_t most_inflation = 1032;

}  // namespace

struct ByteReader::Stream {
  std::unique_ptr<std::FILE, CloseFile> file;
  bool compressed = false;
  bool member_open = false;  // inside a gzip member, whose checksum is still to come
  z_stream inflater{};
  bool inflater_ready = false;
  std::vector<unsigned char> input;

  ~Stream() {
    if (inflater_ready) inflateEnd(&inflater);
  }
};

ByteReader::ByteReader(std::string operation, std::string path)
    : operation_(std::move(operation)), path_(std::move(path)), stream_(std::make_unique<Stream>()) {
  std::error_code error;
  const auto status = std::filesystem::status(path_, error);
  if (status.type() == std::filesystem::file_type::not_found) fail("there is no such file");
  if (status.type() == std::filesystem::file_type::directory) fail("is a folder, a file is expected");
  if (error) fail(error.message());
  if (status.type() != std::filesystem::file_type::regular) fail("is not a regular file");
  const std::uintmax_t size = std::filesystem::file_size(path_, error);
  if (error) fail(error.message());
  stream_->file.reset(std::fopen(path_.c_str(), "rbe"));
  if (!stream_->file) fail(std::generic_category().message(errno));

  std::array<unsigned char, 2> magic{};
  const std::size_t got = std::fread(magic.data(), 1, 2, stream_->file.get());
  if (std::ferror(stream_->file.get())) fail(std::generic_category().message(errno));
  std::rewind(stream_->file.get());
  stream_->compressed = got == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
  upper_bound_ = size;
  if (!stream_->compressed) return;
  upper_bound_ = size > UINT64_MAX / most_inflation - 1 ? UINT64_MAX : (size + 1) * most_inflation;
  constexpr int gzip_window = 15 + 16;
  if (inflateInit2(&stream_->inflater, gzip_window) != Z_OK) fail("zlib has no memory to decompress it");
  stream_->inflater_ready = true;
  stream_->input.resize(64 * 1024);
}

ByteReader::~ByteReader() = default;

bool ByteReader::compressed() const { return stream_->compressed; }

void ByteReader::fail(const std::string& message) const { failf(operation_, "{}: {}", path_, message); }

std::size_t ByteReader::read_file(unsigned char* out, std::size_t bytes) {
  const std::size_t got = std::fread(out, 1, bytes, stream_->file.get());
  if (got < bytes && std::ferror(stream_->file.get())) fail(std::generic_category().message(errno));
  return got;
}

std::size_t ByteReader::inflate(unsigned char* out, std::size_t bytes) {
  Stream& s = *stream_;
  std::size_t done = 0;
  while (done < bytes) {
    if (s.inflater.avail_in == 0) {
      s.inflater.next_in = s.input.data();
      s.inflater.avail_in = uInt(read_file(s.input.data(), s.input.size()));
      if (s.inflater.avail_in == 0) {
        if (s.member_open)
          fail(fmt::format("the gzip stream is cut short after {} decompressed bytes", position_ + done));
        return done;
      }
    }
    s.member_open = true;
    const std::size_t piece = std::min<std::size_t>(bytes - done, 1 << 30);
    s.inflater.next_out = out + done;
    s.inflater.avail_out = uInt(piece);
    const int result = ::inflate(&s.inflater, Z_NO_FLUSH);
    done += piece - s.inflater.avail_out;
    if (result == Z_STREAM_END) {
      // Another member may follow, as after `cat a.gz b.gz`; anything else is reported by its header.
      s.member_open = false;
      inflateReset(&s.inflater);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      fail(fmt::format("the gzip stream is damaged after {} decompressed bytes ({})", position_ + done,
                       s.inflater.msg != nullptr ? s.inflater.msg : "no reason given"));
    }
  }
  return done;
}

std::size_t ByteReader::read(void* out, std::size_t bytes) {
  auto* target = static_cast<unsigned char*>(out);
  const std::size_t got = stream_->compressed ? inflate(target, bytes) : read_file(target, bytes);
  position_ += got;
  return got;
}

void ByteReader::read_exactly(void* out, std::size_t bytes, const std::string& what) {
  const std::uint64_t start = position_;
  const std::size_t got = read(out, bytes);
  if (got != bytes)
    fail(fmt::format("is cut short: {} should take {} bytes from byte {} on, but only {} are there", what, bytes, start,
                     got));
}

void ByteReader::expect_end() {
  // Asking for one byte more also makes zlib check the sums at the end of the stream.
  unsigned char extra = 0;
  if (read(&extra, 1) != 0) fail(fmt::format("goes on after its {} bytes of content", position_ - 1));
}

std::string read_text(const std::string& operation, const std::string& path, std::uint64_t limit) {
  ByteReader reader(operation, path);
  std::string text;
  constexpr std::size_t piece = 1 << 20;
  for (;;) {
    const std::size_t before = text.size();
    text.resize(before + piece);
    const std::size_t got = reader.read(text.data() + before, piece);
    text.resize(before + got);
    if (text.size() > limit)
      reader.fail(fmt::format("holds more than {} bytes, which this reader takes for a mistake", limit));
    if (got < piece) return text;
  }
}

}  // namespace gradus::data
