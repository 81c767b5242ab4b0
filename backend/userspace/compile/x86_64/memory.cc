// Loads, stores and atomics; guarded ones and those in arenas.
#include <array>
#include <cassert>

#include "translation.h"

namespace strata::compile::x86 {
namespace {

bool ExtendsSign(const Instruction& load) {
  constexpr std::uint8_t kModeMask = 0xe0;
  constexpr std::uint8_t kModeSigned = 0x80;
  return (load.opcode & kModeMask) == kModeSigned;
}

}  // namespace

void Translator::LoadOrStore(const Instruction& insn, OperandForm form, Mem place) {
  const int size = isa::AccessBytes(insn.opcode);
  if (form == OperandForm::kStoreImm) return out_.StoreImm(place, insn.imm, size);
  if (form == OperandForm::kStoreReg) return out_.Store(place, Src(insn), size);
  if (ExtendsSign(insn)) return out_.LoadSigned(Dst(insn), place, size);
  out_.Load(Dst(insn), place, size);
}

// kScratch = what a helper says of so many bytes at an address. Programs do not see it as a call: R0 .. R5 stay as they
// are.
void Translator::CallGuarded(std::uint32_t helper, Mem place, int size) {
  constexpr std::array kKept = {Reg::rax, Reg::rdi, Reg::rsi, Reg::rdx, Reg::rcx, Reg::r8};  // even: keeps alignment
  out_.Lea(kScratch, place);
  for (const Reg reg : kKept) out_.Push(reg);
  out_.Mov(Bits::k64, Reg::rdi, kScratch);
  out_.MovImm(Reg::rsi, static_cast<std::uint64_t>(size));
  if (helper == runtime::kArenaMemoryHelper)
    out_.MovRelocated(Reg::rdx, ImageRelocationKind::kMapView, input_.arena, 0);
  out_.Mov(Bits::k64, kHelperRun, run_);
  out_.CallHelper(helper);
  out_.Mov(Bits::k64, kScratch, Reg::rax);
  for (auto reg = kKept.rbegin(); reg != kKept.rend(); ++reg) out_.Pop(*reg);
}

// kScratch = the address in this process, when the page is allocated and the access is aligned, so that no second page
// has a part of it.
void Translator::FindArenaMemory(Mem place, int size, Label elsewhere) {
  constexpr Reg kTable = Reg::r9;  // free where there are calls: the run is in r12
  constexpr auto kAllocated = static_cast<std::int32_t>(runtime::ArenaPage::kAllocated);
  constexpr int kPageShift = 12;
  const std::uint64_t pages = input_.maps[input_.arena].max_entries;
  out_.Lea(kScratch, place);
  if (size > 1) {
    out_.TestImm(Bits::k64, kScratch, size - 1);
    out_.JumpIf(Cond::kNotEqual, elsewhere);
  }
  out_.MovImm(kSaved, static_cast<std::uint32_t>(input_.arena_address));
  out_.AluReg(Alu::kSub, Bits::k64, kScratch, kSaved);
  out_.Mov(Bits::k64, kSaved, kScratch);
  out_.ShiftImm(Shift::kShr, Bits::k64, kSaved, kPageShift);
  out_.AluImm(Alu::kCmp, Bits::k64, kSaved, static_cast<std::int32_t>(pages));
  out_.JumpIf(Cond::kAboveOrEqual, elsewhere);
  out_.MovRelocated(kTable, ImageRelocationKind::kMapTable, input_.arena, 0);
  out_.AluReg(Alu::kAdd, Bits::k64, kSaved, kTable);
  out_.Load(kSaved, {kSaved}, 1);
  out_.AluImm(Alu::kCmp, Bits::k32, kSaved, kAllocated);
  out_.JumpIf(Cond::kNotEqual, elsewhere);
  out_.AluReg(Alu::kAdd, Bits::k64, kScratch, kTable);
  out_.MovImm(kSaved, pages << kPageShift);  // the data ends where the table begins
  out_.AluReg(Alu::kSub, Bits::k64, kScratch, kSaved);
}

// Where no page is, loads give 0 and all else does nothing.
void Translator::ArenaAccess(const Instruction& insn, OperandForm form) {
  const Label elsewhere = out_.NewLabel();
  const Label found = out_.NewLabel();
  const Label done = out_.NewLabel();
  const Mem place = PlaceOf(insn, form);
  const int size = isa::AccessBytes(insn.opcode);
  FindArenaMemory(place, size, elsewhere);
  out_.Jump(found);
  out_.Bind(elsewhere);
  CallGuarded(runtime::kArenaMemoryHelper, place, size);
  if (form == OperandForm::kLoad) out_.MovImm(Dst(insn), 0);
  out_.Test(Bits::k64, kScratch, kScratch);
  out_.JumpIf(Cond::kEqual, done);
  out_.Bind(found);
  if (form == OperandForm::kAtomic) {
    AtomicAccess(insn, {kScratch});
  } else {
    LoadOrStore(insn, form, {kScratch});
  }
  out_.Bind(done);
}

// Null stays null.
void Translator::CastToUserSpace(const Instruction& insn) {
  const Label done = out_.NewLabel();
  const Reg dst = Dst(insn);
  out_.ExtendZero(dst, Src(insn), 32);
  out_.Test(Bits::k32, dst, dst);
  out_.JumpIf(Cond::kEqual, done);
  out_.MovImm(kScratch, input_.arena_address >> 32 << 32);
  out_.AluReg(Alu::kOr, Bits::k64, dst, kScratch);
  out_.Bind(done);
}

// Through a helper that may be asked of any address.
void Translator::GuardedLoad(const Instruction& insn) {
  const int size = isa::AccessBytes(insn.opcode);
  CallGuarded(runtime::kGuardedLoadHelper, PlaceOf(insn, OperandForm::kLoad), size);
  if (ExtendsSign(insn)) return out_.ExtendSign(Bits::k64, Dst(insn), kScratch, size * 8);
  out_.Mov(Bits::k64, Dst(insn), kScratch);
}

// x86 has no instruction that gives the old value of an and, or, xor.
void Translator::FetchByCompareExchange(Alu op, Bits bits, Mem mem, Reg src) {
  out_.Mov(Bits::k64, kSaved, Reg::rax);
  const Reg operand = src == Reg::rax ? kSaved : src;
  if (mem.base == Reg::rax) mem.base = kSaved;
  out_.Load(Reg::rax, mem, bits == Bits::k64 ? 8 : 4);
  const std::size_t again = out_.here();
  out_.Mov(Bits::k64, kScratch, Reg::rax);
  out_.AluReg(op, bits, kScratch, operand);
  out_.LockCompareExchange(bits, mem, kScratch);
  out_.JumpShortBack(Cond::kNotEqual, again);
  if (src == Reg::rax) return;
  out_.Mov(Bits::k64, src, Reg::rax);
  out_.Mov(Bits::k64, Reg::rax, kSaved);
}

void Translator::AtomicAccess(const Instruction& insn, Mem mem) {
  const int size = isa::AccessBytes(insn.opcode);
  const Bits bits = size == 8 ? Bits::k64 : Bits::k32;
  const Reg src = Src(insn);
  switch (static_cast<isa::AtomicOp>(insn.imm)) {
    case isa::AtomicOp::kAdd:
      return out_.LockAlu(Alu::kAdd, bits, mem, src);
    case isa::AtomicOp::kOr:
      return out_.LockAlu(Alu::kOr, bits, mem, src);
    case isa::AtomicOp::kAnd:
      return out_.LockAlu(Alu::kAnd, bits, mem, src);
    case isa::AtomicOp::kXor:
      return out_.LockAlu(Alu::kXor, bits, mem, src);
    case isa::AtomicOp::kFetchAdd:
      return out_.LockExchangeAdd(bits, mem, src);
    case isa::AtomicOp::kFetchOr:
      return FetchByCompareExchange(Alu::kOr, bits, mem, src);
    case isa::AtomicOp::kFetchAnd:
      return FetchByCompareExchange(Alu::kAnd, bits, mem, src);
    case isa::AtomicOp::kFetchXor:
      return FetchByCompareExchange(Alu::kXor, bits, mem, src);
    case isa::AtomicOp::kExchange:
      return out_.ExchangeMem(bits, mem, src);
    case isa::AtomicOp::kCompareExchange:
      out_.LockCompareExchange(bits, mem, src);
      return ZeroUpperHalf(bits, Reg::rax);  // on success eax is not written
    // Plain moves of x86 are ordered enough.
    case isa::AtomicOp::kLoadAcquire:
      return out_.Load(Dst(insn), mem, size);
    case isa::AtomicOp::kStoreRelease:
      return out_.Store(mem, src, size);
  }
}

}  // namespace strata::compile::x86
