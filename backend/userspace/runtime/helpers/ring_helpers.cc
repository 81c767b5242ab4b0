#include "../maps/ops.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/dynptr.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/user_ring.h"

namespace strata::runtime {
namespace {

bool IsRing(const MapView& map) { return (map.ops->traits & map_traits::kRing) != 0; }

// The payload's address alone tells the ring.
void End(std::uint64_t payload, RecordEnd end, std::uint64_t flags, RunContext* run) {
  MapView* ring = FindRing(*run->process, PointerFrom<const void>(payload));
  if (ring == nullptr) return;
  EndRecord(*ring, PointerFrom<void>(payload), end, flags);
  --run->open_records;
}

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
  void* payload = IsRing(map) && r3 == 0 ? ReserveRecord(map, r2) : nullptr;
  if (payload != nullptr) ++run->open_records;
  return reinterpret_cast<std::uint64_t>(payload);
}

STRATA_HELPER(HelperRingSubmit) {
  End(r1, RecordEnd::kSubmit, r2, run);
  return 0;
}

STRATA_HELPER(HelperRingDiscard) {
  End(r1, RecordEnd::kDiscard, r2, run);
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
