// When a program of many places runs.
#pragma once

#include <cstdint>

namespace strata {

enum class ProbeMoment : std::uint8_t {
  kAsSectionSays,  // SEC("kprobe.multi"), SEC("uretprobe.multi"), ...; at the entry where it does not say
  kEntry,
  kReturn,
  kSession,  // at both; a program that returns 1 at the entry skips the return
};

}  // namespace strata
