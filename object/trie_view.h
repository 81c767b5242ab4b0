// Typed view of tries of prefixes.
#pragma once

#include <array>
#include <optional>

#include "strata/object/map_view.h"

namespace strata {

// The key of a trie: the first `prefix_bits` bits of `data`, the most significant bit of each byte first. An address in
// network byte order, for example.
template <std::size_t kBytes>
struct PrefixKey {
  std::uint32_t prefix_bits = 0;
  std::array<std::uint8_t, kBytes> data{};
  bool operator==(const PrefixKey&) const = default;
};

// BPF_MAP_TYPE_LPM_TRIE. K begins with the number of bits of the prefix: PrefixKey<4>, or a struct of one's own.
template <MapElement K, MapElement V>
requires(sizeof(K) > sizeof(std::uint32_t)) class LpmTrie : public internal::MapView {
 public:
  static Result<LpmTrie> From(const Map& map) {
    STRATA_TRY(internal::CheckView(map, {MapType::kLpmTrie}, sizeof(K), sizeof(V)));
    return LpmTrie(map.Clone());
  }
  // What the longest prefix that `key` begins with has.
  Result<std::optional<V>> Lookup(const K& key) const {
    V value;
    if (!STRATA_TRY(map_->Lookup(internal::BytesOf(key), internal::WritableBytesOf(value)))) return std::optional<V>();
    return std::optional<V>(value);
  }
  Result<void> Update(const K& key, const V& value, UpdateMode mode = UpdateMode::kAny) {
    return map_->Update(internal::BytesOf(key), internal::BytesOf(value), mode);
  }
  // Exactly this prefix; false when it is not there.
  Result<bool> Delete(const K& key) { return map_->Delete(internal::BytesOf(key)); }
  MapEntries<K, V> Entries() const { return {*map_, internal::ReadPlain<V>}; }

 private:
  using MapView::MapView;
};

}  // namespace strata
