#include "gradus/data/npz.hpp"

#include <zlib.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "gradus/core/format.hpp"
#include "gradus/data/byte_reader.hpp"
#include "gradus/tensor/npy.hpp"

namespace gradus::data {
namespace {

constexpr auto operation = "load_npz";
constexpr std::uint64_t largest_archive = 0xfffffffe;  // of a zip file without zip64
// Deflate turns two bits into at most 258 bytes: 1032 to 1 (https://zlib.net/zlib_tech.html).
constexpr std::uint64_t most_inflation = 1032;

// The records of a zip file, PKWARE's APPNOTE.TXT 4.3.7, 4.3.12 and 4.3.16: signature and size of the fixed part.
constexpr std::string_view local_signature = "PK\x03\x04", central_signature = "PK\x01\x02",
                           end_signature = "PK\x05\x06";
constexpr std::size_t local_size = 30, central_size = 46, end_size = 22;

struct Entry {
  std::string name;
  std::uint32_t method, crc;
  std::uint64_t packed, size, offset;
};

class Archive {
 public:
  Archive(const std::string& path, std::uint64_t largest)
      : path_(path), bytes_(read_text(operation, path, largest_archive)) {
    read_directory();
    std::uint64_t total = 0;
    for (const Entry& entry : entries_) total += entry.size;  // at most 65535 times 4 GiB
    if (total > largest)
      failf(operation, "\"{}\": its arrays take {} bytes, more than the {} that are allowed; hint: NpzOptions::largest",
            path_, total, largest);
  }

  const std::vector<Entry>& entries() const { return entries_; }

  std::string extract(const Entry& entry) const {
    const std::string_view local = part(entry.offset, local_size, "a local header");
    if (local.substr(0, 4) != local_signature)
      refuse("\"{}\" has no local header at byte {}", entry.name, entry.offset);
    // The directory's sizes count; the local ones may be left out by a writer that streams.
    const std::uint64_t start = entry.offset + local_size + number(local, 26, 2) + number(local, 28, 2);
    if (number(local, 8, 2) != entry.method ||
        part(entry.offset + local_size, number(local, 26, 2), "a name") != entry.name)
      refuse("local header and directory disagree on \"{}\"", entry.name);
    const std::string_view packed = part(start, entry.packed, entry.name);
    std::string content;
    if (entry.method == 0)
      content = packed;
    else
      content = inflated(entry, packed);
    if (crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()) != entry.crc)
      refuse("the checksum of \"{}\" is wrong", entry.name);
    return content;
  }

 private:
  template <class... A>
  [[noreturn]] void refuse(fmt::format_string<A...> text, A&&... values) const {
    failf(operation, "\"{}\" is damaged or of another kind: {}", path_, fmt::format(text, std::forward<A>(values)...));
  }

  // The bytes [start, start + count) of the file.
  std::string_view part(std::uint64_t start, std::uint64_t count, std::string_view what) const {
    if (start > bytes_.size() || count > bytes_.size() - start)
      refuse("{} would take {} bytes from byte {} on, in a file of {}", what, count, start, bytes_.size());
    return std::string_view(bytes_).substr(start, count);
  }

  static std::uint64_t number(std::string_view record, std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(record[at + i]);
    return value;
  }

  // The record at the very end, before a comment of the length that it names.
  std::uint64_t find_end() const {
    const std::uint64_t size = bytes_.size();
    for (std::uint64_t back = end_size; back <= std::min<std::uint64_t>(size, end_size + 0xffff); ++back) {
      const std::string_view record = std::string_view(bytes_).substr(size - back);
      if (record.substr(0, 4) == end_signature && number(record, 20, 2) == back - end_size) return size - back;
    }
    refuse("it does not end as a zip file does");
  }

  void read_directory() {
    const std::uint64_t end = find_end();
    const std::string_view record = part(end, end_size, "the end record");
    const std::uint64_t count = number(record, 10, 2), size = number(record, 12, 4), offset = number(record, 16, 4);
    if (count == 0xffff || size == 0xffffffff || offset == 0xffffffff)
      failf(operation, "\"{}\" needs zip64 (more than 65534 arrays or 4 GiB), which is not supported", path_);
    if (number(record, 4, 2) != 0 || number(record, 6, 2) != 0 || number(record, 8, 2) != count)
      refuse("it is one part of several");
    if (offset + size != end)
      refuse("its directory would be bytes {} to {}, but ends at {}", offset, offset + size, end);
    std::uint64_t at = offset;
    for (std::uint64_t i = 0; i < count; ++i) at = read_entry(at);
    if (at != end) refuse("its directory has {} bytes, its {} entries take {}", size, count, at - offset);
    check_room(offset);
  }

