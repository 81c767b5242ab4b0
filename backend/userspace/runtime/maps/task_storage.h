// The calling thread's value in a task storage map.
#pragma once

#include "local_storage.h"

namespace strata::runtime {

// As StorageOf and RemoveStorage.
void* TaskStorageOf(MapView& map, const void* initial, StorageMode mode) noexcept;
long RemoveTaskStorage(MapView& map) noexcept;

}  // namespace strata::runtime
