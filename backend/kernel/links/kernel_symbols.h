// The kernel's functions by name, for the errors of who hooks them and for patterns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "context.h"

namespace strata::kernel {

// Why one of these functions could not be hooked, read from the kernel's symbols: it does not exist (what resembles
// it), or its name is that of several (their addresses). `sys_errno` is what the kernel had said.
Error ExplainFunctions(const Context& context, const std::vector<std::string>& names, int sys_errno);

// The functions that match a pattern of glob(7) and can be hooked, sorted, each once: of tracefs's
// available_filter_functions, of all kernel functions where that cannot be read. kNotFound when there is none.
Result<std::vector<std::string>> FunctionsMatching(const Context& context, const std::string& pattern);

}  // namespace strata::kernel
