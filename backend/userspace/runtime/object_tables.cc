#include "object_tables.h"

#include <asm/errno.h>

#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr int kSpins = 200;
constexpr int kYields = 2000;  // some milliseconds: opening a program takes part of one
constexpr int kPatience = 2000;

// The lock is in private memory: in place of the namespace it has a tag of the process's generation, so that a forked
// child sees that its holder stayed behind in the parent.
constexpr int kTagShift = 44;

OwnerWord Self(Process& process) {
  const OwnerWord owner = CurrentOwner(process);
  return (owner & ((OwnerWord{1} << kTagShift) - 1)) | (ForkGeneration(process) << kTagShift);
}

bool Exchange(Process& process, OwnerWord expected, OwnerWord self) {
  return __atomic_compare_exchange_n(&process.objects_lock, &expected, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

bool TakeOrSteal(Process& process, OwnerWord self) {
  const OwnerWord holder = __atomic_load_n(&process.objects_lock, __ATOMIC_RELAXED);
  const bool stayed_behind = holder >> kTagShift != self >> kTagShift;
  return (holder == 0 || stayed_behind) && Exchange(process, holder, self);
}

}  // namespace

bool TryLockObjects(Process& process) noexcept {
  const OwnerWord self = Self(process);
  for (int i = 0; i < kSpins + kYields; ++i) {
    if (TakeOrSteal(process, self)) return true;
    if (__atomic_load_n(&process.objects_lock, __ATOMIC_RELAXED) == self) return false;
    if (i < kSpins) {
      __asm__ volatile("pause");
    } else {
      sys::SchedYield();
    }
  }
  return false;
}

bool LockObjects(Process& process) noexcept {
  for (int i = 0; i < kPatience; ++i) {
    if (TryLockObjects(process)) return true;
  }
  return false;
}

void UnlockObjects(Process& process) noexcept {
  __atomic_store_n(&process.objects_lock, OwnerWord{0}, __ATOMIC_RELEASE);
}

void* Allocate(Process& process, std::size_t size_bytes) noexcept {
  if (!LockObjects(process)) return nullptr;
  void* block = Allocate(process.arena, size_bytes);
  UnlockObjects(process);
  return block;
}

}  // namespace strata::runtime
