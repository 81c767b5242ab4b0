// Hash (kernel/bpf/hashtab.c), always preallocated: BPF_F_NO_PREALLOC is accepted and changes nothing that can be seen.
#include "hash_table.h"
#include "ops.h"

namespace strata::runtime {
namespace {

long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept { return HashGeometry(attributes, 1, out); }

void* Lookup(MapView& map, const void* key, std::uint32_t /*slot*/) noexcept {
  HashElement* element = FindElement(map, PositionOf(map, key), key);
  return element == nullptr ? nullptr : ValueOf(map, *element);
}

long Update(MapView& map, const void* key, const void* value, std::uint64_t flags, std::uint32_t /*slot*/) noexcept {
  return UpdateElement(map, key, flags, [&](HashElement& element, bool /*is_new*/) {
    CopyValue(ValueOf(map, element), value, map.value_size);
  });
}

long Erase(MapView& map, const void* key) noexcept {
  return EraseElement(map, key, [](HashElement&) {});
}

struct Visit {
  ElementVisitor visit;
  void* argument;
};

long ForEach(MapView& map, std::uint32_t /*slot*/, ElementVisitor visit, void* argument) noexcept {
  Visit call{visit, argument};
  return ForEachElement(
      map,
      [](MapView& view, HashElement& element, void* state) noexcept {
        const auto& inner = *static_cast<Visit*>(state);
        return inner.visit(KeyOf(element), ValueOf(view, element), inner.argument);
      },
      &call);
}

long CopyOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  return ReadElement(map, key, [&](HashElement& element) { CopyValue(value, ValueOf(map, element), map.value_size); });
}

long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  return Update(map, key, value, flags, 0);
}

long TakeOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  return EraseElement(map, key, [&](HashElement& element) { CopyValue(value, ValueOf(map, element), map.value_size); });
}

}  // namespace

constexpr MapOps kHashOps = {
    .traits = 0,
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
