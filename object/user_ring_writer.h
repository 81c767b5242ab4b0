// Writes records into user ring buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "strata/object/deadline.h"
#include "strata/object/map.h"

namespace strata {

class UserRingProducer;

// Room for one record. Programs see it once it is submitted, in the order of reservation: one that is held back holds
// back all behind it. Destroying it discards it. Move-only; may be submitted by any thread.
class STRATA_EXPORT UserRingRecord {
 public:
  UserRingRecord(UserRingRecord&& other) noexcept = default;
  UserRingRecord& operator=(UserRingRecord&& other) noexcept;
  ~UserRingRecord();

  // Not cleared: it holds what an earlier record left.
  std::span<std::byte> bytes() const { return bytes_; }
  void Submit() &&;
  void Discard() &&;

 private:
  friend class UserRingWriter;
  UserRingRecord(std::shared_ptr<UserRingProducer> producer, std::span<std::byte> bytes)
      : producer_(std::move(producer)), bytes_(bytes) {}

  std::shared_ptr<UserRingProducer> producer_;
  std::span<std::byte> bytes_;
};

// The producer of one BPF_MAP_TYPE_USER_RINGBUF, which programs read with bpf_user_ringbuf_drain. Move-only. All
// members may be called from any thread, as reservations take turns; two writers of the same map would overwrite one
// another. On kernels since Linux 6.1.
class STRATA_EXPORT UserRingWriter {
 public:
  // kInvalidArgument when the map is no user ring buffer.
  static Result<UserRingWriter> Open(const Map& map);

  // Does not wait. kNoSpace while the ring is too full; kInvalidArgument where it would be too small even when empty.
  Result<UserRingRecord> Reserve(std::uint32_t size_bytes);
  // Waits until programs have made room. kBusy at the deadline, after Wake, and after a signal was handled.
  Result<UserRingRecord> WaitAndReserve(std::uint32_t size_bytes, const Deadline& deadline);
  // A submitted copy of `record`. Errors as of Reserve.
  Result<void> Write(std::span<const std::byte> record);

  // Ends the WaitAndReserve that is going on (of one thread), or the next one. From any thread or signal handler.
  void Wake() const noexcept;

  // Bytes of records that no program has read yet, and of the whole ring.
  std::uint64_t unread_bytes() const;
  std::uint64_t size_bytes() const;

 private:
  explicit UserRingWriter(std::shared_ptr<UserRingProducer> producer) : producer_(std::move(producer)) {}

  std::shared_ptr<UserRingProducer> producer_;
};

}  // namespace strata
