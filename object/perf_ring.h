// One CPU's buffer of a perf event array, read record by record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "strata/backend/event_memory.h"

namespace strata {

// Not thread-safe.
class PerfRing {
 public:
  struct Handlers {
    const std::function<bool(std::uint32_t cpu, std::span<const std::byte> sample)>& on_sample;
    const std::function<void(std::uint32_t cpu, std::uint64_t count)>& on_lost;
  };

  PerfRing(std::uint32_t cpu, std::unique_ptr<PerfMemory> memory, bool overwritable)
      : cpu_(cpu),
        overwritable_(overwritable),
        memory_(std::move(memory)),
        data_(memory_->data()),
        size_(memory_->size_bytes()) {}

  // At most `limit` samples; `*stopped` is set when on_sample said so. Returns how many.
  Result<std::uint64_t> Consume(const Handlers& handlers, std::uint64_t limit, bool* stopped);
  Result<void> SetPaused(bool paused);

  std::uint32_t cpu() const { return cpu_; }
  int poll_descriptor() const { return memory_->poll_descriptor(); }
  std::uint64_t lost() const { return lost_; }

 private:
  enum class Handled : std::uint8_t { kSample, kStop, kOther };

  Result<std::uint64_t> ConsumeForward(const Handlers& handlers, std::uint64_t limit, bool* stopped);
  void ConsumeStep(const Handlers& handlers, std::uint64_t head, std::uint64_t* left, bool* stopped);
  Result<void> ConsumeOne(const Handlers& handlers, std::uint64_t head, std::uint64_t* left, bool* stopped);
  Result<std::uint64_t> ConsumeBackward(const Handlers& handlers, bool* stopped);
  void PublishTail(std::uint64_t tail);
  std::vector<std::uint64_t> FindNewRecords(std::uint64_t head);
  Handled Handle(std::span<const std::byte> record, const Handlers& handlers);
  Handled HandleOther(std::uint32_t type, std::span<const std::byte> record, const Handlers& handlers);
  std::uint16_t SizeAt(std::uint64_t position) const;
  std::span<const std::byte> RecordAt(std::uint64_t position, std::size_t size);
  // Of a record that goes on at the buffer's start.
  std::span<const std::byte> JoinAt(std::size_t start, std::size_t size);
  Error Malformed(std::uint64_t position, std::size_t size) const;

  std::uint32_t cpu_;
  bool overwritable_;
  bool is_paused_ = false;
  std::unique_ptr<PerfMemory> memory_;
  const std::byte* data_;  // of the memory, as its size: asked for once
  std::size_t size_;
  std::uint64_t lost_ = 0;
  std::uint64_t tail_ = 0;       // as published; the shared word is only written
  std::uint64_t last_head_ = 0;  // of an overwritable one: what is older was handed over
  std::vector<std::byte> joined_;
};

}  // namespace strata
