// Per-CPU array (kernel/bpf/arraymap.c, percpu_array_map_*): one array per slot, each in its own area of the file.
#include "index_keys.h"
#include "ops.h"

namespace strata::runtime {
namespace {

// Keeps the areas of two slots off each other's cache lines, also those that the processor fetches in pairs.
constexpr std::uint64_t kAreaAlignment = 128;

void* ValueAt(MapView& map, std::uint32_t index, std::uint32_t slot) {
  return map.data + slot * map.slot_stride + std::uint64_t{index} * map.value_stride;
}

long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  const long error = CheckIndexed(attributes, map_flags::kAccess);
  if (error != 0) return error;
  const std::uint64_t stride = RoundUp(attributes.value_size, 8);
  if (stride > kMaxPerCpuValue) return -E2BIG;
  out->value_stride = static_cast<std::uint32_t>(stride);
  out->slot_count = attributes.possible_cpus;
  out->slot_stride = RoundUp(stride * attributes.max_entries, kAreaAlignment);
  out->data_size = RoundUp(out->slot_stride * out->slot_count, kPageSize);
  return 0;
}

void* Lookup(MapView& map, const void* key, std::uint32_t slot) noexcept {
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries || slot >= map.slot_count) [[unlikely]]
    return nullptr;
  return ValueAt(map, index, slot);
}

long Update(MapView& map, const void* key, const void* value, std::uint64_t flags, std::uint32_t slot) noexcept {
  const std::uint32_t index = IndexOf(key);
  const long error = CheckIndexedUpdate(map, index, flags);
  if (error != 0) [[unlikely]]
    return error;
  CopyValue(ValueAt(map, index, slot), value, map.value_size);
  return 0;
}

long ForEach(MapView& map, std::uint32_t slot, ElementVisitor visit, void* argument) noexcept {
  for (std::uint32_t index = 0; index < map.max_entries; ++index) {
    const std::uint32_t key = index;
    if (const long result = visit(&key, ValueAt(map, index, slot), argument); result != 0) return result;
  }
  return 0;
}

long CopyOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  const std::uint32_t index = IndexOf(key);
  if (index >= map.max_entries) return -ENOENT;
  for (std::uint32_t slot = 0; slot < map.slot_count; ++slot) {
    CopyValue(static_cast<std::byte*>(value) + std::uint64_t{slot} * map.value_stride, ValueAt(map, index, slot),
              map.value_stride);
  }
  return 0;
}

// bpf_percpu_array_update: unlike a program's update it refuses BPF_F_LOCK as an unknown flag.
long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  const std::uint32_t index = IndexOf(key);
  long error = CheckUpdateFlags(flags);
  if (error == 0) error = CheckIndexedUpdate(map, index, flags);
  if (error != 0) return error;
  for (std::uint32_t slot = 0; slot < map.slot_count; ++slot) {
    CopyValue(ValueAt(map, index, slot), static_cast<const std::byte*>(value) + std::uint64_t{slot} * map.value_stride,
              map.value_stride);
  }
  return 0;
}

}  // namespace

constexpr MapOps kPerCpuArrayOps = {
    .traits = map_traits::kPerCpu | map_traits::kIndexed,
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
