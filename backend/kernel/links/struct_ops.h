// struct_ops maps that a link registers.
#pragma once

#include <memory>

#include "context.h"
#include "map.h"
#include "strata/backend/backend.h"

namespace strata::kernel {

Result<std::unique_ptr<BackendLink>> LinkStructOps(const ContextPtr& context, std::shared_ptr<KernelMap> map);

}  // namespace strata::kernel
