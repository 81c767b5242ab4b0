// The current task as memory that is laid out like the kernel's (task_memory.h).
#include <asm/errno.h>

#include "../guarded_read.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/task_memory.h"

namespace strata::runtime {

STRATA_HELPER(HelperCurrentTask) { return CurrentTask(*run->process); }

}  // namespace strata::runtime
