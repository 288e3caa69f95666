#include "gradus/train/epoch_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <string_view>
#include <system_error>
#include <utility>

#include "gradus/core/atomic_file.hpp"
#include "gradus/core/format.hpp"
#include "gradus/report/text.hpp"

namespace gradus::train::detail {
namespace {

constexpr std::string_view header = "epoch,lr,train_loss,val_loss,val_metric,seconds\n";

// JSON has no NaN and no infinity.
std::string json(double value) { return std::isfinite(value) ? report::round_trip(value) : "null"; }

std::string line(EpochLog::Format format, const EpochRecord& r) {
  if (format == EpochLog::Format::csv)
    return fmt::format("{},{},{},{},{},{}\n", r.epoch, report::round_trip(r.lr), report::round_trip(r.train_loss),
                       report::round_trip(r.val_loss), report::round_trip(r.val_metric), report::round_trip(r.seconds));
  return fmt::format("{{\"epoch\":{},\"lr\":{},\"train_loss\":{},\"val_loss\":{},\"val_metric\":{},\"seconds\":{}}}\n",
                     r.epoch, json(r.lr), json(r.train_loss), json(r.val_loss), json(r.val_metric), json(r.seconds));
}

}  // namespace

EpochLog::EpochLog(const std::string& path, Format format, const std::vector<EpochRecord>& done)
    : path_(path), format_(format) {
  std::string text;
  if (format == Format::csv) text = header;
  for (const EpochRecord& record : done) text += line(format, record);
  AtomicFile::remove_leftovers(path);
  AtomicFile file("fit", path);
  file.write(text.data(), text.size());
  file.commit();
  file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file_ < 0) failf("fit", "cannot write the log \"{}\": {}", path, std::generic_category().message(errno));
}

EpochLog::EpochLog(EpochLog&& other) noexcept
    : path_(std::move(other.path_)), format_(other.format_), file_(std::exchange(other.file_, -1)) {}

EpochLog::~EpochLog() {
  if (file_ >= 0) ::close(file_);
}

void EpochLog::add(const EpochRecord& record) {
  const std::string text = line(format_, record);
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t written = ::write(file_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) failf("fit", "cannot write the log \"{}\": {}", path_, std::generic_category().message(errno));
    rest.remove_prefix(std::size_t(written));
  }
}

}  // namespace gradus::train::detail
