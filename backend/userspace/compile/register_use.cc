#include "register_use.h"

#include "strata/isa/decode.h"

namespace strata::compile {
namespace {

using isa::Instruction;
using isa::OperandForm;

RegisterUse UseOfAtomic(const Instruction& insn) {
  switch (static_cast<isa::AtomicOp>(insn.imm)) {
    case isa::AtomicOp::kLoadAcquire:
      return {RegisterBit(insn.src), RegisterBit(insn.dst)};
    case isa::AtomicOp::kCompareExchange:
      return {static_cast<std::uint16_t>(RegisterBit(insn.dst) | RegisterBit(insn.src) | RegisterBit(0)),
              RegisterBit(0)};
    default:
      break;
  }
  const auto reads = static_cast<std::uint16_t>(RegisterBit(insn.dst) | RegisterBit(insn.src));
  return {reads, (insn.imm & 1) != 0 ? RegisterBit(insn.src) : std::uint16_t{0}};
}

}  // namespace

RegisterUse UseOf(const Instruction& insn, OperandForm form) {
  const std::uint16_t dst = RegisterBit(insn.dst);
  const std::uint16_t src = RegisterBit(insn.src);
  const auto both = static_cast<std::uint16_t>(dst | src);
  switch (form) {
    case OperandForm::kAluImm:
      return {isa::OperationOf(insn.opcode) == 0xb0 ? std::uint16_t{0} : dst, dst};  // mov only writes
    case OperandForm::kDivisionImm:
    case OperandForm::kUnary:
    case OperandForm::kByteOrder:
      return {dst, dst};
    case OperandForm::kAluReg:
    case OperandForm::kDivisionReg:
      return {both, dst};
    case OperandForm::kMoveReg:
    case OperandForm::kLoad:
      return {src, dst};
    case OperandForm::kLoadImm64:
      return {0, dst};
    case OperandForm::kBranchImm:
    case OperandForm::kStoreImm:
      return {dst, 0};
    case OperandForm::kBranchReg:
    case OperandForm::kStoreReg:
      return {both, 0};
    case OperandForm::kAtomic:
      return UseOfAtomic(insn);
    case OperandForm::kCall:
      return {kArgumentRegisters, kClobberedByCalls};
    case OperandForm::kExit:
      return {RegisterBit(0), 0};
    case OperandForm::kPacketAbsolute:
    case OperandForm::kPacketIndirect:
      return {static_cast<std::uint16_t>(src | RegisterBit(6)), kClobberedByCalls};
    case OperandForm::kJump:
    case OperandForm::kJumpLong:
    case OperandForm::kMayGoto:
      return {};
  }
  return {};
}

}  // namespace strata::compile
