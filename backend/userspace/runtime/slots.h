// Per-CPU slots: who holds one is alone on its values of every per-CPU map of the session, so plain increments are
// exact.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/run_context.h"

namespace strata::runtime {

// Takes a free slot, first the current CPU's. A run inside a run of the same thread (signal handler) gets another one;
// a dead holder's is taken over. kNoSlot when all stay taken over a bounded number of retries.
std::uint32_t LeaseSlot(Process& process) noexcept;

// Takes this slot if it is free or its holder is dead.
bool TakeSlot(Process& process, std::uint32_t slot) noexcept;

[[gnu::always_inline]] inline void ReleaseSlot(Process& process, std::uint32_t slot) noexcept {
  __atomic_store_n(&process.slots[slot].owner, OwnerWord{0}, __ATOMIC_RELEASE);
}

// Where the thread is right now; it may be moved at any time.
std::uint32_t CurrentCpu(const Process& process) noexcept;
std::uint32_t CurrentNumaNode(const Process& process) noexcept;

}  // namespace strata::runtime
