// Arenas: the allocator of pages, in memory that processes share. No lock: a page is claimed by compare-and-exchange of
// its byte, so that whoever dies leaves at most pages that stay allocated, as a program leaves that forgets them.
#include "strata/backend/userspace/runtime/arena.h"

#include <asm/errno.h>
#include <sys/mman.h>

#include "../guarded_read.h"
#include "ops.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

// Indices into MapHeader::kind_state.
enum ArenaState : std::uint32_t {
  kAddress,
  kHint,  // pages below it are taken, if nobody else works on the table meanwhile
};

constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, Linux 5.14

std::uint8_t* StateAt(const MapView& map, std::uint64_t page) {
  return reinterpret_cast<std::uint8_t*>(map.table) + page;
}

ArenaPage StateOf(const MapView& map, std::uint64_t page) {
  return static_cast<ArenaPage>(__atomic_load_n(StateAt(map, page), __ATOMIC_ACQUIRE));
}

bool ChangeState(MapView& map, std::uint64_t page, ArenaPage from, ArenaPage to) {
  auto expected = static_cast<std::uint8_t>(from);
  return __atomic_compare_exchange_n(StateAt(map, page), &expected, static_cast<std::uint8_t>(to), false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

std::byte* PageAt(const MapView& map, std::uint64_t page) { return map.data + page * kPageSize; }

// The kernel gives user space a page when it touches one, unless it asked for faults.
bool IsTouched(const MapView& map, std::uint64_t page) {
  unsigned char residency = 0;
  return (map.flags & map_flags::kSegvOnFault) == 0 && sys::Mincore(PageAt(map, page), kPageSize, &residency) == 0 &&
         (residency & 1) != 0;
}

constexpr std::uint64_t kFewPages = 16;

std::uint64_t CountWithoutMemory(const MapView& map, std::uint64_t first, std::uint64_t count) {
  constexpr std::uint64_t kAtOnce = 256;
  unsigned char residency[kAtOnce];
  std::uint64_t missing = 0;
  for (std::uint64_t done = 0; done < count; done += kAtOnce) {
    const std::uint64_t pages = count - done < kAtOnce ? count - done : kAtOnce;
    if (sys::Mincore(PageAt(map, first + done), pages * kPageSize, residency) != 0) return 0;
    for (std::uint64_t i = 0; i < pages; ++i) missing += (residency[i] & 1) == 0 ? 1 : 0;
  }
  return missing;
}

// Asked before: what is given to pages, even if not to all, stays with them.
bool HasRoom(const MapView& map, std::uint64_t first, std::uint64_t count) {
  if (count <= kFewPages) return true;
  const std::uint64_t free_bytes = sys::FreeBytesAt(map.process->session_path);
  return free_bytes == ~std::uint64_t{0} || CountWithoutMemory(map, first, count) <= free_bytes / kPageSize;
}

// Gives pages memory, without a fault where there is none; contents stay.
bool Populate(MapView& map, std::uint64_t first, std::uint64_t count) {
  if (!HasRoom(map, first, count)) return false;
  const long error = sys::Madvise(PageAt(map, first), count * kPageSize, kPopulateWrite);
  if (error != -EINVAL) return error == 0;
  for (std::uint64_t page = first; page < first + count; ++page) {
    std::byte byte;
    if (GuardedRead(*map.process, &byte, reinterpret_cast<std::uint64_t>(PageAt(map, page)), 1) != 0) return false;
  }
  return true;
}

bool IsAllocated(MapView& map, std::uint64_t page) {
  const ArenaPage state = StateOf(map, page);
  if (state != ArenaPage::kFree) return state == ArenaPage::kAllocated;
  // The system may call everything touched, for a process that may not write the file any more.
  if (!IsTouched(map, page) || !Populate(map, page, 1)) return false;
  ChangeState(map, page, ArenaPage::kFree, ArenaPage::kAllocated);
  return StateOf(map, page) == ArenaPage::kAllocated;
}

// Makes sure that user space has none of the pages. Returns the first that is not free, or the end.
std::uint64_t TakeFromUserSpace(MapView& map, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t page = first; page < first + count; ++page) {
    if (IsAllocated(map, page)) return page;
    ChangeState(map, page, ArenaPage::kFree, ArenaPage::kFreed);
    if (StateOf(map, page) != ArenaPage::kFreed) return page;
  }
  return first + count;
}

void PutBack(MapView& map, std::uint64_t first, std::uint64_t end, ArenaPage from) {
  for (std::uint64_t page = first; page < end; ++page) ChangeState(map, page, from, ArenaPage::kFreed);
}

// All pages from ArenaPage::kFreed to `state`, or none: then the one that somebody else has.
std::uint64_t Take(MapView& map, std::uint64_t first, std::uint64_t count, ArenaPage state) {
  const std::uint64_t end = TakeFromUserSpace(map, first, count);
  if (end != first + count) return end;
  for (std::uint64_t page = first; page < end; ++page) {
    if (ChangeState(map, page, ArenaPage::kFreed, state)) continue;
    PutBack(map, first, page, state);
    return page;
  }
  return end;
}

struct Claim {
  std::uint64_t end;  // of the pages, or the one that is in the way
  bool has_memory;
};

// Memory comes first, since others may look at a page as soon as it is allocated; zeros last, when nobody else is
// writing them.
Claim ClaimPages(MapView& map, std::uint64_t first, std::uint64_t count) {
  const std::uint64_t end = TakeFromUserSpace(map, first, count);
  if (end != first + count) return {end, true};
  if (!Populate(map, first, count)) return {first, false};
  const std::uint64_t taken = Take(map, first, count, ArenaPage::kAllocated);
  if (taken == end) memset(PageAt(map, first), 0, count * kPageSize);
  return {taken, true};
}

bool MayBeFree(ArenaPage state) { return state == ArenaPage::kFree || state == ArenaPage::kFreed; }

// The first of `count` pages in a row; the arena's end when there are none.
std::uint64_t FindRun(const MapView& map, std::uint64_t from, std::uint64_t count) {
  std::uint64_t length = 0;
  for (std::uint64_t page = from; page < map.max_entries; ++page) {
    length = MayBeFree(StateOf(map, page)) ? length + 1 : 0;
    if (length == count) return page + 1 - count;
  }
  return map.max_entries;
}

// Claims the lowest run from `from` on; the arena's end for none.
std::uint64_t ClaimRun(MapView& map, std::uint64_t from, std::uint64_t count) {
  while (true) {
    const std::uint64_t first = FindRun(map, from, count);
    if (first == map.max_entries) return first;
    const Claim claim = ClaimPages(map, first, count);
    if (!claim.has_memory) return map.max_entries;
    if (claim.end == first + count) return first;
    from = claim.end + 1;
  }
}

std::uint64_t* HintOf(MapView& map) { return &map.header->kind_state[kHint]; }

std::uint64_t ClaimAnywhere(MapView& map, std::uint64_t count) {
  const std::uint64_t hint = __atomic_load_n(HintOf(map), __ATOMIC_RELAXED);
  std::uint64_t first = ClaimRun(map, hint, count);
  if (first == map.max_entries && hint != 0) first = ClaimRun(map, 0, count);
  // Of longer runs, single pages may have been passed over.
  if (first != map.max_entries && count == 1) __atomic_store_n(HintOf(map), first + 1, __ATOMIC_RELAXED);
  return first;
}

// compute_pgoff
std::uint64_t PageOf(const MapView& map, std::uint64_t pointer) {
  return static_cast<std::uint32_t>(pointer - ArenaAddress(map)) / kPageSize;
}

bool IsAligned(std::uint64_t pointer) { return pointer % kPageSize == 0; }

// arena_map_alloc
long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  constexpr std::uint32_t kKnown = map_flags::kMmapable | map_flags::kSegvOnFault | map_flags::kNoUserConversion;
  if (attributes.key_size != 0 || attributes.value_size != 0 || attributes.max_entries == 0) return -EINVAL;
  if ((attributes.flags & map_flags::kMmapable) == 0 || (attributes.flags & ~kKnown) != 0) return -EINVAL;
  if (!IsAligned(attributes.map_extra)) return -EINVAL;
  const std::uint64_t size = std::uint64_t{attributes.max_entries} * kPageSize;
  if (size > kMostArenaBytes) return -E2BIG;
  if (attributes.map_extra >> 32 != (attributes.map_extra + size - 1) >> 32) return -ERANGE;
  out->data_size = size;
  out->has_sparse_data = true;
  out->sparse_size = size;
  out->table_size = RoundUp(attributes.max_entries, kPageSize);
  return 0;
}

