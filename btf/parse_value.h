// A value's bytes from text, by its type: the way back from format_value.h.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// `text` is JSON as FormatValueJson prints it: objects by member name, arrays, numbers, true and false, strings for
// arrays of char, names for enums, "0x1f" for addresses; or, for a value that is no composite, the same without quotes
// (12, -3, 0x1f, sort, RED). Members and elements that are not named are zero. The bytes have the size of the type and
// the byte order of `types`. Errors: kInvalidArgument names the member and what it expects.
STRATA_EXPORT Result<std::vector<std::byte>> ParseValue(const Btf& types, TypeId type, std::string_view text);

// Bytes as they are: "0x0102ff" or "01 02 ff", exactly `size_bytes` of them.
STRATA_EXPORT Result<std::vector<std::byte>> ParseHexBytes(std::string_view text, std::size_t size_bytes);

}  // namespace strata::btf
