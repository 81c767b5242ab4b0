// BPF tokens: rights that an administrator delegates to a user namespace by mounting a BPF file system with delegate_*
// options (Linux 6.9).
#pragma once

#include <string>

#include "context.h"

namespace strata::kernel {

// Of the BPF file system mounted at `path`. kPermissionDenied where it delegates nothing to this namespace,
// kNotSupported where the kernel has no tokens, kInvalidArgument where `path` is no BPF file system.
Result<UniqueFd> CreateToken(const Context& context, const std::string& path);

}  // namespace strata::kernel
