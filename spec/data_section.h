// Data sections given another size before they are loaded.
#pragma once

#include <cstdint>
#include <string_view>

#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"

namespace strata {

// Makes the data section `map` (".bss", ".data.x") `size_bytes` large. Where its last variable is an array, that grows
// or shrinks by whole elements and VariableSpec::value with it; new bytes are zero, and its type is no longer known
// (BTF has the length of the array in it). kNotFound; kInvalidArgument for a map that is no data section, a constant
// one, a size that cuts another variable, or no multiple of the element's.
STRATA_EXPORT Result<void> ResizeDataSection(CollectionSpec& spec, std::string_view map, std::uint32_t size_bytes);

}  // namespace strata
