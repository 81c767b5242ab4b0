#include "strata/backend/userspace/runtime/user_ring.h"

#include "ring_kinds.h"
#include "strata/backend/userspace/runtime/dynptr.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kReaderState = 0;  // index into MapHeader::kind_state: who reads
constexpr std::uint32_t kMostRecords = 128 << 10;

// A reader that died has left nothing half-done but the record that it was at, which is read again.
bool TakeTurn(MapView& ring, OwnerWord self) {
  OwnerWord* reader = &ring.header->kind_state[kReaderState];
  OwnerWord holder = 0;
  if (__atomic_compare_exchange_n(reader, &holder, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return true;
  return holder != self && IsOwnerDead(*ring.process, holder) &&
         __atomic_compare_exchange_n(reader, &holder, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

struct NextRecord {
  std::byte* payload;
  std::uint32_t size_bytes;
  std::uint64_t end;  // position behind it
};

// 0; -ENODATA where none is ready, -EAGAIN for a discarded one; -EINVAL and -E2BIG for those that cannot be. Everything
// is user space's to write, so each word is read once.
long PeekRecord(MapView& ring, NextRecord* out) {
  const std::uint64_t produced = __atomic_load_n(ProducerPosition(ring), __ATOMIC_ACQUIRE);
  if (produced % 8 != 0) return -EINVAL;
  const std::uint64_t consumed = __atomic_load_n(ConsumerPosition(ring), __ATOMIC_ACQUIRE) & ~std::uint64_t{7};
  if (consumed >= produced) return -ENODATA;
  std::byte* header = RingData(ring) + (consumed & (ring.max_entries - 1));
  const std::uint32_t word = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(header), __ATOMIC_ACQUIRE);
  const std::uint32_t size = word & ~(kRecordBusy | kRecordDiscarded);
  const std::uint64_t total = RoundUp(std::uint64_t{size} + kRecordHeaderSize, 8);
  if (total > produced - consumed) return -EINVAL;
  if (total > ring.max_entries || size > kMaxDynptrSize) return -E2BIG;
  *out = {header + kRecordHeaderSize, size, consumed + total};
  if ((word & kRecordDiscarded) != 0) return -EAGAIN;
  return (word & kRecordBusy) != 0 ? -ENODATA : 0;
}

struct Drained {
  std::uint32_t seen;  // discarded ones too
  std::uint32_t discarded;
  long error;
};

Drained ReadRecords(MapView& ring, RecordVisitor visit, void* argument) {
  Drained drained{0, 0, 0};
  for (bool goes_on = true; goes_on && drained.seen < kMostRecords; ++drained.seen) {
    NextRecord record;
    const long error = PeekRecord(ring, &record);
    if (error == -ENODATA) break;
    if (error == -EAGAIN) {
      ++drained.discarded;
    } else if (error != 0) {
      drained.error = error;
      break;
    } else {
      goes_on = visit(record.payload, record.size_bytes, argument) == 0;
    }
    __atomic_store_n(ConsumerPosition(ring), record.end, __ATOMIC_RELEASE);
  }
  return drained;
}

}  // namespace

long DrainUserRing(MapView& ring, std::uint64_t flags, RecordVisitor visit, void* argument) noexcept {
  if ((flags & ~(kRingNoWakeup | kRingForceWakeup)) != 0) return -EINVAL;
  if (!TakeTurn(ring, CurrentOwner(*ring.process))) return -EBUSY;
  const Drained drained = ReadRecords(ring, visit, argument);
  // A full barrier: the writer sets `waiting` and then looks for room; room is made and then `waiting` looked at.
  __atomic_exchange_n(&ring.header->kind_state[kReaderState], OwnerWord{0}, __ATOMIC_SEQ_CST);
  const bool made_room = drained.seen > 0 && (flags & kRingNoWakeup) == 0;
  if (made_room || (flags & kRingForceWakeup) != 0) WakeWaiter(ring);
  return drained.error != 0 ? drained.error : static_cast<long>(drained.seen - drained.discarded);
}

constexpr MapOps kUserRingOps = RingOps(map_traits::kUserRing);

}  // namespace strata::runtime
