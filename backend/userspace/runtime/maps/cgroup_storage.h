// A cgroup's value in a cgroup storage map.
#pragma once

#include "local_storage.h"

namespace strata::runtime {

// As StorageOf and RemoveStorage. `cgroup` is an id that is not 0 (cgroup_ids.h).
void* CgroupStorageOf(MapView& map, std::uint64_t cgroup, const void* initial, StorageMode mode) noexcept;
long RemoveCgroupStorage(MapView& map, std::uint64_t cgroup) noexcept;

}  // namespace strata::runtime
