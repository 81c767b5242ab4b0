// Maps and ring buffer records decoded by their BTF types.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "output.h"
#include "strata/strata.h"

namespace strata::tools {

// Each element of each map that holds values. Data sections are left out: they are the program's variables.
Result<void> PrintMaps(const Collection& objects, Output& output);

// A record of the ring buffer `map`, by the value type that its definition names (`__type(value, struct event)`); in
// hexadecimal where it names none.
DecodedValue DecodeRecord(const CollectionSpec& spec, const MapSpec& map, std::span<const std::byte> record);

}  // namespace strata::tools
