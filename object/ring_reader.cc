#include "strata/object/ring_reader.h"

#include <poll.h>

#include <atomic>
#include <cerrno>

namespace strata {
namespace {

// kernel/bpf/ringbuf.c: a record is an 8-byte header and its bytes, rounded up to 8.
constexpr std::uint32_t kBusyBit = 1U << 31;
constexpr std::uint32_t kDiscardBit = 1U << 30;
constexpr std::uint32_t kHeaderSize = 8;

std::uint64_t LoadAcquire(const std::uint64_t* word) {
  return std::atomic_ref(*const_cast<std::uint64_t*>(word)).load(std::memory_order_acquire);
}

}  // namespace

Result<RingReader> RingReader::Open(const Map& map) {
  auto ring = STRATA_TRY(map.backend_map()->Ring());
  return RingReader(map.Clone(), std::move(ring));
}

std::uint64_t RingReader::available_bytes() const {
  return LoadAcquire(ring_->producer_position()) - LoadAcquire(ring_->consumer_position());
}

Result<std::uint64_t> RingReader::Consume(const OnRecord& on_record) {
  std::atomic_ref consumer(*ring_->consumer_position());
  const std::uint64_t mask = ring_->size_bytes() - 1;
  std::uint64_t position = consumer.load(std::memory_order_relaxed);
  std::uint64_t count = 0;
  for (bool go_on = true; go_on;) {
    const std::uint64_t end = LoadAcquire(ring_->producer_position());
    if (position >= end) break;
    const std::byte* header = ring_->data() + (position & mask);
    auto* length_word = reinterpret_cast<std::uint32_t*>(const_cast<std::byte*>(header));
    const std::uint32_t word = std::atomic_ref(*length_word).load(std::memory_order_acquire);
    if ((word & kBusyBit) != 0) break;  // reserved, not yet committed: records are handed over in order
    const std::uint32_t length = word & ~(kBusyBit | kDiscardBit);
    const std::uint64_t step = (std::uint64_t{length} + kHeaderSize + 7) / 8 * 8;
    if (step > end - position) {
      return Error(ErrorCode::kMalformed, "ring buffer " + map_.name() + ": position " + std::to_string(position) +
                                              ": a record of " + std::to_string(length) +
                                              " bytes reaches past the producer");
    }
    if ((word & kDiscardBit) == 0) {
      go_on = on_record({header + kHeaderSize, length});
      ++count;
    }
    position += step;
    consumer.store(position, std::memory_order_release);
  }
  ring_->Rearm();
  return count;
}

Result<std::uint64_t> RingReader::Poll(std::chrono::milliseconds timeout, const OnRecord& on_record) {
  const std::uint64_t first = STRATA_TRY(Consume(on_record));
  if (first > 0) return first;
  pollfd descriptor{ring_->poll_descriptor(), POLLIN, 0};
  if (::poll(&descriptor, 1, static_cast<int>(timeout.count())) < 0 && errno != EINTR) {
    return Error::FromErrno(errno, "ring buffer " + map_.name() + ": poll");
  }
  return Consume(on_record);
}

}  // namespace strata
