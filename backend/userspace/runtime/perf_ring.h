// The buffers of perf event arrays: one per slot, in the layout of perf_event_open(2). A run that holds a slot is the
// only one that writes its buffer, and a sample counts once the head is stored behind it; so there is no lock, and a
// producer that dies leaves nothing to repair. Readers make and close a buffer while they hold its slot.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::runtime {

inline constexpr std::uint32_t kMaxPerfData = 64U << 20;

// What programs know of one buffer. In the table of the map, one for each window.
struct alignas(kCacheLine) PerfSlot {
  std::uint32_t data_size;       // bytes, a power of two; 0: nobody reads
  std::uint32_t overwritable;    // written from high addresses to low ones, without regard to the reader
  std::uint32_t paused;          // atomic; the reader's
  std::uint32_t wakeup_records;  // readable after so many samples; 0: by bytes alone
  std::uint32_t watermark;       // readable after so many bytes
  std::uint32_t ready;           // atomic: bumped each time that it becomes readable
  std::uint32_t records;         // since it became readable
  std::uint32_t reserved;
  std::uint64_t head;         // as in the control page, which the reader might change
  std::uint64_t lost;         // samples that found no room and that the reader has not been told of
  std::uint64_t wakeup_head;  // bytes after which the watermark counts
  OwnerWord reader;           // main thread of the process that reads
  std::uint64_t reserved2[8];
};
static_assert(sizeof(PerfSlot) == std::size_t{2} * kCacheLine);

// Slots of the map that have a buffer: at most possible CPUs.
std::uint32_t PerfSlotCount(const MapView& map) noexcept;
PerfSlot& PerfSlotAt(const MapView& map, std::uint32_t index) noexcept;
// Its control page, with the data behind it; memory only as far as the reader made it.
std::byte* PerfPagesAt(const MapView& map, std::uint32_t index) noexcept;

// bpf_perf_event_output of the run that holds `slot`: -EINVAL for other flags than an index, -E2BIG for an index that
// the map has not or a sample that no record holds, -ENOENT where nobody reads, -EOPNOTSUPP for the buffer of another
// slot, -ENOSPC when it is full or paused.
long OutputSample(MapView& map, std::uint32_t slot, std::uint64_t flags, const void* from,
                  std::uint64_t size_bytes) noexcept;

}  // namespace strata::runtime
