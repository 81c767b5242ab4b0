#include "perf_ring.h"

#include <fmt/format.h>
#include <linux/perf_event.h>

#include <algorithm>
#include <atomic>
#include <cstring>

namespace strata {
namespace {

perf_event_mmap_page& Control(PerfMemory& memory) {
  return *reinterpret_cast<perf_event_mmap_page*>(memory.control_page());
}

std::uint64_t LoadHead(PerfMemory& memory) {
  return std::atomic_ref(Control(memory).data_head).load(std::memory_order_acquire);
}

template <typename T>
T ReadAt(std::span<const std::byte> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// PERF_RECORD_SAMPLE with PERF_SAMPLE_RAW alone: the count of bytes, then they.
constexpr std::size_t kSampleStart = sizeof(perf_event_header) + sizeof(std::uint32_t);
// PERF_RECORD_LOST: the event's id, then the count.
constexpr std::size_t kLostCount = sizeof(perf_event_header) + sizeof(std::uint64_t);

}  // namespace

void PerfRing::CopyOut(std::uint64_t position, std::span<std::byte> to) {
  const std::size_t start = position & (size_ - 1);
  const std::size_t first = std::min(to.size(), size_ - start);
  std::memcpy(to.data(), data_ + start, first);
  std::memcpy(to.data() + first, data_, to.size() - first);
}

// Records start at multiples of 8, so that a header never wraps.
std::uint16_t PerfRing::SizeAt(std::uint64_t position) {
  const std::byte* const at = data_ + (position & (size_ - 1));
  return ReadAt<perf_event_header>({at, sizeof(perf_event_header)}, 0).size;
}

std::span<const std::byte> PerfRing::RecordAt(std::uint64_t position, std::size_t size) {
  const std::size_t start = position & (size_ - 1);
  if (size <= size_ - start) return {data_ + start, size};
  joined_.resize(size);
  CopyOut(position, joined_);
  return joined_;
}

Error PerfRing::Malformed(std::uint64_t position, std::size_t size) const {
  return Error(ErrorCode::kMalformed,
               fmt::format("perf buffer of CPU {}: position {}: a record cannot have {} bytes", cpu_, position, size));
}

PerfRing::Handled PerfRing::Handle(std::span<const std::byte> record, const Handlers& handlers) {
  const auto header = ReadAt<perf_event_header>(record, 0);
  if (header.type == PERF_RECORD_LOST && record.size() >= kLostCount + sizeof(std::uint64_t)) {
    const auto count = ReadAt<std::uint64_t>(record, kLostCount);
    lost_ += count;
    if (handlers.on_lost) handlers.on_lost(cpu_, count);
    return Handled::kOther;
  }
  if (header.type != PERF_RECORD_SAMPLE || record.size() < kSampleStart) return Handled::kOther;
  const std::size_t size = ReadAt<std::uint32_t>(record, sizeof(perf_event_header));
  if (size > record.size() - kSampleStart) return Handled::kOther;
  return handlers.on_sample(cpu_, record.subspan(kSampleStart, size)) ? Handled::kSample : Handled::kStop;
}

Result<std::uint64_t> PerfRing::Consume(const Handlers& handlers, std::uint64_t limit, bool* stopped) {
  return overwritable_ ? ConsumeBackward(handlers, stopped) : ConsumeForward(handlers, limit, stopped);
}

Result<std::uint64_t> PerfRing::ConsumeForward(const Handlers& handlers, std::uint64_t limit, bool* stopped) {
  std::atomic_ref shared_tail(Control(*memory_).data_tail);
  std::uint64_t tail = shared_tail.load(std::memory_order_relaxed);
  const std::uint64_t head = LoadHead(*memory_);
  std::uint64_t count = 0;
  while (tail != head && count < limit && !*stopped) {
    const std::uint64_t left = head - tail;
    const std::size_t size = left <= size_ ? SizeAt(tail) : 0;
    if (size < sizeof(perf_event_header) || size % 8 != 0 || size > left) return Malformed(tail, size);
    const Handled handled = Handle(RecordAt(tail, size), handlers);
    if (handled != Handled::kOther) ++count;
    *stopped = handled == Handled::kStop;
    tail += size;
    shared_tail.store(tail, std::memory_order_release);
  }
  return count;
}

// From the newest to the oldest that is whole: the kernel counts downwards, and the last one may be half overwritten.
std::vector<std::uint64_t> PerfRing::FindNewRecords(std::uint64_t head) {
  std::vector<std::uint64_t> positions;
  const std::uint64_t most = std::min<std::uint64_t>(last_head_ - head, size_);
  for (std::uint64_t offset = 0; offset < most;) {
    const std::size_t size = SizeAt(head + offset);
    if (size < sizeof(perf_event_header) || size % 8 != 0 || size > most - offset) break;
    positions.push_back(head + offset);
    offset += size;
  }
  return positions;
}

// All or nothing: what is left here would be overwritten next.
Result<std::uint64_t> PerfRing::ConsumeBackward(const Handlers& handlers, bool* stopped) {
  const bool was_paused = is_paused_;
  if (!was_paused) STRATA_TRY(SetPaused(true));
  const std::uint64_t head = LoadHead(*memory_);
  const std::vector<std::uint64_t> positions = FindNewRecords(head);
  std::uint64_t count = 0;
  for (auto position = positions.rbegin(); position != positions.rend() && !*stopped; ++position) {
    const Handled handled = Handle(RecordAt(*position, SizeAt(*position)), handlers);
    if (handled != Handled::kOther) ++count;
    *stopped = handled == Handled::kStop;
  }
  last_head_ = head;
  if (!was_paused) STRATA_TRY(SetPaused(false));
  return count;
}

Result<void> PerfRing::SetPaused(bool paused) {
  STRATA_TRY(memory_->SetPaused(paused));
  is_paused_ = paused;
  return {};
}

}  // namespace strata
