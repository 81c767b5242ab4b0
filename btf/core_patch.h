// Puts the answer of a CO-RE relocation into an instruction.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "strata/base/result.h"
#include "strata/btf/core.h"
#include "strata/isa/instruction.h"

namespace strata::btf::core {

// Changes the instruction at `index`, which lies within `code`: the imm of arithmetic, the offset (and where sizes
// differ the width) of a load or store, both halves of an ldimm64. Returns why it was poisoned instead, if it was.
// Errors: kMalformed for another instruction, one that does not hold what the compiler should have written, or a value
// that does not fit.
Result<std::optional<std::string>> Patch(std::span<isa::Instruction> code, isa::InsnIndex index,
                                         const CoreResolution& resolution);

}  // namespace strata::btf::core
