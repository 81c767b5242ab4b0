#include "strata/object/map.h"

#include <fmt/format.h>

#include <algorithm>

#include "map_defaults.h"
#include "pin.h"
#include "strata/object/map_iterator.h"
#include "strata/spec/map_rules.h"

namespace strata {

Map::Map(std::shared_ptr<Backend> backend, std::shared_ptr<BackendMap> map, MapSpec spec)
    : backend_(std::move(backend)), map_(std::move(map)), info_(&map_->info()), spec_(std::move(spec)) {}

Result<Map> Map::Create(std::shared_ptr<Backend> backend, const MapSpec& spec) {
  MapSpec complete = WithMapDefaults(spec, backend->possible_cpus());
  auto map = STRATA_TRY(backend->CreateMap(complete, nullptr));
  return Map(std::move(backend), std::move(map), std::move(complete));
}

Result<Map> Map::FromBackend(std::shared_ptr<Backend> backend, std::shared_ptr<BackendMap> map) {
  const MapInfo& info = map->info();
  MapSpec spec;
  spec.name = info.name;
  spec.type = info.type;
  spec.key_size = info.key_size;
  spec.value_size = info.value_size;
  spec.max_entries = info.max_entries;
  spec.flags = info.flags;
  spec.map_extra = info.map_extra;
  return Map(std::move(backend), std::move(map), std::move(spec));
}

Result<Map> Map::Open(std::shared_ptr<Backend> backend, std::uint32_t id) {
  auto map = STRATA_TRY(backend->OpenMap(id));
  return FromBackend(std::move(backend), std::move(map));
}

Result<Map> Map::OpenPinned(std::shared_ptr<Backend> backend, const std::string& path, MapAccess access) {
  auto opened = STRATA_TRY(backend->OpenPinnedMap(path, access));
  std::string place = STRATA_TRY(backend->PinPath(path));
  Map map = STRATA_TRY(FromBackend(std::move(backend), std::move(opened)));
  map.pin_path_ = std::move(place);
  return map;
}

Result<Map> Map::FromDescriptor(std::shared_ptr<Backend> backend, int descriptor) {
  auto map = STRATA_TRY(backend->MapFromDescriptor(descriptor));
  return FromBackend(std::move(backend), std::move(map));
}

Map Map::Clone() const { return Map(backend_, map_, spec_); }

bool Map::is_per_cpu() const { return HasTrait(info().type, map_traits::kPerCpu); }

bool Map::SizesFit(std::span<const std::byte> key, std::size_t value_size) const {
  const MapInfo& own = info();
  return key.size() == own.key_size && value_size == own.element_size;
}

Error Map::CheckSizes(std::size_t key_size, std::size_t value_size) const {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("map {}: given a key of {} and a value of {} bytes, has keys of {} and values of {}", name(),
                           key_size, value_size, info().key_size, info().element_size));
}

Result<bool> Map::Lookup(std::span<const std::byte> key, std::span<std::byte> value, LookupMode mode) const {
  if (!SizesFit(key, value.size())) return CheckSizes(key.size(), value.size());
  return mode == LookupMode::kLock ? map_->LookupLocked(key, value) : map_->Lookup(key, value);
}

Result<void> Map::Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) {
  if (!SizesFit(key, value.size())) return CheckSizes(key.size(), value.size());
  return map_->Update(key, value, mode);
}

Result<bool> Map::Delete(std::span<const std::byte> key) {
  if (key.size() != info().key_size) return CheckSizes(key.size(), info().element_size);
  return map_->Delete(key);
}

Result<bool> Map::LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value, LookupMode mode) {
  if (!SizesFit(key, value.size())) return CheckSizes(key.size(), value.size());
  return mode == LookupMode::kLock ? map_->LookupAndDeleteLocked(key, value) : map_->LookupAndDelete(key, value);
}

// Of the elements that a batch has keys and values for.
Result<std::uint32_t> Map::CountOf(std::size_t keys_size, std::size_t values_size) const {
  const std::size_t key_size = info().key_size;
  const std::size_t count = key_size == 0 ? 0 : keys_size / key_size;
  if (count * key_size == keys_size && count * info().element_size == values_size && count <= UINT32_MAX) {
    return static_cast<std::uint32_t>(count);
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("map {}: {} bytes of keys and {} of values are no whole elements of {} and {} bytes", name(),
                           keys_size, values_size, key_size, info().element_size));
}

BatchResult Map::LookupBatch(BatchCursor& cursor, std::span<std::byte> keys, std::span<std::byte> values,
                             LookupMode mode) const {
  if (cursor.is_at_end) return {0, true, {}};
  auto count = CountOf(keys.size(), values.size());
  if (!count) return {0, false, std::move(count).error()};
  if (*count == 0 && info().key_size != 0) return {};
  return map_->LookupBatch(cursor, BatchAction::kCopy, keys, values, mode);
}

BatchResult Map::LookupAndDeleteBatch(BatchCursor& cursor, std::span<std::byte> keys, std::span<std::byte> values,
                                      LookupMode mode) {
  if (cursor.is_at_end) return {0, true, {}};
  auto count = CountOf(keys.size(), values.size());
  if (!count) return {0, false, std::move(count).error()};
  if (*count == 0 && info().key_size != 0) return {};
  return map_->LookupBatch(cursor, BatchAction::kTake, keys, values, mode);
}

BatchResult Map::UpdateBatch(std::span<const std::byte> keys, std::span<const std::byte> values, UpdateMode mode) {
  auto count = CountOf(keys.size(), values.size());
  if (!count) return {0, false, std::move(count).error()};
  if (*count == 0 && info().key_size != 0) return {};
  return map_->UpdateBatch(keys, values, mode);
}

BatchResult Map::DeleteBatch(std::span<const std::byte> keys) {
  const std::size_t key_size = info().key_size;
  auto count = CountOf(keys.size(), key_size == 0 ? 0 : keys.size() / key_size * info().element_size);
  if (!count) return {0, false, std::move(count).error()};
  if (*count == 0 && key_size != 0) return {};
  return map_->DeleteBatch(keys);
}

Result<void> Map::Freeze() { return map_->Freeze(); }

Result<void> Map::ForEach(
    const std::function<bool(std::span<const std::byte>, std::span<const std::byte>)>& visit) const {
  MapIterator elements(*this);
  while (elements.Next()) {
    if (!visit(elements.key(), elements.value())) return {};
  }
  return elements.status();
}

Result<void> Map::Pin(const std::string& where) {
  const std::string path = STRATA_TRY(backend_->PinPath(where).Context("map " + name()));
  if (path == pin_path_) return {};
  if (pin_path_.empty()) {
    STRATA_TRY(map_->Pin(path));
  } else {
    STRATA_TRY(MovePin(*map_, pin_path_, path));
  }
  pin_path_ = path;
  return {};
}

Result<void> Map::Unpin() {
  if (pin_path_.empty()) return {};
  STRATA_TRY(RemovePin(pin_path_));
  pin_path_.clear();
  return {};
}

}  // namespace strata
