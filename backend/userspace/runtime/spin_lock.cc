#include "strata/backend/userspace/runtime/spin_lock.h"

#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

// There is no error to return to a program, so that its run ends when the wait does: it is longer than those of the
// runtime's own locks. A holder that runs needs the spins at most; one that was preempted some yields or naps.
constexpr int kSpins = 1000;
constexpr int kYields = 64;
constexpr int kNaps = 100;
constexpr sys::Timespec kNap = {0, 100'000};

bool Exchange(std::uint32_t* lock, std::uint32_t expected, std::uint32_t word) {
  return __atomic_compare_exchange_n(lock, &expected, word, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

}  // namespace

bool TakeSpinLock(const Process& process, std::uint32_t* lock, OwnerWord self) noexcept {
  const std::uint32_t word = ShortOwnerOf(process, self);
  if (Exchange(lock, 0, word)) [[likely]]
    return true;
  for (int i = 0; i < kSpins + kYields + kNaps; ++i) {
    const std::uint32_t holder = __atomic_load_n(lock, __ATOMIC_RELAXED);
    if (holder == word) return false;
    if (holder == 0) {
      if (Exchange(lock, 0, word)) return true;
    } else if (i < kSpins) {
      __asm__ volatile("pause");
    } else if (i < kSpins + kYields) {
      sys::SchedYield();
    } else if (IsShortOwnerDead(process, holder)) {
      if (Exchange(lock, holder, word)) return true;
    } else {
      sys::FutexWait(lock, holder, &kNap);  // nobody wakes: a sleep that ends at once when the word has changed
    }
  }
  return false;
}

}  // namespace strata::runtime
