// The calling thread's value in a task storage map.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::runtime {

enum class TaskStorageMode : std::uint8_t { kFind, kMake };

// Null when it has none, or none could be made: the table is full of threads that live, or locked. A new value is a
// copy of `initial`, zero for null.
void* TaskStorageOf(MapView& map, const void* initial, TaskStorageMode mode) noexcept;
// -ENOENT when it has none; -EBUSY.
long RemoveTaskStorage(MapView& map) noexcept;

}  // namespace strata::runtime
