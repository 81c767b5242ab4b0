#include "strata/isa/builder.h"

#include <fmt/format.h>

#include <limits>

namespace strata::isa {
namespace {

constexpr std::uint8_t kSourceRegister = 0x08;
constexpr std::uint8_t kModeMem = 0x60;
constexpr std::uint8_t kModeMemSigned = 0x80;
constexpr std::uint8_t kModeAtomic = 0xc0;
constexpr std::uint8_t kModeAbsolute = 0x20;
constexpr std::uint8_t kModeIndirect = 0x40;

constexpr std::uint8_t Byte(auto value) { return static_cast<std::uint8_t>(value); }
constexpr std::uint8_t Byte(OpClass op_class, int mode, Size size) { return Byte(Byte(op_class) | mode | Byte(size)); }

Instruction Slot(std::uint8_t opcode, Register dst, Register src, int offset, std::int32_t imm) {
  Instruction slot;
  slot.opcode = opcode;
  slot.dst = Byte(dst) & 0xf;
  slot.src = Byte(src) & 0xf;
  slot.offset = static_cast<std::int16_t>(offset);
  slot.imm = imm;
  return slot;
}

// With `operand` as src or imm; the opcode byte gets its source bit.
Instruction SlotWithOperand(int opcode, Register dst, Operand operand, int offset) {
  if (operand.is_register()) return Slot(Byte(opcode | kSourceRegister), dst, operand.source(), offset, 0);
  return Slot(Byte(opcode), dst, kR0, offset, operand.imm());
}

}  // namespace

Label Builder::NewLabel() {
  labels_.push_back(-1);
  return Label{static_cast<std::uint32_t>(labels_.size() - 1)};
}

Builder& Builder::Bind(Label label) {
  labels_[label.id] = next().value;
  return *this;
}

Builder& Builder::Append(const Instruction& slot) {
  code_.push_back(slot);
  return *this;
}

Builder& Builder::AppendUse(const Instruction& slot, Label label, bool in_imm) {
  uses_.push_back({next().value, label.id, in_imm});
  return Append(slot);
}

Builder& Builder::Alu(Arithmetic op, Register dst, Operand operand, Width width) {
  const int op_class = Byte(width == Width::k64 ? OpClass::kAlu64 : OpClass::kAlu32);
  const int bits = static_cast<int>(op);
  return Append(SlotWithOperand((bits & 0xf0) | op_class, dst, operand, bits >> 8));
}

Builder& Builder::MovSigned(Register dst, Register src, int bits, Width width) {
  const Opcode opcode = width == Width::k64 ? Opcode::kMov64Reg : Opcode::kMov32Reg;
  return Append(Slot(Byte(opcode), dst, src, bits, 0));
}

Builder& Builder::Negate(Register dst, Width width) {
  return Append(Slot(Byte(width == Width::k64 ? Opcode::kNeg64 : Opcode::kNeg32), dst, kR0, 0, 0));
}

Builder& Builder::ToLittleEndian(Register dst, int bits) {
  return Append(Slot(Byte(Opcode::kToLittleEndian), dst, kR0, 0, bits));
}
Builder& Builder::ToBigEndian(Register dst, int bits) {
  return Append(Slot(Byte(Opcode::kToBigEndian), dst, kR0, 0, bits));
}
Builder& Builder::ByteSwap(Register dst, int bits) { return Append(Slot(Byte(Opcode::kByteSwap), dst, kR0, 0, bits)); }

Builder& Builder::AddressSpaceCast(Register dst, Register src, std::uint16_t from, std::uint16_t to) {
  return Append(Slot(Byte(Opcode::kMov64Reg), dst, src, 1, static_cast<std::int32_t>(std::uint32_t{to} << 16 | from)));
}

Builder& Builder::Load(Size size, Register dst, Register base, std::int16_t offset) {
  return Append(Slot(Byte(OpClass::kLoad, kModeMem, size), dst, base, offset, 0));
}

Builder& Builder::LoadSigned(Size size, Register dst, Register base, std::int16_t offset) {
  return Append(Slot(Byte(OpClass::kLoad, kModeMemSigned, size), dst, base, offset, 0));
}

Builder& Builder::Store(Size size, Register base, std::int16_t offset, Operand value) {
  if (value.is_register()) {
    return Append(Slot(Byte(OpClass::kStoreReg, kModeMem, size), base, value.source(), offset, 0));
  }
  return Append(Slot(Byte(OpClass::kStoreImm, kModeMem, size), base, kR0, offset, value.imm()));
}

Builder& Builder::Atomic(AtomicOp op, Size size, Register base, std::int16_t offset, Register src) {
  return Append(Slot(Byte(OpClass::kStoreReg, kModeAtomic, size), base, src, offset, static_cast<std::int32_t>(op)));
}

Builder& Builder::LoadAcquire(Size size, Register dst, Register base, std::int16_t offset) {
  return Atomic(AtomicOp::kLoadAcquire, size, dst, offset, base);
}

Builder& Builder::StoreRelease(Size size, Register base, std::int16_t offset, Register src) {
  return Atomic(AtomicOp::kStoreRelease, size, base, offset, src);
}

Builder& Builder::LoadPacket(Size size, std::int32_t offset) {
  return Append(Slot(Byte(OpClass::kLoadOther, kModeAbsolute, size), kR0, kR0, 0, offset));
}

Builder& Builder::LoadPacket(Size size, Register index, std::int32_t offset) {
  return Append(Slot(Byte(OpClass::kLoadOther, kModeIndirect, size), kR0, index, 0, offset));
}

Builder& Builder::AppendImm64(Register dst, PseudoLoad kind, std::uint32_t low, std::uint32_t high) {
  Append(Slot(Byte(Opcode::kLoadImm64), dst, static_cast<Register>(kind), 0, static_cast<std::int32_t>(low)));
  return Append(Slot(0, kR0, kR0, 0, static_cast<std::int32_t>(high)));
}

Builder& Builder::LoadImm64(Register dst, std::uint64_t value) {
  return AppendImm64(dst, PseudoLoad::kNone, static_cast<std::uint32_t>(value),
                     static_cast<std::uint32_t>(value >> 32));
}
Builder& Builder::LoadMapFd(Register dst, int map_fd) {
  return AppendImm64(dst, PseudoLoad::kMapFd, static_cast<std::uint32_t>(map_fd), 0);
}
Builder& Builder::LoadMapIndex(Register dst, std::uint32_t position) {
  return AppendImm64(dst, PseudoLoad::kMapIndex, position, 0);
}
Builder& Builder::LoadMapIndexValue(Register dst, std::uint32_t position, std::uint32_t value_offset) {
  return AppendImm64(dst, PseudoLoad::kMapIndexValue, position, value_offset);
}

Builder& Builder::LoadFunction(Register dst, Label function) {
  uses_.push_back({next().value, function.id, true});
  return AppendImm64(dst, PseudoLoad::kFunction, 0, 0);
}

Builder& Builder::Jump(Label label) { return AppendUse(Slot(Byte(Opcode::kJa), kR0, kR0, 0, 0), label, false); }
Builder& Builder::JumpLong(Label label) { return AppendUse(Slot(Byte(Opcode::kJaLong), kR0, kR0, 0, 0), label, true); }

Builder& Builder::JumpIf(Condition condition, Register left, Operand right, Label label, Width width) {
  const int op_class = Byte(width == Width::k64 ? OpClass::kJump : OpClass::kJump32);
  return AppendUse(SlotWithOperand(Byte(condition) | op_class, left, right, 0), label, false);
}

Builder& Builder::MayGoto(Label label) { return AppendUse(Slot(Byte(Opcode::kMayGoto), kR0, kR0, 0, 0), label, false); }

Builder& Builder::Call(std::uint32_t helper) {
  return Append(Slot(Byte(Opcode::kCall), kR0, kR0, 0, static_cast<std::int32_t>(helper)));
}

Builder& Builder::CallFunction(Label function) {
  return AppendUse(Slot(Byte(Opcode::kCall), kR0, static_cast<Register>(PseudoCall::kFunction), 0, 0), function, true);
}

Builder& Builder::CallKernelFunction(std::uint32_t btf_id) {
  return Append(
      Slot(Byte(Opcode::kCall), kR0, static_cast<Register>(PseudoCall::kKfunc), 0, static_cast<std::int32_t>(btf_id)));
}

Builder& Builder::Exit() { return Append(Slot(Byte(Opcode::kExit), kR0, kR0, 0, 0)); }

Result<std::vector<Instruction>> Builder::Build() && {
  for (const Use& use : uses_) {
    const std::int64_t target = labels_[use.label];
    if (target < 0) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("instruction {}: label {} is not bound", use.index, use.label));
    }
    const std::int64_t distance = target - use.index - 1;
    if (use.in_imm) {
      code_[use.index].imm = static_cast<std::int32_t>(distance);
      continue;
    }
    using Limits = std::numeric_limits<std::int16_t>;
    if (distance < Limits::min() || distance > Limits::max()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("instruction {}: a jump of {} slots does not fit 16 bits", use.index, distance));
    }
    code_[use.index].offset = static_cast<std::int16_t>(distance);
  }
  return std::move(code_);
}

}  // namespace strata::isa
