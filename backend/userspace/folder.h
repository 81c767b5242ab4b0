// Folders and names of a registry: who may be in them, what lies there, how a file gets a name.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "strata/base/result.h"
#include "strata/base/unique_fd.h"

namespace strata::userspace {

inline constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// Letters, digits, '.', '_' and '-', not beginning with a dot, at most 63.
bool IsSessionName(std::string_view name);

// Refuses (kPermissionDenied) a folder of another user than root and the caller, and one that others may write unless
// its mode has a bit of `forgiving` (S_ISVTX).
Result<void> CheckFolder(int fd, const std::string& path, mode_t forgiving);

// Opens and checks a folder, and makes it when there is none. `path` is for errors.
Result<UniqueFd> OpenCheckedFolder(int at, const std::string& name, const std::string& path, mode_t forgiving);

// The names in a folder that begin with `prefix`, without "." and "..".
std::vector<std::string> NamesIn(int folder_fd, std::string_view prefix);

// "map-7" and "map-" make 7; 0 for another name. Ids start at 1 and have no leading zero.
std::uint32_t IdInName(std::string_view name, std::string_view prefix);

bool IsUnlinked(int fd);

// Gives a file of O_TMPFILE its name, or any file another one. 0, or -1 and errno.
int LinkFile(int fd, int folder_fd, const char* name);

// Where a session's instance records lie: a folder of their own where it is shared, else the session's itself.
UniqueFd OpenInstanceFolder(int session_fd);

// The names that the paths of all files below a folder have, relative to it, and their inodes.
struct FileBelow {
  std::string path;
  ino_t inode = 0;
};
std::vector<FileBelow> FilesBelow(int folder_fd, const std::string& name);

}  // namespace strata::userspace
