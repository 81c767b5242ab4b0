#include <time.h>

#include "functions.h"
#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

STRATA_HELPER(HelperMonotonicTime) { return ClockNow(*run->process, CLOCK_MONOTONIC); }
STRATA_HELPER(HelperBootTime) { return ClockNow(*run->process, CLOCK_BOOTTIME); }
STRATA_HELPER(HelperCoarseTime) { return ClockNow(*run->process, CLOCK_MONOTONIC_COARSE); }
STRATA_HELPER(HelperTaiTime) { return ClockNow(*run->process, CLOCK_TAI); }

// The kernel's counter of ticks begins so that its lower 32 bits overflow five minutes after boot (INITIAL_JIFFIES).
STRATA_HELPER(HelperJiffies) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const std::uint64_t tick_ns = run->process->tick_ns;
  const std::uint64_t ticks_per_second = (kSecond + tick_ns / 2) / tick_ns;
  const std::uint64_t first = (std::uint64_t{1} << 32) - 300 * ticks_per_second;
  return first + ClockNow(*run->process, CLOCK_MONOTONIC_COARSE) / tick_ns;
}

}  // namespace strata::runtime
