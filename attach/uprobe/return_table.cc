#include "return_table.h"

#include "engine_memory.h"
#include "x86_64/system_calls.h"

namespace strata::attach {

namespace {

using MiddleTable = ReturnEntry * [std::size_t{1} << kMiddleBits];
using TopTable = MiddleTable * [std::size_t{1} << kTopBits];

}  // namespace

// Found by name from the unwind information.
extern "C" {
constinit TopTable* strata_return_table __attribute__((visibility("hidden"))) = nullptr;
}

namespace {

// The table at `place`, made when there is none. Threads on different stacks may come at once: one of them wins.
template <typename T>
T* FindOrMap(T** place, std::size_t size) {
  T* found = __atomic_load_n(place, __ATOMIC_ACQUIRE);
  if (found != nullptr) return found;
  const long mapped = sys::Mmap(0, size, sys::kProtectRead | sys::kProtectWrite, sys::kMapNoReserve);
  if (sys::IsError(mapped)) return nullptr;
  auto* made = reinterpret_cast<T*>(mapped);
  if (__atomic_compare_exchange_n(place, &found, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return made;
  sys::Raw(sys::Call::kMunmap, sys::Wide(mapped), size);
  return found;
}

ReturnNode* FindLonger(ReturnNode* from, const Site* site) {
  for (ReturnNode* node = __atomic_load_n(&from->longer, __ATOMIC_ACQUIRE); node != nullptr; node = node->sibling) {
    if (node->site == site) return node;
  }
  return nullptr;
}

}  // namespace

int PrepareReturnTable() noexcept {
  return FindOrMap(&strata_return_table, sizeof(TopTable)) == nullptr ? sys::kEnomem : 0;
}

ReturnEntry* MakeReturnEntry(std::uint64_t slot) noexcept {
  const std::uint64_t area = slot >> kAreaBits;
  if (slot % sizeof(std::uint64_t) != 0 || area >> (kMiddleBits + kTopBits) != 0) return nullptr;
  MiddleTable* middle = FindOrMap(&(*strata_return_table)[area >> kMiddleBits], sizeof(MiddleTable));
  if (middle == nullptr) return nullptr;
  ReturnEntry* entries = FindOrMap(&(*middle)[area % (1U << kMiddleBits)], kAreaEntries * sizeof(ReturnEntry));
  return entries == nullptr ? nullptr : entries + (slot / sizeof(std::uint64_t)) % kAreaEntries;
}

ReturnNode* Chain(ReturnNode* from, Site* site) noexcept {
  if (ReturnNode* known = FindLonger(from, site)) return known;
  if (from->depth >= kMaxReturnDepth) return nullptr;
  auto* made = MakeForEver<ReturnNode>();
  if (made == nullptr) return nullptr;
  *made = {site, from, nullptr, __atomic_load_n(&from->longer, __ATOMIC_RELAXED), from->depth + 1};
  // Two threads may make the same node; both are right.
  while (!__atomic_compare_exchange_n(&from->longer, &made->sibling, made, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
  }
  return made;
}

}  // namespace strata::attach
