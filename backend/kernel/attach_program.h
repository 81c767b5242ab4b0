// Functions of programs that other programs hook.
#pragma once

#include <cstdint>
#include <string>

#include "context.h"
#include "strata/backend/linked_program.h"

namespace strata::kernel {

// The id of a function in the BTF of the program behind `fd`. kNotSupported for a program without BTF, kNotFound names
// a function of a similar name.
Result<std::uint32_t> FindFunctionType(const Context& context, int fd, const std::string& function);

// `program` with the id of the function that it hooks in LinkedProgram::attach_program.
Result<LinkedProgram> WithHookedFunction(const Context& context, const LinkedProgram& program);

}  // namespace strata::kernel
