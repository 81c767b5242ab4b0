#include "strata/backend/userspace/runtime/mapped_files.h"

#include <sys/mman.h>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

// `begin` is 0 in a free row and kTaken while its taker writes the other word.
struct MappedRange {
  std::uint64_t begin;
  std::uint64_t end;
};
constexpr std::uint64_t kTaken = 1;
constexpr std::size_t kMostRanges = 1024;
MappedRange ranges[kMostRanges];

void Remember(std::uint64_t begin, std::uint64_t end) {
  for (MappedRange& range : ranges) {
    std::uint64_t free = 0;
    if (__atomic_load_n(&range.begin, __ATOMIC_RELAXED) != 0 ||
        !__atomic_compare_exchange_n(&range.begin, &free, kTaken, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      continue;
    __atomic_store_n(&range.end, end, __ATOMIC_RELAXED);
    __atomic_store_n(&range.begin, begin, __ATOMIC_RELEASE);
    return;
  }
}

void Forget(std::uint64_t begin, std::uint64_t end) {
  for (MappedRange& range : ranges) {
    const std::uint64_t known = __atomic_load_n(&range.begin, __ATOMIC_RELAXED);
    if (known >= begin && known < end) __atomic_store_n(&range.begin, std::uint64_t{0}, __ATOMIC_RELEASE);
  }
}

}  // namespace

long MapShared(void* at, std::size_t size_bytes, int protection, int fd, std::uint64_t offset) noexcept {
  const long address =
      sys::Mmap(at, size_bytes, protection, at == nullptr ? MAP_SHARED : MAP_SHARED | MAP_FIXED, fd, offset);
  if (!sys::IsError(address)) {
    const auto begin = static_cast<std::uint64_t>(address);
    Remember(begin, begin + size_bytes);
  }
  return address;
}

void UnmapShared(void* at, std::size_t size_bytes) noexcept {
  const auto begin = reinterpret_cast<std::uint64_t>(at);
  Forget(begin, begin + size_bytes);
  sys::Munmap(at, size_bytes);
}

bool RestoreMapping(std::uint64_t address) noexcept {
  for (const MappedRange& range : ranges) {
    const std::uint64_t begin = __atomic_load_n(&range.begin, __ATOMIC_ACQUIRE);
    const std::uint64_t end = __atomic_load_n(&range.end, __ATOMIC_RELAXED);
    if (begin <= kTaken || address < begin || address >= end) continue;
    const std::uint64_t page = address & ~std::uint64_t{kPageSize - 1};
    return !sys::IsError(sys::Mmap(reinterpret_cast<void*>(page), end - page, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE));
  }
  return false;
}

}  // namespace strata::runtime
