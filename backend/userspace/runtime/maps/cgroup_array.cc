// Cgroup array (kernel/bpf/arraymap.c): per index the id of a cgroup, for bpf_current_task_under_cgroup. User space
// puts them in by descriptors of their folders.
#include "cgroup_array.h"
#include "../cgroup_ids.h"
#include "object_array.h"

namespace strata::runtime {
namespace {

std::uint64_t* IdAt(const MapView& map, std::uint32_t index) {
  return reinterpret_cast<std::uint64_t*>(map.table) + index;
}

long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  const long error = ObjectArrayGeometry(attributes, out);
  if (error != 0) return error;
  out->known_count = 0;  // the kernel's objects are not opened
  out->table_size = RoundUp(std::uint64_t{attributes.max_entries} * sizeof(std::uint64_t), kPageSize);
  return 0;
}

void* LookupNothing(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }

long CopyOut(MapView& /*map*/, const void* /*key*/, void* /*value*/, std::uint64_t /*flags*/) noexcept {
  return kNotSupportedErrno;
}

long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  if (flags != static_cast<std::uint64_t>(UpdateMode::kAny)) return -EINVAL;
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries) return -E2BIG;
  std::int32_t fd;
  std::uint64_t id = 0;
  __builtin_memcpy(&fd, value, sizeof(fd));
  const long error = CgroupIdOf(fd, &id);
  if (error == 0) __atomic_store_n(IdAt(map, index), id, __ATOMIC_RELEASE);
  return error;
}

long Erase(MapView& map, const void* key) noexcept {
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries) return -E2BIG;
  return __atomic_exchange_n(IdAt(map, index), std::uint64_t{0}, __ATOMIC_ACQ_REL) != 0 ? 0 : -ENOENT;
}

}  // namespace

std::uint64_t CgroupAt(const MapView& map, std::uint32_t index) noexcept {
  return __atomic_load_n(IdAt(map, index), __ATOMIC_ACQUIRE);
}

constexpr MapOps kCgroupArrayOps = {
    .traits = 0,
    .geometry = Geometry,
    .lookup = LookupNothing,
    .update = RefuseProgramUpdate,
    .erase = Erase,
    .for_each = RefuseProgramWalk,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .next_key = NextIndex,
};

}  // namespace strata::runtime
