// What programs print with bpf_printk.
#pragma once

#include <memory>

#include "strata/backend/backend.h"

namespace strata::kernel {

Result<std::unique_ptr<TraceLog>> OpenTracePipe();

}  // namespace strata::kernel
