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
// bytes, values info().element_size bytes.
class STRATA_EXPORT Map {
 public:
  Map(std::shared_ptr<Backend> backend, std::shared_ptr<BackendMap> map, MapSpec spec);
  Map(Map&&) = default;
  Map& operator=(Map&&) = default;

  // Another handle for the same map.
  Map Clone() const;

  const std::string& name() const { return spec_.name; }
  const MapInfo& info() const { return map_->info(); }
  const MapSpec& spec() const { return spec_; }
  std::uint32_t possible_cpus() const { return backend_->possible_cpus(); }
  bool is_per_cpu() const;
  const std::shared_ptr<BackendMap>& backend_map() const { return map_; }

  // False for a key that does not exist.
  Result<bool> Lookup(std::span<const std::byte> key, std::span<std::byte> value) const;
  Result<void> Update(std::span<const std::byte> key, std::span<const std::byte> value,
                      UpdateMode mode = UpdateMode::kAny);
  Result<bool> Delete(std::span<const std::byte> key);
  Result<bool> LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value);
  Result<void> Freeze();

  // Calls `visit` for each element until it returns false. Elements that are added or deleted meanwhile may be seen or
  // not; each other one is seen once. An element that vanishes between finding its key and reading its value is left
  // out. kBusy when deletions below the cursor made it start again too often.
  Result<void> ForEach(
      const std::function<bool(std::span<const std::byte> key, std::span<const std::byte> value)>& visit) const;

 private:
  Error CheckSizes(std::size_t key_size, std::size_t value_size) const;
  bool SizesFit(std::span<const std::byte> key, std::size_t value_size) const;

  std::shared_ptr<Backend> backend_;
  std::shared_ptr<BackendMap> map_;
  MapSpec spec_;
};

}  // namespace strata
