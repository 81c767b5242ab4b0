// Private to stack capture: what a module's call frame information says of one instruction (DWARF 5, section 6.4; the
// Linux Standard Base on .eh_frame). Reads memory by guarded reads only, and bounds every loop.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

enum class RegisterRule : std::uint8_t {
  kSame,
  kUndefined,     // of the return address: the outermost frame
  kAtOffset,      // saved at CFA + value
  kAtExpression,  // saved where the expression at address `value` says
  kIsOffset,      // is CFA + value
};

struct SavedRegister {
  RegisterRule rule;
  std::int64_t value;
};

// How to get from a frame to its caller's.
struct FrameRules {
  std::uint8_t cfa_register;
  bool is_expression;      // the CFA is what the expression at address `cfa_value` says
  bool is_signal_frame;    // the caller's address is exact: it did not call
  std::int64_t cfa_value;  // bytes from the register
  SavedRegister frame_pointer;
  SavedRegister return_address;
};

// False where `header` (.eh_frame_hdr in memory) has nothing on `address`, or something that is not understood.
bool FindFrameRules(Process& process, std::uint64_t header, std::uint64_t address, FrameRules* out) noexcept;

}  // namespace strata::runtime
