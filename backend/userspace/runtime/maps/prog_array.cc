// Prog array (kernel/bpf/arraymap.c): where tail calls go (helpers/tail_call.cc).
#include "object_array.h"

namespace strata::runtime {
namespace {

void* LookupNothing(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }

}  // namespace

constexpr MapOps kProgArrayOps = {
    .traits = map_traits::kHoldsPrograms,
    .geometry = ObjectArrayGeometry,
    .open = OpenObjectArray,
    .lookup = LookupNothing,
    .update = RefuseProgramUpdate,
    .erase = EraseObjectId,
    .for_each = RefuseProgramWalk,
    .copy_out = CopyOutObjectId,
    .copy_in = CopyInObjectId,
    .next_key = NextIndex,
};

}  // namespace strata::runtime
