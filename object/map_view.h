// What the typed views of maps have in common.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "strata/object/map.h"
#include "strata/object/map_iterator.h"

namespace strata {

// What may be a key or a value: copyable as bytes, and without padding, whose garbage would become part of a key (and
// show the caller's memory to others). Checked when a view is named: a struct with padding gets the missing bytes as a
// member, or [[gnu::packed]].
template <typename T>
concept MapElement = std::is_trivially_copyable_v<T> &&
    (std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>);

// All elements of a map as a range: `for (const auto& [key, value] : map.Entries())`. Keeps the map alive and reads
// ahead (MapIterator); what an iterator refers to is valid until it is incremented. An error ends the range: look at
// status() behind the loop where that matters.
template <typename K, typename V>
class MapEntries {
 public:
  using Entry = std::pair<K, V>;
  using ReadValue = V (*)(const Map& map, std::span<const std::byte> bytes);

  class Iterator {
   public:
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    explicit Iterator(MapEntries* range) : range_(range) {}
    const Entry& operator*() const { return range_->entry_; }
    const Entry* operator->() const { return &range_->entry_; }
    Iterator& operator++() {
      range_->Advance();
      return *this;
    }
    void operator++(int) { range_->Advance(); }
    bool operator==(std::default_sentinel_t) const { return range_->is_at_end_; }

   private:
    MapEntries* range_;
  };

  MapEntries(const Map& map, ReadValue read_value) : map_(map.Clone()), elements_(map), read_value_(read_value) {}

  // Once: the elements are read as it goes.
  Iterator begin() {
    Advance();
    return Iterator(this);
  }
  std::default_sentinel_t end() const { return {}; }
  const Result<void>& status() const { return elements_.status(); }

 private:
  void Advance() {
    is_at_end_ = !elements_.Next();
    if (is_at_end_) return;
    std::memcpy(&entry_.first, elements_.key().data(), sizeof(K));
    entry_.second = read_value_(map_, elements_.value());
  }

  Map map_;
  MapIterator elements_;
  ReadValue read_value_;
  Entry entry_{};
  bool is_at_end_ = false;
};

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

template <typename T>
T FromBytes(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
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

template <typename V>
V ReadPlain(const Map&, std::span<const std::byte> bytes) {
  return FromBytes<V>(bytes);
}
template <typename V>
std::vector<V> ReadPerCpu(const Map& map, std::span<const std::byte> bytes) {
  return SplitPerCpu<V>(bytes, map.possible_cpus());
}

template <typename V>
V SumOf(const std::vector<V>& values) {
  V sum{};
  for (const V& value : values) sum = static_cast<V>(sum + value);
  return sum;
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

}  // namespace strata
