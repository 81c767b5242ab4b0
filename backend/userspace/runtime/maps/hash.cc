// Hash (kernel/bpf/hashtab.c), always preallocated: BPF_F_NO_PREALLOC is accepted and changes nothing that can be seen.
#include "hash_operations.h"

namespace strata::runtime {
namespace {

long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept { return HashGeometry(attributes, 1, out); }
long Open(MapView& map) noexcept;

constexpr HashTraits kKind = {
    .traits = map_traits::kSpinLocks | map_traits::kTimers, .geometry = Geometry, .open = Open};
constexpr MapOps kFour = MakeHashOps<HashOperations, 4, Eviction::kNone>(kKind);
constexpr MapOps kEight = MakeHashOps<HashOperations, 8, Eviction::kNone>(kKind);

long Open(MapView& map) noexcept { return OpenHashAs(map, {&kHashOps, &kFour, &kEight}); }

}  // namespace

constexpr MapOps kHashOps = MakeHashOps<HashOperations, kAnySize, Eviction::kNone>(kKind);

}  // namespace strata::runtime
