// Longest prefix match trie (kernel/bpf/lpm_trie.c): a path-compressed binary tree of prefixes. A node with two
// children that no element stands for is intermediate, so max_entries elements need fewer than twice as many nodes.
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
#include "ops.h"
#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kMostDataBytes = 256;
constexpr std::uint32_t kMostWords = kMostDataBytes / 8;
constexpr std::uint32_t kPrefixBytes = 4;  // of a key, before the data

// From the lowest bit on: node index + 1 (0 for none), the node's prefix_bits and its generation.
using TrieLink = std::uint64_t;
constexpr int kIndexBits = 28;
constexpr int kPrefixLengthBits = 12;
constexpr int kGenerationShift = kIndexBits + kPrefixLengthBits;
constexpr std::uint32_t kGenerationMask = (1U << (64 - kGenerationShift)) - 1;
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

TrieState& StateOf(const MapView& map) { return *reinterpret_cast<TrieState*>(map.header->kind_state); }
std::uint32_t DataBytes(const MapView& map) { return map.key_size - kPrefixBytes; }

std::uint32_t IndexOf(TrieLink link) { return static_cast<std::uint32_t>(link) & ((1U << kIndexBits) - 1); }
std::uint32_t BitsOf(TrieLink link) {
  return static_cast<std::uint32_t>(link >> kIndexBits) & ((1U << kPrefixLengthBits) - 1);
}
std::uint32_t GenerationOf(TrieLink link) { return static_cast<std::uint32_t>(link >> kGenerationShift); }

// A link from the file is never trusted to be in range.
[[gnu::always_inline]] inline TrieNode* NodeAt(const MapView& map, std::uint32_t index_plus_one) {
  const std::uint64_t index = std::uint64_t{index_plus_one} - 1;
  if (index >= map.derived[kNodeCount]) return nullptr;
  return reinterpret_cast<TrieNode*>(map.table + index * map.derived[kNodeSize]);
}
TrieLink LinkTo(const MapView& map, std::uint32_t index_plus_one) {
  const TrieNode& node = *NodeAt(map, index_plus_one);
  return std::uint64_t{node.generation} << kGenerationShift | std::uint64_t{node.prefix_bits} << kIndexBits |
         index_plus_one;
}
std::uint64_t* WordsOf(TrieNode& node) { return reinterpret_cast<std::uint64_t*>(&node + 1); }
std::byte* ValueOf(const MapView& map, TrieNode& node) {
  return reinterpret_cast<std::byte*>(&node) + map.derived[kValueOffset];
}

