#include "return_table.h"

#include "x86_64/system_calls.h"

namespace strata::attach {

// Found by name from the unwind information.
extern "C" {
constinit ReturnEntry* strata_return_table __attribute__((visibility("hidden"))) = nullptr;
}

namespace {

constexpr std::uint64_t kSlotAlignment = 8;
constexpr std::uint64_t kKeyBits = kSlotAlignment - 1;
constexpr std::uint64_t kBeingMade =
    7;  // key bits of an entry whose slot is not written yet; 1 to kMaxChained are tail calls
static_assert(kMaxChained < kBeingMade);

// Neighbouring slots share cache lines; areas of 64 KiB, and so different stacks, are spread.
std::size_t IndexOf(std::uint64_t slot) {
  const std::uint64_t area = (slot >> 16) * 0x9e3779b97f4a7c15ULL;
  return ((slot / kSlotAlignment) + (area >> (64 - kReturnIndexBits))) & (kReturnEntries - 1);
}

ReturnEntry& EntryAt(std::size_t index) { return strata_return_table[index & (kReturnEntries - 1)]; }

std::uint64_t KeyOf(const ReturnEntry& entry) { return __atomic_load_n(&entry.key, __ATOMIC_ACQUIRE); }
void SetKey(ReturnEntry& entry, std::uint64_t key) { __atomic_store_n(&entry.key, key, __ATOMIC_RELEASE); }

bool TrySetKey(ReturnEntry& entry, std::uint64_t expected, std::uint64_t key) {
  return __atomic_compare_exchange_n(&entry.key, &expected, key, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

ReturnEntry* Find(std::uint64_t slot, std::uint64_t key) {
  const std::size_t first = IndexOf(slot);
  for (std::size_t i = 0; i < kReturnWindow; ++i) {
    if (KeyOf(EntryAt(first + i)) == key) return &EntryAt(first + i);
  }
  return nullptr;
}

bool IsOfSlot(std::uint64_t key, std::uint64_t slot) { return (key & ~kKeyBits) == slot; }

// The first entry that is free or was this slot's. A later one with this slot's key cannot be newer, since it would
// have been taken here.
ReturnEntry* TakeFree(std::uint64_t slot, bool keep_own) {
  const std::size_t first = IndexOf(slot);
  for (std::size_t i = 0; i < kReturnWindow; ++i) {
    ReturnEntry& entry = EntryAt(first + i);
    const std::uint64_t key = KeyOf(entry);
    if (key == 0 && TrySetKey(entry, 0, slot | kBeingMade)) return &entry;
    if (keep_own || key == 0 || !IsOfSlot(key, slot)) continue;
    SetKey(entry, slot | kBeingMade);
    return &entry;
  }
  return nullptr;
}

// True if the slot can be read and holds something else than the trampoline. By a system call: it may lie on a stack
// that is gone.
bool IsStale(std::uint64_t key, std::uint64_t trampoline) {
  std::uint64_t value = 0;
  struct {
    std::uint64_t base;
    std::uint64_t size;
  } local = {sys::Wide(&value), sizeof(value)}, remote = {key & ~kKeyBits, sizeof(value)};
  const long got =
      sys::Raw(sys::Call::kProcessVmReadv, sys::Wide(sys::Getpid()), sys::Wide(&local), 1, sys::Wide(&remote), 1, 0);
  if (got == static_cast<long>(sizeof(value))) return value != trampoline;
  constexpr long kFault = -14;
  return got == kFault;
}

// Where all of a slot's places are taken, one that longjmp or an unwinder left behind makes room.
ReturnEntry* TakeStale(std::uint64_t slot, std::uint64_t trampoline) {
  const std::size_t first = IndexOf(slot);
  for (std::size_t i = 0; i < kReturnWindow; ++i) {
    ReturnEntry& entry = EntryAt(first + i);
    const std::uint64_t key = KeyOf(entry);
    if ((key & kKeyBits) == kBeingMade || IsOfSlot(key, slot) || !IsStale(key, trampoline)) continue;
    if (TrySetKey(entry, key, slot | kBeingMade)) return &entry;
  }
  return nullptr;
}

// The function was entered by a jump from one that is in the table already.
bool Chain(std::uint64_t slot, Site* site, std::uint64_t trampoline) {
  ReturnEntry* base = Find(slot, slot);
  if (base == nullptr || base->chained == kMaxChained) return false;
  ReturnEntry* entry = TakeFree(slot, true);
  if (entry == nullptr) entry = TakeStale(slot, trampoline);
  if (entry == nullptr) return false;
  entry->site = site;
  entry->original = trampoline;
  const std::uint64_t key = slot | (base->chained + 1);
  if (ReturnEntry* stale = Find(slot, key)) SetKey(*stale, 0);
  SetKey(*entry, key);
  ++base->chained;
  return true;
}

}  // namespace

int PrepareReturnTable() noexcept {
  if (strata_return_table != nullptr) return 0;
  const long mapped =
      sys::Mmap(0, kReturnEntries * sizeof(ReturnEntry), sys::kProtectRead | sys::kProtectWrite, sys::kMapNoReserve);
  if (sys::IsError(mapped)) return static_cast<int>(-mapped);
  strata_return_table = reinterpret_cast<ReturnEntry*>(mapped);
  return 0;
}

bool HijackReturn(std::uint64_t slot, Site* site, std::uint64_t trampoline) noexcept {
  if (slot % kSlotAlignment != 0) return false;
  auto* place = reinterpret_cast<std::uint64_t*>(slot);
  if (*place == trampoline) return Chain(slot, site, trampoline);
  ReturnEntry* entry = TakeFree(slot, false);
  if (entry == nullptr) entry = TakeStale(slot, trampoline);
  if (entry == nullptr) return false;
  entry->site = site;
  entry->original = *place;
  entry->chained = 0;
  __atomic_store_n(place, trampoline, __ATOMIC_RELEASE);
  SetKey(*entry, slot);
  return true;
}

void TakeReturn(std::uint64_t slot, Return* out) noexcept {
  out->count = 0;
  out->original = 0;
  ReturnEntry* base = Find(slot, slot);
  if (base == nullptr) return;
  for (std::uint64_t i = base->chained; i > 0; --i) {
    ReturnEntry* entry = Find(slot, slot | i);
    if (entry == nullptr) continue;
    out->sites[out->count++] = entry->site;
    SetKey(*entry, 0);
  }
  out->sites[out->count++] = base->site;
  out->original = base->original;
  SetKey(*base, 0);
}

}  // namespace strata::attach
