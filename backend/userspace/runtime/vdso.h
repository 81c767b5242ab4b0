// Functions that the kernel maps into every process.
#pragma once

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

// Found through /proc/self/auxv; empty where that or the vDSO is missing, and system calls do the work.
VdsoClock FindVdsoClock() noexcept;

}  // namespace strata::runtime
