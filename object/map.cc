#include "strata/object/map.h"

#include <fmt/format.h>

#include <algorithm>

namespace strata {

Map::Map(std::shared_ptr<Backend> backend, std::shared_ptr<BackendMap> map, MapSpec spec)
    : backend_(std::move(backend)), map_(std::move(map)), spec_(std::move(spec)) {}

Map Map::Clone() const { return Map(backend_, map_, spec_); }

bool Map::is_per_cpu() const {
  return spec_.type == MapType::kPerCpuArray || spec_.type == MapType::kPerCpuHash ||
         spec_.type == MapType::kLruPerCpuHash;
}

bool Map::SizesFit(std::span<const std::byte> key, std::size_t value_size) const {
  const MapInfo& own = info();
  return key.size() == own.key_size && value_size == own.element_size;
}

Error Map::CheckSizes(std::size_t key_size, std::size_t value_size) const {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("map {}: given a key of {} and a value of {} bytes, has keys of {} and values of {}", name(),
                           key_size, value_size, info().key_size, info().element_size));
}

Result<bool> Map::Lookup(std::span<const std::byte> key, std::span<std::byte> value) const {
  if (!SizesFit(key, value.size())) return CheckSizes(key.size(), value.size());
  return map_->Lookup(key, value);
}

Result<void> Map::Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) {
  if (!SizesFit(key, value.size())) return CheckSizes(key.size(), value.size());
  return map_->Update(key, value, mode);
}

Result<bool> Map::Delete(std::span<const std::byte> key) {
  if (key.size() != info().key_size) return CheckSizes(key.size(), info().element_size);
  return map_->Delete(key);
}

Result<bool> Map::LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) {
  if (!SizesFit(key, value.size())) return CheckSizes(key.size(), value.size());
  return map_->LookupAndDelete(key, value);
}

Result<void> Map::Freeze() { return map_->Freeze(); }

Result<void> Map::ForEach(
    const std::function<bool(std::span<const std::byte>, std::span<const std::byte>)>& visit) const {
  std::vector<std::byte> key(info().key_size);
  std::vector<std::byte> next(info().key_size);
  std::vector<std::byte> value(info().element_size);
  bool has_next = STRATA_TRY(map_->NextKey(std::nullopt, key));
  // A key that was deleted under the cursor makes the kernel start again at the first one, so the steps are counted.
  const std::uint64_t most_steps = std::uint64_t{info().max_entries} * 4 + 16;
  for (std::uint64_t step = 0; has_next; ++step) {
    if (step > most_steps) {
      return Error(ErrorCode::kBusy, fmt::format("map {}: iteration: keys were deleted under the cursor", name()));
    }
    const bool found = STRATA_TRY(map_->Lookup(key, value));
    // The next key is asked for first, so that `visit` may delete the current one.
    has_next = STRATA_TRY(map_->NextKey(std::span<const std::byte>(key), next));
    if (found && !visit(key, value)) return {};
    std::swap(key, next);
  }
  return {};
}

}  // namespace strata
