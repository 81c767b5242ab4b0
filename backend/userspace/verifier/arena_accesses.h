// Pointers into arenas. Programs cast what user space sees to 32 bits before they use it; from there on the kernel's
// verifier knows the register for such a pointer, and so must we: its memory is elsewhere in each process, and an
// access to a page that is not there gives 0 or does nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/backend/userspace/verifier/functions.h"
#include "strata/base/export.h"
#include "strata/isa/instruction.h"

namespace strata::verifier {

// By slot: 1 for a load, store or atomic access through a pointer into the arena. Changes `code` as the kernel does
// (kernel/bpf/verifier.c, do_misc_fixups): casts from user space's pointers become 32-bit moves, and arithmetic on the
// results has 32 bits; without `keeps_user_pointers` (BPF_F_NO_USER_CONV) the casts back are moves too. `functions` are
// those that FindFunctions found.
STRATA_EXPORT std::vector<std::uint8_t> FindArenaAccesses(std::span<isa::Instruction> code,
                                                          std::span<const FunctionFacts> functions,
                                                          bool keeps_user_pointers);

}  // namespace strata::verifier
