// Where functions with a return probe go back to: shadow memory for stack slots.
//
// The slot that held a return address has an entry of its own, found by its address alone. It belongs to no thread, so
// coroutines may move between threads; longjmp and exceptions may leave frames behind, since a call that uses the slot
// again overwrites its entry. One stack is worked on by one thread at a time, so entries need no lock. Memory is made
// where stacks are (16 bytes of address space for 8 of stack), touched where probed functions were called, and kept.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::attach {

struct Site;

// A function that is to return, and those that it was entered from by a jump (tail calls): they return at the same
// moment. Chains are made once for each sequence that occurs, and kept.
struct ReturnNode {
  Site* site;
  ReturnNode* entered_from;  // null: this one was called
  ReturnNode* longer;        // atomic: nodes whose entered_from is this one, linked by `sibling`
  ReturnNode* sibling;
  std::uint64_t depth;  // 1 for a function that was called
};

// The unwind information of the return trampolines (x86_64/trampolines.S) walks these.
struct ReturnEntry {
  std::uint64_t original;  // the return address that the caller pushed
  ReturnNode* node;
};
static_assert(sizeof(ReturnEntry) == 16);

inline constexpr unsigned kAreaBits = 16;    // of a slot's address: stack that one block of entries is for
inline constexpr unsigned kMiddleBits = 16;  // areas that one middle table is for
inline constexpr unsigned kTopBits = 15;     // the rest of a user address
inline constexpr std::size_t kAreaEntries = (std::size_t{1} << kAreaBits) / sizeof(std::uint64_t);
inline constexpr std::uint64_t kMaxReturnDepth = 64;  // of a chain, as in the kernel (MAX_URETPROBE_DEPTH)

// The area that was looked up last; zeroed at first.
struct AreaCache {
  std::uint64_t area;
  ReturnEntry* entries;
};

// Makes the top of the tables; 0 or a positive errno.
int PrepareReturnTable() noexcept;

// The entry of an aligned slot of the user's half of memory; null when there is no memory for it.
ReturnEntry* MakeReturnEntry(std::uint64_t slot) noexcept;

[[gnu::always_inline]] inline ReturnEntry* ReturnEntryOf(std::uint64_t slot, AreaCache& cache) noexcept {
  const std::uint64_t area = slot >> kAreaBits;
  const std::size_t index = (slot / sizeof(std::uint64_t)) % kAreaEntries;
  if (cache.area == area) [[likely]]
    return cache.entries + index;
  ReturnEntry* entry = MakeReturnEntry(slot);
  if (entry != nullptr) cache = {area, entry - index};
  return entry;
}

// The node for a function that was entered by a jump from the one of `from`; null when the chain is too long or memory
// is used up.
ReturnNode* Chain(ReturnNode* from, Site* site) noexcept;

}  // namespace strata::attach
