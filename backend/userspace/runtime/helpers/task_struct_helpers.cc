// The current task as memory that is laid out like the kernel's (task_memory.h).
#include <asm/errno.h>

#include "../guarded_read.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/task_memory.h"

namespace strata::runtime {

STRATA_HELPER(HelperCurrentTask) { return CurrentTask(*run->process); }

// Those with which the calling thread came to the probe; nothing is known of another thread's.
STRATA_HELPER(HelperTaskRegisters) {
  const bool is_probe = run->program != nullptr && run->program->type == ProgramType::kKprobe;
  return is_probe && r1 == CurrentTask(*run->process) ? reinterpret_cast<std::uint64_t>(run->context) : 0;
}

// Tasks of this process only: r4 is the task, r5 the flags, which have no meaning yet.
STRATA_HELPER(HelperCopyFromUserTask) {
  const auto bytes = static_cast<std::uint32_t>(r2);
  if (r5 != 0) return Status(-EINVAL);
  if (bytes == 0) return 0;
  long error = -EFAULT;
  if (ProcessOfTask(*run->process, r4) == CurrentIds(*run->process).pid)
    error = GuardedRead(*run->process, PointerFrom<void>(r1), r3, bytes);
  if (error != 0) memset(PointerFrom<void>(r1), 0, bytes);
  return Status(error);
}

// In tasks of this process only. A callback that asks again finds its own area shown afterwards.
STRATA_HELPER(HelperFindArea) {
  if (r5 != 0) return Status(-EINVAL);
  if (ProcessOfTask(*run->process, r1) != CurrentIds(*run->process).pid) return Status(-ENOENT);
  MemoryArea area;
  if (const long error = FindMemoryArea(r2, &area); error != 0) return Status(error);
  const MemoryArea outer = ShownMemoryArea(*run->process);
  const std::uint64_t shown = ShowMemoryArea(*run->process, area);
  if (shown == 0) return Status(-EBUSY);
  run->callback(r1, shown, r4, 0, r3, run);
  ShowMemoryArea(*run->process, outer);
  return 0;
}

STRATA_HELPER(HelperGuardedLoad) {
  std::uint64_t value = 0;
  return GuardedRead(*run->process, &value, r1, r2) == 0 ? value : 0;
}

}  // namespace strata::runtime
