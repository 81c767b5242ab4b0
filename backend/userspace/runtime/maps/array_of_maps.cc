// Array of maps (kernel/bpf/arraymap.c, map_in_map.c): a look-up gives this process's view of the map that is there.
#include "object_array.h"

namespace strata::runtime {
namespace {

void* LookupMap(MapView& map, const void* key, std::uint32_t /*slot*/) noexcept {
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries) [[unlikely]]
    return nullptr;
  const std::uint32_t id = __atomic_load_n(ObjectIdAt(map, index), __ATOMIC_ACQUIRE);
  return id == 0 ? nullptr : FindMap(map, index, id);
}

}  // namespace

constexpr MapOps kArrayOfMapsOps = {
    .traits = map_traits::kHoldsMaps,
    .geometry = ObjectArrayGeometry,
    .open = OpenObjectArray,
    .lookup = LookupMap,
    .update = RefuseProgramUpdate,
    .erase = EraseObjectId,
    .for_each = RefuseProgramWalk,
    .copy_out = CopyOutObjectId,
    .copy_in = CopyInObjectId,
    .next_key = NextIndex,
};

}  // namespace strata::runtime
