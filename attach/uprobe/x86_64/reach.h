// How far a jump gets.
#pragma once

#include <cstdint>

namespace strata::attach {

// Addresses that code may be placed at: [lowest, highest].
struct Reach {
  std::uint64_t lowest;
  std::uint64_t highest;
};

}  // namespace strata::attach
