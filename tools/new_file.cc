#include "new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace strata::tools {

Result<NewFile> NewFile::Create(const std::string& path) {
  NewFile file;
  file.path_ = path;
  file.temporary_ = path + ".XXXXXX";
  file.fd_ = UniqueFd(::mkostemp(file.temporary_.data(), O_CLOEXEC));
  if (!file.fd_) {
    file.temporary_.clear();
    return Error::FromErrno(errno, path);
  }
  return file;
}

NewFile::~NewFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> NewFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error::FromErrno(errno, path_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> NewFile::Commit() && {
  const ::mode_t mask = ::umask(0);
  ::umask(mask);
  const bool is_done = ::fchmod(fd_.get(), 0666 & ~mask) == 0 && ::rename(temporary_.c_str(), path_.c_str()) == 0;
  if (!is_done) return Error::FromErrno(errno, path_);
  temporary_.clear();
  return {};
}

}  // namespace strata::tools
