// Values per thread. The only task that a program can name is the current one: any address of a task stands for it.
#include "../maps/task_storage.h"

#include "../maps/ops.h"
#include "functions.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kCreate = 1;  // BPF_LOCAL_STORAGE_GET_F_CREATE

bool IsTaskStorage(const MapView& map) { return map.type == MapType::kTaskStorage; }

}  // namespace

STRATA_HELPER(HelperTaskStorageGet) {
  auto& map = *PointerFrom<MapView>(r1);
  if ((r4 & ~kCreate) != 0 || r2 == 0 || !IsTaskStorage(map)) return 0;
  const auto mode = r4 == kCreate ? TaskStorageMode::kMake : TaskStorageMode::kFind;
  return reinterpret_cast<std::uint64_t>(TaskStorageOf(map, PointerFrom<const void>(r3), mode));
}

STRATA_HELPER(HelperTaskStorageDelete) {
  auto& map = *PointerFrom<MapView>(r1);
  if (r2 == 0 || !IsTaskStorage(map)) return Status(-EINVAL);
  return Status(RemoveTaskStorage(map));
}

}  // namespace strata::runtime
