#include "strata/base/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace strata {

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0) {
    const int saved_errno = errno;  // a destructor between a failing call and its check must not disturb errno
    ::close(fd_);
    errno = saved_errno;
  }
  fd_ = fd;
}

Result<UniqueFd> UniqueFd::Clone() const {
  const int fd = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return Error::FromErrno(errno, "duplicating a descriptor");
  return UniqueFd(fd);
}

}  // namespace strata
