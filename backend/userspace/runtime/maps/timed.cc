// Maps whose values hold a timer: the operations of their kind, and what becomes of the timer. A value that is written
// over or deleted loses its timer; user space never sees one (kernel/bpf: bpf_obj_free_fields,
// check_and_init_map_value).
#include "ops.h"
#include "strata/backend/userspace/runtime/timers.h"

namespace strata::runtime {
namespace {

const MapOps& Untimed(const MapView& map) { return *FindMapKind(map.type)->ops; }

void HideTimer(const MapView& map, void* value) {
  memset(static_cast<std::byte*>(value) + map.timer_offset, 0, kTimerSize);
}

// Between the two calls the element may be replaced by another thread: each frees what it saw, once.
template <typename Change>
long ChangeValue(MapView& map, const void* key, Change change) {
  const MapOps& untimed = Untimed(map);
  const std::uint64_t timer = TimerOfValue(map, untimed.lookup(map, key, 0));
  const long error = change(untimed);
  if (error != 0) return error;
  if (timer != 0) FreeTimer(map, timer);
  if (void* value = untimed.lookup(map, key, 0); value != nullptr) ClearTimer(map, value);
  return 0;
}

template <typename Remove>
long RemoveValue(MapView& map, const void* key, Remove remove) {
  const MapOps& untimed = Untimed(map);
  const std::uint64_t timer = TimerOfValue(map, untimed.lookup(map, key, 0));
  const long error = remove(untimed);
  if (error == 0 && timer != 0) FreeTimer(map, timer);
  return error;
}

long Update(MapView& map, const void* key, const void* value, std::uint64_t flags, std::uint32_t slot) noexcept {
  return ChangeValue(map, key, [&](const MapOps& ops) { return ops.update(map, key, value, flags, slot); });
}

long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  return ChangeValue(map, key, [&](const MapOps& ops) { return ops.copy_in(map, key, value, flags); });
}

long Erase(MapView& map, const void* key) noexcept {
  return RemoveValue(map, key, [&](const MapOps& ops) { return ops.erase(map, key); });
}

long TakeOut(MapView& map, const void* key, void* value, std::uint64_t flags) noexcept {
  const long error = RemoveValue(map, key, [&](const MapOps& ops) { return ops.take(map, key, value, flags); });
  if (error == 0) HideTimer(map, value);
  return error;
}

long CopyOut(MapView& map, const void* key, void* value, std::uint64_t flags) noexcept {
  const long error = Untimed(map).copy_out(map, key, value, flags);
  if (error == 0) HideTimer(map, value);
  return error;
}

void* Lookup(MapView& map, const void* key, std::uint32_t slot) noexcept { return Untimed(map).lookup(map, key, slot); }
long ForEach(MapView& map, std::uint32_t slot, ElementVisitor visit, void* argument) noexcept {
  return Untimed(map).for_each(map, slot, visit, argument);
}
long NextKey(MapView& map, const void* key, void* next) noexcept { return Untimed(map).next_key(map, key, next); }
void Initialize(MapView& map) noexcept { Untimed(map).initialize(map); }
// A kind may choose other operations for the map when it opens it; these here go before whatever it has.
long Open(MapView& map) noexcept {
  const long error = Untimed(map).open(map);
  map.ops = TimedOps(map.type);
  return error;
}
long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  return FindMapKind(attributes.type)->ops->geometry(attributes, out);
}

constexpr MapOps Timed(std::uint32_t traits) {
  return {.traits = traits,
          .geometry = Geometry,
          .initialize = Initialize,
          .open = Open,
          .lookup = Lookup,
          .update = Update,
          .erase = Erase,
          .for_each = ForEach,
          .copy_out = CopyOut,
          .copy_in = CopyIn,
          .take = TakeOut,
          .next_key = NextKey};
}

constexpr MapOps kIndexed = Timed(map_traits::kIndexed);
constexpr MapOps kKeyed = Timed(0);

}  // namespace

const MapOps* TimedOps(MapType type) noexcept {
  if (FindMapKind(type) == nullptr) return nullptr;
  if (type == MapType::kArray) return &kIndexed;
  return type == MapType::kHash || type == MapType::kLruHash ? &kKeyed : nullptr;
}

}  // namespace strata::runtime