  std::uint64_t read_entry(std::uint64_t at) {
    const std::string_view record = part(at, central_size, "a directory entry");
    if (record.substr(0, 4) != central_signature) refuse("there is no directory entry at byte {}", at);
    const std::uint64_t name = number(record, 28, 2), rest = number(record, 30, 2) + number(record, 32, 2);
    Entry entry{std::string(part(at + central_size, name, "a name")),
                std::uint32_t(number(record, 10, 2)),
                std::uint32_t(number(record, 16, 4)),
                number(record, 20, 4),
                number(record, 24, 4),
                number(record, 42, 4)};
    if (std::any_of(entry.name.begin(), entry.name.end(), [](char c) { return c < ' ' || c == '\x7f'; }))
      refuse("the name of entry {} has characters that are no text", entries_.size());
    if (!entry.name.ends_with(".npy")) refuse("it holds \"{}\", which is no .npy file", entry.name);
    if ((number(record, 8, 2) & 1) != 0) failf(operation, "\"{}\": \"{}\" is encrypted", path_, entry.name);
    if (entry.packed == 0xffffffff || entry.size == 0xffffffff || entry.offset == 0xffffffff)
      failf(operation, "\"{}\": \"{}\" needs zip64, which is not supported", path_, entry.name);
    if (entry.method != 0 && entry.method != 8)
      failf(operation, "\"{}\": \"{}\" is compressed by method {}; 0 (stored) and 8 (deflate) are known", path_,
            entry.name, entry.method);
    if (entry.method == 0 ? entry.packed != entry.size : entry.size > entry.packed * most_inflation)
      refuse("\"{}\" cannot have {} bytes when {} are stored", entry.name, entry.size, entry.packed);
    entries_.push_back(std::move(entry));
    return at + central_size + name + rest;
  }

  // Entries that share bytes would let a small file grow without limit; equal names would hide an array.
  void check_room(std::uint64_t directory) const {
    std::vector<const Entry*> order;
    for (const Entry& entry : entries_) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return a->offset < b->offset; });
    std::uint64_t free = 0;
    for (const Entry* entry : order) {
      if (entry->offset < free) refuse("\"{}\" overlaps the entry before it", entry->name);
      free = entry->offset + local_size + entry->name.size() + entry->packed;
    }
    if (free > directory) refuse("\"{}\" overlaps the directory", order.back()->name);
    std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return a->name < b->name; });
    for (std::size_t i = 1; i < order.size(); ++i)
      if (order[i]->name == order[i - 1]->name) refuse("it holds \"{}\" twice", order[i]->name);
  }

  std::string inflated(const Entry& entry, std::string_view packed) const {
    struct Inflater {
      z_stream stream{};
      ~Inflater() { inflateEnd(&stream); }
    } inflater;
    z_stream& s = inflater.stream;
    if (inflateInit2(&s, -15) != Z_OK) failf(operation, "\"{}\": zlib has no memory to decompress it", path_);
    // A byte more than announced shows a stream that is too long.
    std::string content(std::size_t(entry.size) + 1, '\0');
    s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    s.avail_in = uInt(packed.size());
    s.next_out = reinterpret_cast<Bytef*>(content.data());
    s.avail_out = uInt(content.size());
    if (inflate(&s, Z_FINISH) != Z_STREAM_END || s.avail_in != 0 || s.total_out != entry.size)
      refuse("\"{}\" does not decompress to the {} bytes that the directory names", entry.name, entry.size);
    content.pop_back();
    return content;
  }

  std::string path_, bytes_;
  std::vector<Entry> entries_;
};

}  // namespace

NamedTensors load_npz(const std::string& path, const NpzOptions& options) {
  const Archive archive(path, options.largest);
  NamedTensors tensors;
  for (const Entry& entry : archive.entries())
    tensors.emplace_back(entry.name.substr(0, entry.name.size() - 4),
                         read_npy(operation, path + "/" + entry.name, archive.extract(entry)));
  return tensors;
}

}  // namespace gradus::data
