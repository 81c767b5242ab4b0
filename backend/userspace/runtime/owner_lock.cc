#include "strata/backend/userspace/runtime/owner_lock.h"

#include <time.h>

#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

// A holder that runs needs far less than the spins; one that was preempted gets its processor back by the yields; then
// it is called busy.
constexpr int kSpins = 1000;
constexpr int kYields = 64;
constexpr std::uint64_t kLongestWaitNs = 200'000'000;

bool Exchange(OwnerWord* lock, OwnerWord expected, OwnerWord self) {
  return __atomic_compare_exchange_n(lock, &expected, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

bool Spin(OwnerWord* lock, OwnerWord self) {
  for (int i = 0; i < kSpins; ++i) {
    if (__atomic_load_n(lock, __ATOMIC_RELAXED) == 0 && Exchange(lock, 0, self)) return true;
    __asm__ volatile("pause");
  }
  return false;
}

}  // namespace

Taken TakeContended(Process& process, OwnerWord* lock, OwnerWord self) noexcept {
  if (__atomic_load_n(lock, __ATOMIC_RELAXED) == self) return Taken::kNot;
  if (Spin(lock, self)) return Taken::kFree;
  const std::uint64_t start_ns = ClockNow(process, CLOCK_MONOTONIC);
  for (int i = 0; i < kYields; ++i) {
    // On a crowded machine a yield may take milliseconds.
    if (i % 8 == 7 && ClockNow(process, CLOCK_MONOTONIC) - start_ns > kLongestWaitNs) break;
    const OwnerWord holder = __atomic_load_n(lock, __ATOMIC_RELAXED);
    if (holder == 0) {
      if (Exchange(lock, 0, self)) return Taken::kFree;
      continue;
    }
    // Asked again after the first yields only now and then: it is a system call too.
    if (i % 8 == 0 && IsOwnerDead(process, holder) && Exchange(lock, holder, self)) return Taken::kFromDead;
    sys::SchedYield();
  }
  return Taken::kNot;
}

}  // namespace strata::runtime
