// What a program hooks by BTF (fentry, tp_btf, iter, lsm): from the name in its section to an id in the kernel's BTF.
#pragma once

#include "strata/backend/kernel_facts.h"
#include "strata/base/result.h"
#include "strata/spec/program_spec.h"

namespace strata {

// LinkedProgram::attach_btf_id of `program`. Errors name what was looked for and the remedy: kInvalidArgument for a
// section that names nothing to hook and for programs that extend others, kNotFound for what this kernel does not have.
Result<std::uint32_t> FindHookedType(const ProgramSpec& program, const KernelFacts& kernel);

}  // namespace strata
