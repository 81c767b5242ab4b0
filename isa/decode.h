// Is a slot a well-formed instruction? Every field that its opcode does not use must be zero, so that a later version
// may give it a meaning.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/isa/instruction.h"
#include "strata/isa/opcode.h"

namespace strata::isa {

// The row of the instruction at `index`, once all fields of it (and of an ldimm64's second slot) are valid. Does not
// look at where jumps lead. kMalformed: "instruction 7: opcode 0x07 (add64): src: expected 0, got 3". Source: RFC 9669;
// kernel/bpf/verifier.c.
STRATA_EXPORT Result<const OpcodeInfo*> DecodeInstruction(std::span<const Instruction> code, InsnIndex index);

// The slot that a jump, may_goto, or bpf-to-bpf call at `index` leads to, also when it lies outside the code; a
// callback's function for its ldimm64. Only for instructions that have one (HasTarget).
constexpr std::int64_t TargetOf(const Instruction& instruction, InsnIndex index, OperandForm form) {
  const bool in_imm = form == OperandForm::kJumpLong || form == OperandForm::kCall || form == OperandForm::kLoadImm64;
  return static_cast<std::int64_t>(index.value) + 1 + (in_imm ? instruction.imm : instruction.offset);
}

// Continues elsewhere within its function: jumps, branches and may_goto.
constexpr bool IsJump(OperandForm form) {
  return form == OperandForm::kJump || form == OperandForm::kJumpLong || form == OperandForm::kBranchImm ||
         form == OperandForm::kBranchReg || form == OperandForm::kMayGoto;
}

// Never continues with the next instruction.
constexpr bool EndsFlow(OperandForm form) {
  return form == OperandForm::kJump || form == OperandForm::kJumpLong || form == OperandForm::kExit;
}

constexpr bool IsFunctionCall(const Instruction& instruction, OperandForm form) {
  return form == OperandForm::kCall && instruction.src == static_cast<std::uint8_t>(PseudoCall::kFunction);
}
constexpr bool IsHelperCall(const Instruction& instruction, OperandForm form) {
  return form == OperandForm::kCall && instruction.src == static_cast<std::uint8_t>(PseudoCall::kHelper);
}
constexpr bool IsFunctionReference(const Instruction& instruction, OperandForm form) {
  return form == OperandForm::kLoadImm64 && instruction.src == static_cast<std::uint8_t>(PseudoLoad::kFunction);
}

// The constant of an ldimm64.
constexpr std::uint64_t Imm64(const Instruction& low, const Instruction& high) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(high.imm)) << 32 | static_cast<std::uint32_t>(low.imm);
}

}  // namespace strata::isa
