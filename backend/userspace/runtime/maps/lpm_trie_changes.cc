#include "lpm_trie_changes.h"

#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime::trie {
namespace {

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
    Publish(state.pending[place], head);
    Publish(state.free_head, std::uint64_t{node->free_next});
    return head;
  }
  if (state.fresh >= map.derived[kNodeCount]) return 0;
  const auto taken = static_cast<std::uint32_t>(state.fresh) + 1;
  Publish(state.pending[place], taken);
  Publish(state.fresh, std::uint64_t{taken});
  return taken;
}

// Frees a pending node that no link leads to.
void FreeNode(const MapView& map, int place) {
  TrieState& state = StateOf(map);
  const std::uint32_t freed = state.pending[place];
  if (TrieNode* node = NodeAt(map, freed); node != nullptr) {
    Publish(node->generation, (node->generation + 1) & kGenerationMask);
    Publish(node->free_next, static_cast<std::uint32_t>(state.free_head));
    Publish(state.free_head, std::uint64_t{freed});
  }
  Publish(state.pending[place], 0U);
}

// The element of that node is on its way in or out; there are `count` others.
void BeginChange(const MapView& map, std::uint32_t index_plus_one, std::uint64_t count) {
  Publish(StateOf(map).journal, std::uint64_t{index_plus_one} << 32 | count);
}

void EndChange(const MapView& map, std::uint64_t count) {
  TrieState& state = StateOf(map);
  Publish(state.count, count);
  Publish(state.journal, std::uint64_t{0});
}

void ForgetPending(const MapView& map) {
  Publish(StateOf(map).pending[0], 0U);
  Publish(StateOf(map).pending[1], 0U);
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

void WriteElement(const MapView& map, TrieNode& node, const TrieKey& key, const void* value) {
  for (std::uint32_t i = 0; i < map.derived[kWordCount]; ++i) Publish(WordsOf(node)[i], key.words[i]);
  CopyValue(ValueOf(map, node), value, map.value_size);
}

void FillNode(const MapView& map, TrieNode& node, const std::uint64_t* words, std::uint32_t bits,
              std::uint32_t intermediate) {
  Publish(node.prefix_bits, bits);
  Publish(node.intermediate, intermediate);
  Publish(node.child[0], TrieLink{0});
  Publish(node.child[1], TrieLink{0});
  for (std::uint32_t i = 0; i < map.derived[kWordCount]; ++i) Publish(WordsOf(node)[i], words[i]);
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
  Publish(node.intermediate, 0U);
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
  Publish(node.child[side], LinkTo(map, added));
  Publish(node.child[1 - side], *place.slot);
  Publish(*place.slot, LinkTo(map, above));
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
    Publish(*place.slot, LinkTo(map, added));
  } else if (place.match == key.bits) {  // a prefix of the one that is there
    Publish(node.child[BitAt(WordsOf(*place.node), place.match)], *place.slot);
    Publish(*place.slot, LinkTo(map, added));
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
// Takes the node of an element with less than two children out. An intermediate node above it that loses its second
// child with it goes, too.
void UnlinkNode(const MapView& map, const Place& place) {
  TrieState& state = StateOf(map);
  TrieNode& node = *place.node;
  Publish(state.pending[0], IndexOf(*place.slot));
  const bool has_child = IndexOf(node.child[0]) != 0 || IndexOf(node.child[1]) != 0;
  if (place.parent != nullptr && place.parent->intermediate != 0 && !has_child) {
    Publish(state.pending[1], IndexOf(*place.parent_slot));
    const int other = &place.parent->child[0] == place.slot ? 1 : 0;
    Publish(*place.parent_slot, place.parent->child[other]);
  } else {
    Publish(*place.slot, IndexOf(node.child[0]) != 0 ? node.child[0] : node.child[1]);
  }
}

long EraseNode(const MapView& map, const Place& place) {
  TrieNode& node = *place.node;
  const std::uint64_t count = StateOf(map).count - 1;
  BeginChange(map, IndexOf(*place.slot), count);
  if (IndexOf(node.child[0]) != 0 && IndexOf(node.child[1]) != 0) {
    Publish(node.intermediate, 1U);
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

}  // namespace

bool Lock(MapView& map) noexcept {
  const Taken taken = Take(*map.process, &StateOf(map).lock, CurrentOwner(*map.process));
  if (taken == Taken::kFromDead) [[unlikely]]
    Repair(map);
  return taken != Taken::kNot;
}
void Unlock(MapView& map) noexcept { Drop(&StateOf(map).lock); }

long UpdateElement(const MapView& map, const TrieKey& key, const void* value, std::uint64_t flags) noexcept {
  const Place place = FindPlace(map, key);
  const bool is_there = place.node != nullptr && place.node->prefix_bits == place.match;
  return is_there ? UpdateNode(map, place, key, value, flags) : InsertNode(map, place, key, value, flags);
}

long EraseElement(const MapView& map, const TrieKey& key) noexcept {
  const Place place = FindPlace(map, key);
  const bool is_there = place.node != nullptr && place.node->prefix_bits == key.bits && place.match == key.bits &&
                        place.node->intermediate == 0;
  return is_there ? EraseNode(map, place) : -ENOENT;
}

}  // namespace strata::runtime::trie
