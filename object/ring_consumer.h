// The position of one reader in a ring, and the records that it has handed out.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "strata/backend/event_memory.h"
#include "strata/object/ring_reader.h"
#include "waker.h"

namespace strata {

// One thread at a time, but for Release.
class RingConsumer {
 public:
  enum class Head : std::uint8_t { kRecord, kNone, kMalformed };

  RingConsumer(Map map, std::unique_ptr<RingMemory> ring, Waker waker);

  // Hands over at most `limit` committed records, until the callback says stop; adds how many to `*count`. What ended
  // it: kRecord where there may be more.
  Head Consume(const RingReader::OnRecord& on_record, std::uint64_t limit, std::uint64_t* count);
  // The next committed record, and its end: somebody will call Release with that.
  Head Keep(std::span<const std::byte>* record, std::uint64_t* end);
  // Thread-safe.
  void Release(std::uint64_t end);
  bool has_kept() const { return kept_count_.load(std::memory_order_acquire) != 0; }

  Result<std::uint64_t> SkipAll();
  Error Malformed() const;

  const Map& map() const { return map_; }
  RingMemory& ring() const { return *ring_; }
  const Waker& waker() const { return waker_; }
  std::uint64_t producer_position() const;
  std::uint64_t consumer_position() const;
  std::uint64_t discarded() const { return discarded_; }

 private:
  // A stretch of the ring up to `end`, from where the one before it ends.
  struct Stretch {
    std::uint64_t end;
    bool is_given_back;
  };
  bool IsPossible(std::uint64_t producer) const;
  Head LookForMore();
  Head Next(std::span<const std::byte>* record);
  void GiveBackUpTo(std::uint64_t position);
  void GiveBackBehindKept(std::uint64_t position);
  void PublishConsumer(std::uint64_t position);

  Map map_;
  std::unique_ptr<RingMemory> ring_;
  Waker waker_;
  // Of the ring, asked for once.
  std::uint64_t* const consumer_;
  const std::uint64_t* const producer_;
  const std::byte* const data_;
  const std::uint64_t size_;

  // Of the next record. The shared word is not read again: others may write it.
  std::uint64_t position_;
  std::uint64_t seen_producer_;
  std::uint64_t discarded_ = 0;

  std::mutex mutex_;
  std::deque<Stretch> stretches_;           // between the shared position and ours; the first is kept by somebody
  std::atomic<std::size_t> kept_count_{0};  // of stretches_
};

}  // namespace strata
