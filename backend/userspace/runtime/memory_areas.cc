#include "strata/backend/userspace/runtime/memory_areas.h"

#include <asm/errno.h>
#include <fcntl.h>

#include "proc_file.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kMostText = 1 << 20;
constexpr std::uint64_t kExecutable = 4;
constexpr std::uint64_t kShared = 8;

// struct procmap_query (linux/fs.h of 6.11)
struct AreaQuery {
  std::uint64_t size;
  std::uint64_t query_flags;
  std::uint64_t query_address;
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t flags;  // the lowest four are as in vm_flags
  std::uint64_t page_size;
  std::uint64_t offset;
  std::uint64_t inode;
  std::uint32_t device_major;
  std::uint32_t device_minor;
  std::uint32_t name_size;
  std::uint32_t build_id_size;
  std::uint64_t name;
  std::uint64_t build_id;
};
static_assert(sizeof(AreaQuery) == 104);
constexpr std::uint64_t kAreaQuery = 0xc0686611;  // PROCMAP_QUERY

std::uint64_t DeviceOf(std::uint64_t major, std::uint64_t minor) { return (major << 20) | minor; }

int OpenAreas() { return sys::OpenAt(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC); }

// "55d0c0a00000-55d0c0a21000 r-xp 00000000 fd:00 1234 /usr/bin/cat"
bool ParseArea(const char* at, MemoryArea* out) {
  out->begin = ParseProcNumber(at, 16);
  if (*at++ != '-') return false;
  out->end = ParseProcNumber(at, 16);
  if (*at++ != ' ') return false;
  out->flags = 0;
  for (std::uint64_t flag = 1; flag <= kExecutable; flag *= 2, ++at) {
    if (*at == 0) return false;
    if (*at != '-') out->flags |= flag;
  }
  if (*at == 0) return false;
  if (*at++ == 's') out->flags |= kShared;
  ParseProcNumber(at, 16);
  const std::uint64_t major = ParseProcNumber(at, 16);
  if (*at++ != ':') return false;
  out->device = DeviceOf(major, ParseProcNumber(at, 16));
  out->inode = ParseProcNumber(at, 10);
  return true;
}

// Takes the text a byte at a time, and keeps what stands before the names.
class AreaSearch {
 public:
  AreaSearch(std::uint64_t address, MemoryArea* out) : address_(address), out_(out) {}

  // True when it is at an end.
  bool Add(char c) {
    if (c != '\n') {
      if (length_ + 1 < sizeof(line_)) line_[length_++] = c;
      return false;
    }
    line_[length_] = 0;
    length_ = 0;
    // In the order of their addresses.
    if (!ParseArea(line_, out_) || address_ >= out_->end) return false;
    is_found_ = address_ >= out_->begin;
    return true;
  }
  bool is_found() const { return is_found_; }

 private:
  std::uint64_t address_;
  MemoryArea* out_;
  char line_[128];
  std::size_t length_ = 0;
  bool is_found_ = false;
};

long SearchText(int fd, AreaSearch& search) {
  char chunk[2048];
  for (std::uint64_t done = 0; done < kMostText;) {
    const long count = sys::Read(fd, chunk, sizeof(chunk));
    if (count < 0) return -EBUSY;
    if (count == 0) return -ENOENT;
    done += static_cast<std::uint64_t>(count);
    for (long i = 0; i < count; ++i) {
      if (search.Add(chunk[i])) return search.is_found() ? 0 : -ENOENT;
    }
  }
  return -EBUSY;
}

}  // namespace

long FindMemoryAreaInText(std::uint64_t address, MemoryArea* out) noexcept {
  // The text has the kernel's page of system calls as well, which is no area of the process.
  if (static_cast<std::int64_t>(address) < 0) return -ENOENT;
  const int fd = OpenAreas();
  if (fd < 0) return -EBUSY;
  AreaSearch search(address, out);
  const long error = SearchText(fd, search);
  sys::Close(fd);
  return error;
}

long FindMemoryArea(std::uint64_t address, MemoryArea* out) noexcept {
  const int fd = OpenAreas();
  if (fd < 0) return -EBUSY;
  AreaQuery query{};
  query.size = sizeof(query);
  query.query_address = address;
  const long error = sys::Ioctl(fd, kAreaQuery, &query);
  sys::Close(fd);
  if (error == -ENOENT) return error;
  if (error != 0) return FindMemoryAreaInText(address, out);
  const std::uint64_t device = DeviceOf(query.device_major, query.device_minor);
  *out = {query.begin, query.end, query.flags & (2 * kShared - 1), query.inode, device};
  return 0;
}

}  // namespace strata::runtime
