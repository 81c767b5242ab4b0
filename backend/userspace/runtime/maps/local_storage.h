// Values that belong to something outside of the map: what task and cgroup storage share.
#pragma once

#include <cstdint>

#include "ops.h"
#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime {

// No later owner has the same two.
struct StorageOwner {
  std::uint64_t id;  // neither 0 nor 1
  std::uint64_t start;
};

// What a kind's owners are.
struct StorageOwners {
  // By the descriptor that is user space's key.
  long (*identify)(Process& process, int fd, StorageOwner* out) noexcept;
  // Calls RemoveStorageIf, under the map's lock.
  void (*remove_gone)(MapView& map) noexcept;
};

enum class StorageMode : std::uint8_t { kFind, kMake };

// Null when it has none, or none could be made: the table is full of owners that are still there, or locked. A new
// value is a copy of `initial`, zero for null.
void* StorageOf(MapView& map, const StorageOwners& owners, const StorageOwner& owner, const void* initial,
                StorageMode mode) noexcept;
// -ENOENT when it has none; -EBUSY.
long RemoveStorage(MapView& map, const StorageOwner& owner) noexcept;
void RemoveStorageIf(MapView& map, bool (*is_gone)(const StorageOwner& owner, void* argument), void* argument) noexcept;

// --- what the rows of such kinds are made of
long LocalStorageGeometry(const MapAttributes& attributes, MapGeometry* out) noexcept;
long OpenLocalStorage(MapView& map) noexcept;
long CopyStorageOut(MapView& map, const StorageOwners& owners, const void* key, void* value) noexcept;
long CopyStorageIn(MapView& map, const StorageOwners& owners, const void* key, const void* value,
                   std::uint64_t flags) noexcept;
long EraseStorage(MapView& map, const StorageOwners& owners, const void* key) noexcept;
void* LookupNoStorage(MapView& map, const void* key, std::uint32_t slot) noexcept;
long RefuseStorageUpdate(MapView& map, const void* key, const void* value, std::uint64_t flags,
                         std::uint32_t slot) noexcept;
long RefuseStorageWalk(MapView& map, std::uint32_t slot, ElementVisitor visit, void* argument) noexcept;
long RefuseNextStorageKey(MapView& map, const void* key, void* next) noexcept;

template <const StorageOwners& kOwners>
constexpr MapOps LocalStorageOps() {
  return {
      .traits = map_traits::kLocalStorage,
      .geometry = LocalStorageGeometry,
      .open = OpenLocalStorage,
      .lookup = LookupNoStorage,
      .update = RefuseStorageUpdate,
      .erase = [](MapView& map, const void* key) noexcept { return EraseStorage(map, kOwners, key); },
      .for_each = RefuseStorageWalk,
      .copy_out = [](MapView& map, const void* key, void* value,
                     std::uint64_t /*flags*/) noexcept { return CopyStorageOut(map, kOwners, key, value); },
      .copy_in = [](MapView& map, const void* key, const void* value,
                    std::uint64_t flags) noexcept { return CopyStorageIn(map, kOwners, key, value, flags); },
      .next_key = RefuseNextStorageKey,
  };
}

}  // namespace strata::runtime
