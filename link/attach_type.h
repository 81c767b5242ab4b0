// The attach type that a program is attached by.
#pragma once

#include <string_view>

#include "strata/base/result.h"
#include "strata/object/program.h"

namespace strata {

// `chosen` where it is not kNone, else what the program's section says. kInvalidArgument where neither says it; the
// text names `options`, the struct whose attach_type to set.
Result<AttachType> ChooseAttachType(const Program& program, AttachType chosen, std::string_view options);

}  // namespace strata
