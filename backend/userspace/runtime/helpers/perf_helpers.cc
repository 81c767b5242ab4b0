#include "../maps/ops.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/perf_ring.h"
#include "strata/backend/userspace/runtime/slots.h"

namespace strata::runtime {

STRATA_HELPER(HelperPerfOutput) {
  auto& map = *PointerFrom<MapView>(r2);
  if (map.type != MapType::kPerfEventArray) return Status(-EINVAL);
  if (run->slot == kNoSlot) run->slot = LeaseSlot(*run->process);
  if (run->slot == kNoSlot) {
    run->flags |= run_flags::kMissed;
    return Status(-EBUSY);
  }
  return Status(OutputSample(map, run->slot, r3, PointerFrom<const void>(r4), r5));
}

}  // namespace strata::runtime
