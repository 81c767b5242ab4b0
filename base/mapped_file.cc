#include "strata/base/mapped_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <utility>

#include "strata/base/unique_fd.h"

namespace strata {

Result<MappedFile> MappedFile::Open(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Error::FromErrno(errno, path);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return Error::FromErrno(errno, path);
  if (S_ISDIR(status.st_mode)) return Error(ErrorCode::kInvalidArgument, path + ": is a directory");
  if (!S_ISREG(status.st_mode)) return Error(ErrorCode::kInvalidArgument, path + ": is not a regular file");

  MappedFile file;
  file.path_ = path;
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return file;
  file.data_.reset(new (std::nothrow) std::byte[size]);  // left uninitialised
  if (file.data_ == nullptr) return Error::FromErrno(ENOMEM, path);
  file.size_bytes_ = size;
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::pread(fd.get(), file.data_.get() + done, size - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::FromErrno(errno, path);
    if (count == 0) return Error(ErrorCode::kMalformed, path + ": became shorter while it was read");
    done += static_cast<std::size_t>(count);
  }
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::move(other.data_)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

}  // namespace strata
