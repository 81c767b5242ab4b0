// Loads through pointers to the kernel's own structures, such as the task that bpf_get_current_task_btf returns. Any
// such pointer may be null or lead nowhere; the kernel gives 0 then (BPF_PROBE_MEM), and so must we.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/backend/userspace/verifier/functions.h"
#include "strata/base/export.h"
#include "strata/isa/instruction.h"

namespace strata::verifier {

// By slot: 1 for a load whose base may be such a pointer: what a helper returned that `returns_pointer` says so of,
// what was loaded through one, and what is computed of these. Follows registers, calls and the frame; takes what else
// is loaded as a word for a possible pointer, so that too many loads are marked but none too few. Empty when the code
// calls no such helper. `functions` are those that FindFunctions found.
STRATA_EXPORT std::vector<std::uint8_t> FindGuardedLoads(std::span<const isa::Instruction> code,
                                                         std::span<const FunctionFacts> functions,
                                                         bool (*returns_pointer)(std::uint32_t helper));

}  // namespace strata::verifier
