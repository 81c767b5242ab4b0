// Typed views of maps: made once, checked against the map's kind and sizes, then plain values go in and out.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "strata/object/map.h"

namespace strata {

// What may be a key or a value: copyable as bytes, and without padding, whose garbage would become part of a key.
template <typename T>
concept MapElement = std::is_trivially_copyable_v<T> &&
    (std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>);

namespace internal {

// kMapIncompatible, naming the map and the field, unless `map` is of one of `types` with these sizes.
STRATA_EXPORT Result<void> CheckView(const Map& map, std::initializer_list<MapType> types, std::size_t key_size,
                                     std::size_t value_size);

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}
template <typename T>
std::span<std::byte> WritableBytesOf(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

// A per-CPU element is one value per possible CPU, each rounded up to 8 bytes.
template <typename V>
std::vector<V> SplitPerCpu(std::span<const std::byte> element, std::uint32_t cpus) {
  const std::size_t stride = (sizeof(V) + 7) / 8 * 8;
  std::vector<V> values(cpus);
  for (std::size_t cpu = 0; cpu < cpus; ++cpu) std::memcpy(&values[cpu], element.data() + cpu * stride, sizeof(V));
  return values;
}
template <typename V>
std::vector<std::byte> JoinPerCpu(const std::vector<V>& values) {
  const std::size_t stride = (sizeof(V) + 7) / 8 * 8;
  std::vector<std::byte> element(stride * values.size());
  for (std::size_t cpu = 0; cpu < values.size(); ++cpu)
    std::memcpy(element.data() + cpu * stride, &values[cpu], sizeof(V));
  return element;
}

// What all views share: a shared handle of the map. Views are cheap to copy and may be used from any thread.
class MapView {
 public:
  const Map& map() const { return *map_; }

 protected:
  explicit MapView(Map map) : map_(std::make_shared<Map>(std::move(map))) {}
  std::shared_ptr<Map> map_;
};

}  // namespace internal

// BPF_MAP_TYPE_HASH and BPF_MAP_TYPE_LRU_HASH.
template <MapElement K, MapElement V>
class HashMap : public internal::MapView {
 public:
  static Result<HashMap> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kHash, MapType::kLruHash}, sizeof(K), sizeof(V)));
    return HashMap(map.Clone());
  }

  Result<std::optional<V>> Lookup(const K& key) const {
    V value;
    if (!STRATA_TRY(map_->Lookup(internal::BytesOf(key), internal::WritableBytesOf(value)))) return std::optional<V>();
    return std::optional<V>(value);
  }
  Result<void> Update(const K& key, const V& value, UpdateMode mode = UpdateMode::kAny) {
    return map_->Update(internal::BytesOf(key), internal::BytesOf(value), mode);
  }
  // False for a key that does not exist.
  Result<bool> Delete(const K& key) { return map_->Delete(internal::BytesOf(key)); }

  // `visit(const K&, const V&)`; see Map::ForEach for what concurrent changes do.
  template <std::invocable<const K&, const V&> Visit>
  Result<void> ForEach(Visit&& visit) const {
    return map_->ForEach([&](std::span<const std::byte> key_bytes, std::span<const std::byte> value_bytes) {
      K key;
      V value;
      std::memcpy(&key, key_bytes.data(), sizeof(K));
      std::memcpy(&value, value_bytes.data(), sizeof(V));
      visit(key, value);
      return true;
    });
  }
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
  Result<std::optional<V>> Lookup(std::uint32_t index) const {
    V value;
    if (!STRATA_TRY(map_->Lookup(internal::BytesOf(index), internal::WritableBytesOf(value))))
      return std::optional<V>();
    return std::optional<V>(value);
  }
  Result<void> Update(std::uint32_t index, const V& value) {
    return map_->Update(internal::BytesOf(index), internal::BytesOf(value));
  }
  Result<std::vector<V>> Snapshot() const {
    std::vector<V> all(size());
    for (std::uint32_t index = 0; index < size(); ++index) {
      STRATA_TRY(map_->Lookup(internal::BytesOf(index), internal::WritableBytesOf(all[index])));
    }
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
  Result<std::vector<std::pair<K, std::vector<V>>>> Snapshot() const {
    std::vector<std::pair<K, std::vector<V>>> all;
    STRATA_TRY(map_->ForEach([&](std::span<const std::byte> key_bytes, std::span<const std::byte> element) {
      K key;
      std::memcpy(&key, key_bytes.data(), sizeof(K));
      all.emplace_back(key, internal::SplitPerCpu<V>(element, map_->possible_cpus()));
      return true;
    }));
    return all;
  }

 private:
  using MapView::MapView;
};

}  // namespace strata
