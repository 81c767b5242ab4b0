// The user's side of the kinds of maps that carry events: memory that programs write or read at the same time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/base/export.h"
#include "strata/base/result.h"

namespace strata {

// The consumer's side of a ring buffer, in the kernel's layout. Positions count bytes since creation; data() is mapped
// twice, so that no record wraps.
class STRATA_EXPORT RingMemory {
 public:
  virtual ~RingMemory() = default;
  virtual std::uint64_t* consumer_position() = 0;        // written by the reader, release
  virtual const std::uint64_t* producer_position() = 0;  // acquire
  virtual const std::byte* data() = 0;
  virtual std::size_t size_bytes() const = 0;  // a power of two
  // Readable (poll, epoll) while there may be data.
  virtual int poll_descriptor() const = 0;
  // To be called when the reader found the ring empty, before it polls again.
  virtual void Rearm() = 0;
  // Records that producers could not place, as far as the backend counts them.
  virtual std::uint64_t dropped() const = 0;
};

// The producer's side of a user ring buffer: records in the same layout, read by programs
// (bpf_user_ringbuf_drain).
class STRATA_EXPORT UserRingMemory {
 public:
  virtual ~UserRingMemory() = default;
  virtual const std::uint64_t* consumer_position() = 0;  // acquire
  virtual std::uint64_t* producer_position() = 0;        // written by the writer, release
  virtual std::byte* data() = 0;
  virtual std::size_t size_bytes() const = 0;  // a power of two
  // Writable (EPOLLOUT) while there is any room; an edge each time that a program has drained records.
  virtual int poll_descriptor() const = 0;
};

// How the buffer of one CPU shall be.
struct PerfBufferOptions {
  std::size_t size_bytes = 0;         // of the data; a power of two and a multiple of the page size
  std::uint32_t wakeup_records = 1;   // readable once so many records came; not used when watermark_bytes is set
  std::uint32_t watermark_bytes = 0;  // readable once so many bytes came
  bool overwritable = false;          // the newest replace the oldest; written from high addresses to low ones
};

// The buffer of one CPU in a BPF_MAP_TYPE_PERF_EVENT_ARRAY, as perf_event_open(2) has it: a page that starts with
// struct perf_event_mmap_page, whose data_head the reader loads (acquire) and whose data_tail it stores (release), then
// the data, mapped once. Destroying it takes the CPU out of the map.
class STRATA_EXPORT PerfMemory {
 public:
  virtual ~PerfMemory() = default;
  // Not to be written where the buffer is overwritable.
  virtual std::byte* control_page() = 0;
  virtual const std::byte* data() = 0;
  virtual std::size_t size_bytes() const = 0;  // of the data
  // Readable (poll, epoll) once after the option's records or bytes came.
  virtual int poll_descriptor() const = 0;
  // To be called when the reader has read what it wanted, before it polls again.
  virtual void Rearm() {}
  // Nothing is written to a paused buffer; what a program sends meanwhile is lost, and counted as such later.
  virtual Result<void> SetPaused(bool paused) = 0;
};

}  // namespace strata
