// Elements of a map moved many at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "strata/base/result.h"

namespace strata {

// Where lookups in batches go on: start with a new one and hand the same to each call until is_at_end. Belongs to one
// map and to one thread at a time.
struct BatchCursor {
  bool is_at_end = false;

  // What follows is the backend's own.
  enum class State : std::uint8_t {
    kStart,
    kNative,  // the kernel's cursor
    kByKey,   // `position` is the key to be read next
  };
  State state = State::kStart;
  std::vector<std::byte> position;
  std::vector<std::byte> trail;  // the keys read last, newest last: one of them still exists when `position` is gone
  std::uint64_t step_count = 0;
};

// What a batch did. `count` elements are done also where `status` is an error: it is about the one after them.
struct [[nodiscard]] BatchResult {
  std::uint32_t count = 0;
  bool is_at_end = false;  // of a lookup: no element is left behind these
  Result<void> status = {};
  explicit operator bool() const { return status.has_value(); }
  const Error& error() const { return status.error(); }
};

// What becomes of the elements that a batch reads.
enum class BatchAction : std::uint8_t { kCopy, kTake };

}  // namespace strata
