// Task storage (kernel/bpf/bpf_task_storage.c): a value per thread. User space names threads by pidfds.
#include "task_storage.h"

#include "../thread_identity.h"

namespace strata::runtime {
namespace {

StorageOwner OwnerOf(const ThreadIdentity& identity) { return {identity.thread, identity.start}; }

long IdentifyTask(Process& process, int pidfd, StorageOwner* out) noexcept {
  ThreadIdentity identity{};
  const long error = IdentifyPidfd(process, pidfd, &identity);
  *out = OwnerOf(identity);
  return error;
}

void RemoveGoneTasks(MapView& map) noexcept {
  const auto is_gone = [](const StorageOwner& owner, void* process) {
    return IsGone(*static_cast<const Process*>(process), {owner.id, owner.start});
  };
  RemoveStorageIf(map, is_gone, map.process);
}

constexpr StorageOwners kTasks = {IdentifyTask, RemoveGoneTasks};

}  // namespace

void* TaskStorageOf(MapView& map, const void* initial, StorageMode mode) noexcept {
  return StorageOf(map, kTasks, OwnerOf(CurrentThreadIdentity(*map.process)), initial, mode);
}

long RemoveTaskStorage(MapView& map) noexcept {
  return RemoveStorage(map, OwnerOf(CurrentThreadIdentity(*map.process)));
}

constexpr MapOps kTaskStorageOps = LocalStorageOps<kTasks>();

}  // namespace strata::runtime
