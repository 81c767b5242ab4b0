// Reads records from ring buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "strata/object/deadline.h"
#include "strata/object/map.h"

namespace strata {

class RingConsumer;

// A record that stays where it is until this goes. Records may be given back in any order and from any thread; their
// room is the producers' again once all before them are. Move-only; keeps the ring's memory mapped.
class STRATA_EXPORT RingRecord {
 public:
  RingRecord(RingRecord&& other) noexcept = default;
  RingRecord& operator=(RingRecord&& other) noexcept;
  ~RingRecord();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  friend class RingReader;
  RingRecord(std::shared_ptr<RingConsumer> consumer, std::span<const std::byte> bytes, std::uint64_t end)
      : consumer_(std::move(consumer)), bytes_(bytes), end_(end) {}

  std::shared_ptr<RingConsumer> consumer_;
  std::span<const std::byte> bytes_;
  std::uint64_t end_;  // the position behind it
};

// One consumer of one BPF_MAP_TYPE_RINGBUF; two readers of the same map would steal from one another. Move-only. One
// thread at a time, and not from within its own callback, but for Wake. What producers write is not trusted: lengths
// and positions that cannot be are kMalformed, and stay so until SkipAll.
class STRATA_EXPORT RingReader {
 public:
  // Bytes of one record, valid until the callback returns. Return false to stop after this record.
  using OnRecord = std::function<bool(std::span<const std::byte> record)>;
  static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

  // kInvalidArgument when the map is no ring buffer.
  static Result<RingReader> Open(const Map& map);

  // Hands over each committed record that is there now, in order, at most `limit`; does not wait. Returns how many.
  Result<std::uint64_t> Consume(const OnRecord& on_record, std::uint64_t limit = kNoLimit);

  // Waits until there is a record, then consumes. 0 at the deadline, after Wake, and after a signal was handled.
  Result<std::uint64_t> Poll(const Deadline& deadline, const OnRecord& on_record, std::uint64_t limit = kNoLimit);

  // The next record, without a copy, to be kept as long as one likes; nothing where there is none. Wait: as Poll. While
  // records are kept, producers find less room, and wake nobody: waits look every 100 microseconds.
  Result<std::optional<RingRecord>> Take();
  Result<std::optional<RingRecord>> WaitAndTake(const Deadline& deadline);

  // Ends the wait of Poll or WaitAndTake that is going on, or the next one. From any thread or signal handler.
  void Wake() const noexcept;

  // Leaves behind all that was written up to now, and returns how many bytes. kBusy while records are kept.
  Result<std::uint64_t> SkipAll();

  // For poll, epoll or any event loop: readable while there may be records. Belongs to the reader.
  int poll_descriptor() const;

  // Counted in bytes since the map was made; what is between the two is written and not yet consumed.
  std::uint64_t producer_position() const;
  std::uint64_t consumer_position() const;
  std::uint64_t available_bytes() const { return producer_position() - consumer_position(); }
  std::uint64_t size_bytes() const;
  // Records that programs gave up (bpf_ringbuf_discard), as far as this reader came by.
  std::uint64_t discarded() const;
  // Records that found no room, where the backend counts them (userspace).
  std::uint64_t dropped() const;

 private:
  explicit RingReader(std::shared_ptr<RingConsumer> consumer) : consumer_(std::move(consumer)) {}

  std::shared_ptr<RingConsumer> consumer_;
};

}  // namespace strata
