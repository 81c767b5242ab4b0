#include "folder.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <memory>

#include "strata/backend/userspace/runtime/layout.h"

namespace strata::userspace {
namespace {

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;

constexpr int kDeepestFolder = 16;  // of pins

Folder ListFolder(int fd) {
  const int own = ::openat(fd, ".", kFolderFlags);
  DIR* folder = own < 0 ? nullptr : ::fdopendir(own);
  if (folder == nullptr && own >= 0) ::close(own);
  return {folder, ::closedir};
}

void AddFilesBelow(int at, const std::string& name, const std::string& path, int depth, std::vector<FileBelow>* files) {
  const UniqueFd folder(::openat(at, name.c_str(), kFolderFlags));
  if (!folder || depth > kDeepestFolder) return;
  for (const std::string& entry : NamesIn(folder.get(), "")) {
    struct stat status {};
    if (::fstatat(folder.get(), entry.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const std::string below = path.empty() ? entry : path + "/" + entry;
    if (S_ISREG(status.st_mode)) files->push_back({below, status.st_ino});
    if (S_ISDIR(status.st_mode)) AddFilesBelow(folder.get(), entry, below, depth + 1, files);
  }
}

}  // namespace

bool IsSessionName(std::string_view name) {
  if (name.empty() || name.size() > 63 || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'; });
}

Result<void> CheckFolder(int fd, const std::string& path, mode_t forgiving) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, path);
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("{}: belongs to user {}; run as that user, or choose another folder (STRATA_RUNTIME_DIR)",
                             path, status.st_uid),
                 EPERM);
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & forgiving) == 0) {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("{}: can be written by others than its owner (chmod 700 {})", path, path), EPERM);
  }
  return {};
}

Result<UniqueFd> OpenCheckedFolder(int at, const std::string& name, const std::string& path, mode_t forgiving) {
  UniqueFd fd(::openat(at, name.c_str(), kFolderFlags));
  if (!fd && errno == ENOENT) {
    if (::mkdirat(at, name.c_str(), 0700) != 0 && errno != EEXIST) return Error::FromErrno(errno, path);
    fd = UniqueFd(::openat(at, name.c_str(), kFolderFlags));
  }
  if (!fd) return Error::FromErrno(errno, errno == ELOOP || errno == ENOTDIR ? path + ": is no folder" : path);
  STRATA_TRY(CheckFolder(fd.get(), path, forgiving));
  return fd;
}

std::vector<std::string> NamesIn(int folder_fd, std::string_view prefix) {
  std::vector<std::string> names;
  const Folder folder = ListFolder(folder_fd);
  if (folder == nullptr) return names;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(prefix) && name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

std::uint32_t IdInName(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return 0;
  name.remove_prefix(prefix.size());
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  const bool is_number = error == std::errc{} && end == name.data() + name.size() && name.front() != '0';
  return is_number ? id : 0;
}

UniqueFd OpenInstanceFolder(int session_fd) {
  UniqueFd own(::openat(session_fd, runtime::kInstanceFolder, kFolderFlags));
  return own ? std::move(own) : UniqueFd(::openat(session_fd, ".", kFolderFlags));
}

bool IsUnlinked(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) != 0 || status.st_nlink == 0;
}

int LinkFile(int fd, int folder_fd, const char* name) {
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  if (::linkat(AT_FDCWD, path.c_str(), folder_fd, name, AT_SYMLINK_FOLLOW) == 0) return 0;
  if (errno != ENOENT && errno != ENOTDIR) return -1;
  return ::linkat(fd, "", folder_fd, name, AT_EMPTY_PATH);  // without /proc; needs Linux 6.10 or CAP_DAC_READ_SEARCH
}

std::vector<FileBelow> FilesBelow(int folder_fd, const std::string& name) {
  std::vector<FileBelow> files;
  AddFilesBelow(folder_fd, name, "", 0, &files);
  return files;
}

}  // namespace strata::userspace
