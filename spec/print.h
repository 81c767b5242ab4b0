// A spec as text for people. The layout may change; programs read spec/json.h.
#pragma once

#include <string>

#include "strata/base/export.h"
#include "strata/spec/collection_spec.h"

namespace strata {

// Maps, programs, functions, variables with their initial values, externs, and a count of the types. Never fails.
STRATA_EXPORT std::string FormatSpec(const CollectionSpec& spec);

}  // namespace strata
