#include "pin.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

namespace strata {

Result<void> MovePin(BackendMap& map, const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  const int rename_errno = errno;
  if (rename_errno != ENOENT && rename_errno != EXDEV) {
    return Error::FromErrno(rename_errno,
                            fmt::format("map {}: moving its pin from {} to {}", map.info().name, from, to));
  }
  STRATA_TRY(map.Pin(to));
  return RemovePin(from);
}

Result<void> RemovePin(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return Error::FromErrno(errno, path + ": removing the pin");
}

}  // namespace strata
