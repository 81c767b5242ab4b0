// What LRU hashes have beside the table: a clock's hand that goes over the elements (kernel/bpf/bpf_lru_list.c
// approximates in its own way). A lookup marks an element; the hand takes the first that is not marked, and the marks
// of those that it passes. Private to maps/.
#pragma once

#include <cstdint>

#include "strata/spec/map_type.h"

namespace strata::runtime {

// How far the hand goes for one element, and how long marks count: like the kernel, one insertion takes no more time
// because everything was used lately.
inline constexpr std::uint32_t kLruSteps = 512;
inline constexpr std::uint32_t kLruStepsThatSpare = 256;

inline bool IsLru(MapType type) noexcept { return type == MapType::kLruHash || type == MapType::kLruPerCpuHash; }

}  // namespace strata::runtime
