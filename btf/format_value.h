// A value's bytes as text, read by its type.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "strata/base/export.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// Like C's designated initialisers: {.pid = 12, .comm = "sort", .slots = {0, 3, 1}}. Arrays of char are strings up to
// their first NUL, enums print their names, pointers and what has no type print in hexadecimal, runs of zero elements
// at an array's end are left out. Bytes are in the order of `types`. Never fails: where the bytes end before the type
// does, the missing members print as "?".
STRATA_EXPORT std::string FormatValue(const Btf& types, TypeId type, std::span<const std::byte> bytes);

// The same as one line of JSON: objects, arrays, numbers (64-bit ones exactly), true and false, strings with what is no
// UTF-8 replaced; null for missing bytes.
STRATA_EXPORT std::string FormatValueJson(const Btf& types, TypeId type, std::span<const std::byte> bytes);

}  // namespace strata::btf
