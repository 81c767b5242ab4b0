#include "strata/btf/file_bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "strata/base/unique_fd.h"

namespace strata::btf {
namespace {

// The kernel's own BTF is some megabytes.
constexpr std::size_t kMaxSize = std::size_t{256} << 20;
constexpr std::size_t kFirstRead = std::size_t{64} << 10;

bool IsOfSysfs(int fd) {
  struct statfs info = {};
  return ::fstatfs(fd, &info) == 0 && info.f_type == SYSFS_MAGIC;
}

struct FreeMemory {
  void operator()(std::byte* memory) const { std::free(memory); }
};

}  // namespace

FileBytes::FileBytes(std::vector<std::byte> bytes) {
  auto owned = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  bytes_ = *owned;
  owner_ = std::move(owned);
}

Result<FileBytes> FileBytes::Open(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info = {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return Error::FromErrno(errno, path);
  if (S_ISDIR(info.st_mode)) return Error::FromErrno(EISDIR, path);
  const auto stated_size = static_cast<std::size_t>(info.st_size);
  if (stated_size > kMaxSize) return Error(ErrorCode::kMalformed, fmt::format("{}: larger than 256 MiB", path));
  if (stated_size > 0 && IsOfSysfs(fd.get())) {
    void* memory = ::mmap(nullptr, stated_size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (memory != MAP_FAILED) {
      const std::shared_ptr<const void> owner(
          memory, [stated_size](const void* mapped) { ::munmap(const_cast<void*>(mapped), stated_size); });
      return FileBytes(owner, {static_cast<const std::byte*>(memory), stated_size});
    }
  }

  // Read to the end, whatever size was stated: files of sysfs and procfs, and pipes, need not tell the true one.
  std::size_t capacity = stated_size > 0 ? stated_size + 1 : kFirstRead;
  std::unique_ptr<std::byte, FreeMemory> memory(static_cast<std::byte*>(std::malloc(capacity)));
  std::size_t size = 0;
  for (;;) {
    if (size == capacity) {
      if (capacity >= kMaxSize) return Error(ErrorCode::kMalformed, fmt::format("{}: larger than 256 MiB", path));
      capacity *= 2;
      auto* larger = static_cast<std::byte*>(std::realloc(memory.get(), capacity));
      if (larger == nullptr) return Error::FromErrno(ENOMEM, path);
      static_cast<void>(memory.release());
      memory.reset(larger);
    }
    if (memory == nullptr) return Error::FromErrno(ENOMEM, path);
    const ssize_t count = ::read(fd.get(), memory.get() + size, capacity - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::FromErrno(errno, path);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  const std::span<const std::byte> bytes(memory.get(), size);
  return FileBytes(std::shared_ptr<const void>(std::move(memory)), bytes);
}

}  // namespace strata::btf
