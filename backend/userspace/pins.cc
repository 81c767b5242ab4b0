#include "pins.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "folder.h"

namespace strata::userspace {
namespace {

namespace fs = std::filesystem;

constexpr int kLockAttempts = 100;  // a millisecond each

std::string PinnedFolder(const Session& session) { return session.folder() + "/" + runtime::kPinnedFolder; }

// "a/b/c" below the folder of pins; empty for a path that leads elsewhere.
fs::path Below(const Session& session, const std::string& path) {
  fs::path below = fs::path(path).lexically_normal();
  if (below.is_absolute()) {
    std::error_code ignored;
    const fs::path canonical = fs::weakly_canonical(below.parent_path(), ignored) / below.filename();
    below = canonical.lexically_relative(PinnedFolder(session));
  }
  const bool leads_up = std::any_of(below.begin(), below.end(), [](const fs::path& part) { return part == ".."; });
  const bool names_file = below.has_filename() && below != ".";
  return leads_up || !names_file ? fs::path() : below;
}

Error NoPinPath(const Session& session, const std::string& path) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: is no place for a pin of this session: pins are paths relative to {}, or inside of it",
                           path, PinnedFolder(session)),
               EINVAL);
}

// A descriptor of the folder that the pin lies in, made with all above it.
Result<UniqueFd> MakeFolders(const Session& session, const fs::path& below, const std::string& what) {
  std::string path = PinnedFolder(session);
  UniqueFd at = STRATA_TRY(OpenCheckedFolder(session.folder_fd(), runtime::kPinnedFolder, path, 0).Context(what));
  for (const fs::path& part : below.parent_path()) {
    path += "/" + part.string();
    UniqueFd next = STRATA_TRY(OpenCheckedFolder(at.get(), part.string(), path, 0).Context(what));
    at = std::move(next);
  }
  return at;
}

Result<void> LockShared(int fd, const std::string& what) {
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    if (::flock(fd, LOCK_SH | LOCK_NB) == 0) return {};
    ::usleep(1000);  // a collector looks at it
  }
  return Error(ErrorCode::kBusy, what + ": is locked by another process", EBUSY);
}

Error NotOfKind(const Session& session, int fd, const std::string& path, ObjectKind kind) {
  const auto other = IdentifyFile(session.folder_fd(), fd);
  const std::string is = other ? fmt::format("a {}", RowOf(other->object.kind).name) : "no object of this session";
  return Error(ErrorCode::kInvalidArgument, fmt::format("{}: is {}, not a {}", path, is, RowOf(kind).name), EINVAL);
}

}  // namespace

Result<std::string> ResolvePin(const Session& session, const std::string& path) {
  const fs::path below = Below(session, path);
  if (below.empty()) return NoPinPath(session, path);
  return PinnedFolder(session) + "/" + below.string();
}

Result<void> PinObject(const Session& session, int fd, const std::string& path, const std::string& what) {
  const std::string text = fmt::format("{}: pinning it at {}", what, path);
  const fs::path below = Below(session, path);
  if (below.empty()) return NoPinPath(session, path).WithContext(text);
  const UniqueFd folder = STRATA_TRY(MakeFolders(session, below, text));
  if (LinkFile(fd, folder.get(), below.filename().c_str()) != 0) return Error::FromErrno(errno, text);
  return {};
}

Result<OpenedPin> OpenPin(const Session& session, const std::string& path, ObjectKind kind, int access) {
  const std::string place = STRATA_TRY(ResolvePin(session, path));
  const std::string what = fmt::format("{}: opening the pinned {}", path, RowOf(kind).name);
  UniqueFd fd(::open(place.c_str(), access | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return Error::FromErrno(errno, what);
  STRATA_TRY(LockShared(fd.get(), what));
  if (IsUnlinked(fd.get())) return Error::FromErrno(ENOENT, what);
  const auto identity = IdentityAs(fd.get(), kind);
  if (!identity) return NotOfKind(session, fd.get(), path, kind);
  const bool has_own_name = IsFileOf(session.folder_fd(), fd.get(), identity->object);
  if (!has_own_name && kind != ObjectKind::kLink) return NotOfKind(session, fd.get(), path, kind);
  return OpenedPin{{std::move(fd), FileNameOf(identity->object)}, identity->object, !has_own_name};
}

}  // namespace strata::userspace
