#pragma once
// Archives as numpy.savez writes them, sound or with a fault.
#include <doctest/doctest.h>
#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

#include "data/deflate.hpp"

inline std::string little(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += char(value >> (8 * i));
  return out;
}

inline std::string npy(const std::string& descr, const std::string& shape, const std::string& content) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  return "\x93NUMPY" + std::string("\x01\x00", 2) + little(header.size(), 2) + header + content;
}

struct Member {
  std::string name, content;
  bool packed = false;
  std::uint32_t size_off = 0, crc_off = 0, flags = 0;
  int method = -1;
};

// A zip file; its local headers leave the sizes to a zip64 field, as numpy writes them.
inline std::string zip(const std::vector<Member>& members, const std::string& comment = "") {
  std::string file, directory;
  for (const Member& m : members) {
    const std::string data = m.packed ? compressed(m.content, -15) : m.content;
    const int method = m.method >= 0 ? m.method : m.packed ? 8 : 0;
    const auto crc = std::uint32_t(crc32(0, reinterpret_cast<const Bytef*>(m.content.data()), uInt(m.content.size())));
    const std::string common = little(20, 2) + little(m.flags, 2) + little(std::uint64_t(method), 2) + little(0, 4) +
                               little(crc + m.crc_off, 4);
    const std::size_t offset = file.size();
    file += "PK\x03\x04" + common + little(0xffffffff, 4) + little(0xffffffff, 4) + little(m.name.size(), 2) +
            little(20, 2) + m.name + little(1, 2) + little(16, 2) + little(m.content.size(), 8) +
            little(data.size(), 8) + data;
    directory += "PK\x01\x02" + little(20, 2) + common + little(data.size(), 4) +
                 little(m.content.size() + m.size_off, 4) + little(m.name.size(), 2) + little(0, 2) + little(0, 2) +
                 little(0, 2) + little(0, 2) + little(0, 4) + little(offset, 4) + m.name;
  }
  const std::size_t start = file.size();
  return file + directory + "PK\x05\x06" + little(0, 4) + little(members.size(), 2) + little(members.size(), 2) +
         little(directory.size(), 4) + little(start, 4) + little(comment.size(), 2) + comment;
}
