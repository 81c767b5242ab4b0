// Typed views of maps: made once, checked against the map's kind and sizes, then plain values go in and out. They work
// for maps of an object, for maps made without one, and for maps that are opened by id or path.
#pragma once

#include <optional>

#include "strata/object/map_view.h"
#include "strata/object/object_views.h"
#include "strata/object/queue_views.h"
#include "strata/object/trie_view.h"

namespace strata {

// BPF_MAP_TYPE_HASH and BPF_MAP_TYPE_LRU_HASH.
template <MapElement K, MapElement V>
class HashMap : public internal::MapView {
 public:
  static Result<HashMap> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kHash, MapType::kLruHash}, sizeof(K), sizeof(V)));
    return HashMap(map.Clone());
  }

  Result<std::optional<V>> Lookup(const K& key, LookupMode mode = LookupMode::kPlain) const {
    V value;
    if (!STRATA_TRY(map_->Lookup(internal::BytesOf(key), internal::WritableBytesOf(value), mode))) {
      return std::optional<V>();
    }
    return std::optional<V>(value);
  }
  // With kNoExist kKeyExist, with kExist kKeyNotExist; kMapFull.
  Result<void> Update(const K& key, const V& value, UpdateMode mode = UpdateMode::kAny) {
    return map_->Update(internal::BytesOf(key), internal::BytesOf(value), mode);
  }
  // False for a key that does not exist.
  Result<bool> Delete(const K& key) { return map_->Delete(internal::BytesOf(key)); }
  Result<std::optional<V>> LookupAndDelete(const K& key) {
    V value;
    if (!STRATA_TRY(map_->LookupAndDelete(internal::BytesOf(key), internal::WritableBytesOf(value)))) {
      return std::optional<V>();
    }
    return std::optional<V>(value);
  }

  // Many at once; see Map. `keys` and `values` have the same length.
  BatchResult LookupBatch(BatchCursor& cursor, std::span<K> keys, std::span<V> values) const {
    return map_->LookupBatch(cursor, std::as_writable_bytes(keys), std::as_writable_bytes(values));
  }
  BatchResult LookupAndDeleteBatch(BatchCursor& cursor, std::span<K> keys, std::span<V> values) {
    return map_->LookupAndDeleteBatch(cursor, std::as_writable_bytes(keys), std::as_writable_bytes(values));
  }
  BatchResult UpdateBatch(std::span<const K> keys, std::span<const V> values, UpdateMode mode = UpdateMode::kAny) {
    return map_->UpdateBatch(std::as_bytes(keys), std::as_bytes(values), mode);
  }
  BatchResult DeleteBatch(std::span<const K> keys) { return map_->DeleteBatch(std::as_bytes(keys)); }

  // `visit(const K&, const V&)`; see Map::ForEach for what concurrent changes do.
  template <std::invocable<const K&, const V&> Visit>
  Result<void> ForEach(Visit&& visit) const {
    MapIterator elements(*map_);
    while (elements.Next()) {
      visit(internal::FromBytes<K>(elements.key()), internal::FromBytes<V>(elements.value()));
    }
    return elements.status();
  }
  MapEntries<K, V> Entries() const { return {*map_, internal::ReadPlain<V>}; }
  Result<std::vector<std::pair<K, V>>> Snapshot() const {
    std::vector<std::pair<K, V>> all;
    STRATA_TRY(ForEach([&](const K& key, const V& value) { all.emplace_back(key, value); }));
    return all;
  }

 private:
  using MapView::MapView;
};

// BPF_MAP_TYPE_ARRAY.
template <MapElement V>
class Array : public internal::MapView {
 public:
  static Result<Array> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kArray}, sizeof(std::uint32_t), sizeof(V)));
    return Array(map.Clone());
  }

  std::uint32_t size() const { return map_->info().max_entries; }
  // Nothing for an index past the end.
  Result<std::optional<V>> Lookup(std::uint32_t index, LookupMode mode = LookupMode::kPlain) const {
    V value;
    if (!STRATA_TRY(map_->Lookup(internal::BytesOf(index), internal::WritableBytesOf(value), mode))) {
      return std::optional<V>();
    }
    return std::optional<V>(value);
  }
  // kKeyNotExist for an index past the end.
  Result<void> Update(std::uint32_t index, const V& value, UpdateMode mode = UpdateMode::kAny) {
    return map_->Update(internal::BytesOf(index), internal::BytesOf(value), mode);
  }
  MapEntries<std::uint32_t, V> Entries() const { return {*map_, internal::ReadPlain<V>}; }
  Result<std::vector<V>> Snapshot() const {
    std::vector<V> all;
    all.reserve(size());
    MapIterator elements(*map_);
    while (elements.Next()) all.push_back(internal::FromBytes<V>(elements.value()));
    STRATA_TRY(elements.status());
    return all;
  }

 private:
  using MapView::MapView;
};

