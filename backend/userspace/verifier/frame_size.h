// How far below R10 a function's accesses reach.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "strata/base/result.h"
#include "strata/isa/instruction.h"

namespace strata::verifier {

struct FrameBytes {
  std::uint32_t reserved = 0;  // a multiple of 8, at most 512; 512 where offsets are not constants
  std::uint32_t reached = 0;   // of these, what known offsets reach
};

// Bytes of stack of the function in slots [begin, end) of `code`, whose instructions are all valid. `is_target` tells
// for each slot whether a jump leads there. Follows R10 and constants added to it through registers, block by block;
// where an address of the frame may reach other arithmetic or another function, the answer is the full 512 bytes. An
// access through a known address outside of the frame is an error.
Result<FrameBytes> FrameSize(std::span<const isa::Instruction> code, isa::InsnIndex begin, isa::InsnIndex end,
                             const std::vector<bool>& is_target);

}  // namespace strata::verifier
