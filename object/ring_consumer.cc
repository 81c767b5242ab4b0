#include "ring_consumer.h"

#include <fmt/format.h>

#include <algorithm>

namespace strata {
namespace {

// kernel/bpf/ringbuf.c: a record is an 8-byte header and its bytes, rounded up to 8.
constexpr std::uint32_t kBusyBit = 1U << 31;
constexpr std::uint32_t kDiscardBit = 1U << 30;
constexpr std::uint32_t kHeaderSize = 8;

template <typename Word>
Word LoadAcquire(const Word* word) {
  return std::atomic_ref(*const_cast<Word*>(word)).load(std::memory_order_acquire);
}

std::uint64_t StepOver(std::uint32_t length) { return (std::uint64_t{length} + kHeaderSize + 7) / 8 * 8; }

}  // namespace

RingConsumer::RingConsumer(Map map, std::unique_ptr<RingMemory> ring, Waker waker)
    : map_(std::move(map)),
      ring_(std::move(ring)),
      waker_(std::move(waker)),
      consumer_(ring_->consumer_position()),
      producer_(ring_->producer_position()),
      data_(ring_->data()),
      size_(ring_->size_bytes()),
      position_(LoadAcquire(consumer_)),
      seen_producer_(position_) {}

std::uint64_t RingConsumer::producer_position() const { return LoadAcquire(producer_); }
std::uint64_t RingConsumer::consumer_position() const { return LoadAcquire(consumer_); }

bool RingConsumer::IsPossible(std::uint64_t producer) const {
  return producer % 8 == 0 && position_ % 8 == 0 && producer - position_ <= size_;
}

inline void RingConsumer::PublishConsumer(std::uint64_t position) {
  std::atomic_ref(*consumer_).store(position, std::memory_order_release);
}

inline void RingConsumer::GiveBackUpTo(std::uint64_t position) {
  if (has_kept()) return GiveBackBehindKept(position);
  PublishConsumer(position);  // only this thread makes records kept
}

// Reads the producer's position again, which other CPUs write, only when all that it promised was read.
RingConsumer::Head RingConsumer::LookForMore() {
  const std::uint64_t producer = LoadAcquire(producer_);
  if (!IsPossible(producer)) return Head::kMalformed;
  seen_producer_ = producer;
  return position_ == producer ? Head::kNone : Head::kRecord;
}

// Leaves the record behind, and discarded ones before it; the caller gives it back.
inline RingConsumer::Head RingConsumer::Next(std::span<const std::byte>* record) {
  for (;;) {
    if (position_ == seen_producer_) {
      if (const Head head = LookForMore(); head != Head::kRecord) return head;
    }
    const std::byte* const header = data_ + (position_ & (size_ - 1));
    const std::uint32_t word = LoadAcquire(reinterpret_cast<const std::uint32_t*>(header));
    if ((word & kBusyBit) != 0) return Head::kNone;  // not yet committed: records are handed over in order
    const std::uint32_t length = word & ~kDiscardBit;
    const std::uint64_t step = StepOver(length);
    if (step > seen_producer_ - position_) return Head::kMalformed;
    position_ += step;
    if ((word & kDiscardBit) == 0) {
      *record = {header + kHeaderSize, length};
      return Head::kRecord;
    }
    ++discarded_;
    GiveBackUpTo(position_);
  }
}

RingConsumer::Head RingConsumer::Consume(const RingReader::OnRecord& on_record, std::uint64_t limit,
                                         std::uint64_t* count) {
  std::span<const std::byte> record;
  for (bool go_on = true; go_on && *count < limit;) {
    if (const Head head = Next(&record); head != Head::kRecord) return head;
    go_on = on_record(record);
    ++*count;
    GiveBackUpTo(position_);
  }
  return Head::kRecord;
}

Error RingConsumer::Malformed() const {
  const std::uint64_t producer = producer_position();
  const std::string where = fmt::format("ring buffer {}: position {}", map_.name(), position_);
  if (!IsPossible(producer)) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("{}: the producer cannot be at {}, with {} bytes of data", where, producer, size_));
  }
  const std::uint32_t word = LoadAcquire(reinterpret_cast<const std::uint32_t*>(data_ + (position_ & (size_ - 1))));
  return Error(ErrorCode::kMalformed, fmt::format("{}: a record of {} bytes reaches past the producer", where,
                                                  word & ~(kBusyBit | kDiscardBit)));
}

void RingConsumer::GiveBackBehindKept(std::uint64_t position) {
  const std::lock_guard lock(mutex_);
  if (stretches_.empty()) return PublishConsumer(position);
  if (stretches_.back().is_given_back) {
    stretches_.back().end = position;
  } else {
    stretches_.push_back({position, true});
  }
}

RingConsumer::Head RingConsumer::Keep(std::span<const std::byte>* record, std::uint64_t* end) {
  const Head head = Next(record);
  if (head != Head::kRecord) return head;
  const std::lock_guard lock(mutex_);
  stretches_.push_back({position_, false});
  kept_count_.store(stretches_.size(), std::memory_order_release);
  *end = position_;
  return head;
}

void RingConsumer::Release(std::uint64_t end) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t base = stretches_.front().end;  // positions may wrap
  const auto kept =
      std::lower_bound(stretches_.begin(), stretches_.end(), end - base,
                       [base](const Stretch& stretch, std::uint64_t wanted) { return stretch.end - base < wanted; });
  kept->is_given_back = true;
  std::uint64_t position = 0;
  const bool was_first = kept == stretches_.begin();
  while (!stretches_.empty() && stretches_.front().is_given_back) {
    position = stretches_.front().end;
    stretches_.pop_front();
  }
  if (was_first) PublishConsumer(position);
  kept_count_.store(stretches_.size(), std::memory_order_release);
}

Result<std::uint64_t> RingConsumer::SkipAll() {
  if (has_kept()) {
    return Error(ErrorCode::kBusy, fmt::format("ring buffer {}: records are kept", map_.name()));
  }
  const std::uint64_t producer = producer_position();
  const std::uint64_t skipped = producer - position_;
  position_ = producer;
  seen_producer_ = producer;
  PublishConsumer(position_);
  return skipped;
}

}  // namespace strata
