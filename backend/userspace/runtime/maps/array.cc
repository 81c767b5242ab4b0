// Array (kernel/bpf/arraymap.c): all elements exist from the start, keys are indices.
#include "index_keys.h"
#include "ops.h"
#include "value_copy.h"

namespace strata::runtime {
namespace {

void* ValueAt(MapView& map, std::uint32_t index) { return map.data + std::uint64_t{index} * map.value_stride; }

long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  const long error =
      CheckIndexed(attributes, map_flags::kNumaNode | map_flags::kMmapable | map_flags::kAccess | map_flags::kInnerMap);
  if (error != 0) return error;
  if (attributes.value_size > 0x7fffffff) return -E2BIG;
  out->value_stride = static_cast<std::uint32_t>(RoundUp(attributes.value_size, 8));
  out->data_size = RoundUp(std::uint64_t{out->value_stride} * attributes.max_entries, kPageSize);
  return 0;
}

void* Lookup(MapView& map, const void* key, std::uint32_t /*slot*/) noexcept {
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries) [[unlikely]]
    return nullptr;
  return ValueAt(map, index);
}

long Update(MapView& map, const void* key, const void* value, std::uint64_t flags, std::uint32_t /*slot*/) noexcept {
  const long error = CheckIndexedUpdate(map, IndexOf(key), flags);
  if (error != 0) [[unlikely]]
    return error;
  void* element = ValueAt(map, IndexOf(key));
  if ((flags & kUpdateWithLock) != 0) [[unlikely]]
    return StoreValueLocked(map, element, value);
  StoreValue(map, element, value);
  return 0;
}

long ForEach(MapView& map, std::uint32_t /*slot*/, ElementVisitor visit, void* argument) noexcept {
  for (std::uint32_t index = 0; index < map.max_entries; ++index) {
    const std::uint32_t key = index;
    if (const long result = visit(&key, ValueAt(map, index), argument); result != 0) return result;
  }
  return 0;
}

long CopyOut(MapView& map, const void* key, void* value, std::uint64_t flags) noexcept {
  void* found = Lookup(map, key, 0);
  if (found == nullptr) return -ENOENT;
  if ((flags & kUpdateWithLock) != 0) return LoadValueLocked(map, value, found);
  LoadValue(map, value, found);
  return 0;
}

long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  return Update(map, key, value, flags, 0);
}

}  // namespace

constexpr MapOps kArrayOps = {
    .traits = map_traits::kMmapable | map_traits::kIndexed | map_traits::kSpinLocks | map_traits::kTimers,
    .geometry = Geometry,
    .lookup = Lookup,
    .update = Update,
    .erase = EraseIndexed,
    .for_each = ForEach,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .next_key = NextIndex,
};

}  // namespace strata::runtime
