// What arrays have in common whose elements are objects (kernel/bpf/arraymap.c, fd_array_map_*): the table has a u32
// per index, the object's id, 0 while there is none.
#pragma once

#include "index_keys.h"
#include "strata/backend/userspace/runtime/resolved_objects.h"

namespace strata::runtime {

// fd_array_map_alloc_check: values are descriptors in the kernel.
inline long ObjectArrayGeometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  if (attributes.value_size != sizeof(std::uint32_t)) return -EINVAL;
  constexpr std::uint32_t kAllowed = map_flags::kNumaNode | map_flags::kReadOnly | map_flags::kWriteOnly;
  const long error = CheckIndexed(attributes, kAllowed);
  if (error != 0) return error;
  out->value_stride = sizeof(std::uint32_t);
  out->table_size = ObjectIdsSize(attributes.max_entries);
  out->known_count = attributes.max_entries;
  return 0;
}

inline long OpenObjectArray(MapView& map) noexcept {
  ForgetObjects(map);
  return 0;
}

inline std::uint32_t* ObjectIdAt(const MapView& map, std::uint32_t index) noexcept {
  return reinterpret_cast<std::uint32_t*>(map.table) + index;
}

// bpf_fd_array_map_lookup_elem
inline long CopyOutObjectId(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries) return -ENOENT;
  const std::uint32_t id = __atomic_load_n(ObjectIdAt(map, index), __ATOMIC_ACQUIRE);
  if (id == 0) return -ENOENT;
  __builtin_memcpy(value, &id, sizeof(id));
  return 0;
}

// bpf_fd_array_map_update_elem
inline long CopyInObjectId(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  if (flags != static_cast<std::uint64_t>(UpdateMode::kAny)) return -EINVAL;
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries) return -E2BIG;
  std::uint32_t id;
  __builtin_memcpy(&id, value, sizeof(id));
  if (id == 0) return -EBADF;
  __atomic_store_n(ObjectIdAt(map, index), id, __ATOMIC_RELEASE);
  return 0;
}

// __fd_array_map_delete_elem
inline long EraseObjectId(MapView& map, const void* key) noexcept {
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries) return -E2BIG;
  return __atomic_exchange_n(ObjectIdAt(map, index), 0U, __ATOMIC_ACQ_REL) != 0 ? 0 : -ENOENT;
}

// What no program may call on them.
inline long RefuseProgramUpdate(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/,
                                std::uint32_t /*slot*/) noexcept {
  return -EINVAL;
}
inline long RefuseProgramWalk(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/,
                              void* /*argument*/) noexcept {
  return kNotSupportedErrno;
}

}  // namespace strata::runtime
