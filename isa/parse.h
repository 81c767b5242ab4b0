// Text back to instructions: the syntax of the kernel's verifier log, as disassemble.h prints it without names.
#pragma once

#include <string_view>
#include <vector>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/isa/instruction.h"

namespace strata::isa {

// One instruction a line:
//
//   r0 = 0
//   if r1 == 0x5 goto pc+1        ; what follows a semicolon is a comment
//      2: (07) r0 += 1            the number and the opcode of a listing are skipped
//   exit
//
// Empty lines are skipped. The callee of a call is its number ("call unknown#1", "call bpf_map_lookup_elem#1") or
// distance ("call pc+3"). What text leaves out is zero: the offset of a kfunc's call, the kind of a 64-bit constant.
// Errors: kMalformed, "line 3, column 7: no register r11". Does not check what DecodeInstruction checks.
STRATA_EXPORT Result<std::vector<Instruction>> ParseProgram(std::string_view text);

}  // namespace strata::isa
