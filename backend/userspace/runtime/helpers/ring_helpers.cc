#include "../maps/ops.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"

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

}  // namespace strata::runtime