void Initialize(MapView& map) noexcept { map.header->kind_state[kAddress] = map.header->map_extra; }

long Open(MapView& map) noexcept {
  // A large page would look as if user space had touched all of it.
  sys::Madvise(map.data, map.geometry.data_size, MADV_NOHUGEPAGE);
  return 0;
}

void* Lookup(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }
long Update(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/,
            std::uint32_t /*slot*/) noexcept {
  return -EOPNOTSUPP;
}
long Erase(MapView& /*map*/, const void* /*key*/) noexcept { return -EOPNOTSUPP; }
long ForEach(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/, void* /*argument*/) noexcept {
  return -EOPNOTSUPP;
}
long Push(MapView& /*map*/, const void* /*value*/, std::uint64_t /*flags*/) noexcept { return -EOPNOTSUPP; }
long Pop(MapView& /*map*/, void* /*value*/) noexcept { return -EOPNOTSUPP; }
long CopyOut(MapView& /*map*/, const void* /*key*/, void* /*value*/, std::uint64_t /*flags*/) noexcept {
  return -EINVAL;
}
long CopyIn(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/) noexcept {
  return -EOPNOTSUPP;
}
long NextKey(MapView& /*map*/, const void* /*key*/, void* /*next*/) noexcept { return -EOPNOTSUPP; }

}  // namespace

