#include "sharing.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "folder.h"
#include "strata/backend/userspace/runtime/layout.h"
#include "strata/base/unique_fd.h"

namespace strata::userspace {
namespace {

// include/uapi/linux/posix_acl.h and posix_acl_xattr.h
constexpr std::uint32_t kAclVersion = 2;
constexpr std::uint32_t kNoId = 0xffffffff;
constexpr std::uint16_t kUserObject = 0x01;
constexpr std::uint16_t kUser = 0x02;
constexpr std::uint16_t kGroupObject = 0x04;
constexpr std::uint16_t kGroup = 0x08;
constexpr std::uint16_t kMask = 0x10;
constexpr std::uint16_t kOther = 0x20;

struct AclEntry {
  std::uint16_t tag;
  std::uint16_t permissions;
  std::uint32_t id;
};
struct Acl {
  std::uint32_t version;
  std::array<AclEntry, 5> entries;  // in the order of their tags
};
static_assert(sizeof(Acl) == 44);

constexpr std::uint16_t kReadBit = 4;
constexpr std::uint16_t kWriteBit = 2;
constexpr std::uint16_t kSearchBit = 1;

std::uint16_t PermissionsOf(SharedRights rights, bool is_folder) {
  switch (rights) {
    case SharedRights::kRead:
      return is_folder ? kReadBit | kSearchBit : kReadBit;
    case SharedRights::kReadWrite:
      return kReadBit | kWriteBit;
    case SharedRights::kFolderWrite:
      break;
  }
  return kReadBit | kWriteBit | kSearchBit;
}

Acl AclOf(const SessionSharing& sharing, std::uint16_t permissions, std::uint16_t owner) {
  const AclEntry user{kUserObject, owner, kNoId};
  const AclEntry group{kGroupObject, 0, kNoId};
  const AclEntry mask{kMask, permissions, kNoId};
  const AclEntry other{kOther, 0, kNoId};
  if (sharing.with == SessionSharing::With::kUser)
    return {kAclVersion, {user, {kUser, permissions, sharing.id}, group, mask, other}};
  return {kAclVersion, {user, group, {kGroup, permissions, sharing.id}, mask, other}};
}

// A folder that everybody may list and go through, or that is not ours, stays as it is.
Result<void> ShareRuntimeFolder(int fd, const SessionSharing& sharing, const std::string& what) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, what);
  if ((status.st_mode & (S_IROTH | S_IXOTH)) == (S_IROTH | S_IXOTH) || status.st_uid != ::geteuid()) return {};
  return Share(fd, sharing, SharedRights::kRead, what);
}

}  // namespace

Result<void> Share(int fd, const SessionSharing& sharing, SharedRights rights, const std::string& what) {
  if (sharing.with == SessionSharing::With::kOwnerOnly) return {};
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, what);
  const bool is_folder = S_ISDIR(status.st_mode);
  const std::uint16_t owner = kReadBit | kWriteBit | (is_folder ? kSearchBit : 0);
  const Acl acl = AclOf(sharing, PermissionsOf(rights, is_folder), owner);
  if (::fsetxattr(fd, "system.posix_acl_access", &acl, sizeof(acl), 0) != 0) {
    return Error::FromErrno(errno, fmt::format("{}: sharing it by an access control list", what));
  }
  return {};
}

Result<std::optional<SessionSharing>> ReadSharing(int folder_fd, const std::string& folder) {
  const UniqueFd fd(::openat(folder_fd, runtime::kSharingFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::optional<SessionSharing>();
  const std::string what = folder + "/" + runtime::kSharingFile;
  if (!fd) return Error::FromErrno(errno, what);
  runtime::SharingRecord record{};
  if (::pread(fd.get(), &record, sizeof(record), 0) != static_cast<ssize_t>(sizeof(record)) ||
      record.magic != static_cast<std::uint32_t>(runtime::FileMagic::kSharing) ||
      (record.with != runtime::SharedWith::kGroup && record.with != runtime::SharedWith::kUser)) {
    return Error(ErrorCode::kMalformed, what + ": is damaged", EBADMSG);
  }
  SessionSharing sharing;
  sharing.with = record.with == runtime::SharedWith::kUser ? SessionSharing::With::kUser : SessionSharing::With::kGroup;
  sharing.id = record.id;
  sharing.maps_are_read_only = record.maps_are_read_only != 0;
  return std::optional(sharing);
}

Result<void> MakeShared(int runtime_fd, int folder_fd, const SessionSharing& sharing, const std::string& folder) {
  const std::string what = "session " + folder;
  STRATA_TRY(ShareRuntimeFolder(runtime_fd, sharing, what));
  STRATA_TRY(Share(folder_fd, sharing, SharedRights::kRead, what));
  if (::mkdirat(folder_fd, runtime::kInstanceFolder, 0700) != 0 && errno != EEXIST)
    return Error::FromErrno(errno, what);
  const UniqueFd instances(::openat(folder_fd, runtime::kInstanceFolder, kFolderFlags));
  if (!instances) return Error::FromErrno(errno, what);
  STRATA_TRY(Share(instances.get(), sharing, SharedRights::kFolderWrite, what));
  struct stat status {};
  if (::fstat(instances.get(), &status) != 0 || ::fchmod(instances.get(), (status.st_mode & 07777) | S_ISVTX) != 0)
    return Error::FromErrno(errno, what);
  const UniqueFd fd(::openat(folder_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return Error::FromErrno(errno, what);
  runtime::SharingRecord record{};
  record.magic = static_cast<std::uint32_t>(runtime::FileMagic::kSharing);
  record.version = runtime::kLayoutVersion;
  record.with = sharing.with == SessionSharing::With::kUser ? runtime::SharedWith::kUser : runtime::SharedWith::kGroup;
  record.id = sharing.id;
  record.maps_are_read_only = sharing.maps_are_read_only ? 1 : 0;
  if (::pwrite(fd.get(), &record, sizeof(record), 0) != static_cast<ssize_t>(sizeof(record)))
    return Error::FromErrno(errno == 0 ? EIO : errno, what);
  STRATA_TRY(Share(fd.get(), sharing, SharedRights::kRead, what));
  if (LinkFile(fd.get(), folder_fd, runtime::kSharingFile) != 0 && errno != EEXIST)
    return Error::FromErrno(errno, what);
  return {};
}

}  // namespace strata::userspace
