// Where this kernel's structures have what programs read of the current task.
#pragma once

#include "strata/backend/userspace/runtime/task_layout.h"
#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::userspace {

// From the kernel's BTF. kNotFound where it does not describe task_struct with pid, tgid and comm.
Result<runtime::TaskLayout> MakeTaskLayout(const btf::Btf& kernel);

}  // namespace strata::userspace
