// What an object file leaves open about a map, filled in as libbpf does.
#pragma once

#include "strata/spec/map_spec.h"

namespace strata {

// Rounds ring buffers up to a power of two of pages, drops keys and values where the kind has none, sets sizes and
// flags that the kind leaves no choice about (BPF_F_NO_PREALLOC of storage maps, 4 bytes for what is a descriptor),
// makes data sections mappable, and takes `possible_cpus` where a perf event array or CPU map gives no size or a larger
// one. The same for inner maps.
MapSpec WithMapDefaults(MapSpec spec, std::uint32_t possible_cpus);

}  // namespace strata
