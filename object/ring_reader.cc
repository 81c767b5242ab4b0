#include "strata/object/ring_reader.h"

#include "ring_consumer.h"

namespace strata {
namespace {

template <typename Attempt>
Result<void> WaitForRecord(const RingConsumer& consumer, const Deadline& deadline, Attempt attempt) {
  // Producers tell only who has given back all before.
  const auto descriptor = [&] { return consumer.has_kept() ? -1 : consumer.ring().poll_descriptor(); };
  return WaitFor(consumer.waker(), deadline, "ring buffer", descriptor, attempt);
}

}  // namespace

RingRecord& RingRecord::operator=(RingRecord&& other) noexcept {
  RingRecord taken(std::move(other));
  std::swap(consumer_, taken.consumer_);
  std::swap(bytes_, taken.bytes_);
  std::swap(end_, taken.end_);
  return *this;
}

RingRecord::~RingRecord() {
  if (consumer_ != nullptr) consumer_->Release(end_);
}

Result<RingReader> RingReader::Open(const Map& map) {
  auto ring = STRATA_TRY(map.backend_map()->Ring());
  auto waker = STRATA_TRY(Waker::Make());
  return RingReader(std::make_shared<RingConsumer>(map.Clone(), std::move(ring), std::move(waker)));
}

Result<std::uint64_t> RingReader::Consume(const OnRecord& on_record, std::uint64_t limit) {
  std::uint64_t count = 0;
  if (consumer_->Consume(on_record, limit, &count) == RingConsumer::Head::kMalformed) return consumer_->Malformed();
  consumer_->ring().Rearm();
  return count;
}

Result<std::uint64_t> RingReader::Poll(const Deadline& deadline, const OnRecord& on_record, std::uint64_t limit) {
  std::uint64_t count = 0;
  STRATA_TRY(WaitForRecord(*consumer_, deadline, [&]() -> Result<bool> {
    count = STRATA_TRY(Consume(on_record, limit));
    return count > 0;
  }));
  return count;
}

Result<std::optional<RingRecord>> RingReader::Take() {
  std::span<const std::byte> bytes;
  std::uint64_t end = 0;
  switch (consumer_->Keep(&bytes, &end)) {
    case RingConsumer::Head::kRecord:
      return std::optional(RingRecord(consumer_, bytes, end));
    case RingConsumer::Head::kMalformed:
      return consumer_->Malformed();
    case RingConsumer::Head::kNone:
      break;
  }
  consumer_->ring().Rearm();
  return std::optional<RingRecord>();
}

Result<std::optional<RingRecord>> RingReader::WaitAndTake(const Deadline& deadline) {
  std::optional<RingRecord> record;
  STRATA_TRY(WaitForRecord(*consumer_, deadline, [&]() -> Result<bool> {
    record = STRATA_TRY(Take());
    return record.has_value();
  }));
  return record;
}

Result<std::uint64_t> RingReader::SkipAll() {
  const std::uint64_t skipped = STRATA_TRY(consumer_->SkipAll());
  consumer_->ring().Rearm();
  return skipped;
}

void RingReader::Wake() const noexcept { consumer_->waker().Wake(); }
int RingReader::poll_descriptor() const { return consumer_->ring().poll_descriptor(); }
std::uint64_t RingReader::producer_position() const { return consumer_->producer_position(); }
std::uint64_t RingReader::consumer_position() const { return consumer_->consumer_position(); }
std::uint64_t RingReader::size_bytes() const { return consumer_->ring().size_bytes(); }
std::uint64_t RingReader::discarded() const { return consumer_->discarded(); }
std::uint64_t RingReader::dropped() const { return consumer_->ring().dropped(); }

}  // namespace strata
