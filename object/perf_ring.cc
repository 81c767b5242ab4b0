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

// Of a record, with so many bytes up to the end of what is there.
bool IsPossible(std::size_t size, std::uint64_t left) {
  return size >= sizeof(perf_event_header) && size % 8 == 0 && size <= left;
}

// The kernel gets its room back in so many steps a buffer: each is a write to a line that it reads.
constexpr std::size_t kStepsOfRoom = 8;

// PERF_RECORD_SAMPLE with PERF_SAMPLE_RAW alone: the count of bytes, then they.
constexpr std::size_t kSampleStart = sizeof(perf_event_header) + sizeof(std::uint32_t);
// PERF_RECORD_LOST: the event's id, then the count.
constexpr std::size_t kLostCount = sizeof(perf_event_header) + sizeof(std::uint64_t);

}  // namespace

// Records start at multiples of 8, so that a header never wraps.
inline std::uint16_t PerfRing::SizeAt(std::uint64_t position) const {
  return ReadAt<perf_event_header>({data_ + (position & (size_ - 1)), sizeof(perf_event_header)}, 0).size;
}

inline std::span<const std::byte> PerfRing::RecordAt(std::uint64_t position, std::size_t size) {
  const std::size_t start = position & (size_ - 1);
  return size <= size_ - start ? std::span(data_ + start, size) : JoinAt(start, size);
}

std::span<const std::byte> PerfRing::JoinAt(std::size_t start, std::size_t size) {
  joined_.assign(data_ + start, data_ + size_);
  joined_.insert(joined_.end(), data_, data_ + (size - joined_.size()));
  return joined_;
}

Error PerfRing::Malformed(std::uint64_t position, std::size_t size) const {
  return Error(ErrorCode::kMalformed,
               fmt::format("perf buffer of CPU {}: position {}: a record cannot have {} bytes", cpu_, position, size));
}

inline PerfRing::Handled PerfRing::Handle(std::span<const std::byte> record, const Handlers& handlers) {
  const auto type = ReadAt<perf_event_header>(record, 0).type;
  if (type != PERF_RECORD_SAMPLE || record.size() < kSampleStart) return HandleOther(type, record, handlers);
  const std::size_t size = ReadAt<std::uint32_t>(record, sizeof(perf_event_header));
  if (size > record.size() - kSampleStart) return Handled::kOther;
  return handlers.on_sample(cpu_, record.subspan(kSampleStart, size)) ? Handled::kSample : Handled::kStop;
}

PerfRing::Handled PerfRing::HandleOther(std::uint32_t type, std::span<const std::byte> record,
                                        const Handlers& handlers) {
  if (type != PERF_RECORD_LOST || record.size() < kLostCount + sizeof(std::uint64_t)) return Handled::kOther;
  const auto count = ReadAt<std::uint64_t>(record, kLostCount);
  lost_ += count;
  if (handlers.on_lost) handlers.on_lost(cpu_, count);
  return Handled::kOther;
}

Result<std::uint64_t> PerfRing::Consume(const Handlers& handlers, std::uint64_t limit, bool* stopped) {
  return overwritable_ ? ConsumeBackward(handlers, stopped) : ConsumeForward(handlers, limit, stopped);
}

Result<std::uint64_t> PerfRing::ConsumeForward(const Handlers& handlers, std::uint64_t limit, bool* stopped) {
  const std::uint64_t head = LoadHead(*memory_);
  const std::uint64_t room_step = size_ / kStepsOfRoom;
  std::uint64_t tail = tail_;  // in a register: what is read next hangs on it
  if (head - tail > size_) return Malformed(tail, head - tail);
  std::uint64_t count = 0;
  while (tail != head && count < limit && !*stopped) {
    const std::size_t size = SizeAt(tail);
    if (!IsPossible(size, head - tail)) {
      PublishTail(tail);
      return Malformed(tail, size);
    }
    const Handled handled = Handle(RecordAt(tail, size), handlers);
    if (handled != Handled::kOther) ++count;
    *stopped = handled == Handled::kStop;
    tail += size;
    if (tail - tail_ >= room_step) PublishTail(tail);
  }
  PublishTail(tail);
  return count;
}

void PerfRing::PublishTail(std::uint64_t tail) {
  std::atomic_ref(Control(*memory_).data_tail).store(tail, std::memory_order_release);
  tail_ = tail;
}

// From the newest to the oldest that is whole: the kernel counts downwards, and the last one may be half overwritten.
std::vector<std::uint64_t> PerfRing::FindNewRecords(std::uint64_t head) {
  std::vector<std::uint64_t> positions;
  const std::uint64_t most = std::min<std::uint64_t>(last_head_ - head, size_);
  for (std::uint64_t offset = 0; offset < most;) {
    const std::size_t size = SizeAt(head + offset);
    if (!IsPossible(size, most - offset)) break;
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
