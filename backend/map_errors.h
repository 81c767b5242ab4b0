// What an errno of an element operation means, on every backend.
#pragma once

#include <string_view>

#include "strata/backend/backend.h"
#include "strata/base/result.h"

namespace strata {

// "map m: update: ...": kKeyNotExist, kKeyExist, kMapFull where that is what `sys_errno` says of a map of this kind.
STRATA_EXPORT Error ElementError(const MapInfo& map, int sys_errno, std::string_view operation);

}  // namespace strata