std::uint64_t ArenaAddress(const MapView& map) noexcept {
  return __atomic_load_n(&map.header->kind_state[kAddress], __ATOMIC_ACQUIRE);
}

bool FixArenaAddress(MapView& map, std::uint64_t address) noexcept {
  std::uint64_t known = 0;
  return __atomic_compare_exchange_n(&map.header->kind_state[kAddress], &known, address, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE) ||
         known == address;
}

std::byte* FindArenaMemory(MapView& map, std::uint64_t pointer, std::uint64_t size_bytes) noexcept {
  const std::uint64_t offset = pointer - static_cast<std::uint32_t>(ArenaAddress(map));
  if (offset >= map.geometry.data_size || size_bytes > map.geometry.data_size - offset) return nullptr;
  const std::uint64_t first = offset / kPageSize;
  const std::uint64_t last = (offset + size_bytes - 1) / kPageSize;
  if (!IsAllocated(map, first) || (last != first && !IsAllocated(map, last))) return nullptr;
  return map.data + offset;
}

std::uint64_t AllocateArenaPages(MapView& map, std::uint64_t pointer, std::uint32_t count) noexcept {
  if (count == 0 || count > map.max_entries || !IsAligned(pointer)) return 0;
  std::uint64_t first = 0;
  if (pointer == 0) {
    first = ClaimAnywhere(map, count);
    if (first == map.max_entries) return 0;
  } else {
    first = PageOf(map, pointer);
    if (first > map.max_entries - count || ClaimPages(map, first, count).end != first + count) return 0;
  }
  return ArenaAddress(map) + first * kPageSize;
}

void FreeArenaPages(MapView& map, std::uint64_t pointer, std::uint32_t count) noexcept {
  const std::uint64_t first = PageOf(map, pointer);
  if (first >= map.max_entries) return;
  const std::uint64_t end = count < map.max_entries - first ? first + count : map.max_entries;
  for (std::uint64_t page = first; page < end; ++page) {
    // User space's as well, and what is reserved.
    if (IsAllocated(map, page)) ChangeState(map, page, ArenaPage::kAllocated, ArenaPage::kFreed);
    ChangeState(map, page, ArenaPage::kReserved, ArenaPage::kFreed);
  }
  std::uint64_t hint = __atomic_load_n(HintOf(map), __ATOMIC_RELAXED);
  while (first < hint &&
         !__atomic_compare_exchange_n(HintOf(map), &hint, first, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

long ReserveArenaPages(MapView& map, std::uint64_t pointer, std::uint32_t count) noexcept {
  if (count == 0 || !IsAligned(pointer)) return 0;
  const std::uint64_t first = PageOf(map, pointer);
  if (first + count > map.max_entries) return -EINVAL;
  return Take(map, first, count, ArenaPage::kReserved) == first + count ? 0 : -EBUSY;
}

constexpr MapOps kArenaOps = {
    .traits = map_traits::kMmapable,
    .geometry = Geometry,
    .initialize = Initialize,
    .open = Open,
    .lookup = Lookup,
    .update = Update,
    .erase = Erase,
    .for_each = ForEach,
    .push = Push,
    .pop = Pop,
    .peek = Pop,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .next_key = NextKey,
};

}  // namespace strata::runtime
