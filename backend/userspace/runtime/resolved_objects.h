// Maps whose elements are objects: what lies in the shared file are ids; each process opens the objects when a run of a
// program first meets their ids, and remembers them.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/program_instance.h"

namespace strata::runtime {

// Nothing that a file may hold, so that compiled code asks for equality alone.
inline constexpr std::uint64_t kNoObjectId = std::uint64_t{1} << 32;

// What one place of a map was when it was last looked at. Readers take no lock: the object is written before the id,
// and never taken away, so who sees an id finds its object or a later one.
struct ResolvedObject {
  std::uint64_t id;  // of `object`; kNoObjectId before the first one
  void* object;      // MapView or ProgramInstance; null for one that could not be opened, and is not tried again
};
static_assert(sizeof(ResolvedObject) == 1 << kResolvedObjectShift &&
              offsetof(ResolvedObject, object) == kResolvedObjectOffset);

// Makes MapView::resolved of that many places, for a kind's open(). -ENOMEM.
long MakeResolvedTable(MapView& map, std::uint32_t place_count) noexcept;

// The map or program `id`, which stands at `place`. Null when it is gone, is not what `holder` may hold, or cannot be
// opened right now (the table's lock is held by the interrupted thread).
MapView* ResolveMap(MapView& holder, std::uint32_t place, std::uint32_t id) noexcept;
ProgramInstance* ResolveProgram(MapView& holder, std::uint32_t place, std::uint32_t id, ProgramType caller) noexcept;

// Without a call where that has been asked before.
[[gnu::always_inline]] inline MapView* FindMap(MapView& holder, std::uint32_t place, std::uint32_t id) noexcept {
  const ResolvedObject& known = holder.resolved[place];
  if (__atomic_load_n(&known.id, __ATOMIC_ACQUIRE) == id) [[likely]]
    return static_cast<MapView*>(__atomic_load_n(&known.object, __ATOMIC_RELAXED));
  return ResolveMap(holder, place, id);
}

[[gnu::always_inline]] inline ProgramInstance* FindProgram(MapView& holder, std::uint32_t place, std::uint32_t id,
                                                           ProgramType caller) noexcept {
  const ResolvedObject& known = holder.resolved[place];
  if (__atomic_load_n(&known.id, __ATOMIC_ACQUIRE) == id) [[likely]]
    return static_cast<ProgramInstance*>(__atomic_load_n(&known.object, __ATOMIC_RELAXED));
  return ResolveProgram(holder, place, id, caller);
}

// Whether a map made from these attributes and one that exists may stand in for one another inside of a map
// (bpf_map_meta_equal and array_map_meta_equal).
bool IsInnerMap(const InnerMap& wanted, const InnerMap& actual) noexcept;
InnerMap AsInnerMap(const MapView& map) noexcept;
// As bpf_map_meta_alloc: -EINVAL for maps that hold maps, -ENOTSUPP (524) for kinds that are in no map.
long CheckInnerType(MapType type) noexcept;

// Objects that were opened this way stay open, since any thread may be inside of them. To let them go: forget them,
// wait until no thread is in a run that had begun before, then release them; those that are met again are opened again.
void ForgetResolved(Process& process) noexcept;
void ReleaseForgotten(Process& process) noexcept;
// Whether enough of them have gathered to be worth that.
bool HasManyResolved(const Process& process) noexcept;

}  // namespace strata::runtime
