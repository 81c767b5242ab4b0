// The stack of the traced program at an event.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

// Writes the probed instruction's address and the return addresses above it, the innermost first, without the first
// `skip` of them; at most `most`. Returns how many were written. `pt_regs` is a struct pt_regs (attach/engine.h).
//
// Frames are found by the call frame information of the module that the code belongs to (.eh_frame by its
// .eh_frame_hdr), so that code without frame pointers is no hole; where there is none, by frame pointers, as the kernel
// does. Signal frames are walked through. Ends at the outermost frame, and where memory is not there or makes no sense.
// Safe in signal handlers; takes no lock that it waits for, and allocates once per process.
std::uint32_t CaptureUserStack(Process& process, const void* pt_regs, std::uint32_t skip, std::uint64_t* frames,
                               std::uint32_t most) noexcept;

}  // namespace strata::runtime
