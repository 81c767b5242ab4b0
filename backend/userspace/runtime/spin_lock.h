// struct bpf_spin_lock of a map's values: 4 bytes that hold who has it, thread id (22 bits) and a tag of its PID
// namespace (10 bits); 0 when it is free.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

// Waits a bounded time, and takes it over from a thread that is dead. False when the calling thread has it itself (a
// signal handler came between), or its holder kept it.
bool TakeSpinLock(const Process& process, std::uint32_t* lock, OwnerWord self) noexcept;

inline void DropSpinLock(std::uint32_t* lock) noexcept { __atomic_store_n(lock, 0U, __ATOMIC_RELEASE); }

}  // namespace strata::runtime
