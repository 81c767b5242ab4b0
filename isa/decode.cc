#include "strata/isa/decode.h"

#include <fmt/format.h>

namespace strata::isa {
namespace {

// Fields that a form uses; the others must be zero.
enum Fields : std::uint8_t { kDst = 1, kSrc = 2, kOffset = 4, kImm = 8 };

constexpr std::uint8_t FieldsOf(OperandForm form) {
  switch (form) {
    case OperandForm::kAluImm:
      return kDst | kImm;
    case OperandForm::kAluReg:
      return kDst | kSrc;
    case OperandForm::kDivisionImm:
      return kDst | kImm | kOffset;
    case OperandForm::kDivisionReg:
      return kDst | kSrc | kOffset;
    case OperandForm::kMoveReg:
      return kDst | kSrc | kOffset | kImm;
    case OperandForm::kUnary:
      return kDst;
    case OperandForm::kByteOrder:
      return kDst | kImm;
    case OperandForm::kJump:
    case OperandForm::kMayGoto:
      return kOffset;
    case OperandForm::kJumpLong:
      return kImm;
    case OperandForm::kBranchImm:
    case OperandForm::kStoreImm:
      return kDst | kOffset | kImm;
    case OperandForm::kBranchReg:
    case OperandForm::kLoad:
    case OperandForm::kStoreReg:
      return kDst | kSrc | kOffset;
    case OperandForm::kCall:
      return kSrc | kImm | kOffset;
    case OperandForm::kExit:
      return 0;
    case OperandForm::kAtomic:
      return kDst | kSrc | kOffset | kImm;
    case OperandForm::kLoadImm64:
      return kDst | kSrc | kImm;
    case OperandForm::kPacketAbsolute:
      return kImm;
    case OperandForm::kPacketIndirect:
      return kSrc | kImm;
  }
  return 0;
}

Error Bad(const Instruction& instruction, const OpcodeInfo& info, std::string_view what) {
  return Error(ErrorCode::kMalformed, fmt::format("opcode {:#04x} ({}): {}", instruction.opcode, info.mnemonic, what));
}

Result<void> CheckReservedFields(const Instruction& instruction, const OpcodeInfo& info) {
  const std::uint8_t used = FieldsOf(info.form);
  const auto zero = [&](Fields field, std::string_view name, std::int64_t value) -> Result<void> {
    if ((used & field) != 0 || value == 0) return {};
    return Bad(instruction, info, fmt::format("{}: expected 0, got {}", name, value));
  };
  STRATA_TRY(zero(kDst, "dst", instruction.dst));
  STRATA_TRY(zero(kSrc, "src", instruction.src));
  STRATA_TRY(zero(kOffset, "offset", instruction.offset));
  return zero(kImm, "imm", instruction.imm);
}

// R10 may be read and be the base of a store, and may not be written.
bool WritesDst(OperandForm form) {
  switch (form) {
    case OperandForm::kAluImm:
    case OperandForm::kAluReg:
    case OperandForm::kDivisionImm:
    case OperandForm::kDivisionReg:
    case OperandForm::kMoveReg:
    case OperandForm::kUnary:
    case OperandForm::kByteOrder:
    case OperandForm::kLoad:
    case OperandForm::kLoadImm64:
      return true;
    default:
      return false;
  }
}

Result<void> CheckRegisters(const Instruction& instruction, const OpcodeInfo& info) {
  if (instruction.dst >= kRegisterCount)
    return Bad(instruction, info, fmt::format("no register R{}", +instruction.dst));
  const bool src_is_register = info.form != OperandForm::kLoadImm64 && info.form != OperandForm::kCall;
  if (src_is_register && instruction.src >= kRegisterCount) {
    return Bad(instruction, info, fmt::format("no register R{}", +instruction.src));
  }
  if (WritesDst(info.form) && instruction.dst == kFrameRegister) {
    return Bad(instruction, info, "frame pointer is read only");
  }
  return {};
}

Result<void> CheckMove(const Instruction& instruction, const OpcodeInfo& info) {
  const bool is_wide = info.op_class == OpClass::kAlu64;
  if (instruction.offset == 1 && is_wide) {
    if (instruction.imm == 1 || instruction.imm == 1 << 16) return {};
    return Bad(instruction, info, fmt::format("imm: no address space cast {:#x}", instruction.imm));
  }
  if (instruction.imm != 0) return Bad(instruction, info, fmt::format("imm: expected 0, got {}", instruction.imm));
  const bool extends = instruction.offset == 8 || instruction.offset == 16 || (is_wide && instruction.offset == 32);
  if (instruction.offset == 0 || extends) return {};
  return Bad(instruction, info,
             fmt::format("offset: expected 0, 8, 16{}, got {}", is_wide ? ", 32" : "", instruction.offset));
}

Result<void> CheckAtomic(const Instruction& instruction, const OpcodeInfo& info) {
  const AtomicInfo* atomic = FindAtomic(instruction.imm);
  if (atomic == nullptr) return Bad(instruction, info, fmt::format("imm: no atomic operation {:#x}", instruction.imm));
  if (AccessBytes(instruction.opcode) < atomic->smallest_access_bytes) {
    return Bad(instruction, info, fmt::format("{} needs 32 or 64 bits", atomic->name));
  }
  const bool reads_memory_into_dst = atomic->op == AtomicOp::kLoadAcquire;
  const bool writes_src = (instruction.imm & 1) != 0 && atomic->op != AtomicOp::kCompareExchange;
  if ((reads_memory_into_dst && instruction.dst == kFrameRegister) ||
      (writes_src && instruction.src == kFrameRegister)) {
    return Bad(instruction, info, "frame pointer is read only");
  }
  return {};
}

Result<void> CheckCall(const Instruction& instruction, const OpcodeInfo& info) {
  if (instruction.src > static_cast<std::uint8_t>(PseudoCall::kKfunc)) {
    return Bad(instruction, info, fmt::format("src: no kind of call {}", +instruction.src));
  }
  if (instruction.offset != 0 && instruction.src != static_cast<std::uint8_t>(PseudoCall::kKfunc)) {
    return Bad(instruction, info, fmt::format("offset: expected 0, got {}", instruction.offset));
  }
  return {};
}

Result<void> CheckLoadImm64(std::span<const Instruction> code, InsnIndex index, const OpcodeInfo& info) {
  const Instruction& instruction = code[index.value];
  if (instruction.src > static_cast<std::uint8_t>(PseudoLoad::kMapIndexValue)) {
    return Bad(instruction, info, fmt::format("src: no kind of 64-bit immediate {}", +instruction.src));
  }
  if (index.value + 1 >= code.size()) return Bad(instruction, info, "second slot is missing");
  const Instruction& second = code[index.value + 1];
  if (second.opcode != 0 || second.dst != 0 || second.src != 0 || second.offset != 0) {
    return Bad(instruction, info, "second slot: expected only imm");
  }
  const auto kind = static_cast<PseudoLoad>(instruction.src);
  const bool needs_one_half =
      kind == PseudoLoad::kMapFd || kind == PseudoLoad::kMapIndex || kind == PseudoLoad::kFunction;
  if (needs_one_half && second.imm != 0) {
    return Bad(instruction, info, fmt::format("second slot: imm: expected 0, got {}", second.imm));
  }
  return {};
}

Result<void> CheckForm(std::span<const Instruction> code, InsnIndex index, const OpcodeInfo& info) {
  const Instruction& instruction = code[index.value];
  switch (info.form) {
    case OperandForm::kDivisionImm:
    case OperandForm::kDivisionReg:
      if (instruction.offset == 0 || instruction.offset == 1) return {};
      return Bad(instruction, info, fmt::format("offset: expected 0 or 1, got {}", instruction.offset));
    case OperandForm::kMoveReg:
      return CheckMove(instruction, info);
    case OperandForm::kByteOrder:
      if (instruction.imm == 16 || instruction.imm == 32 || instruction.imm == 64) return {};
      return Bad(instruction, info, fmt::format("imm: expected 16, 32 or 64, got {}", instruction.imm));
    case OperandForm::kAtomic:
      return CheckAtomic(instruction, info);
    case OperandForm::kCall:
      return CheckCall(instruction, info);
    case OperandForm::kLoadImm64:
      return CheckLoadImm64(code, index, info);
    case OperandForm::kAluImm:
    case OperandForm::kAluReg:
    case OperandForm::kUnary:
    case OperandForm::kJump:
    case OperandForm::kJumpLong:
    case OperandForm::kBranchImm:
    case OperandForm::kBranchReg:
    case OperandForm::kExit:
    case OperandForm::kMayGoto:
    case OperandForm::kLoad:
    case OperandForm::kStoreImm:
    case OperandForm::kStoreReg:
    case OperandForm::kPacketAbsolute:
    case OperandForm::kPacketIndirect:
      return {};
  }
  return {};
}

Result<void> CheckFields(std::span<const Instruction> code, InsnIndex index, const OpcodeInfo& info) {
  STRATA_TRY(CheckReservedFields(code[index.value], info));
  STRATA_TRY(CheckRegisters(code[index.value], info));
  return CheckForm(code, index, info);
}

}  // namespace

Result<const OpcodeInfo*> DecodeInstruction(std::span<const Instruction> code, InsnIndex index) {
  if (index.value >= code.size()) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("instruction {}: past the end of {} slots", index.value, code.size()));
  }
  const OpcodeInfo* info = FindOpcode(code[index.value].opcode);
  if (info == nullptr) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("instruction {}: unknown opcode {:#04x}", index.value, code[index.value].opcode));
  }
  Result<void> checked = CheckFields(code, index, *info);
  if (!checked) return std::move(checked).error().WithContext(fmt::format("instruction {}", index.value));
  return info;
}

}  // namespace strata::isa
