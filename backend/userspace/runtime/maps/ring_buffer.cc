#include "strata/backend/userspace/runtime/ring_buffer.h"

#include <time.h>

#include "ring_kinds.h"
#include "strata/backend/userspace/runtime/owner_lock.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kMaxRecord = 0xffffffffU / 4;  // RINGBUF_MAX_RECORD_SZ
// Indices into MapHeader::kind_state; a session's log has its reader's lock between these.
constexpr std::uint32_t kLockState = 0;
constexpr std::uint32_t kStoppedHolderState = 2;

// A producer holds the lock for four stores. One that was preempted there gets its processor back while others sleep;
// one that was stopped (SIGSTOP, a debugger) is waited for once, by whoever meets it first. On a machine with many
// more runnable threads than processors that takes some tens of milliseconds, so that about half a second tells them
// apart.
constexpr sys::Timespec kHolderSleep{0, 200'000};
constexpr std::uint64_t kLongestWaitNs = 400'000'000;

std::uint64_t Mask(const MapView& ring) { return ring.max_entries - 1; }

RecordHeader* RecordAt(const MapView& ring, std::uint64_t position) {
  return reinterpret_cast<RecordHeader*>(RingData(ring) + (position & Mask(ring)));
}

void CountDropped(MapView& ring) { __atomic_fetch_add(&ring.header->dropped, 1, __ATOMIC_RELAXED); }

bool TakeFrom(MapView& ring, OwnerWord holder, OwnerWord self) {
  if (holder != 0 && !IsOwnerDead(*ring.process, holder)) return false;
  return __atomic_compare_exchange_n(&ring.header->kind_state[kLockState], &holder, self, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED);
}

// Waits until the holder lets go or is dead. False when it does not in time, and for whoever comes while it still does
// not. Counted in time: on a crowded machine a yield may take as long as a sleep.
bool WaitForHolder(MapView& ring, OwnerWord self) {
  OwnerWord* lock = &ring.header->kind_state[kLockState];
  OwnerWord* stopped = &ring.header->kind_state[kStoppedHolderState];
  if (Take(*ring.process, lock, self) != Taken::kNot) return true;
  const std::uint64_t start_ns = ClockNow(*ring.process, CLOCK_MONOTONIC);
  while (true) {
    const OwnerWord holder = __atomic_load_n(lock, __ATOMIC_RELAXED);
    if (holder == self || (holder != 0 && holder == __atomic_load_n(stopped, __ATOMIC_RELAXED))) return false;
    if (TakeFrom(ring, holder, self)) return true;
    if (ClockNow(*ring.process, CLOCK_MONOTONIC) - start_ns > kLongestWaitNs) break;
    // Nobody wakes it: the holder's release is a plain store.
    sys::FutexWait(reinterpret_cast<const std::uint32_t*>(lock), static_cast<std::uint32_t>(holder), &kHolderSleep);
  }
  __atomic_store_n(stopped, __atomic_load_n(lock, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
  return false;
}

// A holder that died needs no repair: nothing counts before the position is stored.
[[gnu::always_inline]] inline bool LockRing(MapView& ring, OwnerWord self) {
  OwnerWord free = 0;
  OwnerWord* lock = &ring.header->kind_state[kLockState];
  const bool is_free = __atomic_compare_exchange_n(lock, &free, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
  if (!is_free && !WaitForHolder(ring, self)) [[unlikely]]
    return false;
  OwnerWord* stopped = &ring.header->kind_state[kStoppedHolderState];
  if (__atomic_load_n(stopped, __ATOMIC_RELAXED) != 0) [[unlikely]]
    __atomic_store_n(stopped, OwnerWord{0}, __ATOMIC_RELAXED);
  return true;
}

void UnlockRing(MapView& ring) { Drop(&ring.header->kind_state[kLockState]); }

}  // namespace

void* ReserveRecord(MapView& ring, std::uint64_t size_bytes) noexcept {
  if (size_bytes > kMaxRecord) return nullptr;
  const std::uint64_t length = RoundUp(size_bytes + kRecordHeaderSize, 8);
  if (length > ring.max_entries) return nullptr;
  const OwnerWord self = CurrentOwner(*ring.process);
  if (!LockRing(ring, self)) [[unlikely]] {
    CountDropped(ring);
    return nullptr;
  }
  const std::uint64_t consumed = __atomic_load_n(ConsumerPosition(ring), __ATOMIC_ACQUIRE);
  const std::uint64_t position = __atomic_load_n(ProducerPosition(ring), __ATOMIC_RELAXED);
  if (position + length - consumed > Mask(ring)) {
    UnlockRing(ring);
    CountDropped(ring);
    return nullptr;
  }
  RecordHeader* record = RecordAt(ring, position & ~std::uint64_t{7});
  record->length = static_cast<std::uint32_t>(size_bytes) | kRecordBusy;
  record->owner = ShortOwnerOf(*ring.process, self);
  __atomic_store_n(ProducerPosition(ring), position + length, __ATOMIC_RELEASE);
  UnlockRing(ring);
  return record + 1;
}

void EndRecord(MapView& ring, void* payload, RecordEnd end, std::uint64_t flags) noexcept {
  RecordHeader* record = static_cast<RecordHeader*>(payload) - 1;
  std::uint32_t length = record->length & ~kRecordBusy;
  if (end == RecordEnd::kDiscard) length |= kRecordDiscarded;
  // A full barrier: the consumer sets `waiting` and then looks at the record; the record is set and then `waiting`
  // looked at.
  __atomic_exchange_n(&record->length, length, __ATOMIC_SEQ_CST);
  if ((flags & kRingForceWakeup) == 0 && (flags & kRingNoWakeup) != 0) return;
  WakeWaiter(ring);
}

long OutputRecord(MapView& ring, const void* from, std::uint64_t size_bytes, std::uint64_t flags) noexcept {
  if ((flags & ~(kRingNoWakeup | kRingForceWakeup)) != 0) return -EINVAL;
  void* payload = ReserveRecord(ring, size_bytes);
  if (payload == nullptr) return -EAGAIN;
  memcpy(payload, from, size_bytes);
  EndRecord(ring, payload, RecordEnd::kSubmit, flags);
  return 0;
}

void* ReserveInRun(RunContext& run, MapView& ring, std::uint64_t size_bytes) noexcept {
  if (run.open_record_count == kMaxOpenRecords) {
    CountDropped(ring);
    return nullptr;
  }
  void* payload = ReserveRecord(ring, size_bytes);
  if (payload != nullptr) run.open_records[run.open_record_count++] = {&ring, payload};
  return payload;
}

bool EndInRun(RunContext& run, void* payload, RecordEnd end, std::uint64_t flags) noexcept {
  for (std::uint32_t i = 0; i < run.open_record_count; ++i) {
    OpenRecord& record = run.open_records[i];
    if (record.payload != payload) continue;
    EndRecord(*record.ring, payload, end, flags);
    record = run.open_records[--run.open_record_count];
    return true;
  }
  return false;
}

void DiscardOpenRecords(RunContext& run) noexcept {
  while (run.open_record_count != 0) {
    const OpenRecord& record = run.open_records[--run.open_record_count];
    EndRecord(*record.ring, record.payload, RecordEnd::kDiscard, 0);
  }
}

std::uint64_t QueryRing(const MapView& ring, std::uint64_t what) noexcept {
  const std::uint64_t consumed = __atomic_load_n(ConsumerPosition(ring), __ATOMIC_ACQUIRE);
  const std::uint64_t produced = __atomic_load_n(ProducerPosition(ring), __ATOMIC_ACQUIRE);
  switch (what) {
    case 0:
      return produced - consumed;
    case 1:
      return ring.max_entries;
    case 2:
      return consumed;
    case 3:
      return produced;
    default:
      return 0;
  }
}

bool HasData(const MapView& ring) noexcept {
  return __atomic_load_n(ProducerPosition(ring), __ATOMIC_ACQUIRE) !=
         __atomic_load_n(ConsumerPosition(ring), __ATOMIC_ACQUIRE);
}

bool IsNextRecordBusy(MapView& ring) noexcept {
  if (!HasData(ring)) return false;
  RecordHeader* record = RecordAt(ring, __atomic_load_n(ConsumerPosition(ring), __ATOMIC_ACQUIRE) & ~std::uint64_t{7});
  std::uint32_t length = __atomic_load_n(&record->length, __ATOMIC_ACQUIRE);
  if ((length & kRecordBusy) == 0) return false;
  if (!IsShortOwnerDead(*ring.process, __atomic_load_n(&record->owner, __ATOMIC_RELAXED))) return true;
  const std::uint32_t discarded = (length & ~kRecordBusy) | kRecordDiscarded;
  __atomic_compare_exchange_n(&record->length, &length, discarded, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  return false;
}

void WakeAnnounced(MapView& ring) noexcept {
  // One of many takes the flag and makes the call.
  if (__atomic_exchange_n(&ring.header->waiting, 0U, __ATOMIC_SEQ_CST) == 0) return;
  __atomic_fetch_add(&ring.header->wake_word, 1U, __ATOMIC_SEQ_CST);
  sys::FutexWake(&ring.header->wake_word, 0x7fffffff);
}

std::uint32_t AnnounceWait(MapView& ring) noexcept {
  const std::uint32_t seen = __atomic_load_n(&ring.header->wake_word, __ATOMIC_ACQUIRE);
  __atomic_exchange_n(&ring.header->waiting, 1U, __ATOMIC_SEQ_CST);
  return seen;
}

constexpr MapOps kRingBufferOps = RingOps(map_traits::kRing);

}  // namespace strata::runtime
