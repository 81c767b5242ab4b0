// Locks in shared memory that no dead or stopped holder can make others wait on for ever.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

enum class Taken : std::uint8_t {
  kFree,      // it was free
  kFromDead,  // its holder died holding it: repair what it guards before going on
  kNot,       // held by the calling thread itself, or still held when the bounded wait ended
};

// The slow path of Take(): spins for about a microsecond, then yields the processor a bounded number of times.
Taken TakeContended(Process& process, OwnerWord* lock, OwnerWord self) noexcept;

[[gnu::always_inline]] inline Taken Take(Process& process, OwnerWord* lock, OwnerWord self) noexcept {
  OwnerWord free = 0;
  if (__atomic_compare_exchange_n(lock, &free, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) [[likely]]
    return Taken::kFree;
  return TakeContended(process, lock, self);
}

[[gnu::always_inline]] inline void Drop(OwnerWord* lock) noexcept {
  __atomic_store_n(lock, OwnerWord{0}, __ATOMIC_RELEASE);
}

}  // namespace strata::runtime
