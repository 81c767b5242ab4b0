// Private to stack capture: a frame's registers, by DWARF's numbers (psABI, figure 3.36).
#pragma once

#include <cstdint>

namespace strata::runtime {

inline constexpr std::uint32_t kDwarfFramePointer = 6;
inline constexpr std::uint32_t kDwarfStackPointer = 7;
inline constexpr std::uint32_t kDwarfReturnAddress = 16;
inline constexpr std::uint32_t kDwarfRegisters = 17;

// The registers of a frame; `known` has a bit for each that is.
struct FrameRegisters {
  std::uint64_t value[kDwarfRegisters];
  std::uint32_t known;

  bool Has(std::uint32_t reg) const { return reg < kDwarfRegisters && (known >> reg & 1) != 0; }
  void Set(std::uint32_t reg, std::uint64_t to) {
    value[reg] = to;
    known |= 1U << reg;
  }
};

}  // namespace strata::runtime
