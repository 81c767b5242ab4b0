// What both kinds of rings have in common: sizes, and that there are no elements. Private to maps/.
#pragma once

#include "ops.h"

namespace strata::runtime {

// ringbuf_map_alloc.
inline long RingGeometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  const std::uint32_t size = attributes.max_entries;
  if (!AreFlagsValid(attributes.flags, map_flags::kNumaNode) || attributes.key_size != 0 || attributes.value_size != 0)
    return -EINVAL;
  if (size == 0 || (size & (size - 1)) != 0 || size % kPageSize != 0) return -EINVAL;
  out->data_size = std::uint64_t{2} * kPageSize + size;
  return 0;
}

inline void* RingLookup(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }
inline long RingUpdate(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/,
                       std::uint32_t /*slot*/) noexcept {
  return kNotSupportedErrno;
}
inline long RingErase(MapView& /*map*/, const void* /*key*/) noexcept { return kNotSupportedErrno; }
inline long RingForEach(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/,
                        void* /*argument*/) noexcept {
  return -EINVAL;
}
inline long RingCopyOut(MapView& /*map*/, const void* /*key*/, void* /*value*/, std::uint64_t /*flags*/) noexcept {
  return kNotSupportedErrno;
}
inline long RingCopyIn(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/) noexcept {
  return kNotSupportedErrno;
}
inline long RingNextKey(MapView& /*map*/, const void* /*key*/, void* /*next*/) noexcept { return kNotSupportedErrno; }

constexpr MapOps RingOps(std::uint32_t traits) noexcept {
  return {
      .traits = traits | map_traits::kMappedTwice | map_traits::kMmapable,
      .geometry = RingGeometry,
      .lookup = RingLookup,
      .update = RingUpdate,
      .erase = RingErase,
      .for_each = RingForEach,
      .copy_out = RingCopyOut,
      .copy_in = RingCopyIn,
      .next_key = RingNextKey,
  };
}

}  // namespace strata::runtime
