// Reads records from ring buffers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "strata/base/unique_fd.h"
#include "strata/object/map.h"

namespace strata {

// One consumer of one BPF_MAP_TYPE_RINGBUF; two readers of the same map would steal from one another. Move-only, not
// thread-safe.
class STRATA_EXPORT RingReader {
 public:
  // Bytes of one record, valid until the callback returns. Return false to stop after this record.
  using OnRecord = std::function<bool(std::span<const std::byte> record)>;

  // kInvalidArgument when the map is no ring buffer.
  static Result<RingReader> Open(const Map& map);

  RingReader(RingReader&&) = default;
  RingReader& operator=(RingReader&&) = default;

  // Hands over each committed record that is there now, in order; does not wait. Returns how many.
  Result<std::uint64_t> Consume(const OnRecord& on_record);

  // Waits until there is a record, at most `timeout`, then consumes. 0 after a timeout.
  Result<std::uint64_t> Poll(std::chrono::milliseconds timeout, const OnRecord& on_record);

  // For poll, epoll or any event loop: readable while there may be records. Belongs to the reader.
  int poll_descriptor() const { return ring_->poll_descriptor(); }

  // Bytes written and not yet consumed.
  std::uint64_t available_bytes() const;
  // Records that found no room, where the backend counts them (userspace).
  std::uint64_t dropped() const { return ring_->dropped(); }

 private:
  explicit RingReader(Map map, std::unique_ptr<RingMemory> ring) : map_(std::move(map)), ring_(std::move(ring)) {}

  Map map_;
  std::unique_ptr<RingMemory> ring_;
};

}  // namespace strata
