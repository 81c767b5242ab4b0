// Maps that programs may only read, or only write (BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG).
#pragma once

#include <cstdint>
#include <span>

#include "strata/backend/userspace/verifier/functions.h"
#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/isa/instruction.h"

namespace strata::verifier {

// kVerifierRejected and EACCES, in the words of the kernel's verifier (kernel/bpf/verifier.c, check_map_access_type and
// record_func_map), for an instruction that writes into a map of the first sort, or reads from one of the second,
// through a pointer to a value or by a helper. Follows maps and values through registers, words of the frame, calls
// and returns, on all paths; what comes from elsewhere in memory is not followed. `flags_of_maps`: by position, which
// is the imm of a load with src kMapIndex or kMapIndexValue. `functions` are those that FindFunctions found.
STRATA_EXPORT Result<void> CheckMapAccess(std::span<const isa::Instruction> code,
                                          std::span<const FunctionFacts> functions,
                                          std::span<const std::uint32_t> flags_of_maps);

}  // namespace strata::verifier
