#include "tracefs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "strata/base/log.h"
#include "strata/base/similar_name.h"

namespace strata::kernel {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDynamicCategory = "strata";
constexpr int kNameAttempts = 100;

void OfferFolders(const std::string& folder, SimilarName& similar) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory(error)) similar.Offer(entry.path().filename().string());
  }
}

Error NoSuchTracepoint(const std::string& events, const std::string& category, const std::string& name) {
  std::error_code error;
  const std::string folder = events + "/" + category;
  if (!fs::is_directory(folder, error)) {
    SimilarName similar(category);
    OfferFolders(events, similar);
    return Error(ErrorCode::kNotFound,
                 fmt::format("this kernel has no tracepoint category {}{}", category, similar.Hint()), ENOENT);
  }
  SimilarName similar(name);
  OfferFolders(folder, similar);
  return Error(ErrorCode::kNotFound,
               fmt::format("this kernel has no tracepoint {} in category {}{}", name, category, similar.Hint()),
               ENOENT);
}

// One line appended to a control file. 0 or an errno.
int WriteLine(const std::string& path, const std::string& line) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!file) return errno;
  const ssize_t written = ::write(file.get(), line.data(), line.size());
  return written < 0 ? errno : 0;
}

// Unique on this machine as long as no other PID namespace has the same number; then the kernel says EEXIST.
std::string NextEventName() {
  static std::atomic<std::uint64_t> number = 0;
  return fmt::format("p{}_{}", ::getpid(), number.fetch_add(1));
}

}  // namespace

Result<std::string> FindTracefs(const Context& context) {
  for (const std::string& folder : context.tracefs) {
    if (::access((folder + "/events").c_str(), F_OK) == 0) return folder;
    if (errno == EACCES) {
      return Error(ErrorCode::kPermissionDenied,
                   fmt::format("{}: may not be entered; run as root, or mount tracefs with a gid= of yours", folder),
                   EACCES);
    }
  }
  const std::string first = context.tracefs.empty() ? "/sys/kernel/tracing" : context.tracefs.front();
  return Error(ErrorCode::kNotSupported, fmt::format("tracefs is not mounted: mount -t tracefs tracefs {}", first),
               ENOENT);
}

Result<std::uint64_t> ReadTracepointId(const Context& context, const std::string& category, const std::string& name) {
  if (category.empty() || name.empty() || category.find('/') != std::string::npos ||
      name.find('/') != std::string::npos || category.front() == '.' || name.front() == '.') {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("\"{}/{}\": a tracepoint is named by CATEGORY/NAME", category, name));
  }
  const std::string events = STRATA_TRY(FindTracefs(context))
  +"/events";
  const std::string path = fmt::format("{}/{}/{}/id", events, category, name);
  std::ifstream file(path);
  std::uint64_t id = 0;
  if (file >> id) return id;
  if (::access(path.c_str(), R_OK) == 0) return Error(ErrorCode::kMalformed, path + ": holds no number");
  if (errno == ENOENT) return NoSuchTracepoint(events, category, name);
  return Error::FromErrno(errno, path);
}

Result<std::shared_ptr<DynamicEvent>> DynamicEvent::Create(const Context& context, std::string_view file,
                                                           std::string_view prefix, std::string_view place) {
  const std::string path = fmt::format("{}/{}", STRATA_TRY(FindTracefs(context)), file);
  int error = EEXIST;
  for (int attempt = 0; error == EEXIST && attempt < kNameAttempts; ++attempt) {
    auto event = std::shared_ptr<DynamicEvent>(new DynamicEvent(path, NextEventName()));
    const std::string line = fmt::format("{}:{}/{} {}\n", prefix, kDynamicCategory, event->name_, place);
    error = WriteLine(path, line);
    if (error != 0) {
      event->name_.clear();  // nothing to remove
      continue;
    }
    const auto id = ReadTracepointId(context, std::string(kDynamicCategory), event->name_);
    if (!id) {
      return Error(ErrorCode::kSystem, fmt::format("{}: the event that was defined: {}", path, id.error().message()));
    }
    event->id_ = *id;
    return event;
  }
  return Error::FromErrno(error, fmt::format("{}: defining an event at {}", path, place));
}

DynamicEvent::~DynamicEvent() {
  if (name_.empty() || !owner_.IsCaller()) return;
  const int error = WriteLine(path_, fmt::format("-:{}/{}\n", kDynamicCategory, name_));
  if (error != 0 && error != ENOENT) {
    Log(LogLevel::kWarning,
        fmt::format("{}: event {}/{} stays: {}", path_, kDynamicCategory, name_, std::strerror(error)));
  }
}

}  // namespace strata::kernel
