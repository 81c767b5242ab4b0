// Maps that an object defines in C, in its .maps section.
#pragma once

#include "code_section.h"
#include "object_context.h"
#include "strata/spec/collection_spec.h"

namespace strata::elf {

// Adds each map of the section to `spec`. `code` names the programs that slots may hold. Without .BTF there are none,
// and whatever refers to one is unusable.
Result<void> ReadMapDefinitions(const ObjectContext& context, const ElfSection& section, const CodeTable& code,
                                CollectionSpec& spec);

}  // namespace strata::elf
