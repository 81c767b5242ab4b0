// Functions that the kernel maps into every process.
#pragma once

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

// Of the vDSO whose ELF header lies at `address` (AT_SYSINFO_EHDR). Empty where there is none: system calls do the
// work.
VdsoClock FindVdsoClock(std::uint64_t address) noexcept;

}  // namespace strata::runtime
