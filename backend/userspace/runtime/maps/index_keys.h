// What kinds whose keys are indices have in common.
#pragma once

#include "ops.h"

namespace strata::runtime {

[[gnu::always_inline]] inline std::uint32_t IndexOf(const void* key) noexcept {
  std::uint32_t index;
  __builtin_memcpy(&index, key, sizeof(index));
  return index;
}

// array_map_alloc_check.
inline long CheckIndexed(const MapAttributes& attributes, std::uint32_t allowed_flags) noexcept {
  if (attributes.max_entries == 0 || attributes.key_size != 4 || attributes.value_size == 0) return -EINVAL;
  return AreFlagsValid(attributes.flags, allowed_flags) ? 0 : -EINVAL;
}

// array_map_update_elem's checks in its order.
inline long CheckIndexedUpdate(const MapView& map, std::uint32_t index, std::uint64_t flags) noexcept {
  const std::uint64_t mode = flags & ~kUpdateWithLock;
  if (mode > static_cast<std::uint64_t>(UpdateMode::kExist)) [[unlikely]]
    return -EINVAL;
  if (index >= map.max_entries) [[unlikely]]
    return -E2BIG;
  if (mode == static_cast<std::uint64_t>(UpdateMode::kNoExist)) [[unlikely]]
    return -EEXIST;
  return flags == mode || map.spin_lock_offset != kNoField ? 0 : -EINVAL;
}

inline long EraseIndexed(MapView& /*map*/, const void* /*key*/) noexcept { return -EINVAL; }

inline long NextIndex(MapView& map, const void* key, void* next) noexcept {
  const std::uint32_t index = key == nullptr ? map.max_entries : IndexOf(key);
  if (index == map.max_entries - 1) return -ENOENT;
  const std::uint32_t following = index >= map.max_entries ? 0 : index + 1;
  __builtin_memcpy(next, &following, sizeof(following));
  return 0;
}

}  // namespace strata::runtime
