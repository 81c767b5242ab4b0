#include "strata/backend/userspace/runtime/spin_lock.h"

#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kThreadBits = 22;  // PID_MAX_LIMIT is 2^22
constexpr std::uint32_t kThreadMask = (1U << kThreadBits) - 1;
constexpr int kSpins = 1000;
constexpr int kYields = 64;
constexpr int kYieldsBetweenQuestions = 8;  // whether the holder lives: a system call

std::uint32_t WordOf(const Process& process, OwnerWord self) {
  return (process.namespace_tag << kThreadBits) | (static_cast<std::uint32_t>(self) & kThreadMask);
}

bool Exchange(std::uint32_t* lock, std::uint32_t expected, std::uint32_t word) {
  return __atomic_compare_exchange_n(lock, &expected, word, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

bool IsHolderDead(const Process& process, std::uint32_t holder) {
  return ((holder ^ (process.namespace_tag << kThreadBits)) >> kThreadBits) == 0 && IsThreadDead(holder & kThreadMask);
}

}  // namespace

bool TakeSpinLock(const Process& process, std::uint32_t* lock, OwnerWord self) noexcept {
  const std::uint32_t word = WordOf(process, self);
  if (Exchange(lock, 0, word)) [[likely]]
    return true;
  for (int i = 0; i < kSpins + kYields; ++i) {
    const std::uint32_t holder = __atomic_load_n(lock, __ATOMIC_RELAXED);
    if (holder == word) return false;
    if (holder == 0 && Exchange(lock, 0, word)) return true;
    if (i < kSpins) {
      __asm__ volatile("pause");
      continue;
    }
    if (i % kYieldsBetweenQuestions == 0 && IsHolderDead(process, holder) && Exchange(lock, holder, word)) return true;
    sys::SchedYield();
  }
  return false;
}

}  // namespace strata::runtime