// BPF_MAP_TYPE_PERCPU_ARRAY: each element is one value per possible CPU.
template <MapElement V>
class PerCpuArray : public internal::MapView {
 public:
  static Result<PerCpuArray> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kPerCpuArray}, sizeof(std::uint32_t), sizeof(V)));
    return PerCpuArray(map.Clone());
  }

  std::uint32_t size() const { return map_->info().max_entries; }
  Result<std::optional<std::vector<V>>> Lookup(std::uint32_t index) const {
    std::vector<std::byte> element(map_->info().element_size);
    if (!STRATA_TRY(map_->Lookup(internal::BytesOf(index), element))) return std::optional<std::vector<V>>();
    return std::optional(internal::SplitPerCpu<V>(element, map_->possible_cpus()));
  }
  // `values` has one entry per possible CPU.
  Result<void> Update(std::uint32_t index, const std::vector<V>& values) {
    return map_->Update(internal::BytesOf(index), internal::JoinPerCpu(values));
  }
  // Over all CPUs; nothing for an index past the end.
  Result<std::optional<V>> Sum(std::uint32_t index) const requires std::is_arithmetic_v<V> {
    const auto values = STRATA_TRY(Lookup(index));
    return values ? std::optional<V>(internal::SumOf(*values)) : std::optional<V>();
  }
  MapEntries<std::uint32_t, std::vector<V>> Entries() const { return {*map_, internal::ReadPerCpu<V>}; }
  // The sum of each element over all CPUs.
  Result<std::vector<V>> Sums() const requires std::is_arithmetic_v<V> {
    std::vector<V> all;
    auto entries = Entries();
    for (const auto& [index, values] : entries) all.push_back(internal::SumOf(values));
    STRATA_TRY(Result<void>(entries.status()));
    return all;
  }

 private:
  using MapView::MapView;
};

// BPF_MAP_TYPE_PERCPU_HASH and BPF_MAP_TYPE_LRU_PERCPU_HASH.
template <MapElement K, MapElement V>
class PerCpuHashMap : public internal::MapView {
 public:
  static Result<PerCpuHashMap> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kPerCpuHash, MapType::kLruPerCpuHash}, sizeof(K), sizeof(V)));
    return PerCpuHashMap(map.Clone());
  }

  Result<std::optional<std::vector<V>>> Lookup(const K& key) const {
    std::vector<std::byte> element(map_->info().element_size);
    if (!STRATA_TRY(map_->Lookup(internal::BytesOf(key), element))) return std::optional<std::vector<V>>();
    return std::optional(internal::SplitPerCpu<V>(element, map_->possible_cpus()));
  }
  Result<void> Update(const K& key, const std::vector<V>& values, UpdateMode mode = UpdateMode::kAny) {
    return map_->Update(internal::BytesOf(key), internal::JoinPerCpu(values), mode);
  }
  Result<bool> Delete(const K& key) { return map_->Delete(internal::BytesOf(key)); }
  // Over all CPUs; nothing for a key that does not exist.
  Result<std::optional<V>> Sum(const K& key) const requires std::is_arithmetic_v<V> {
    const auto values = STRATA_TRY(Lookup(key));
    return values ? std::optional<V>(internal::SumOf(*values)) : std::optional<V>();
  }
  MapEntries<K, std::vector<V>> Entries() const { return {*map_, internal::ReadPerCpu<V>}; }
  Result<std::vector<std::pair<K, std::vector<V>>>> Snapshot() const {
    std::vector<std::pair<K, std::vector<V>>> all;
    auto entries = Entries();
    for (const auto& entry : entries) all.push_back(entry);
    STRATA_TRY(Result<void>(entries.status()));
    return all;
  }
  // Each key with the sum of its values.
  Result<std::vector<std::pair<K, V>>> Sums() const requires std::is_arithmetic_v<V> {
    std::vector<std::pair<K, V>> all;
    auto entries = Entries();
    for (const auto& [key, values] : entries) all.emplace_back(key, internal::SumOf(values));
    STRATA_TRY(Result<void>(entries.status()));
    return all;
  }

 private:
  using MapView::MapView;
};

}  // namespace strata
