// How many CPUs there may be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/result.h"

namespace strata::kernel {

// The numbers of a list such as "0-3,7" (Documentation/admin-guide/cputopology.rst). kMalformed names `where`.
Result<std::vector<std::uint32_t>> ParseCpuList(std::string_view text, std::string_view where);

// Slots of a per-CPU value: one more than the highest possible CPU.
Result<std::uint32_t> CountPossibleCpus(const std::string& path = "/sys/devices/system/cpu/possible");

}  // namespace strata::kernel
