// Whether a map that exists can be the one that an object asks for.
#pragma once

#include "strata/backend/backend.h"
#include "strata/base/result.h"
#include "strata/spec/map_spec.h"

namespace strata {

// kMapIncompatible naming the field, what is expected and what it is. `wanted` is complete (WithMapDefaults). Left out
// are differences that mean nothing: flags of a handle (BPF_F_RDONLY, BPF_F_WRONLY), BPF_F_RDONLY_PROG that the kernel
// itself sets on device maps, and whether a data section can be mapped.
Result<void> CheckCompatible(const MapSpec& wanted, const MapInfo& existing);

}  // namespace strata
