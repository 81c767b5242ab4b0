// Random operations on maps whose elements are objects (programs, maps, cgroups, values of processes), applied to both
// backends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace strata::test {

// The kinds that are compared, by name; without those that this machine has no objects for. One more is a row.
std::vector<std::string> ComparedObjectKinds();

// The first difference, or an empty string.
std::string CompareObjectMaps(const std::string& kind, std::uint64_t operations, std::uint64_t seed);

}  // namespace strata::test
