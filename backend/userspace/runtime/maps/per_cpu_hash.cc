// Per-CPU hash (kernel/bpf/hashtab.c, htab_percpu_map_*): one element per key that holds the values of all slots.
#include "hash_operations.h"

namespace strata::runtime {
namespace {

long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  return HashGeometry(attributes, attributes.possible_cpus, out);
}
long Open(MapView& map) noexcept;

constexpr HashTraits kKind = {.traits = map_traits::kPerCpu, .geometry = Geometry, .open = Open};
constexpr MapOps kFour = MakeHashOps<PerCpuHashOperations, 4, Eviction::kNone>(kKind);
constexpr MapOps kEight = MakeHashOps<PerCpuHashOperations, 8, Eviction::kNone>(kKind);

long Open(MapView& map) noexcept { return OpenHashAs(map, {&kPerCpuHashOps, &kFour, &kEight}); }

}  // namespace

constexpr MapOps kPerCpuHashOps = MakeHashOps<PerCpuHashOperations, kAnySize, Eviction::kNone>(kKind);

}  // namespace strata::runtime
