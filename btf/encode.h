// One type value as the words that the format has for it.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"
#include "strata/btf/string_table.h"

namespace strata::btf {

// Names are added to `strings`. kInvalidArgument for what the format cannot say.
Result<std::vector<std::uint32_t>> EncodeType(const Type& type, StringTable& strings);

}  // namespace strata::btf
