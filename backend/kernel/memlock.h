// Kernels before 5.11 charge BPF objects to RLIMIT_MEMLOCK, later ones to the memory cgroup.
#pragma once

#include "context.h"

namespace strata::kernel {

// After an EPERM: whether it was worth raising the process's limit, and that was done. False where this kernel does not
// account so, where the process may not use bpf(2) at all, and where the limit cannot be raised.
bool RaiseMemlockLimit(const Context& context);

}  // namespace strata::kernel
