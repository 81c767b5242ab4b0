// BPF_PROG_LOAD with the verifier's log.
#pragma once

#include <cstdint>
#include <string>

#include "context.h"

namespace strata::kernel {

struct LoadOutcome {
  UniqueFd fd;        // none: refused
  int sys_errno = 0;  // why; of the first try, since a log that is too small has an errno of its own
  std::string log;    // ends with TruncationLine() where it is not whole
};

// Loads without a log unless `log_level` asks for one, since writing it makes verifying slower. A program that is
// refused is tried again with a log that grows until it has room for all of it; where that try succeeds, it counts.
LoadOutcome LoadWithLog(const Context& context, ProgramLoadAttr attr, std::uint32_t log_level);

// BPF_PROG_LOAD without a log; again while the kernel asks for it (a signal was pending), but not for ever. The
// profiler's signal waits meanwhile: one that comes often would stop the verifier each time.
FdOrErrno LoadOnce(const Context& context, ProgramLoadAttr& attr);

}  // namespace strata::kernel
