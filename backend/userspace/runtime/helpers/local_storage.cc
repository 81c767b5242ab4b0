// Values per thread and per cgroup.
#include "../maps/cgroup_storage.h"
#include "../maps/task_storage.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/task_memory.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kCreate = 1;  // BPF_LOCAL_STORAGE_GET_F_CREATE

StorageMode ModeOf(std::uint64_t flags) { return flags == kCreate ? StorageMode::kMake : StorageMode::kFind; }

}  // namespace

// The only task that a program can name is the current one: any address of a task stands for it.
STRATA_HELPER(HelperTaskStorageGet) {
  auto& map = *PointerFrom<MapView>(r1);
  if ((r4 & ~kCreate) != 0 || r2 == 0 || map.type != MapType::kTaskStorage) return 0;
  return reinterpret_cast<std::uint64_t>(TaskStorageOf(map, PointerFrom<const void>(r3), ModeOf(r4)));
}

STRATA_HELPER(HelperTaskStorageDelete) {
  auto& map = *PointerFrom<MapView>(r1);
  if (r2 == 0 || map.type != MapType::kTaskStorage) return Status(-EINVAL);
  return Status(RemoveTaskStorage(map));
}

// Cgroups are those that tasks of task_memory.h lead to.
STRATA_HELPER(HelperCgroupStorageGet) {
  auto& map = *PointerFrom<MapView>(r1);
  if ((r4 & ~kCreate) != 0 || map.type != MapType::kCgrpStorage) return 0;
  const std::uint64_t cgroup = CgroupOfTask(*run->process, r2);
  if (cgroup == 0) return 0;
  return reinterpret_cast<std::uint64_t>(CgroupStorageOf(map, cgroup, PointerFrom<const void>(r3), ModeOf(r4)));
}

STRATA_HELPER(HelperCgroupStorageDelete) {
  auto& map = *PointerFrom<MapView>(r1);
  const std::uint64_t cgroup = CgroupOfTask(*run->process, r2);
  if (cgroup == 0 || map.type != MapType::kCgrpStorage) return Status(-EINVAL);
  return Status(RemoveCgroupStorage(map, cgroup));
}

}  // namespace strata::runtime
