#include "strata/object/usdt_specs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace strata {

UsdtSpecs::UsdtSpecs(std::shared_ptr<BackendMap> map) : map_(std::move(map)) {}

UsdtSpecs::Entry& UsdtSpecs::Entry::operator=(Entry&& other) noexcept {
  std::swap(specs_, other.specs_);
  std::swap(id_, other.id_);
  return *this;
}

UsdtSpecs::Entry::~Entry() {
  if (specs_ != nullptr) specs_->Release(id_);
}

Result<UsdtSpecs::Entry> UsdtSpecs::Hold(std::span<const std::byte> record) {
  const std::lock_guard lock(mutex_);
  const MapInfo& info = map_->info();
  std::string key(reinterpret_cast<const char*>(record.data()), record.size());
  if (const auto found = uses_.find(key); found != uses_.end()) {
    ++found->second.holders;
    return Entry(shared_from_this(), found->second.id);
  }
  if (info.element_size < record.size()) {
    return Error(ErrorCode::kMapIncompatible,
                 fmt::format("map {}: value_size: is {}, a USDT specification has {} bytes", kUsdtSpecsMap,
                             info.element_size, record.size()));
  }
  // The id that has been unused for longest: a run that started before its last holder went may still look at it.
  const bool is_new = next_id_ < info.max_entries;
  if (!is_new && free_ids_.empty()) {
    return Error(
        ErrorCode::kMapFull,
        fmt::format("map {}: all {} entries are used; define BPF_USDT_MAX_SPEC_CNT with a larger number before "
                    "<bpf/usdt.bpf.h> is included, or set the map's max_entries before loading",
                    kUsdtSpecsMap, info.max_entries));
  }
  const std::uint32_t id = is_new ? next_id_ : free_ids_.front();
  std::vector<std::byte> value(record.begin(), record.end());
  value.resize(info.element_size);
  STRATA_TRY(map_->Update(std::as_bytes(std::span(&id, 1)), value, UpdateMode::kAny));
  if (is_new) {
    ++next_id_;
  } else {
    free_ids_.pop_front();
  }
  uses_.emplace(std::move(key), Use{id, 1});
  return Entry(shared_from_this(), id);
}

// What the map holds stays until the entry is used again: nobody has its id as cookie any more.
void UsdtSpecs::Release(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  const auto use = std::find_if(uses_.begin(), uses_.end(), [&](const auto& entry) { return entry.second.id == id; });
  if (use == uses_.end() || --use->second.holders != 0) return;
  uses_.erase(use);
  free_ids_.push_back(id);
}

std::size_t UsdtSpecs::used() const {
  const std::lock_guard lock(mutex_);
  return uses_.size();
}

}  // namespace strata
