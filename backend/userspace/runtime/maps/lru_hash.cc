// LRU hash and LRU per-CPU hash (kernel/bpf/hashtab.c, htab_lru_map_*): an insertion into a full one evicts an element
// that was not used lately (lru.h). With BPF_F_NO_COMMON_LRU the kernel keeps a list per CPU and rounds max_entries to
// them; the rounding can be seen, the lists cannot.
#include "hash_operations.h"

namespace strata::runtime {
namespace {

long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept { return HashGeometry(attributes, 1, out); }
long PerCpuGeometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  return HashGeometry(attributes, attributes.possible_cpus, out);
}
long Open(MapView& map) noexcept;
long OpenPerCpu(MapView& map) noexcept;

constexpr HashTraits kKind = {.traits = map_traits::kTimers, .geometry = Geometry, .open = Open};
constexpr MapOps kFour = MakeHashOps<HashOperations, 4, Eviction::kLru>(kKind);
constexpr MapOps kEight = MakeHashOps<HashOperations, 8, Eviction::kLru>(kKind);

constexpr HashTraits kPerCpuKind = {.traits = map_traits::kPerCpu, .geometry = PerCpuGeometry, .open = OpenPerCpu};
constexpr MapOps kPerCpuFour = MakeHashOps<PerCpuHashOperations, 4, Eviction::kLru>(kPerCpuKind);
constexpr MapOps kPerCpuEight = MakeHashOps<PerCpuHashOperations, 8, Eviction::kLru>(kPerCpuKind);

long Open(MapView& map) noexcept { return OpenHashAs(map, {&kLruHashOps, &kFour, &kEight}); }
long OpenPerCpu(MapView& map) noexcept { return OpenHashAs(map, {&kLruPerCpuHashOps, &kPerCpuFour, &kPerCpuEight}); }

}  // namespace

constexpr MapOps kLruHashOps = MakeHashOps<HashOperations, kAnySize, Eviction::kLru>(kKind);
constexpr MapOps kLruPerCpuHashOps = MakeHashOps<PerCpuHashOperations, kAnySize, Eviction::kLru>(kPerCpuKind);

}  // namespace strata::runtime
