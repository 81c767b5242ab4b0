// Maps of old objects: "struct bpf_map_def" in the section "maps".
#pragma once

#include "object_context.h"
#include "strata/spec/collection_spec.h"

namespace strata::elf {

// Adds each map of the section to `spec`. All definitions of a section have one size, which is its size divided by the
// number of its symbols: loaders of that time had structs of their own. What follows the five fields that they share
// goes to MapSpec::extra, unless it is zero.
Result<void> ReadLegacyMaps(const ObjectContext& context, const ElfSection& section, CollectionSpec& spec);

}  // namespace strata::elf
