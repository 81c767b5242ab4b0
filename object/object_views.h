// Typed views of maps whose values are maps, programs and other objects of the kernel. What goes in is an object, what
// comes out its id. Programs and maps on both backends, what else there is on the kernel's; handles of maps by id
// there, too.
#pragma once

#include <optional>

#include "strata/object/map_view.h"
#include "strata/object/program.h"

namespace strata {

namespace internal {

STRATA_EXPORT Result<void> StoreMap(const Map& outer, std::span<const std::byte> key, const Map& inner);
STRATA_EXPORT Result<std::optional<std::uint32_t>> LookupObjectId(const Map& map, std::span<const std::byte> key);
STRATA_EXPORT Result<std::optional<Map>> LookupMap(const Map& outer, std::span<const std::byte> key);

template <typename K>
class MapOfMaps : public MapView {
 public:
  // kInvalidArgument for a map unlike the template of the inner maps.
  Result<void> Update(const K& key, const Map& inner) { return StoreMap(*map_, BytesOf(key), inner); }
  Result<std::optional<std::uint32_t>> LookupId(const K& key) const { return LookupObjectId(*map_, BytesOf(key)); }
  // A handle of the map that is there now.
  Result<std::optional<Map>> Lookup(const K& key) const { return LookupMap(*map_, BytesOf(key)); }
  Result<bool> Delete(const K& key) { return map_->Delete(BytesOf(key)); }
  // Keys and ids.
  MapEntries<K, std::uint32_t> Entries() const { return {*map_, ReadPlain<std::uint32_t>}; }

 protected:
  using MapView::MapView;
};

}  // namespace internal

// BPF_MAP_TYPE_ARRAY_OF_MAPS.
class ArrayOfMaps : public internal::MapOfMaps<std::uint32_t> {
 public:
  static Result<ArrayOfMaps> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kArrayOfMaps}, sizeof(std::uint32_t), sizeof(std::uint32_t)));
    return ArrayOfMaps(map.Clone());
  }

 private:
  using MapOfMaps::MapOfMaps;
};

// BPF_MAP_TYPE_HASH_OF_MAPS.
template <MapElement K>
class HashOfMaps : public internal::MapOfMaps<K> {
 public:
  static Result<HashOfMaps> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kHashOfMaps}, sizeof(K), sizeof(std::uint32_t)));
    return HashOfMaps(map.Clone());
  }

 private:
  using internal::MapOfMaps<K>::MapOfMaps;
};

// BPF_MAP_TYPE_PROG_ARRAY: what tail calls go to. The kernel empties it when no process has a handle of it and no file
// system a pin, also while programs that use it run: keep the collection or this view, or pin it.
class STRATA_EXPORT ProgArray : public internal::MapView {
 public:
  static Result<ProgArray> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kProgArray}, sizeof(std::uint32_t), sizeof(std::uint32_t)));
    return ProgArray(map.Clone());
  }
  std::uint32_t size() const { return map_->info().max_entries; }
  // kInvalidArgument for a program of another type or attach type than those that use the array.
  Result<void> Update(std::uint32_t index, const Program& program);
  Result<std::optional<std::uint32_t>> LookupId(std::uint32_t index) const;
  // False when nothing is there.
  Result<bool> Delete(std::uint32_t index) { return map_->Delete(internal::BytesOf(index)); }

 private:
  using MapView::MapView;
};

// Maps that take the descriptor of a socket, cgroup or event: BPF_MAP_TYPE_SOCKMAP, SOCKHASH, XSKMAP, CGROUP_ARRAY,
// REUSEPORT_SOCKARRAY, PERF_EVENT_ARRAY. The kernel keeps the object, not the descriptor.
template <MapElement K>
class DescriptorMap : public internal::MapView {
 public:
  static Result<DescriptorMap> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map,
                                   {MapType::kSockMap, MapType::kSockHash, MapType::kXskMap, MapType::kCgroupArray,
                                    MapType::kReusePortSockArray, MapType::kPerfEventArray},
                                   sizeof(K), map.info().value_size));
    return DescriptorMap(map.Clone());
  }
  Result<void> Update(const K& key, int descriptor, UpdateMode mode = UpdateMode::kAny) {
    if (map_->info().value_size == sizeof(std::uint64_t)) {
      return map_->Update(internal::BytesOf(key), internal::BytesOf(static_cast<std::uint64_t>(descriptor)), mode);
    }
    return map_->Update(internal::BytesOf(key), internal::BytesOf(static_cast<std::uint32_t>(descriptor)), mode);
  }
  Result<bool> Delete(const K& key) { return map_->Delete(internal::BytesOf(key)); }

 private:
  using MapView::MapView;
};

// BPF_MAP_TYPE_SK_STORAGE, INODE_STORAGE, TASK_STORAGE and CGRP_STORAGE: a value that belongs to a socket, file, task
// (pidfd) or cgroup, named by a descriptor, and goes with it.
template <MapElement V>
class Storage : public internal::MapView {
 public:
  static Result<Storage> From(const Map& map) {
    STRATA_TRY(internal::CheckView(
        map, {MapType::kSkStorage, MapType::kInodeStorage, MapType::kTaskStorage, MapType::kCgrpStorage}, sizeof(int),
        sizeof(V)));
    return Storage(map.Clone());
  }
  // Nothing where the object has no value.
  Result<std::optional<V>> Lookup(int descriptor) const {
    V value;
    if (!STRATA_TRY(map_->Lookup(internal::BytesOf(descriptor), internal::WritableBytesOf(value)))) {
      return std::optional<V>();
    }
    return std::optional<V>(value);
  }
  Result<void> Update(int descriptor, const V& value, UpdateMode mode = UpdateMode::kAny) {
    return map_->Update(internal::BytesOf(descriptor), internal::BytesOf(value), mode);
  }
  Result<bool> Delete(int descriptor) { return map_->Delete(internal::BytesOf(descriptor)); }

 private:
  using MapView::MapView;
};

}  // namespace strata
