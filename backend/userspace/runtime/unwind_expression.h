// Private to stack capture: DWARF expressions in call frame information (DWARF 5, section 2.5). Reads memory by guarded
// reads only, and bounds every loop.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"
#include "unwind_registers.h"

namespace strata::runtime {

// Evaluates a DWARF expression that lies at `address`, its length first; `first` is on its stack before it begins.
bool EvaluateExpression(Process& process, std::uint64_t address, const FrameRegisters& registers,
                        const std::uint64_t* first, std::uint64_t* out) noexcept;

}  // namespace strata::runtime
