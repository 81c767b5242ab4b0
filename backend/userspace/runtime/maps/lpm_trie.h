// The tree behind longest prefix match tries (kernel/bpf/lpm_trie.c), in a map's file: a path-compressed binary tree of
// prefixes. A node with two children that no element stands for is intermediate, so max_entries elements need fewer
// than twice as many nodes. Private to maps/.
//
// Lookups take no lock. A node's prefix never changes while the node is linked, and each change of the tree is one
// store of one link (or of one node's `intermediate`). A link carries the generation that its node had when it was
// made; freeing a node changes its generation. Who reads a node and then finds the link's generation has read that
// node and no later one. A link also has the length of its node's prefix, so that a walk knows which child comes next
// before it has the node.
//
// Changes hold the map's lock. Its holder may be killed at any instruction. `pending` then names the one or two nodes
// that may be neither in the tree nor in the free list, and `journal` the element that the number of elements depends
// on; whoever takes the lock over looks where they are and puts both right.
#pragma once

#include "ops.h"

namespace strata::runtime::trie {

inline constexpr std::uint32_t kMostDataBytes = 256;
inline constexpr std::uint32_t kMostWords = kMostDataBytes / 8;
inline constexpr std::uint32_t kPrefixBytes = 4;  // of a key, before the data

// From the lowest bit on: node index + 1 (0 for none), the node's prefix_bits and its generation.
using TrieLink = std::uint64_t;
inline constexpr int kIndexBits = 28;
inline constexpr int kPrefixLengthBits = 12;
inline constexpr int kGenerationShift = kIndexBits + kPrefixLengthBits;
inline constexpr std::uint32_t kGenerationMask = (1U << (64 - kGenerationShift)) - 1;
static_assert(kMostDataBytes * 8 < 1 << kPrefixLengthBits);

struct TrieNode {
  TrieLink child[2];
  std::uint32_t generation;
  std::uint32_t prefix_bits;
  std::uint32_t intermediate;
  std::uint32_t free_next;  // node index + 1
  // data as words whose highest bit is the first one; then the value
};
static_assert(sizeof(TrieNode) == 32);

// MapHeader::kind_state of a trie.
struct TrieState {
  OwnerWord lock;
  TrieLink root;
  std::uint64_t free_head;   // node index + 1
  std::uint64_t fresh;       // nodes that have been handed out at least once
  std::uint32_t pending[2];  // node index + 1: on their way into the tree or out of it
  std::uint64_t journal;     // node index + 1 of an element on its way, and the number of elements without it
  std::uint64_t count;       // elements
};
static_assert(sizeof(TrieState) <= sizeof(MapHeader::kind_state));

// Indices into MapView::derived.
enum TrieDerived : std::uint32_t { kNodeSize, kNodeCount, kWordCount, kMaxBits, kValueOffset };

struct TrieKey {
  std::uint32_t bits;
  std::uint64_t words[kMostWords];
};

inline TrieState& StateOf(const MapView& map) { return *reinterpret_cast<TrieState*>(map.header->kind_state); }
inline std::uint32_t DataBytes(const MapView& map) { return map.key_size - kPrefixBytes; }

inline std::uint32_t IndexOf(TrieLink link) { return static_cast<std::uint32_t>(link) & ((1U << kIndexBits) - 1); }
inline std::uint32_t BitsOf(TrieLink link) {
  return static_cast<std::uint32_t>(link >> kIndexBits) & ((1U << kPrefixLengthBits) - 1);
}
inline std::uint32_t GenerationOf(TrieLink link) { return static_cast<std::uint32_t>(link >> kGenerationShift); }

// A link from the file is never trusted to be in range.
[[gnu::always_inline]] inline TrieNode* NodeAt(const MapView& map, std::uint32_t index_plus_one) {
  const std::uint64_t index = std::uint64_t{index_plus_one} - 1;
  if (index >= map.derived[kNodeCount]) return nullptr;
  return reinterpret_cast<TrieNode*>(map.table + index * map.derived[kNodeSize]);
}
inline TrieLink LinkTo(const MapView& map, std::uint32_t index_plus_one) {
  const TrieNode& node = *NodeAt(map, index_plus_one);
  return std::uint64_t{node.generation} << kGenerationShift | std::uint64_t{node.prefix_bits} << kIndexBits |
         index_plus_one;
}
inline std::uint64_t* WordsOf(TrieNode& node) { return reinterpret_cast<std::uint64_t*>(&node + 1); }
inline std::byte* ValueOf(const MapView& map, TrieNode& node) {
  return reinterpret_cast<std::byte*>(&node) + map.derived[kValueOffset];
}

// After reading a node: false when it has been freed since `link` was made.
[[gnu::always_inline]] inline bool IsCurrent(const TrieNode& node, TrieLink link) {
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return __atomic_load_n(&node.generation, __ATOMIC_RELAXED) == GenerationOf(link);
}

// --- Keys --------------------------------------------------------------------------------------------------------

[[gnu::always_inline]] inline std::uint64_t LoadWord(const std::byte* from, std::uint32_t size_bytes) {
  std::uint64_t word = 0;
  if (size_bytes >= 8) {
    __builtin_memcpy(&word, from, 8);
  } else if (size_bytes == 4) {
    std::uint32_t half;
    __builtin_memcpy(&half, from, 4);
    word = half;
  } else {
    for (std::uint32_t i = 0; i < size_bytes; ++i) word |= std::uint64_t{static_cast<std::uint8_t>(from[i])} << (8 * i);
  }
  return __builtin_bswap64(word);
}

[[gnu::always_inline]] inline void LoadKey(const MapView& map, const void* from, TrieKey* out) {
  const auto* bytes = static_cast<const std::byte*>(from);
  __builtin_memcpy(&out->bits, bytes, kPrefixBytes);
  bytes += kPrefixBytes;
  std::uint32_t left = DataBytes(map);
  for (std::uint32_t i = 0; left > 0; ++i) {
    out->words[i] = LoadWord(bytes + std::size_t{i} * 8, left);
    left -= left < 8 ? left : 8;
  }
}

inline void StoreKey(const MapView& map, TrieNode& node, void* to) {
  auto* bytes = static_cast<std::byte*>(to);
  __builtin_memcpy(bytes, &node.prefix_bits, kPrefixBytes);
  bytes += kPrefixBytes;
  const std::uint64_t* words = WordsOf(node);
  for (std::uint32_t i = 0; i < DataBytes(map); ++i)
    bytes[i] = static_cast<std::byte>(words[i / 8] >> (56 - i % 8 * 8));
}

// How many leading bits are the same, `limit` at most.
[[gnu::always_inline]] inline std::uint32_t MatchBits(const std::uint64_t* left, const std::uint64_t* right,
                                                      std::uint32_t limit) {
  for (std::uint32_t word = 0; word * 64 < limit; ++word) {
    const std::uint64_t difference = __atomic_load_n(&left[word], __ATOMIC_RELAXED) ^ right[word];
    if (difference == 0) continue;
    const std::uint32_t same = word * 64 + static_cast<std::uint32_t>(__builtin_clzll(difference));
    return same < limit ? same : limit;
  }
  return limit;
}

// `bit` is below the number of bits of the data.
[[gnu::always_inline]] inline std::uint32_t BitAt(const std::uint64_t* words, std::uint32_t bit) {
  return static_cast<std::uint32_t>(words[bit / 64] >> (63 - bit % 64)) & 1;
}

inline std::uint32_t Smaller(std::uint32_t one, std::uint32_t other) { return one < other ? one : other; }

}  // namespace strata::runtime::trie
