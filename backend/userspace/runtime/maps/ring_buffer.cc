#include "strata/backend/userspace/runtime/ring_buffer.h"

#include <time.h>

#include "ring_kinds.h"
#include "strata/backend/userspace/runtime/owner_lock.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kMaxRecord = 0xffffffffU / 4;  // RINGBUF_MAX_RECORD_SZ
// Up to here OutputRecord copies while it holds the lock, so that the consumer never meets the record half-written.
constexpr std::uint64_t kMaxCopyUnderLock = 256;

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
  return __atomic_compare_exchange_n(&ProducersOf(ring)->lock, &holder, self, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED);
}

// Waits until the holder lets go or is dead. False when it does not in time, and for whoever comes while it still does
// not. Counted in time: on a crowded machine a yield may take as long as a sleep.
bool WaitForHolder(MapView& ring, OwnerWord self) {
  OwnerWord* lock = &ProducersOf(ring)->lock;
  OwnerWord* stopped = &ProducersOf(ring)->stopped_holder;
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
  RingProducers& producers = *ProducersOf(ring);
  OwnerWord free = 0;
  const bool is_free =
      __atomic_compare_exchange_n(&producers.lock, &free, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
  if (!is_free && !WaitForHolder(ring, self)) [[unlikely]]
    return false;
  if (__atomic_load_n(&producers.stopped_holder, __ATOMIC_RELAXED) != 0) [[unlikely]]
    __atomic_store_n(&producers.stopped_holder, OwnerWord{0}, __ATOMIC_RELAXED);
  return true;
}

void UnlockRing(MapView& ring) { Drop(&ProducersOf(ring)->lock); }

// By whoever holds the lock. The consumer's position lies in a line that it writes for every record, so that its last
// known value is asked first.
[[gnu::always_inline]] inline bool HasRoom(MapView& ring, std::uint64_t end) {
  RingProducers& producers = *ProducersOf(ring);
  if (end - producers.consumed <= Mask(ring)) [[likely]]
    return true;
  producers.consumed = __atomic_load_n(ConsumerPosition(ring), __ATOMIC_ACQUIRE);
  return end - producers.consumed <= Mask(ring);
}

// Takes the lock and finds room for a record; null, counted and without the lock, where there is none.
[[gnu::always_inline]] inline RecordHeader* BeginRecord(MapView& ring, OwnerWord self, std::uint64_t length) {
  if (!LockRing(ring, self)) [[unlikely]] {
    CountDropped(ring);
    return nullptr;
  }
  const std::uint64_t position = __atomic_load_n(ProducerPosition(ring), __ATOMIC_RELAXED);
  if (HasRoom(ring, position + length)) [[likely]]
    return RecordAt(ring, position & ~std::uint64_t{7});
  UnlockRing(ring);
  CountDropped(ring);
  return nullptr;
}

[[gnu::always_inline]] inline void PublishRecord(MapView& ring, std::uint64_t length) {
  std::uint64_t* position = ProducerPosition(ring);
  __atomic_store_n(position, __atomic_load_n(position, __ATOMIC_RELAXED) + length, __ATOMIC_RELEASE);
  UnlockRing(ring);
}

// Bytes of a record with its header; 0 for one that no ring of this size takes.
std::uint64_t RecordLength(const MapView& ring, std::uint64_t size_bytes) {
  if (size_bytes > kMaxRecord) return 0;
  const std::uint64_t length = RoundUp(size_bytes + kRecordHeaderSize, 8);
  return length <= ring.max_entries ? length : 0;
}

// The consumer sets `waiting` and then looks for records; a record is there and then `waiting` is looked at. One of the
// two orders would need a full barrier of every producer, but that the consumer makes all of them pass one.
[[gnu::always_inline]] inline void WakeAfterRecord(MapView& ring, std::uint64_t flags) {
  if (ring.process->has_remote_barriers) [[likely]]
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
  else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if ((flags & kRingForceWakeup) == 0 && (flags & kRingNoWakeup) != 0) return;
  WakeWaiter(ring);
}

}  // namespace

void* ReserveRecord(MapView& ring, std::uint64_t size_bytes) noexcept {
  const std::uint64_t length = RecordLength(ring, size_bytes);
  if (length == 0) return nullptr;
  const OwnerWord self = CurrentOwner(*ring.process);
  RecordHeader* record = BeginRecord(ring, self, length);
  if (record == nullptr) return nullptr;
  record->length = static_cast<std::uint32_t>(size_bytes) | kRecordBusy;
  record->owner = ShortOwnerOf(*ring.process, self);
  PublishRecord(ring, length);
  return record + 1;
}

void EndRecord(MapView& ring, void* payload, RecordEnd end, std::uint64_t flags) noexcept {
  RecordHeader* record = static_cast<RecordHeader*>(payload) - 1;
  std::uint32_t length = record->length & ~kRecordBusy;
  if (end == RecordEnd::kDiscard) length |= kRecordDiscarded;
  __atomic_store_n(&record->length, length, __ATOMIC_RELEASE);
  WakeAfterRecord(ring, flags);
}

long OutputRecord(MapView& ring, const void* from, std::uint64_t size_bytes, std::uint64_t flags) noexcept {
  if ((flags & ~(kRingNoWakeup | kRingForceWakeup)) != 0) return -EINVAL;
  if (size_bytes <= kMaxCopyUnderLock) {
    const std::uint64_t length = RecordLength(ring, size_bytes);
    RecordHeader* record = length != 0 ? BeginRecord(ring, CurrentOwner(*ring.process), length) : nullptr;
    if (record == nullptr) return -EAGAIN;
    record->length = static_cast<std::uint32_t>(size_bytes);
    memcpy(record + 1, from, size_bytes);
    PublishRecord(ring, length);
    WakeAfterRecord(ring, flags);
    return 0;
  }
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

AnnouncedWait AnnounceWait(MapView& ring) noexcept {
  const std::uint32_t seen = __atomic_load_n(&ring.header->wake_word, __ATOMIC_ACQUIRE);
  __atomic_exchange_n(&ring.header->waiting, 1U, __ATOMIC_SEQ_CST);
  return {seen, sys::RemoteBarrier() == 0};
}

namespace {

long OpenRing(MapView& ring) noexcept {
  Process& process = *ring.process;
  if (!process.has_remote_barriers) process.has_remote_barriers = sys::RegisterForRemoteBarriers() == 0;
  return 0;
}

constexpr MapOps WithOpen(MapOps ops) {
  ops.open = OpenRing;
  return ops;
}

}  // namespace

constexpr MapOps kRingBufferOps = WithOpen(RingOps(map_traits::kRing));

}  // namespace strata::runtime
