#include <asm/errno.h>

#include "functions.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/timers.h"

namespace strata::runtime {

STRATA_HELPER(HelperTimerInit) {
  auto& map = *PointerFrom<MapView>(r2);
  void* timer = PointerFrom<void>(r1);
  if (FindTimedMap(run->program, timer) != &map) return Status(-EINVAL);
  return Status(InitializeTimer(map, timer, r3));
}

STRATA_HELPER(HelperTimerSetCallback) {
  void* timer = PointerFrom<void>(r1);
  MapView* map = FindTimedMap(run->program, timer);
  if (map == nullptr) return Status(-EINVAL);
  const long function = FindFunction(*run->program, r2);
  if (function < 0) return Status(function);
  return Status(SetTimerCallback(*map, timer, run->program->id, static_cast<std::uint32_t>(function)));
}

STRATA_HELPER(HelperTimerStart) {
  void* timer = PointerFrom<void>(r1);
  MapView* map = FindTimedMap(run->program, timer);
  return Status(map == nullptr ? -EINVAL : StartTimer(*map, timer, r2, r3));
}

STRATA_HELPER(HelperTimerCancel) {
  void* timer = PointerFrom<void>(r1);
  MapView* map = FindTimedMap(run->program, timer);
  return Status(map == nullptr ? -EINVAL : CancelTimer(*map, timer));
}

}  // namespace strata::runtime
