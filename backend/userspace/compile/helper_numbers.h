// Helpers that the compiler knows more about than their number (include/uapi/linux/bpf.h).
#pragma once

#include <cstdint>

namespace strata::compile {

inline constexpr std::int32_t kMapLookupElem = 1;
inline constexpr std::int32_t kMapUpdateElem = 2;
inline constexpr std::int32_t kMapDeleteElem = 3;
inline constexpr std::int32_t kGetSmpProcessorId = 8;
inline constexpr std::int32_t kTailCall = 12;
inline constexpr std::int32_t kSpinLock = 93;

// Helpers that may use up the budget themselves (runtime::helper_flags::kMayEndRun).
constexpr bool MayEndRun(std::int32_t helper) { return helper == kSpinLock || helper == kTailCall; }

}  // namespace strata::compile