template <typename T>
T Load(const T& word) {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}
template <typename T>
void Store(T& word, T value) {
  __atomic_store_n(&word, value, __ATOMIC_RELEASE);
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

void StoreKey(const MapView& map, TrieNode& node, void* to) {
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

std::uint32_t Smaller(std::uint32_t one, std::uint32_t other) { return one < other ? one : other; }

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
  TrieLink link = Load(StateOf(map).root);
  for (TrieNode* node = NodeAt(map, IndexOf(link)); node != nullptr; node = NodeAt(map, IndexOf(link))) {
    const std::uint32_t bits = BitsOf(link);
    if (bits > max_bits || bits < least_bits) [[unlikely]]
      break;  // not of our making
    const bool is_leaf = bits == max_bits;
    const TrieLink next = is_leaf ? 0 : Load(node->child[BitAt(words, kIsOneWord ? bits % 64 : bits)]);
    const std::uint32_t match = MatchBits(WordsOf(*node), words, Smaller(bits, key.bits));
    const bool is_element = Load(node->intermediate) == 0;
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
    const std::uint32_t bits = Load(node->prefix_bits);
    const bool is_element = Load(node->intermediate) == 0;
    TrieLink child = Load(node->child[0]);
    if (is_element && IndexOf(child) == 0) child = Load(node->child[1]);
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
  TrieLink link = Load(StateOf(map).root);
  for (TrieNode* node = NodeAt(map, IndexOf(link)); node != nullptr; node = NodeAt(map, IndexOf(link))) {
    const std::uint32_t bits = Load(node->prefix_bits);
    if (bits > map.derived[kMaxBits] || bits < least_bits) break;
    const std::uint32_t match = MatchBits(WordsOf(*node), key.words, Smaller(bits, key.bits));
    const bool is_element = Load(node->intermediate) == 0;
    const TrieLink children[2] = {Load(node->child[0]), Load(node->child[1])};
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
  Successor successor{Load(StateOf(map).root), true};
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

// --- Changing it, under the lock -----------------------------------------------------------------------------------

// Where a key's element is or would be: the link to change, the node that it leads to, and how much of the key that
// node's prefix has; then the node above and the link to that.
struct Place {
  TrieLink* slot;
  TrieNode* node = nullptr;
  std::uint32_t match = 0;
  TrieNode* parent = nullptr;
  TrieLink* parent_slot = nullptr;
};

Place FindPlace(const MapView& map, const TrieKey& key) {
  Place place{&StateOf(map).root};
  std::uint32_t least_bits = 0;
  for (;;) {
    place.node = NodeAt(map, IndexOf(*place.slot));
    if (place.node == nullptr) return place;
    const std::uint32_t bits = place.node->prefix_bits;
    // Not of our making; what it leads to is left out.
    if (bits > map.derived[kMaxBits] || bits < least_bits) place.node = nullptr;
    if (place.node == nullptr) return place;
    place.match = MatchBits(WordsOf(*place.node), key.words, Smaller(bits, key.bits));
    if (bits != place.match || bits == key.bits) return place;
    place.parent = place.node;
    place.parent_slot = place.slot;
    place.slot = &place.node->child[BitAt(key.words, bits)];
    least_bits = bits + 1;
  }
}

bool IsReachable(const MapView& map, std::uint32_t index_plus_one) {
  TrieNode* node = NodeAt(map, index_plus_one);
  if (node == nullptr || node->prefix_bits > map.derived[kMaxBits]) return false;
  TrieKey key;
  key.bits = node->prefix_bits;
  memcpy(key.words, WordsOf(*node), map.derived[kWordCount] * 8);
  const Place place = FindPlace(map, key);
  return place.node == node && *place.slot == LinkTo(map, index_plus_one);
}

// At most two nodes are pending, so that one which is in the list is among its first two.
bool IsFree(const MapView& map, std::uint32_t index_plus_one) {
  const TrieState& state = StateOf(map);
  if (index_plus_one > state.fresh || state.free_head == index_plus_one) return true;
  const TrieNode* head = NodeAt(map, static_cast<std::uint32_t>(state.free_head));
  return head != nullptr && head->free_next == index_plus_one;
}

// 0 when there is none.
std::uint32_t TakeNode(const MapView& map, int place) {
  TrieState& state = StateOf(map);
  const auto head = static_cast<std::uint32_t>(state.free_head);
  if (const TrieNode* node = NodeAt(map, head); node != nullptr) {
    Store(state.pending[place], head);
    Store(state.free_head, std::uint64_t{node->free_next});
    return head;
  }
  if (state.fresh >= map.derived[kNodeCount]) return 0;
  const auto taken = static_cast<std::uint32_t>(state.fresh) + 1;
  Store(state.pending[place], taken);
  Store(state.fresh, std::uint64_t{taken});
  return taken;
}

// Frees a pending node that no link leads to.
void FreeNode(const MapView& map, int place) {
  TrieState& state = StateOf(map);
  const std::uint32_t freed = state.pending[place];
  if (TrieNode* node = NodeAt(map, freed); node != nullptr) {
    Store(node->generation, (node->generation + 1) & kGenerationMask);
    Store(node->free_next, static_cast<std::uint32_t>(state.free_head));
    Store(state.free_head, std::uint64_t{freed});
  }
  Store(state.pending[place], 0U);
}

// The element of that node is on its way in or out; there are `count` others.
void BeginChange(const MapView& map, std::uint32_t index_plus_one, std::uint64_t count) {
  Store(StateOf(map).journal, std::uint64_t{index_plus_one} << 32 | count);
}

void EndChange(const MapView& map, std::uint64_t count) {
  TrieState& state = StateOf(map);
  Store(state.count, count);
  Store(state.journal, std::uint64_t{0});
}

void ForgetPending(const MapView& map) {
  Store(StateOf(map).pending[0], 0U);
  Store(StateOf(map).pending[1], 0U);
}

// What a dead holder had begun has happened if its one store was made, or else has not.
void Repair(const MapView& map) {
  TrieState& state = StateOf(map);
  if (state.journal != 0) {
    const auto element = static_cast<std::uint32_t>(state.journal >> 32);
    const bool is_there = IsReachable(map, element) && NodeAt(map, element)->intermediate == 0;
    EndChange(map, static_cast<std::uint32_t>(state.journal) + (is_there ? 1 : 0));
  }
  bool is_lost[2];
  for (int i = 0; i < 2; ++i) {
    is_lost[i] = state.pending[i] != 0 && !IsReachable(map, state.pending[i]) && !IsFree(map, state.pending[i]);
  }
  for (int i = 0; i < 2; ++i) {
    if (is_lost[i]) FreeNode(map, i);
  }
  ForgetPending(map);
}

bool Lock(MapView& map) {
  const Taken taken = Take(*map.process, &StateOf(map).lock, CurrentOwner(*map.process));
  if (taken == Taken::kFromDead) [[unlikely]]
    Repair(map);
  return taken != Taken::kNot;
}
void Unlock(MapView& map) { Drop(&StateOf(map).lock); }

void WriteElement(const MapView& map, TrieNode& node, const TrieKey& key, const void* value) {
  for (std::uint32_t i = 0; i < map.derived[kWordCount]; ++i) Store(WordsOf(node)[i], key.words[i]);
  CopyValue(ValueOf(map, node), value, map.value_size);
}

void FillNode(const MapView& map, TrieNode& node, const std::uint64_t* words, std::uint32_t bits,
              std::uint32_t intermediate) {
  Store(node.prefix_bits, bits);
  Store(node.intermediate, intermediate);
  Store(node.child[0], TrieLink{0});
  Store(node.child[1], TrieLink{0});
  for (std::uint32_t i = 0; i < map.derived[kWordCount]; ++i) Store(WordsOf(node)[i], words[i]);
}

// trie_check_add_elem.
long CheckRoom(const MapView& map, std::uint64_t flags) {
  if (flags == static_cast<std::uint64_t>(UpdateMode::kExist)) return -ENOENT;
  return StateOf(map).count >= map.max_entries ? -ENOSPC : 0;
}

// The key's own node is there: an element, or an intermediate node that becomes one.
long UpdateNode(const MapView& map, const Place& place, const TrieKey& key, const void* value, std::uint64_t flags) {
  TrieNode& node = *place.node;
  if (node.intermediate == 0) {
    if (flags == static_cast<std::uint64_t>(UpdateMode::kNoExist)) return -EEXIST;
    WriteElement(map, node, key, value);
    return 0;
  }
  if (const long error = CheckRoom(map, flags); error != 0) return error;
  const std::uint64_t count = StateOf(map).count;
  BeginChange(map, IndexOf(*place.slot), count);
  WriteElement(map, node, key, value);
  Store(node.intermediate, 0U);
  EndChange(map, count + 1);
  return 0;
}

// Puts an intermediate node with the common part of both above the new node and the one that is there.
long InsertBeside(const MapView& map, const Place& place, const TrieKey& key, std::uint32_t added) {
  const std::uint32_t above = TakeNode(map, 1);
  if (above == 0) return -ENOMEM;
  TrieNode& node = *NodeAt(map, above);
  FillNode(map, node, WordsOf(*place.node), place.match, 1);
  const std::uint32_t side = BitAt(key.words, place.match);
  Store(node.child[side], LinkTo(map, added));
  Store(node.child[1 - side], *place.slot);
  Store(*place.slot, LinkTo(map, above));
  return 0;
}

long InsertNode(const MapView& map, const Place& place, const TrieKey& key, const void* value, std::uint64_t flags) {
  if (const long error = CheckRoom(map, flags); error != 0) return error;
  const std::uint64_t count = StateOf(map).count;
  const std::uint32_t added = TakeNode(map, 0);
  if (added == 0) return -ENOMEM;
  TrieNode& node = *NodeAt(map, added);
  FillNode(map, node, key.words, key.bits, 0);
  CopyValue(ValueOf(map, node), value, map.value_size);
  BeginChange(map, added, count);
  long error = 0;
  if (place.node == nullptr) {
    Store(*place.slot, LinkTo(map, added));
  } else if (place.match == key.bits) {  // a prefix of the one that is there
    Store(node.child[BitAt(WordsOf(*place.node), place.match)], *place.slot);
    Store(*place.slot, LinkTo(map, added));
  } else {
    error = InsertBeside(map, place, key, added);
  }
  EndChange(map, error == 0 ? count + 1 : count);
  if (error == 0) {
    ForgetPending(map);
  } else {
    FreeNode(map, 0);
  }
  return error;
}

long Update(MapView& map, const void* key_bytes, const void* value, std::uint64_t flags,
            std::uint32_t /*slot*/) noexcept {
  if (flags > static_cast<std::uint64_t>(UpdateMode::kExist)) return -EINVAL;
  TrieKey key;
  LoadKey(map, key_bytes, &key);
  if (key.bits > map.derived[kMaxBits]) return -EINVAL;
  if (!Lock(map)) return -EBUSY;
  const Place place = FindPlace(map, key);
  const bool is_there = place.node != nullptr && place.node->prefix_bits == place.match;
  const long error = is_there ? UpdateNode(map, place, key, value, flags) : InsertNode(map, place, key, value, flags);
  Unlock(map);
  return error;
}

// Takes the node of an element with less than two children out. An intermediate node above it that loses its second
// child with it goes, too.
void UnlinkNode(const MapView& map, const Place& place) {
  TrieState& state = StateOf(map);
  TrieNode& node = *place.node;
  Store(state.pending[0], IndexOf(*place.slot));
  const bool has_child = IndexOf(node.child[0]) != 0 || IndexOf(node.child[1]) != 0;
  if (place.parent != nullptr && place.parent->intermediate != 0 && !has_child) {
    Store(state.pending[1], IndexOf(*place.parent_slot));
    const int other = &place.parent->child[0] == place.slot ? 1 : 0;
    Store(*place.parent_slot, place.parent->child[other]);
  } else {
    Store(*place.slot, IndexOf(node.child[0]) != 0 ? node.child[0] : node.child[1]);
  }
}

long EraseNode(const MapView& map, const Place& place) {
  TrieNode& node = *place.node;
  const std::uint64_t count = StateOf(map).count - 1;
  BeginChange(map, IndexOf(*place.slot), count);
  if (IndexOf(node.child[0]) != 0 && IndexOf(node.child[1]) != 0) {
    Store(node.intermediate, 1U);
    EndChange(map, count);
    return 0;
  }
  UnlinkNode(map, place);
  EndChange(map, count);
  for (int i = 0; i < 2; ++i) {
    if (StateOf(map).pending[i] != 0) FreeNode(map, i);
  }
  return 0;
}

long Erase(MapView& map, const void* key_bytes) noexcept {
  TrieKey key;
  LoadKey(map, key_bytes, &key);
  if (key.bits > map.derived[kMaxBits]) return -EINVAL;
  if (!Lock(map)) return -EBUSY;
  const Place place = FindPlace(map, key);
  const bool is_there = place.node != nullptr && place.node->prefix_bits == key.bits && place.match == key.bits &&
                        place.node->intermediate == 0;
  const long error = is_there ? EraseNode(map, place) : -ENOENT;
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

constexpr MapOps kLpmTrieOps = {
    .traits = 0,
    .geometry = Geometry,
    .open = Open,
    .lookup = Lookup,
    .update = Update,
    .erase = Erase,
    .for_each = ForEach,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .next_key = NextKey,
};

}  // namespace strata::runtime
