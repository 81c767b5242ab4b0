#include <time.h>

#include "functions.h"
#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

STRATA_HELPER(HelperMonotonicTime) { return ClockNow(*run->process, CLOCK_MONOTONIC); }
STRATA_HELPER(HelperBootTime) { return ClockNow(*run->process, CLOCK_BOOTTIME); }
STRATA_HELPER(HelperCoarseTime) { return ClockNow(*run->process, CLOCK_MONOTONIC_COARSE); }
STRATA_HELPER(HelperTaiTime) { return ClockNow(*run->process, CLOCK_TAI); }

// Ticks since boot at the kernel's own rate; its counter starts five minutes before that (INITIAL_JIFFIES), which only
// differences of two readings hide.
STRATA_HELPER(HelperJiffies) { return ClockNow(*run->process, CLOCK_MONOTONIC_COARSE) / run->process->tick_ns; }

}  // namespace strata::runtime
