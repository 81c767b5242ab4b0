// Maps made in the kernel.
#pragma once

#include "context.h"
#include "strata/base/result.h"
#include "strata/spec/map_spec.h"
#include "types.h"

namespace strata::kernel {

// BPF_MAP_CREATE of what `spec` says. Kinds and kernels that take no types get none; a map of maps gets a template of
// its inner maps; RLIMIT_MEMLOCK is raised where this kernel charges maps to it.
Result<UniqueFd> CreateMap(const Context& context, const MapSpec& spec, const KernelTypes* types);

}  // namespace strata::kernel
