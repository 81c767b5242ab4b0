// Where functions with a return probe go back to.
//
// A fixed-size table in anonymous memory, keyed by the address of the stack slot that held the return address. It
// belongs to no thread, so that coroutines may move between threads and longjmp may leave frames behind: an entry whose
// slot no longer holds the trampoline's address is stale, and a new call that uses the same slot replaces it. Slots of
// one stack are handled by one thread at a time; different slots from any thread, without locks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::attach {

struct Site;

// The unwind information of the return trampoline (x86_64/trampolines.S) knows this layout and kWindow, kIndexBits.
struct ReturnEntry {
  std::uint64_t key;       // atomic; 0: free
  std::uint64_t original;  // the return address that the caller pushed
  Site* site;
  std::uint64_t
      chained;  // functions that were entered by a jump from this one (tail calls) and return to the same slot
};
static_assert(sizeof(ReturnEntry) == 32);

inline constexpr std::size_t kReturnIndexBits = 16;
inline constexpr std::size_t kReturnEntries = std::size_t{1} << kReturnIndexBits;
inline constexpr std::size_t kReturnWindow = 16;  // entries that a slot may be found in, from its own on
inline constexpr std::uint64_t kMaxChained = 6;

// Makes the table; 0 or a positive errno.
int PrepareReturnTable() noexcept;

// Notes that the function at `site`, whose return address lies at `slot`, returns to `trampoline`, and writes that to
// the slot. False when there is no room: the slot is unchanged.
bool HijackReturn(std::uint64_t slot, Site* site, std::uint64_t trampoline) noexcept;

// What returns from `slot`: its functions, the latest entered first, and the address to go on at.
struct Return {
  Site* sites[1 + kMaxChained];
  std::size_t count;
  std::uint64_t original;  // 0: the slot is not in the table
};
void TakeReturn(std::uint64_t slot, Return* out) noexcept;

}  // namespace strata::attach
