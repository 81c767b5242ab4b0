#include "attach_type.h"

#include <fmt/format.h>

namespace strata {

Result<AttachType> ChooseAttachType(const Program& program, AttachType chosen, std::string_view options) {
  const AttachType type = chosen != AttachType::kNone ? chosen : program.spec().attach_type;
  if (type != AttachType::kNone) return type;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("program {}: section {} does not say where; set {}::attach_type", program.name(),
                           program.spec().section_name, options));
}

}  // namespace strata
