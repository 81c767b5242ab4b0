// Stack trace maps (kernel/bpf/stackmap.c): stacks by an id that follows from their addresses.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::runtime {

inline constexpr std::uint32_t kMaxStackFrames = 127;  // PERF_MAX_STACK_DEPTH

// Flags of bpf_get_stackid and bpf_get_stack.
inline constexpr std::uint64_t kStackSkipMask = 0xff;
inline constexpr std::uint64_t kStackOfUser = 1U << 8;
inline constexpr std::uint64_t kStackFastCompare = 1U << 9;
inline constexpr std::uint64_t kStackReuseId = 1U << 10;
inline constexpr std::uint64_t kStackBuildIds = 1U << 11;  // BPF_F_USER_BUILD_ID

// The id of a stack of `count` addresses, at least one and no more than a value holds. -EEXIST when its place has
// another stack and kStackReuseId is not given; -EBUSY when the place is being written.
long StoreStack(MapView& map, const std::uint64_t* frames, std::uint32_t count, std::uint64_t flags) noexcept;

}  // namespace strata::runtime
