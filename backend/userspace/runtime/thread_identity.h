// Threads by what no later thread has too: their id together with the time at which they began.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

struct ThreadIdentity {
  std::uint64_t thread;  // id and tag of its PID namespace, as in an OwnerWord; 0 for none
  std::uint64_t start;   // in clock ticks since boot (/proc/<id>/stat); 0 without /proc
};

// Asked for once per thread.
ThreadIdentity CurrentThreadIdentity(Process& process) noexcept;

// Of the process or thread that a pidfd stands for. -EBADF for another descriptor, -ENOENT when it is gone.
long IdentifyPidfd(const Process& process, int pidfd, ThreadIdentity* out) noexcept;

// False where that is not known, for one of another PID namespace.
bool IsGone(const Process& process, const ThreadIdentity& identity) noexcept;

}  // namespace strata::runtime
