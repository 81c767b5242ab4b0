// A map for programs that are prepared and never loaded.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "strata/backend/backend.h"

namespace strata {

// Only its identity matters here.
class NamedMap : public BackendMap {
 public:
  explicit NamedMap(std::string_view name) { info_.name = name; }
  const MapInfo& info() const override { return info_; }
  Result<bool> Lookup(std::span<const std::byte>, std::span<std::byte>) override { return Refuse(); }
  Result<void> Update(std::span<const std::byte>, std::span<const std::byte>, UpdateMode) override { return Refuse(); }
  Result<bool> Delete(std::span<const std::byte>) override { return Refuse(); }
  Result<bool> LookupAndDelete(std::span<const std::byte>, std::span<std::byte>) override { return Refuse(); }
  Result<bool> NextKey(std::optional<std::span<const std::byte>>, std::span<std::byte>) override { return Refuse(); }
  Result<void> Freeze() override { return Refuse(); }
  Result<std::unique_ptr<MapMemory>> Memory() override { return Refuse(); }
  Result<std::unique_ptr<RingMemory>> Ring() override { return Refuse(); }

 private:
  static Error Refuse() { return Error(ErrorCode::kNotSupported, "a map of a test"); }
  MapInfo info_;
};

inline Result<std::shared_ptr<BackendMap>> AnyMap(std::string_view name) { return std::make_shared<NamedMap>(name); }

}  // namespace strata
