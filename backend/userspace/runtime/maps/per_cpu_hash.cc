// Per-CPU hash (kernel/bpf/hashtab.c, htab_percpu_map_*): one element per key that holds the values of all slots.
#include "hash_table.h"
#include "ops.h"

namespace strata::runtime {
namespace {

long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  const long error = HashGeometry(attributes, attributes.possible_cpus, out);
  if (error != 0) return error;
  return RoundUp(attributes.value_size, 8) > kMaxPerCpuValue ? -E2BIG : 0;
}

std::byte* SlotValue(const MapView& map, HashElement& element, std::uint32_t slot) {
  return ValueOf(map, element) + std::uint64_t{slot} * map.value_stride;
}

void* Lookup(MapView& map, const void* key, std::uint32_t slot) noexcept {
  if (slot >= map.slot_count) [[unlikely]]
    return nullptr;
  HashElement* element = FindElement(map, PositionOf(map, key), key);
  return element == nullptr ? nullptr : SlotValue(map, *element, slot);
}

// A new element is zero for all slots but the run's own (pcpu_init_value).
long Update(MapView& map, const void* key, const void* value, std::uint64_t flags, std::uint32_t slot) noexcept {
  return UpdateElement(map, key, flags, [&](HashElement& element, bool is_new) {
    if (is_new) memset(ValueOf(map, element), 0, PerCpuElementSize(map));
    CopyValue(SlotValue(map, element, slot), value, map.value_size);
  });
}

long Erase(MapView& map, const void* key) noexcept {
  return EraseElement(map, key, [](HashElement&) {});
}

struct Visit {
  ElementVisitor visit;
  void* argument;
  std::uint32_t slot;
};

long ForEach(MapView& map, std::uint32_t slot, ElementVisitor visit, void* argument) noexcept {
  Visit call{visit, argument, slot};
  return ForEachElement(
      map,
      [](MapView& view, HashElement& element, void* state) noexcept {
        const auto& inner = *static_cast<Visit*>(state);
        return inner.visit(KeyOf(element), SlotValue(view, element, inner.slot), inner.argument);
      },
      &call);
}

void CopyAll(const MapView& map, void* to, const void* from) {
  for (std::uint32_t slot = 0; slot < map.slot_count; ++slot) {
    const std::uint64_t offset = std::uint64_t{slot} * map.value_stride;
    CopyValue(static_cast<std::byte*>(to) + offset, static_cast<const std::byte*>(from) + offset, map.value_stride);
  }
}

long CopyOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  return ReadElement(map, key, [&](HashElement& element) { CopyAll(map, value, ValueOf(map, element)); });
}

long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  return UpdateElement(map, key, flags,
                       [&](HashElement& element, bool /*is_new*/) { CopyAll(map, ValueOf(map, element), value); });
}

long TakeOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  return EraseElement(map, key, [&](HashElement& element) { CopyAll(map, value, ValueOf(map, element)); });
}

}  // namespace

constexpr MapOps kPerCpuHashOps = {
    .traits = map_traits::kPerCpu,
    .geometry = Geometry,
    .initialize = NothingToInitialize,
    .open = OpenHash,
    .lookup = Lookup,
    .update = Update,
    .erase = Erase,
    .for_each = ForEach,
    .push = UnsupportedPush,
    .pop = UnsupportedPop,
    .peek = UnsupportedPop,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .take = TakeOut,
    .next_key = NextHashKey,
};

}  // namespace strata::runtime
