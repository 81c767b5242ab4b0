// The processor's time stamp counter.
#pragma once

#include <cstdint>

namespace strata::attach {

inline std::uint64_t ReadTimeStamp() noexcept { return __builtin_ia32_rdtsc(); }

}  // namespace strata::attach
