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

struct ArenaUse {
  std::uint32_t map = 0;                  // position of the program's arena in its map table
  std::vector<std::uint32_t> allocators;  // positions of functions by name that return pointers into it
  bool keeps_user_pointers = true;        // the arena is without BPF_F_NO_USER_CONV
};

// By slot: 1 for a load, store or atomic access through a pointer into the arena. Changes `code` as the kernel does
// (kernel/bpf/verifier.c, do_misc_fixups): casts from user space's pointers become 32-bit moves, and arithmetic on the
// results has 32 bits. `functions` are those that FindFunctions found.
STRATA_EXPORT std::vector<std::uint8_t> FindArenaAccesses(std::span<isa::Instruction> code,
                                                          std::span<const FunctionFacts> functions,
                                                          const ArenaUse& use);

}  // namespace strata::verifier
