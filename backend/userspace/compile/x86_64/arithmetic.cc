// Arithmetic, moves, byte order, constants.
#include <bit>

#include "translation.h"

namespace strata::compile::x86 {
namespace {

Shift ShiftOf(std::uint8_t opcode) {
  const std::uint8_t operation = isa::OperationOf(opcode);
  return operation == 0x60 ? Shift::kShl : operation == 0x70 ? Shift::kShr : Shift::kSar;
}

}  // namespace

std::uint32_t Translator::AluImmediate(InsnIndex at, const OpcodeInfo& info) {
  const Instruction& insn = code_[at.value];
  const Bits bits = WidthOf(info);
  const Reg dst = Dst(insn);
  constexpr std::int32_t kOneTooFar = 128;  // -128 fits a byte
  switch (isa::OperationOf(insn.opcode)) {
    case 0x00:
      if (insn.imm == 0) {
        ZeroUpperHalf(bits, dst);
      } else if (insn.imm == kOneTooFar) {
        out_.AluImm(Alu::kSub, bits, dst, -kOneTooFar);
      } else {
        out_.AluImm(Alu::kAdd, bits, dst, insn.imm);
      }
      return 1;
    case 0x10:
      if (insn.imm == kOneTooFar) {
        out_.AluImm(Alu::kAdd, bits, dst, -kOneTooFar);
      } else {
        out_.AluImm(Alu::kSub, bits, dst, insn.imm);
      }
      return 1;
    case 0x20:
      MulImmediate(dst, bits, insn.imm);
      return 1;
    case 0x40:
      out_.AluImm(Alu::kOr, bits, dst, insn.imm);
      return 1;
    case 0x50:
      AndImmediate(dst, bits, insn.imm);
      return 1;
    case 0xa0:
      out_.AluImm(Alu::kXor, bits, dst, insn.imm);
      return 1;
    case 0xb0:
      out_.MovImm(dst, bits == Bits::k64 ? static_cast<std::uint64_t>(std::int64_t{insn.imm})
                                         : static_cast<std::uint32_t>(insn.imm));
      return 1;
    default:
      return ShiftImmediate(at, bits);
  }
}

void Translator::AluRegister(const Instruction& insn, const OpcodeInfo& info) {
  const Bits bits = WidthOf(info);
  switch (isa::OperationOf(insn.opcode)) {
    case 0x00:
      return out_.AluReg(Alu::kAdd, bits, Dst(insn), Src(insn));
    case 0x10:
      return out_.AluReg(Alu::kSub, bits, Dst(insn), Src(insn));
    case 0x20:
      return out_.MulReg(bits, Dst(insn), Src(insn));
    case 0x40:
      return out_.AluReg(Alu::kOr, bits, Dst(insn), Src(insn));
    case 0x50:
      return out_.AluReg(Alu::kAnd, bits, Dst(insn), Src(insn));
    case 0xa0:
      return out_.AluReg(Alu::kXor, bits, Dst(insn), Src(insn));
    default:
      return ShiftRegister(insn, bits);
  }
}

void Translator::AndImmediate(Reg dst, Bits bits, std::int32_t imm) {
  if (imm == 0) return out_.MovImm(dst, 0);
  if (imm == 0xff) return out_.ExtendZero(dst, dst, 8);
  if (imm == 0xffff) return out_.ExtendZero(dst, dst, 16);
  // A mask without its sign bit leaves nothing of the upper half.
  out_.AluImm(Alu::kAnd, imm > 0 ? Bits::k32 : bits, dst, imm);
}

void Translator::MulImmediate(Reg dst, Bits bits, std::int32_t imm) {
  if (imm == 0) return out_.MovImm(dst, 0);
  if (imm == 1) return ZeroUpperHalf(bits, dst);
  if (imm > 0 && std::has_single_bit(static_cast<std::uint32_t>(imm))) {
    return out_.ShiftImm(Shift::kShl, bits, dst, std::countr_zero(static_cast<std::uint32_t>(imm)));
  }
  out_.MulImm(bits, dst, dst, imm);
}

// Compilers for v1 and v2 extend 32-bit values by two shifts: one move does both.
std::uint32_t Translator::ShiftImmediate(InsnIndex at, Bits bits) {
  const Instruction& insn = code_[at.value];
  const Reg dst = Dst(insn);
  const int count = insn.imm & (bits == Bits::k64 ? 63 : 31);
  const Instruction* next = Follower(at);
  const bool is_pair = static_cast<Opcode>(insn.opcode) == Opcode::kLsh64Imm && count == 32 && next != nullptr &&
                       next->dst == insn.dst && next->imm == 32;
  if (is_pair && static_cast<Opcode>(next->opcode) == Opcode::kRsh64Imm) {
    out_.ExtendZero(dst, dst, 32);
    return 2;
  }
  if (is_pair && static_cast<Opcode>(next->opcode) == Opcode::kArsh64Imm) {
    out_.ExtendSign(Bits::k64, dst, dst, 32);
    return 2;
  }
  if (count == 0) {
    ZeroUpperHalf(bits, dst);
  } else {
    out_.ShiftImm(ShiftOf(insn.opcode), bits, dst, count);
  }
  return 1;
}

// The count must be in cl, which is R4's; the hardware masks it as eBPF does.
void Translator::ShiftRegister(const Instruction& insn, Bits bits) {
  const Shift op = ShiftOf(insn.opcode);
  const Reg dst = Dst(insn);
  const Reg count = Src(insn);
  if (count == Reg::rcx) return out_.ShiftByCl(op, bits, dst);
  out_.Mov(Bits::k64, kScratch, Reg::rcx);
  out_.Mov(Bits::k32, Reg::rcx, count);
  out_.ShiftByCl(op, bits, dst == Reg::rcx ? kScratch : dst);
  out_.Mov(Bits::k64, Reg::rcx, kScratch);
}

// Divisors that need no division. By zero: the quotient is 0, the remainder the dividend (RFC 9669 section 4.1).
bool Translator::DivideByConstant(const Instruction& insn, Bits bits, bool is_modulo, bool is_signed) {
  const Reg dst = Dst(insn);
  const auto clear = [&] { out_.MovImm(dst, 0); };
  const auto keep = [&] { ZeroUpperHalf(bits, dst); };
  if (insn.imm == 0) return is_modulo ? keep() : clear(), true;
  if (insn.imm == 1) return is_modulo ? clear() : keep(), true;
  if (is_signed) {
    if (insn.imm != -1) return false;
    if (is_modulo) return clear(), true;
    out_.UnaryOp(Unary::kNeg, bits, dst);
    return true;
  }
  const std::uint64_t divisor =
      bits == Bits::k64 ? static_cast<std::uint64_t>(std::int64_t{insn.imm}) : static_cast<std::uint32_t>(insn.imm);
  if (!std::has_single_bit(divisor)) return false;
  if (is_modulo) {
    AndImmediate(dst, bits, static_cast<std::int32_t>(divisor - 1));
  } else {
    out_.ShiftImm(Shift::kShr, bits, dst, std::countr_zero(divisor));
  }
  return true;
}

// dst divided by what is in kScratch, which is not 0, and not -1 for signed division. The hardware wants rdx:rax.
void Translator::DivideByScratch(Reg dst, Bits bits, bool is_modulo, bool is_signed) {
  const Reg result = is_modulo ? Reg::rdx : Reg::rax;
  const auto divide = [&] {
    if (is_signed) {
      out_.SignToRdx(bits);
    } else {
      out_.MovImm(Reg::rdx, 0);
    }
    out_.UnaryOp(is_signed ? Unary::kIdiv : Unary::kDiv, bits, kScratch);
  };
  if (dst == Reg::rax) {
    out_.Mov(Bits::k64, kSaved, Reg::rdx);
    divide();
    if (is_modulo) out_.Mov(Bits::k64, Reg::rax, Reg::rdx);
    return out_.Mov(Bits::k64, Reg::rdx, kSaved);
  }
  out_.Mov(Bits::k64, kSaved, Reg::rax);
  out_.Mov(bits, Reg::rax, dst);
  if (dst != Reg::rdx) out_.Mov(Bits::k64, dst, Reg::rdx);  // dst keeps rdx meanwhile
  divide();
  if (dst == Reg::rdx) {
    if (!is_modulo) out_.Mov(Bits::k64, dst, result);
  } else if (is_modulo) {
    out_.Exchange(dst, Reg::rdx);
  } else {
    out_.Mov(Bits::k64, Reg::rdx, dst);
    out_.Mov(Bits::k64, dst, result);
  }
  out_.Mov(Bits::k64, Reg::rax, kSaved);
}

void Translator::Divide(const Instruction& insn, Bits bits) {
  const bool is_modulo = isa::OperationOf(insn.opcode) == 0x90;
  const bool is_signed = insn.offset == 1;
  const Reg dst = Dst(insn);
  if (!isa::UsesSourceRegister(insn.opcode)) {
    if (DivideByConstant(insn, bits, is_modulo, is_signed)) return;
    out_.MovImm(kScratch, bits == Bits::k64 ? static_cast<std::uint64_t>(std::int64_t{insn.imm})
                                            : static_cast<std::uint32_t>(insn.imm));
    return DivideByScratch(dst, bits, is_modulo, is_signed);
  }

  out_.Mov(bits, kScratch, Src(insn));
  out_.Test(bits, kScratch, kScratch);
  const ShortJump is_not_zero = out_.JumpShortIf(Cond::kNotEqual);
  if (is_modulo) {
    ZeroUpperHalf(bits, dst);
  } else {
    out_.MovImm(dst, 0);
  }
  const ShortJump zero_done = out_.JumpShort();
  out_.BindShort(is_not_zero);
  if (!is_signed) {
    DivideByScratch(dst, bits, is_modulo, is_signed);
    return out_.BindShort(zero_done);
  }
  // The smallest value divided by -1 traps.
  out_.AluImm(Alu::kCmp, bits, kScratch, -1);
  const ShortJump is_not_minus_one = out_.JumpShortIf(Cond::kNotEqual);
  if (is_modulo) {
    out_.MovImm(dst, 0);
  } else {
    out_.UnaryOp(Unary::kNeg, bits, dst);
  }
  const ShortJump minus_one_done = out_.JumpShort();
  out_.BindShort(is_not_minus_one);
  DivideByScratch(dst, bits, is_modulo, is_signed);
  out_.BindShort(zero_done);
  out_.BindShort(minus_one_done);
}

std::uint32_t Translator::Move(InsnIndex at, Bits bits) {
  const Instruction& insn = code_[at.value];
  const Reg dst = Dst(insn);
  const Reg src = Src(insn);
  if (insn.offset == 1) {
    CastToUserSpace(insn);
    return 1;
  }
  if (insn.offset != 0) {
    out_.ExtendSign(bits, dst, src, insn.offset);
    return 1;
  }
  if (bits == Bits::k32) {
    out_.ExtendZero(dst, src, 32);
    return 1;
  }
  if (dst == src) return 1;
  // dst = src; dst += x: one lea
  const Instruction* next = Follower(at);
  if (next != nullptr && next->dst == insn.dst && static_cast<Opcode>(next->opcode) == Opcode::kAdd64Imm) {
    out_.Lea(dst, {src, next->imm});
    return 2;
  }
  if (next != nullptr && next->dst == insn.dst && static_cast<Opcode>(next->opcode) == Opcode::kAdd64Reg) {
    out_.Lea(dst, {src, 0, next->src == insn.dst ? src : Src(*next)});
    return 2;
  }
  out_.Mov(Bits::k64, dst, src);
  return 1;
}

void Translator::SwapByteOrder(const Instruction& insn) {
  const Reg dst = Dst(insn);
  const bool swaps = static_cast<Opcode>(insn.opcode) != Opcode::kToLittleEndian;
  switch (insn.imm) {
    case 16:
      if (swaps) out_.RotateLow16(dst);
      return out_.ExtendZero(dst, dst, 16);
    case 32:
      return swaps ? out_.ByteSwap(Bits::k32, dst) : out_.ExtendZero(dst, dst, 32);
    default:
      if (swaps) out_.ByteSwap(Bits::k64, dst);
  }
}

std::uint32_t Translator::LoadImmediate64(InsnIndex at) {
  const Instruction& low = code_[at.value];
  const Instruction& high = code_[at.value + 1];
  const auto imm = static_cast<std::uint32_t>(low.imm);
  switch (static_cast<isa::PseudoLoad>(low.src)) {
    case isa::PseudoLoad::kFunction:
      out_.LeaLabel(Dst(low), entries_[FunctionAt(isa::TargetOf(low, at, OperandForm::kLoadImm64))]);
      return 2;
    case isa::PseudoLoad::kMapIndex:
      out_.MovRelocated(Dst(low), ImageRelocationKind::kMapView, imm, 0);
      return 2;
    case isa::PseudoLoad::kMapIndexValue:
      out_.MovRelocated(Dst(low), ImageRelocationKind::kMapData, imm, static_cast<std::uint32_t>(high.imm));
      return 2;
    case isa::PseudoLoad::kNone:
    case isa::PseudoLoad::kMapFd:
    case isa::PseudoLoad::kMapValue:
    case isa::PseudoLoad::kBtfId:
      break;
  }
  out_.MovImm(Dst(low), isa::Imm64(low, high));
  return 2;
}

}  // namespace strata::compile::x86
