// Global variables: data sections become maps, and what symbols name in them becomes variables.
#pragma once

#include <string>

#include "object_context.h"
#include "strata/spec/collection_spec.h"

namespace strata::elf {

// Adds a map for each data section and one for the values of .kconfig, gives the arena its initial contents, and adds
// all variables. The maps that the object defines are in `spec` already.
Result<void> ReadDataSections(const ObjectContext& context, CollectionSpec& spec);

// The key of the object's arena, of which there is one at most; null for none.
const std::string* FindArena(const CollectionSpec& spec);

}  // namespace strata::elf
