#include "../maps/ops.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/slots.h"
#include "strata/backend/userspace/runtime/spin_lock.h"

namespace strata::runtime {
namespace {

// The run's slot for kinds that need one. A program whose maps are known has leased it before the run; another one does
// so now, and it is released at the run's end.
[[gnu::always_inline]] inline bool HasSlot(const MapView& map, RunContext* run) noexcept {
  if ((map.ops->traits & map_traits::kPerCpu) == 0 || run->slot != kNoSlot) [[likely]]
    return true;
  run->slot = LeaseSlot(*run->process);
  if (run->slot != kNoSlot) return true;
  run->flags |= run_flags::kMissed;
  return false;
}

struct CallbackVisit {
  MapView* map;
  std::uint64_t function;
  std::uint64_t state;
  RunContext* run;
  std::uint64_t visited;
};

long CallCallback(const void* key, void* value, void* argument) noexcept {
  auto& visit = *static_cast<CallbackVisit*>(argument);
  ++visit.visited;
  const std::uint64_t result =
      visit.run->callback(reinterpret_cast<std::uint64_t>(visit.map), reinterpret_cast<std::uint64_t>(key),
                          reinterpret_cast<std::uint64_t>(value), visit.state, visit.function, visit.run);
  return result != 0 || visit.run->budget < 0 ? 1 : 0;
}

}  // namespace

STRATA_HELPER(HelperMapLookup) {
  auto& map = *PointerFrom<MapView>(r1);
  if (!HasSlot(map, run)) [[unlikely]]
    return 0;
  return reinterpret_cast<std::uint64_t>(map.ops->lookup(map, PointerFrom<const void>(r2), run->slot));
}

STRATA_HELPER(HelperMapUpdate) {
  auto& map = *PointerFrom<MapView>(r1);
  if ((map.flags & map_flags::kReadOnlyProgram) != 0) [[unlikely]]
    return Status(-EPERM);
  if (!HasSlot(map, run)) [[unlikely]]
    return Status(-EBUSY);
  return Status(map.ops->update(map, PointerFrom<const void>(r2), PointerFrom<const void>(r3), r4, run->slot));
}

STRATA_HELPER(HelperMapDelete) {
  auto& map = *PointerFrom<MapView>(r1);
  if ((map.flags & map_flags::kReadOnlyProgram) != 0) [[unlikely]]
    return Status(-EPERM);
  return Status(map.ops->erase(map, PointerFrom<const void>(r2)));
}

STRATA_HELPER(HelperMapLookupPerCpu) {
  auto& map = *PointerFrom<MapView>(r1);
  const auto cpu = static_cast<std::uint32_t>(r3);
  if ((map.ops->traits & map_traits::kPerCpu) == 0 || cpu >= map.slot_count) return 0;
  return reinterpret_cast<std::uint64_t>(map.ops->lookup(map, PointerFrom<const void>(r2), cpu));
}

STRATA_HELPER(HelperMapPush) {
  auto& map = *PointerFrom<MapView>(r1);
  if ((map.flags & map_flags::kReadOnlyProgram) != 0) [[unlikely]]
    return Status(-EPERM);
  return Status(map.ops->push(map, PointerFrom<const void>(r2), r3));
}

STRATA_HELPER(HelperMapPop) {
  auto& map = *PointerFrom<MapView>(r1);
  if ((map.flags & map_flags::kReadOnlyProgram) != 0) [[unlikely]]
    return Status(-EPERM);
  return Status(map.ops->pop(map, PointerFrom<void>(r2)));
}

STRATA_HELPER(HelperMapPeek) {
  auto& map = *PointerFrom<MapView>(r1);
  return Status(map.ops->peek(map, PointerFrom<void>(r2)));
}

STRATA_HELPER(HelperForEachMapElement) {
  auto& map = *PointerFrom<MapView>(r1);
  if (r4 != 0) return Status(-EINVAL);
  if (!HasSlot(map, run)) return Status(-EBUSY);
  CallbackVisit visit{&map, r2, r3, run, 0};
  const long error = map.ops->for_each(map, run->slot, CallCallback, &visit);
  return error < 0 ? Status(error) : visit.visited;
}

// There is no error to return: who cannot have the lock within a bounded time, or has it already (a signal handler came
// between, or the program takes a second one), runs no further.
STRATA_HELPER(HelperSpinLock) {
  auto* lock = PointerFrom<std::uint32_t>(r1);
  if (run->held_lock == nullptr && TakeSpinLock(*run->process, lock, CurrentOwner(*run->process))) [[likely]] {
    run->held_lock = lock;
    return 0;
  }
  run->flags |= run_flags::kMissed;
  run->budget = -1;
  return 0;
}

STRATA_HELPER(HelperSpinUnlock) {
  auto* lock = PointerFrom<std::uint32_t>(r1);
  if (run->held_lock != lock) return 0;
  run->held_lock = nullptr;
  DropSpinLock(lock);
  return 0;
}

}  // namespace strata::runtime
