// Cgroup storage (kernel/bpf/bpf_cgrp_storage.c): a value per cgroup, for all processes in it. User space names cgroups
// by descriptors of their folders.
#include "cgroup_storage.h"

#include "../cgroup_ids.h"

namespace strata::runtime {
namespace {

// The topmost cgroup's id is 1, which is no owner's. The kernel does not give an id twice.
constexpr std::uint64_t kCgroupMark = std::uint64_t{1} << 63;

StorageOwner OwnerOf(std::uint64_t cgroup) { return {cgroup | kCgroupMark, 0}; }

long IdentifyCgroup(Process& /*process*/, int fd, StorageOwner* out) noexcept {
  std::uint64_t id = 0;
  const long error = CgroupIdOf(fd, &id);
  *out = OwnerOf(id);
  return error;
}

void RemoveGoneCgroups(MapView& map) noexcept {
  CgroupFinder finder;
  const auto is_gone = [](const StorageOwner& owner, void* cgroups) {
    return static_cast<const CgroupFinder*>(cgroups)->IsGone(owner.id & ~kCgroupMark);
  };
  if (finder.can_find()) RemoveStorageIf(map, is_gone, &finder);
}

constexpr StorageOwners kCgroups = {IdentifyCgroup, RemoveGoneCgroups};

}  // namespace

void* CgroupStorageOf(MapView& map, std::uint64_t cgroup, const void* initial, StorageMode mode) noexcept {
  return StorageOf(map, kCgroups, OwnerOf(cgroup), initial, mode);
}

long RemoveCgroupStorage(MapView& map, std::uint64_t cgroup) noexcept { return RemoveStorage(map, OwnerOf(cgroup)); }

constexpr MapOps kCgroupStorageOps = LocalStorageOps<kCgroups>();

}  // namespace strata::runtime
