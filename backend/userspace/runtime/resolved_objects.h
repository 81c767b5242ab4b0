// Maps whose elements are objects: what lies in the shared file are ids; each process opens the objects when a run of a
// program first meets their ids, and remembers them.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/program_instance.h"

namespace strata::runtime {

// What MapView::known_ids says of a place. Ids are 32 bits and the others are nothing that a file may hold, so compiled
// code asks for equality alone, and an id that is known has an object. Readers take no lock: the object is written
// before the id, and never taken away, so who sees an id finds its object or a later one.
inline constexpr std::uint64_t kNoObjectId = std::uint64_t{1} << 32;
// With the id of what could not be opened, and is not tried again.
inline constexpr std::uint64_t kFailedObjectId = std::uint64_t{1} << 33;

// That nothing is known, for a kind's open().
void ForgetObjects(MapView& map) noexcept;

// The map or program `id`, which stands at `place`. Null when it is gone, is not what `holder` may hold, or cannot be
// opened right now (the table's lock is held by the interrupted thread).
MapView* ResolveMap(MapView& holder, std::uint32_t place, std::uint32_t id) noexcept;
ProgramInstance* ResolveProgram(MapView& holder, std::uint32_t place, std::uint32_t id) noexcept;

// Without a call where that has been asked before. Of a hash of maps, ids share places: the object may be a later one
// of another id.
[[gnu::always_inline]] inline MapView* FindMap(MapView& holder, std::uint32_t place, std::uint32_t id) noexcept {
  if (__atomic_load_n(&holder.known_ids[place], __ATOMIC_ACQUIRE) == id) [[likely]] {
    auto* const map = static_cast<MapView*>(__atomic_load_n(&holder.known_objects[place], __ATOMIC_RELAXED));
    if (map->id == id) [[likely]]
      return map;
  }
  return ResolveMap(holder, place, id);
}

[[gnu::always_inline]] inline ProgramInstance* FindProgram(MapView& holder, std::uint32_t place,
                                                           std::uint32_t id) noexcept {
  if (__atomic_load_n(&holder.known_ids[place], __ATOMIC_ACQUIRE) == id) [[likely]]
    return static_cast<ProgramInstance*>(__atomic_load_n(&holder.known_objects[place], __ATOMIC_RELAXED));
  return ResolveProgram(holder, place, id);
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
