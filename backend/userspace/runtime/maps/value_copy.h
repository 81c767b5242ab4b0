// Values as they go in and out: fields that the runtime owns (a spin lock, a timer) stay as they are in the map and are
// zero outside of it (include/linux/bpf.h: copy_map_value, check_and_init_map_value). Private to maps/.
#pragma once

#include "ops.h"
#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

[[gnu::always_inline]] inline bool HasFields(const MapView& map) noexcept {
  return (map.spin_lock_offset & map.timer_offset) != kNoField;
}
void CopyAroundFields(const MapView& map, void* to, const void* from) noexcept;
void ClearFields(const MapView& map, void* value) noexcept;

// Into an element that is in use.
[[gnu::always_inline]] inline void StoreValue(const MapView& map, void* to, const void* from) noexcept {
  if (HasFields(map)) [[unlikely]]
    return CopyAroundFields(map, to, from);
  CopyValue(to, from, map.value_size);
}

// Into one that nobody sees yet.
[[gnu::always_inline]] inline void StoreNewValue(const MapView& map, void* to, const void* from) noexcept {
  CopyValue(to, from, map.value_size);
  if (HasFields(map)) [[unlikely]]
    ClearFields(map, to);
}

// Out to user space.
inline void LoadValue(const MapView& map, void* to, const void* from) noexcept {
  CopyValue(to, from, map.value_size);
  if (HasFields(map)) ClearFields(map, to);
}

// The same under the value's own lock (copy_map_value_locked). -EINVAL for a map without one, -EBUSY when it was not to
// be had.
long StoreValueLocked(const MapView& map, void* to, const void* from) noexcept;
long LoadValueLocked(const MapView& map, void* to, void* from) noexcept;

inline bool HasSpinLock(const MapView& map) noexcept { return map.spin_lock_offset != kNoField; }

}  // namespace strata::runtime
