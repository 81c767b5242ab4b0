// Random operations on a map of one kind, applied to both backends, by user space and by programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/strata.h"

namespace strata::test {

struct MapOperationsKind {
  std::string name;
  MapType type;
  std::uint32_t key_size;
  std::uint32_t max_entries;
  std::uint32_t key_count;  // keys that are used; above max_entries, the map runs full
  std::uint32_t flags = 0;
  std::uint32_t prefix_bits = 0;  // of keys that begin with a length: the longest one; 0 for other keys
};

// The kinds that are compared. One more is a row.
const std::vector<MapOperationsKind>& ComparedKinds();

// False where a backend does not have the kind.
bool IsCompared(const MapOperationsKind& kind);

// The first difference, or an empty string. Both backends run on the CPU that the caller is on.
std::string CompareMaps(const MapOperationsKind& kind, std::uint64_t operations, std::uint64_t seed);

}  // namespace strata::test
