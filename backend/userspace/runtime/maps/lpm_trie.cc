// The operations of longest prefix match tries: lookups and walks from key to key, which take no lock, and changes.
#include "lpm_trie.h"

#include "lpm_trie_changes.h"

namespace strata::runtime {
namespace trie {
namespace {

// --- Reading without the lock --------------------------------------------------------------------------------------
// A walk that was disturbed starts again, a bounded number of times. Prefixes get longer on the way down, so that a
// tree that its owner corrupted holds nobody.
constexpr int kRestarts = 256;

enum class Walk : std::uint8_t { kDone, kDisturbed };

// kIsOneWord: of a key with at most 64 bits of data, which then stays in a register.
template <bool kIsOneWord>
[[gnu::always_inline]] inline Walk FindLongestOnce(const MapView& map, const TrieKey& key, TrieNode** out) {
  const auto max_bits = static_cast<std::uint32_t>(map.derived[kMaxBits]);
  const std::uint64_t first_word = key.words[0];
  const std::uint64_t* words = kIsOneWord ? &first_word : key.words;
  TrieLink found_link = 0;
  TrieNode* found = nullptr;
  std::uint32_t least_bits = 0;
  TrieLink link = Observe(StateOf(map).root);
  for (TrieNode* node = NodeAt(map, IndexOf(link)); node != nullptr; node = NodeAt(map, IndexOf(link))) {
    const std::uint32_t bits = BitsOf(link);
    if (bits > max_bits || bits < least_bits) [[unlikely]]
      break;  // not of our making
    const bool is_leaf = bits == max_bits;
    const TrieLink next = is_leaf ? 0 : Observe(node->child[BitAt(words, kIsOneWord ? bits % 64 : bits)]);
    const std::uint32_t match = MatchBits(WordsOf(*node), words, Smaller(bits, key.bits));
    const bool is_element = Observe(node->intermediate) == 0;
    if (!IsCurrent(*node, link)) [[unlikely]]
      return Walk::kDisturbed;
    if (match < bits) break;
    if (is_element) {
      found = node;
      found_link = link;
    }
    least_bits = bits + 1;
    link = next;
  }
  if (found != nullptr && !IsCurrent(*found, found_link)) return Walk::kDisturbed;
  *out = found;
  return Walk::kDone;
}

template <bool kIsOneWord>
[[gnu::always_inline]] inline TrieNode* FindLongest(const MapView& map, const TrieKey& key) {
  TrieNode* found = nullptr;
  for (int i = 0; i < kRestarts; ++i) {
    if (FindLongestOnce<kIsOneWord>(map, key, &found) == Walk::kDone) return found;
  }
  return nullptr;
}

void* Lookup(MapView& map, const void* key_bytes, std::uint32_t /*slot*/) noexcept {
  TrieKey key;
  LoadKey(map, key_bytes, &key);
  if (key.bits > map.derived[kMaxBits]) return nullptr;
  TrieNode* found = map.derived[kWordCount] == 1 ? FindLongest<true>(map, key) : FindLongest<false>(map, key);
  return found == nullptr ? nullptr : ValueOf(map, *found);
}

// The first element, in postorder, of what `link` leads to.
Walk FindLeftmost(const MapView& map, TrieLink link, void* next) {
  TrieLink found_link = 0;
  TrieNode* found = nullptr;
  std::uint32_t least_bits = 0;
  for (TrieNode* node = NodeAt(map, IndexOf(link)); node != nullptr; node = NodeAt(map, IndexOf(link))) {
    const std::uint32_t bits = Observe(node->prefix_bits);
    const bool is_element = Observe(node->intermediate) == 0;
    TrieLink child = Observe(node->child[0]);
    if (is_element && IndexOf(child) == 0) child = Observe(node->child[1]);
    if (!IsCurrent(*node, link)) return Walk::kDisturbed;
    if (bits < least_bits) break;
    if (is_element) {
      found = node;
      found_link = link;
    }
    least_bits = bits + 1;
    link = child;
  }
  if (found == nullptr) return Walk::kDisturbed;
  StoreKey(map, *found, next);
  return IsCurrent(*found, found_link) ? Walk::kDone : Walk::kDisturbed;
}

// Where the element after the one of a key is: first in what a link leads to, or a node itself. What is met later on
// the way down comes first.
struct Successor {
  TrieLink link = 0;
  bool is_subtree = false;
};

// *is_there: the key's own element was found.
Walk FindSuccessor(const MapView& map, const TrieKey& key, Successor* out, bool* is_there) {
  *is_there = false;
  std::uint32_t least_bits = 0;
  TrieLink link = Observe(StateOf(map).root);
  for (TrieNode* node = NodeAt(map, IndexOf(link)); node != nullptr; node = NodeAt(map, IndexOf(link))) {
    const std::uint32_t bits = Observe(node->prefix_bits);
    if (bits > map.derived[kMaxBits] || bits < least_bits) break;
    const std::uint32_t match = MatchBits(WordsOf(*node), key.words, Smaller(bits, key.bits));
    const bool is_element = Observe(node->intermediate) == 0;
    const TrieLink children[2] = {Observe(node->child[0]), Observe(node->child[1])};
    if (!IsCurrent(*node, link)) return Walk::kDisturbed;
    if (match != bits || bits == key.bits) {
      *is_there = match == bits && is_element;
      break;
    }
    const std::uint32_t side = BitAt(key.words, bits);
    if (side == 0 && IndexOf(children[1]) != 0) {
      *out = {children[1], true};
    } else if (is_element) {
      *out = {link, false};
    }
    least_bits = bits + 1;
    link = children[side];
  }
  return Walk::kDone;
}

Walk NextKeyOnce(const MapView& map, const TrieKey* key, void* next, long* error) {
  Successor successor{Observe(StateOf(map).root), true};
  *error = IndexOf(successor.link) == 0 ? -ENOENT : 0;
  if (*error != 0) return Walk::kDone;
  if (key != nullptr) {
    Successor behind;
    bool is_there = false;
    if (FindSuccessor(map, *key, &behind, &is_there) == Walk::kDisturbed) return Walk::kDisturbed;
    if (is_there) successor = behind;
  }
  if (IndexOf(successor.link) == 0) {
    *error = -ENOENT;
    return Walk::kDone;
  }
  if (successor.is_subtree) return FindLeftmost(map, successor.link, next);
  TrieNode* node = NodeAt(map, IndexOf(successor.link));
  StoreKey(map, *node, next);
  return IsCurrent(*node, successor.link) ? Walk::kDone : Walk::kDisturbed;
}

// trie_get_next_key: postorder, longer prefixes before shorter ones; after an unknown key comes the first one.
long NextKey(MapView& map, const void* key_bytes, void* next) noexcept {
  TrieKey key;
  const TrieKey* known = nullptr;
  if (key_bytes != nullptr) {
    LoadKey(map, key_bytes, &key);
    if (key.bits <= map.derived[kMaxBits]) known = &key;
  }
  long error = 0;
  for (int i = 0; i < kRestarts; ++i) {
    if (NextKeyOnce(map, known, next, &error) == Walk::kDone) return error;
  }
  return -EBUSY;
}

// --- Changing it ---------------------------------------------------------------------------------------------------

long Update(MapView& map, const void* key_bytes, const void* value, std::uint64_t flags,
            std::uint32_t /*slot*/) noexcept {
  if (flags > static_cast<std::uint64_t>(UpdateMode::kExist)) return -EINVAL;
  TrieKey key;
  LoadKey(map, key_bytes, &key);
  if (key.bits > map.derived[kMaxBits]) return -EINVAL;
  if (!Lock(map)) return -EBUSY;
  const long error = UpdateElement(map, key, value, flags);
  Unlock(map);
  return error;
}

long Erase(MapView& map, const void* key_bytes) noexcept {
  TrieKey key;
  LoadKey(map, key_bytes, &key);
  if (key.bits > map.derived[kMaxBits]) return -EINVAL;
  if (!Lock(map)) return -EBUSY;
  const long error = EraseElement(map, key);
  Unlock(map);
  return error;
}

// --- The row -------------------------------------------------------------------------------------------------------

std::uint64_t NodeCount(std::uint32_t max_entries) { return std::uint64_t{max_entries} * 2; }

// trie_alloc. The kernel's node has 24 bytes besides data and value.
long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  constexpr std::uint32_t kMostKey = kPrefixBytes + kMostDataBytes;
  constexpr std::uint64_t kMostValue = kMaxAllocation - kMostDataBytes - 24;
  if (attributes.max_entries == 0 || (attributes.flags & map_flags::kNoPrealloc) == 0 ||
      !AreFlagsValid(attributes.flags, map_flags::kNoPrealloc | map_flags::kNumaNode | map_flags::kAccess) ||
      attributes.key_size <= kPrefixBytes || attributes.key_size > kMostKey || attributes.value_size == 0 ||
      attributes.value_size > kMostValue)
    return -EINVAL;
  if (NodeCount(attributes.max_entries) >= 1U << kIndexBits) return -ENOMEM;
  out->value_stride = static_cast<std::uint32_t>(RoundUp(attributes.value_size, 8));
  const std::uint64_t node_size = sizeof(TrieNode) + RoundUp(attributes.key_size - kPrefixBytes, 8) + out->value_stride;
  out->table_size = RoundUp(NodeCount(attributes.max_entries) * node_size, kPageSize);
  return 0;
}

long Open(MapView& map) noexcept {
  map.derived[kWordCount] = RoundUp(DataBytes(map), 8) / 8;
  map.derived[kValueOffset] = sizeof(TrieNode) + map.derived[kWordCount] * 8;
  map.derived[kNodeSize] = map.derived[kValueOffset] + map.value_stride;
  map.derived[kNodeCount] = NodeCount(map.max_entries);
  map.derived[kMaxBits] = std::uint64_t{DataBytes(map)} * 8;
  return 0;
}

long ForEach(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/, void* /*argument*/) noexcept {
  return -EINVAL;
}

// Under the lock, so that a value that is being updated is not seen half-done; where the lock stays busy, without it.
long CopyOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  const bool is_locked = Lock(map);
  const void* found = Lookup(map, key, 0);
  if (found != nullptr) CopyValue(value, found, map.value_size);
  if (is_locked) Unlock(map);
  return found == nullptr ? -ENOENT : 0;
}
long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  return Update(map, key, value, flags, 0);
}

}  // namespace
}  // namespace trie

constexpr MapOps kLpmTrieOps = {
    .traits = 0,
    .geometry = trie::Geometry,
    .open = trie::Open,
    .lookup = trie::Lookup,
    .update = trie::Update,
    .erase = trie::Erase,
    .for_each = trie::ForEach,
    .copy_out = trie::CopyOut,
    .copy_in = trie::CopyIn,
    .next_key = trie::NextKey,
};

}  // namespace strata::runtime
