// Hash of maps (kernel/bpf/hashtab.c, map_in_map.c): a hash whose values are ids of maps. What a process knows of an id
// lies at a place that follows from the id; two ids that share one are opened in turn.
#include "object_array.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kFewestPlaces = 64;
constexpr std::uint32_t kMostPlaces = 1U << 20;

std::uint32_t PlaceCount(std::uint32_t max_entries) {
  std::uint32_t count = kFewestPlaces;
  while (count < kMostPlaces && count < max_entries) count *= 2;
  return 2 * count;
}

// fd_htab_map_alloc_check
long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  if (attributes.value_size != sizeof(std::uint32_t)) return -EINVAL;
  out->known_count = PlaceCount(attributes.max_entries);
  return kHashOps.geometry(attributes, out);
}

long Open(MapView& map) noexcept {
  const long error = kHashOps.open(map);
  map.ops = &kHashOfMapsOps;  // the hash has chosen its own by the size of keys
  ForgetObjects(map);
  return error;
}

void Initialize(MapView& map) noexcept { kHashOps.initialize(map); }

void* LookupMap(MapView& map, const void* key, std::uint32_t slot) noexcept {
  const void* value = kHashOps.lookup(map, key, slot);
  if (value == nullptr) return nullptr;
  const std::uint32_t id = __atomic_load_n(static_cast<const std::uint32_t*>(value), __ATOMIC_ACQUIRE);
  return id == 0 ? nullptr : FindMap(map, id & (map.geometry.known_count - 1), id);
}

long Erase(MapView& map, const void* key) noexcept { return kHashOps.erase(map, key); }

long CopyOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  return kHashOps.copy_out(map, key, value, 0);
}

// bpf_fd_htab_map_update_elem: the descriptor is looked at before the flags.
long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  std::uint32_t id;
  __builtin_memcpy(&id, value, sizeof(id));
  return id == 0 ? -EBADF : kHashOps.copy_in(map, key, value, flags);
}

long NextKey(MapView& map, const void* key, void* next) noexcept { return kHashOps.next_key(map, key, next); }

}  // namespace

constexpr MapOps kHashOfMapsOps = {
    .traits = map_traits::kHoldsMaps,
    .geometry = Geometry,
    .initialize = Initialize,
    .open = Open,
    .lookup = LookupMap,
    .update = RefuseProgramUpdate,
    .erase = Erase,
    .for_each = RefuseProgramWalk,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .next_key = NextKey,
};

}  // namespace strata::runtime
