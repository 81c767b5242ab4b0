// Typed views of maps without keys.
#pragma once

#include <optional>

#include "strata/object/map_view.h"

namespace strata {

namespace internal {

// Queues and stacks differ in which element is next.
template <typename V>
class Sequence : public MapView {
 public:
  // kMapFull, unless kExist says that the oldest one shall make room.
  Result<void> Push(const V& value, UpdateMode mode = UpdateMode::kAny) {
    return map_->Update({}, BytesOf(value), mode);
  }
  // Takes the next element out; nothing when there is none.
  Result<std::optional<V>> Pop() {
    V value;
    if (!STRATA_TRY(map_->LookupAndDelete({}, WritableBytesOf(value)))) return std::optional<V>();
    return std::optional<V>(value);
  }
  // The next element, which stays.
  Result<std::optional<V>> Peek() const {
    V value;
    if (!STRATA_TRY(map_->Lookup({}, WritableBytesOf(value)))) return std::optional<V>();
    return std::optional<V>(value);
  }

 protected:
  using MapView::MapView;
};

}  // namespace internal

// BPF_MAP_TYPE_QUEUE: the oldest element is next.
template <MapElement V>
class Queue : public internal::Sequence<V> {
 public:
  static Result<Queue> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kQueue}, 0, sizeof(V)));
    return Queue(map.Clone());
  }

 private:
  using internal::Sequence<V>::Sequence;
};

// BPF_MAP_TYPE_STACK: the newest element is next.
template <MapElement V>
class Stack : public internal::Sequence<V> {
 public:
  static Result<Stack> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kStack}, 0, sizeof(V)));
    return Stack(map.Clone());
  }

 private:
  using internal::Sequence<V>::Sequence;
};

// BPF_MAP_TYPE_BLOOM_FILTER: a set that may take others for its members, and never forgets one.
template <MapElement V>
class BloomFilter : public internal::MapView {
 public:
  static Result<BloomFilter> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kBloomFilter}, 0, sizeof(V)));
    return BloomFilter(map.Clone());
  }
  Result<void> Add(const V& value) { return map_->Update({}, internal::BytesOf(value)); }
  // False: it was never added.
  Result<bool> MayContain(V value) const { return map_->Lookup({}, internal::WritableBytesOf(value)); }

 private:
  using MapView::MapView;
};

}  // namespace strata
