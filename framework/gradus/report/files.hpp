#pragma once
// Files that are either whole or not there.
#include <string>
#include <string_view>

namespace gradus::report {

/// Writes `content` beside `path`, flushes it to the disk and renames it into place: a reader, a full disk or a kill
/// never see half a file, and an older file survives a failure. Throws Error with the path and the reason. Devices and
/// pipes are written directly.
void write_file_atomically(const std::string& path, std::string_view content);

/// The whole file as text. Throws Error with the path and the reason.
std::string read_file(const std::string& path);

/// Creates the folder and its parents; an existing folder is fine. Throws Error with the path and the reason.
void create_folder(const std::string& path);

}  // namespace gradus::report
