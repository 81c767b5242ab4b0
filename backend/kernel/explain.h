// Why the kernel's verifier refused a program, in one line.
#pragma once

#include <string>
#include <string_view>

#include "strata/backend/linked_program.h"

namespace strata::kernel {

// "instruction 12: CO-RE relocation field_byte_offset of struct x.y (0:1): no such field in the target" where the
// verifier stopped at an instruction that was poisoned. Otherwise what it complains about, where in the source that is,
// and what to do about complaints that are known.
std::string ExplainRejection(std::string_view log, const LinkedProgram& program);

}  // namespace strata::kernel
