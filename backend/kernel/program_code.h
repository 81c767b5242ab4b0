// Reading a program's code, functions and lines out of the kernel.
#pragma once

#include <string>

#include "context.h"
#include "strata/backend/program_info.h"

namespace strata::kernel {

// `record` is what the kernel says of the program behind `fd`. The kernel keeps 15 characters of a name; the type of
// the program's first function has all of it.
std::string FullProgramName(const Context& context, int fd, const ProgramInfoRecord& record);

Result<ProgramCode> ReadProgramCode(const Context& context, int fd);

}  // namespace strata::kernel
