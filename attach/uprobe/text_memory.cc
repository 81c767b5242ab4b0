#include "text_memory.h"

#include "strata/attach/uprobe/module_map.h"
#include "x86_64/system_calls.h"

namespace strata::attach {
namespace {

constexpr std::uint64_t kPageSize = 4096;
constexpr std::uint64_t kRegionSize = 64 << 10;
constexpr std::uint64_t kLowestAddress = 64 << 10;         // vm.mmap_min_addr
constexpr std::uint64_t kHighestAddress = 0x7ffffffff000;  // the kernel's own pages lie above
constexpr std::uint64_t kHeapRoom = 1ULL << 30;            // left to a heap that grows
constexpr std::uint64_t kAlignment = 16;
constexpr int kPlacingAttempts = 4;
constexpr std::size_t kMaxRegions = 1024;

struct Region {
  std::uint64_t begin;
  std::uint64_t next;  // the first free byte
};

// Grows only. Guarded by the engine's lock.
struct Regions {
  Region rows[kMaxRegions];
  std::size_t count;
};
constinit Regions regions = {};

std::uint64_t AlignUp(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}
std::uint64_t AlignDown(std::uint64_t value, std::uint64_t alignment) { return value & ~(alignment - 1); }

std::uint64_t Distance(std::uint64_t left, std::uint64_t right) { return left < right ? right - left : left - right; }

// The free place for a region that is nearest to `wish`, found in one walk over the mappings.
struct GapSearch {
  Reach reach;
  std::uint64_t wish;
  std::uint64_t previous_end;
  bool after_heap;
  std::uint64_t best;
  std::uint64_t best_distance;
};

void Offer(GapSearch& search, std::uint64_t begin, std::uint64_t end) {
  if (search.after_heap) begin += kHeapRoom;
  if (end > kHighestAddress) end = kHighestAddress;
  const std::uint64_t lowest = AlignUp(begin > search.reach.lowest ? begin : search.reach.lowest, kPageSize);
  const std::uint64_t highest = AlignDown(end < search.reach.highest ? end : search.reach.highest, kPageSize);
  if (highest < lowest || highest - lowest < kRegionSize) return;
  // At the gap's end that is nearer to the site, away from where the kernel puts the next mapping if possible.
  const std::uint64_t place = highest <= search.wish ? highest - kRegionSize : lowest;
  const std::uint64_t distance = Distance(place, search.wish);
  if (distance >= search.best_distance) return;
  search.best = place;
  search.best_distance = distance;
}

bool HasName(const char* path, const char* name) {
  for (; *name != '\0'; ++path, ++name) {
    if (*path != *name) return false;
  }
  return true;
}

// The heap grows up and the stack grows down: there is room next to the one, and nothing next to the other.
bool VisitGap(const Mapping& mapping, void* argument) {
  auto& search = *static_cast<GapSearch*>(argument);
  const bool before_stack = HasName(mapping.path, "[stack");
  if (mapping.begin > search.previous_end && !before_stack) Offer(search, search.previous_end, mapping.begin);
  search.previous_end = mapping.end;
  search.after_heap = HasName(mapping.path, "[heap]");
  return true;
}

std::uint64_t MapRegion(const Reach& reach, std::uint64_t wish) {
  for (int attempt = 0; attempt < kPlacingAttempts; ++attempt) {
    GapSearch search = {reach, wish, kLowestAddress, false, 0, ~0ULL};
    if (ForEachMapping(VisitGap, &search) != 0) return 0;
    Offer(search, search.previous_end, kHighestAddress);
    if (search.best == 0) return 0;
    const long mapped =
        sys::Mmap(search.best, kRegionSize, sys::kProtectRead | sys::kProtectExecute, sys::kMapFixedNoReplace);
    if (mapped == static_cast<long>(search.best)) return search.best;
    // Another thread was faster, or an old kernel took the address for a wish.
    if (!sys::IsError(mapped)) sys::Raw(sys::Call::kMunmap, static_cast<std::uint64_t>(mapped), kRegionSize);
  }
  return 0;
}

std::uint64_t TakeFrom(Region& region, const Reach& reach, std::size_t size) {
  std::uint64_t at = region.next;
  if (at < reach.lowest) at = AlignUp(reach.lowest, kAlignment);
  if (at > reach.highest || at < region.begin || at + size > region.begin + kRegionSize) return 0;
  region.next = AlignUp(at + size, kAlignment);
  return at;
}

}  // namespace

TextWriter::TextWriter() noexcept : fd_(sys::Open("/proc/self/mem", sys::kReadWrite)) {}

TextWriter::~TextWriter() {
  if (fd_ >= 0) sys::Close(fd_);
}

bool TextWriter::Read(std::uint64_t address, void* to, std::size_t size) const noexcept {
  if (fd_ >= 0) return sys::Pread(fd_, to, size, address) == static_cast<long>(size);
  struct {
    std::uint64_t base;
    std::uint64_t size;
  } local = {sys::Wide(to), size}, remote = {address, size};
  const long got =
      sys::Raw(sys::Call::kProcessVmReadv, sys::Wide(sys::Getpid()), sys::Wide(&local), 1, sys::Wide(&remote), 1, 0);
  return got == static_cast<long>(size);
}

int TextWriter::WriteDirectly(std::uint64_t address, const void* from, std::size_t size) const noexcept {
  const std::uint64_t begin = AlignDown(address, kPageSize);
  const std::uint64_t length = AlignUp(address + size, kPageSize) - begin;
  const int closed = sys::kProtectRead | sys::kProtectExecute;
  const long error = sys::Mprotect(begin, length, closed | sys::kProtectWrite);
  if (error != 0) return static_cast<int>(-error);
  if (size == 8 && address % 8 == 0) {
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(address), *static_cast<const std::uint64_t*>(from),
                     __ATOMIC_SEQ_CST);
  } else {
    for (std::size_t i = 0; i < size; ++i)
      reinterpret_cast<volatile char*>(address)[i] = static_cast<const char*>(from)[i];
  }
  return static_cast<int>(-sys::Mprotect(begin, length, closed));
}

int TextWriter::Write(std::uint64_t address, const void* from, std::size_t size) const noexcept {
  std::uint64_t word;
  const std::uint64_t begin = AlignDown(address, 8);
  if (address + size <= begin + 8 && Read(begin, &word, 8)) {
    for (std::size_t i = 0; i < size; ++i)
      reinterpret_cast<char*>(&word)[address - begin + i] = static_cast<const char*>(from)[i];
    address = begin;
    from = &word;
    size = 8;
  }
  if (fd_ >= 0 && sys::Pwrite(fd_, from, size, address) == static_cast<long>(size)) return 0;
  return WriteDirectly(address, from, size);
}

std::uint64_t AllocateText(const TextWriter& writer, const Reach& reach, std::uint64_t wish, std::size_t size,
                           std::uint64_t word, std::uint64_t* slot) noexcept {
  for (std::size_t i = 0; i < regions.count; ++i) {
    *slot = regions.rows[i].begin;
    if (const std::uint64_t at = TakeFrom(regions.rows[i], reach, size)) return at;
  }
  if (regions.count == kMaxRegions) return 0;
  const std::uint64_t begin = MapRegion(reach, wish);
  if (begin == 0 || writer.Write(begin, &word, sizeof(word)) != 0) return 0;
  regions.rows[regions.count] = {begin, begin + kAlignment};
  *slot = begin;
  return TakeFrom(regions.rows[regions.count++], reach, size);
}

}  // namespace strata::attach
