#include "../maps/ops.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/dynptr.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/user_ring.h"

namespace strata::runtime {
namespace {

bool IsRing(const MapView& map) { return (map.ops->traits & map_traits::kRing) != 0; }

struct Drain {
  std::uint64_t function;
  std::uint64_t state;
  RunContext* run;
};

long CallWithRecord(void* record, std::uint32_t size_bytes, void* argument) noexcept {
  const auto& drain = *static_cast<const Drain*>(argument);
  Dynptr pointer = MakeDynptr(reinterpret_cast<std::uint64_t>(record), DynptrType::kLocal, size_bytes);
  const std::uint64_t result =
      drain.run->callback(reinterpret_cast<std::uint64_t>(&pointer), drain.state, 0, 0, drain.function, drain.run);
  return result != 0 || drain.run->budget < 0 ? 1 : 0;
}

}  // namespace

STRATA_HELPER(HelperRingOutput) {
  auto& map = *PointerFrom<MapView>(r1);
  return IsRing(map) ? Status(OutputRecord(map, PointerFrom<const void>(r2), r3, r4)) : Status(-EINVAL);
}

STRATA_HELPER(HelperRingReserve) {
  auto& map = *PointerFrom<MapView>(r1);
  return IsRing(map) && r3 == 0 ? reinterpret_cast<std::uint64_t>(ReserveInRun(*run, map, r2)) : 0;
}

STRATA_HELPER(HelperRingSubmit) {
  EndInRun(*run, PointerFrom<void>(r1), RecordEnd::kSubmit, r2);
  return 0;
}

STRATA_HELPER(HelperRingDiscard) {
  EndInRun(*run, PointerFrom<void>(r1), RecordEnd::kDiscard, r2);
  return 0;
}

STRATA_HELPER(HelperRingQuery) {
  auto& map = *PointerFrom<MapView>(r1);
  return IsRing(map) ? QueryRing(map, r2) : 0;
}

STRATA_HELPER(HelperUserRingDrain) {
  auto& map = *PointerFrom<MapView>(r1);
  if ((map.ops->traits & map_traits::kUserRing) == 0) return Status(-EINVAL);
  Drain drain{r2, r3, run};
  return Status(DrainUserRing(map, r4, CallWithRecord, &drain));
}

}  // namespace strata::runtime
