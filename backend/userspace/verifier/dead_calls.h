// Calls that no run reaches: behind a branch on a constant. What an object asks before it uses a field, an enumerator
// or a helper that may be missing ("if (bpf_core_field_exists(...))") is such a constant once the object is relocated.
#pragma once

#include <cstdint>
#include <span>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/isa/instruction.h"

namespace strata::verifier {

// Replaces dead calls of helpers that `helper_known` does not know, and of kernel functions, by `r0 = 0`, as the
// kernel takes dead code out. Follows constants through registers, branches, calls and results of functions; what was
// in memory is not known, so that a call may stay which the kernel's verifier would see to be dead. kVerifierRejected
// where FindFunctions refuses the code.
STRATA_EXPORT Result<void> RemoveDeadCalls(std::span<isa::Instruction> code, bool (*helper_known)(std::uint32_t id));

}  // namespace strata::verifier
