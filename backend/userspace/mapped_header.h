// Files of a session that are mapped for as long as a few words of them are read or changed.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>

#include "references.h"
#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/mapped_files.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "strata/base/unique_fd.h"

namespace strata::userspace {

// The root's words for telling agents; nothing where the file is no root.
class RootWords {
 public:
  explicit RootWords(int folder_fd) {
    const UniqueFd fd(::openat(folder_fd, runtime::kRootFile, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || status.st_size < static_cast<off_t>(runtime::kPageSize)) return;
    const long memory = runtime::MapShared(nullptr, runtime::kPageSize, PROT_READ | PROT_WRITE, fd.get());
    if (!runtime::sys::IsError(memory)) process_.root = reinterpret_cast<runtime::RootHeader*>(memory);
  }
  ~RootWords() {
    if (process_.root != nullptr) runtime::UnmapShared(process_.root, runtime::kPageSize);
  }
  RootWords(const RootWords&) = delete;
  RootWords& operator=(const RootWords&) = delete;

  runtime::RootHeader* get() const { return process_.root; }
  void Begin() {
    if (process_.root != nullptr) runtime::BeginPublish(process_);
  }
  void End() {
    if (process_.root != nullptr) runtime::EndPublish(process_);
  }

 private:
  runtime::Process process_{};
};

// A file, mapped for as long as a few words of it are read or changed.
template <typename Header>
class MappedHeader {
 public:
  MappedHeader(int fd, runtime::FileMagic magic) {
    struct stat status {};
    if (::fstat(fd, &status) != 0 || status.st_size < static_cast<off_t>(sizeof(Header))) return;
    size_ = static_cast<std::size_t>(status.st_size);
    const long memory = runtime::MapShared(nullptr, size_, PROT_READ | PROT_WRITE, fd);
    if (runtime::sys::IsError(memory)) return;
    header_ = reinterpret_cast<Header*>(memory);
    is_valid_ = header_->magic == static_cast<std::uint32_t>(magic) && header_->version == runtime::kLayoutVersion;
  }
  ~MappedHeader() {
    if (header_ != nullptr) runtime::UnmapShared(header_, size_);
  }
  MappedHeader(const MappedHeader&) = delete;
  MappedHeader& operator=(const MappedHeader&) = delete;

  Header* get() const { return is_valid_ ? header_ : nullptr; }
  std::size_t size() const { return size_; }

 private:
  Header* header_ = nullptr;
  std::size_t size_ = 0;
  bool is_valid_ = false;
};

inline UniqueFd OpenWritable(int folder_fd, ObjectId object) {
  return UniqueFd(::openat(folder_fd, FileNameOf(object).c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

}  // namespace strata::userspace
