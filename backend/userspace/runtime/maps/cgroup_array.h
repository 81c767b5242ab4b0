// What a cgroup array has at an index.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::runtime {

// The cgroup's id, 0 for none. `index` is below max_entries.
std::uint64_t CgroupAt(const MapView& map, std::uint32_t index) noexcept;

}  // namespace strata::runtime
