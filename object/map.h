// A map that exists, by raw bytes. Typed views are in map_views.h.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "strata/backend/backend.h"
#include "strata/base/result.h"
#include "strata/spec/map_spec.h"

namespace strata {

// Move-only; keeps its backend alive. Element operations may be called from any thread. Keys have info().key_size
// bytes, none for queues, stacks and Bloom filters; values info().element_size bytes.
//
// Errors of element operations: kKeyNotExist, kKeyExist and kMapFull for what the kernel calls ENOENT, EEXIST and
// E2BIG; kPermissionDenied where the map is frozen or this handle may not; kNotSupported for an operation that the kind
// of map does not have.
class STRATA_EXPORT Map {
 public:
  Map(std::shared_ptr<Backend> backend, std::shared_ptr<BackendMap> map, MapSpec spec);
  Map(Map&&) = default;
  Map& operator=(Map&&) = default;

  // A map without an object file. What the kind leaves no choice about may be left out of `spec` (map_defaults.h).
  static Result<Map> Create(std::shared_ptr<Backend> backend, const MapSpec& spec);
  // A map that exists already, whoever made it; spec() has what the kernel knows of it. kNotFound; kInvalidArgument for
  // another kind of object; kNotSupported on the userspace backend.
  static Result<Map> Open(std::shared_ptr<Backend> backend, std::uint32_t id);
  static Result<Map> OpenPinned(std::shared_ptr<Backend> backend, const std::string& path,
                                MapAccess access = MapAccess::kReadWrite);
  // The descriptor stays the caller's.
  static Result<Map> FromDescriptor(std::shared_ptr<Backend> backend, int descriptor);

  // Another handle for the same map; it is not pinned as far as it knows.
  Map Clone() const;

  const std::string& name() const { return spec_.name; }
  const MapInfo& info() const { return *info_; }
  const MapSpec& spec() const { return spec_; }
  // What of it changes: frozen, memory used.
  Result<MapState> State() const { return map_->State(); }
  std::uint32_t possible_cpus() const { return backend_->possible_cpus(); }
  bool is_per_cpu() const;
  const std::shared_ptr<Backend>& backend() const { return backend_; }
  const std::shared_ptr<BackendMap>& backend_map() const { return map_; }

  // False for a key that does not exist. Of a Bloom filter, `value` is what is asked for.
  Result<bool> Lookup(std::span<const std::byte> key, std::span<std::byte> value,
                      LookupMode mode = LookupMode::kPlain) const;
  Result<void> Update(std::span<const std::byte> key, std::span<const std::byte> value,
                      UpdateMode mode = UpdateMode::kAny);
  Result<bool> Delete(std::span<const std::byte> key);
  Result<bool> LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value,
                               LookupMode mode = LookupMode::kPlain);

  // Many elements in one call: keys stand in a row, and so do values. Where the kernel or the backend has no batches
  // for a kind, they are done one by one, with the same results.
  //
  // A lookup reads from `cursor` on, as many as there is room for, and says whether the end was reached. An element
  // that stays in the map meanwhile is read once; others may be or not. kNoSpace when a bucket of the kernel's hash has
  // more elements than there is room for, which no call with that room gets past.
  BatchResult LookupBatch(BatchCursor& cursor, std::span<std::byte> keys, std::span<std::byte> values,
                          LookupMode mode = LookupMode::kPlain) const;
  BatchResult LookupAndDeleteBatch(BatchCursor& cursor, std::span<std::byte> keys, std::span<std::byte> values,
                                   LookupMode mode = LookupMode::kPlain);
  // These stop at the first element that fails. A key to be deleted that is not there is an error, kKeyNotExist.
  BatchResult UpdateBatch(std::span<const std::byte> keys, std::span<const std::byte> values,
                          UpdateMode mode = UpdateMode::kAny);
  BatchResult DeleteBatch(std::span<const std::byte> keys);

  // From now on only programs write it. kBusy while it is mapped writable.
  Result<void> Freeze();

  // Calls `visit` for each element until it returns false. Elements that are added or deleted meanwhile may be seen or
  // not, and may be gone when they are seen; each other one is seen once. `visit` may delete elements. Where there are
  // no batches (userspace, kinds that have none), kBusy when so much was deleted around the cursor that it is not known
  // where to go on.
  Result<void> ForEach(
      const std::function<bool(std::span<const std::byte> key, std::span<const std::byte> value)>& visit) const;

  // The values of an array made with map_flags::kMmapable, 8-byte aligned in a row, or an arena; shared with programs.
  // Read-only where the map is frozen; for handles that may do both.
  Result<std::unique_ptr<MapMemory>> Memory() const { return map_->Memory(); }

  // Keeps the map in a BPF file system when no handle is left. A map that this handle has pinned already moves to
  // `path`. kKeyExist where something is there.
  Result<void> Pin(const std::string& path);
  // Takes the pin away that this handle knows of; fine when it is gone already or there is none.
  Result<void> Unpin();
  // Empty: not pinned by this handle, nor opened by a path.
  const std::string& pin_path() const { return pin_path_; }

 private:
  friend class PinTransaction;
  Error CheckSizes(std::size_t key_size, std::size_t value_size) const;
  bool SizesFit(std::span<const std::byte> key, std::size_t value_size) const;
  Result<std::uint32_t> CountOf(std::size_t keys_size, std::size_t values_size) const;
  static Result<Map> FromBackend(std::shared_ptr<Backend> backend, std::shared_ptr<BackendMap> map);

  std::shared_ptr<Backend> backend_;
  std::shared_ptr<BackendMap> map_;
  const MapInfo* info_;  // map_'s, asked for once
  MapSpec spec_;
  std::string pin_path_;
};

}  // namespace strata
