#include "perf_ring.h"

#include <fmt/format.h>
#include <linux/perf_event.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
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
T ReadAt(const std::byte* place) {
  T value;
  std::memcpy(&value, place, sizeof(T));
  return value;
}

// Of a record. Records start at multiples of 8, so that a header never wraps.
std::uint32_t TypeOf(const std::byte* record) {
  return ReadAt<std::uint32_t>(record + offsetof(perf_event_header, type));
}
std::uint16_t SizeOf(const std::byte* record) {
  return ReadAt<std::uint16_t>(record + offsetof(perf_event_header, size));
}

// The kernel gets its room back in so many steps a buffer: each is a write to a line that it reads.
constexpr std::size_t kStepsOfRoom = 8;

// PERF_RECORD_SAMPLE with PERF_SAMPLE_RAW alone: the count of bytes, then they.
constexpr std::size_t kSampleStart = sizeof(perf_event_header) + sizeof(std::uint32_t);
constexpr std::size_t kLeastSample = 16;

std::span<const std::byte> SampleOf(const std::byte* record) {
  return {record + kSampleStart, ReadAt<std::uint32_t>(record + sizeof(perf_event_header))};
}

// Of a record, with so many bytes up to the end of what is there.
bool IsPossible(std::size_t size, std::uint64_t left) {
  return size >= sizeof(perf_event_header) && size % 8 == 0 && size <= left;
}

// PERF_RECORD_LOST: the event's id, then the count.
constexpr std::size_t kLostCount = sizeof(perf_event_header) + sizeof(std::uint64_t);

}  // namespace

inline std::uint16_t PerfRing::SizeAt(std::uint64_t position) const { return SizeOf(data_ + (position & (size_ - 1))); }

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

PerfRing::Handled PerfRing::Handle(std::span<const std::byte> record, const Handlers& handlers) {
  const auto type = TypeOf(record.data());
  if (type != PERF_RECORD_SAMPLE || record.size() < kSampleStart) return HandleOther(type, record, handlers);
  const auto sample = SampleOf(record.data());
  if (kSampleStart + sample.size() > record.size()) return Handled::kOther;
  return handlers.on_sample(cpu_, sample) ? Handled::kSample : Handled::kStop;
}

PerfRing::Handled PerfRing::HandleOther(std::uint32_t type, std::span<const std::byte> record,
                                        const Handlers& handlers) {
  if (type != PERF_RECORD_LOST || record.size() < kLostCount + sizeof(std::uint64_t)) return Handled::kOther;
  const auto count = ReadAt<std::uint64_t>(record.data() + kLostCount);
  lost_ += count;
  if (handlers.on_lost) handlers.on_lost(cpu_, count);
  return Handled::kOther;
}

Result<std::uint64_t> PerfRing::Consume(const Handlers& handlers, std::uint64_t limit, bool* stopped) {
  auto count = overwritable_ ? ConsumeBackward(handlers, stopped) : ConsumeForward(handlers, limit, stopped);
  memory_->Rearm();
  return count;
}

Result<std::uint64_t> PerfRing::ConsumeForward(const Handlers& handlers, std::uint64_t limit, bool* stopped) {
  const std::uint64_t head = LoadHead(*memory_);
  if (head - tail_ > size_) return Malformed(tail_, head - tail_);
  std::uint64_t left = limit;
  while (tail_ != head && left > 0 && !*stopped) {
    const std::uint64_t before = tail_;
    ConsumeStep(handlers, head, &left, stopped);
    if (tail_ == before) STRATA_TRY(ConsumeOne(handlers, head, &left, stopped));
  }
  return limit - left;
}

// The samples that lie in one piece within the next step of room; none where something else is first. A sample takes
// some three nanoseconds: the next record's place hangs on nothing but this one's size, and the few values of the loop
// stay in registers.
void PerfRing::ConsumeStep(const Handlers& handlers, std::uint64_t head, std::uint64_t* left, bool* stopped) {
  const std::size_t start = tail_ & (size_ - 1);
  const std::size_t step = std::min({head - tail_, std::uint64_t{size_ - start}, size_ / kStepsOfRoom});
  const auto& on_sample = handlers.on_sample;
  const std::byte* record = data_ + start;
  std::size_t room = step;
  std::uint64_t samples_left = *left;
  while (room >= kLeastSample && samples_left > 0) {
    const std::size_t size = SizeOf(record);
    const auto sample = SampleOf(record);
    const bool is_sample = TypeOf(record) == PERF_RECORD_SAMPLE && kSampleStart + sample.size() <= size;
    if (!is_sample || size % 8 != 0 || size > room) break;
    record += size;
    room -= size;
    --samples_left;
    if (on_sample(cpu_, sample)) continue;
    *stopped = true;
    break;
  }
  *left = samples_left;
  PublishTail(tail_ + (step - room));
}

// Of any kind: one that goes on at the buffer's start or is longer than a step, too.
Result<void> PerfRing::ConsumeOne(const Handlers& handlers, std::uint64_t head, std::uint64_t* left, bool* stopped) {
  const std::size_t size = SizeAt(tail_);
  if (!IsPossible(size, head - tail_)) return Malformed(tail_, size);
  const Handled handled = Handle(RecordAt(tail_, size), handlers);
  if (handled != Handled::kOther) --*left;
  *stopped = handled == Handled::kStop;
  PublishTail(tail_ + size);
  return {};
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
