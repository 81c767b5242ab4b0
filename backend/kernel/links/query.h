// What is attached to a cgroup, an interface, a network namespace or a sockmap.
#pragma once

#include "context.h"
#include "strata/backend/backend.h"

namespace strata::kernel {

Result<AttachedPrograms> QueryPlace(const Context& context, const QueryTarget& target, AttachType attach_type);

}  // namespace strata::kernel
