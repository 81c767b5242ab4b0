// A spec and its code as JSON. Stable: members may be added, none is renamed or removed (docs/strata-spec.md,
// docs/strata-disasm.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "strata/base/export.h"
#include "strata/spec/collection_spec.h"
#include "strata/spec/disassembly.h"

namespace strata {

// One object, indented by two spaces; equal specs give equal text.
STRATA_EXPORT std::string FormatSpecJson(const CollectionSpec& spec);

// One line of code as one line of JSON; `function` is whose code it is.
STRATA_EXPORT std::string FormatJson(std::string_view function, const DisassembledLine& line);

}  // namespace strata
