#include "../cgroup_ids.h"
#include "../maps/cgroup_array.h"
#include "../maps/ops.h"
#include "functions.h"

namespace strata::runtime {

STRATA_HELPER(HelperCgroupId) { return OwnCgroupId(*run->process); }

STRATA_HELPER(HelperAncestorCgroupId) { return AncestorCgroupId(*run->process, static_cast<std::uint32_t>(r1)); }

STRATA_HELPER(HelperIsUnderCgroup) {
  const auto& array = *PointerFrom<const MapView>(r1);
  const auto index = static_cast<std::uint32_t>(r2);
  if (array.type != MapType::kCgroupArray || index >= array.max_entries) return Status(-E2BIG);
  const std::uint64_t wanted = CgroupAt(array, index);
  if (wanted == 0) return Status(-EAGAIN);
  return IsBelowCgroup(*run->process, wanted) ? 1 : 0;
}

}  // namespace strata::runtime
