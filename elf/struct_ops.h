// Tables of function pointers that the kernel calls: variables of .struct_ops and .struct_ops.link.
#pragma once

#include "code_section.h"
#include "object_context.h"
#include "strata/spec/collection_spec.h"

namespace strata::elf {

// Adds a map of type kStructOps for each variable of the section: its bytes in the object's layout, and a slot for each
// member that names a function. `code` names the functions.
Result<void> ReadStructOps(const ObjectContext& context, const ElfSection& section, const CodeTable& code,
                           CollectionSpec& spec);

}  // namespace strata::elf
