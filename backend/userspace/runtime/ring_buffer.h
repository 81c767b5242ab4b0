// Ring buffers (kernel/bpf/ringbuf.c): records in the kernel's layout, so that libbpf's consumer reads them.
//
// The file: a page whose first word is the consumer's position, a page with the producers' position, then the data.
// Positions count bytes since creation. A record is a header of 8 bytes (length with the bits below, then a word of
// ours) and its payload, rounded up to 8. Each process maps the data twice in a row.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/run_context.h"

namespace strata::runtime {

inline constexpr std::uint32_t kRecordBusy = 1U << 31;
inline constexpr std::uint32_t kRecordDiscarded = 1U << 30;
inline constexpr std::uint32_t kRecordHeaderSize = 8;

struct RecordHeader {
  std::uint32_t length;  // payload bytes and the bits above
  std::uint32_t owner;   // while busy: the producer's thread id (bits 0..21) and namespace tag; the kernel has its page
                         // offset here
};
static_assert(sizeof(RecordHeader) == kRecordHeaderSize);

// BPF_RB_NO_WAKEUP and BPF_RB_FORCE_WAKEUP.
inline constexpr std::uint64_t kRingNoWakeup = 1;
inline constexpr std::uint64_t kRingForceWakeup = 2;

enum class RecordEnd : std::uint8_t { kSubmit, kDiscard };

inline std::uint64_t* ConsumerPosition(const MapView& ring) noexcept {
  return reinterpret_cast<std::uint64_t*>(ring.data);
}
inline std::uint64_t* ProducerPosition(const MapView& ring) noexcept {
  return reinterpret_cast<std::uint64_t*>(ring.data + kPageSize);
}
// What follows that position in its page: the producers' own, in one cache line with what they write for every record.
struct RingProducers {
  std::uint64_t position;
  OwnerWord lock;            // held while a record's header is written and the position advanced
  OwnerWord stopped_holder;  // was waited for in vain, so that the next ones do not wait; 0 for nobody
  std::uint64_t consumed;    // the consumer's position as a producer last saw it
};
inline RingProducers* ProducersOf(const MapView& ring) noexcept {
  return reinterpret_cast<RingProducers*>(ring.data + kPageSize);
}
inline std::byte* RingData(const MapView& ring) noexcept { return ring.data + std::size_t{2} * kPageSize; }

// Producers. Null when the ring is full (counted in MapHeader::dropped) or the size does not fit.
void* ReserveRecord(MapView& ring, std::uint64_t size_bytes) noexcept;
void EndRecord(MapView& ring, void* payload, RecordEnd end, std::uint64_t flags) noexcept;
// 0, -EINVAL for unknown flags, -EAGAIN when full.
long OutputRecord(MapView& ring, const void* from, std::uint64_t size_bytes, std::uint64_t flags) noexcept;
// BPF_RB_AVAIL_DATA (0), RING_SIZE (1), CONS_POS (2), PROD_POS (3); 0 for others.
std::uint64_t QueryRing(const MapView& ring, std::uint64_t what) noexcept;

// The same for a run, which keeps account of what it has open: null also when that is kMaxOpenRecords already (counted
// as dropped). False for a payload that the run has not reserved.
void* ReserveInRun(RunContext& run, MapView& ring, std::uint64_t size_bytes) noexcept;
bool EndInRun(RunContext& run, void* payload, RecordEnd end, std::uint64_t flags) noexcept;
// Of a run that was cut off: nobody else would end its records, and the consumer would wait for them.
void DiscardOpenRecords(RunContext& run) noexcept;

// The consumer. True while there is anything between the two positions.
bool HasData(const MapView& ring) noexcept;
// True when the next record is still being written. One whose producer died is discarded by this, and no longer busy.
bool IsNextRecordBusy(MapView& ring) noexcept;
// Says that the consumer is going to wait for a change of MapHeader::wake_word. Look for data again after this, then
// wait.
struct AnnouncedWait {
  std::uint32_t seen;  // the word's value
  // False where the system does not let us order ourselves with the producers (a sandbox without membarrier): one of a
  // ring buffer may then have missed the announcement, so that the wait must end by itself.
  bool is_certain;
};
AnnouncedWait AnnounceWait(MapView& ring) noexcept;

// Wakes whoever waits, for a user ring buffer its writer. To be called after a full barrier, or by a process that has
// remote ones.
void WakeAnnounced(MapView& ring) noexcept;
[[gnu::always_inline]] inline void WakeWaiter(MapView& ring) noexcept {
  if (__atomic_load_n(&ring.header->waiting, __ATOMIC_RELAXED) != 0) [[unlikely]]
    WakeAnnounced(ring);
}

}  // namespace strata::runtime
