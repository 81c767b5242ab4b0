#include "strata/object/object_views.h"

#include <fmt/format.h>

namespace strata {
namespace internal {

Result<void> StoreMap(const Map& outer, std::span<const std::byte> key, const Map& inner) {
  return outer.backend_map()->UpdateMap(key, inner.backend_map());
}

Result<std::optional<std::uint32_t>> LookupObjectId(const Map& map, std::span<const std::byte> key) {
  std::uint32_t id = 0;
  if (!STRATA_TRY(map.Lookup(key, WritableBytesOf(id)))) return std::optional<std::uint32_t>();
  return std::optional<std::uint32_t>(id);
}

Result<std::optional<Map>> LookupMap(const Map& outer, std::span<const std::byte> key) {
  const auto id = STRATA_TRY(LookupObjectId(outer, key));
  if (!id) return std::optional<Map>();
  auto inner = Map::Open(outer.backend(), *id);
  if (!inner && inner.error().code() == ErrorCode::kNotFound) return std::optional<Map>();  // it was replaced meanwhile
  return std::optional<Map>(STRATA_TRY(std::move(inner).Context("map " + outer.name())));
}

}  // namespace internal

Result<void> ProgArray::Update(std::uint32_t index, const Program& program) {
  return map_->backend_map()->UpdateProgram(internal::BytesOf(index), program.backend_program());
}

Result<std::optional<std::uint32_t>> ProgArray::LookupId(std::uint32_t index) const {
  return internal::LookupObjectId(*map_, internal::BytesOf(index));
}

}  // namespace strata
