// Loads, stores and atomics; guarded ones and those in arenas.
#include <array>
#include <bit>
#include <limits>
#include <utility>

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

// kScratch = how far into the arena it is. As 64 bits: a displacement may lead out of the pointer's 32.
void Translator::FindArenaOffset(Mem place) {
  const std::int64_t displacement = std::int64_t{place.disp} - ArenaLowHalf();
  if (std::in_range<std::int32_t>(displacement))
    return out_.Lea(kScratch, {place.base, static_cast<std::int32_t>(displacement)});
  out_.Lea(kScratch, place);
  out_.MovImm(kSaved, ArenaLowHalf());
  out_.AluReg(Alu::kSub, Bits::k64, kScratch, kSaved);
}

// kArenaBase = what added to the pointer makes the address in this process: of the arena's table, which lies behind the
// data, where the rest is a displacement that ArenaMemoryAt() adds. When the page is allocated and the access is
// aligned, so that no second page has a part of it.
void Translator::FindArenaMemory(Mem place, int size, Label elsewhere) {
  constexpr auto kAllocated = static_cast<std::int8_t>(runtime::ArenaPage::kAllocated);
  constexpr int kPageShift = 12;
  const std::uint64_t pages = input_.maps[input_.arena].max_entries;
  FindArenaOffset(place);
  // Bits that no aligned offset has: where the size is a power of two, those of what is outside too.
  const std::int64_t outside = -static_cast<std::int64_t>(pages << kPageShift);
  const bool tests_outside = std::has_single_bit(pages) && std::in_range<std::int32_t>(outside);
  if (const std::int64_t bits = (tests_outside ? outside : 0) | (size - 1); bits != 0) {
    out_.TestImm(Bits::k64, kScratch, static_cast<std::int32_t>(bits));
    out_.JumpIf(Cond::kNotEqual, elsewhere);
  }
  out_.ShiftImm(Shift::kShr, Bits::k64, kScratch, kPageShift);
  if (!tests_outside) {
    out_.AluImm(Alu::kCmp, Bits::k64, kScratch, static_cast<std::int32_t>(pages));
    out_.JumpIf(Cond::kAboveOrEqual, elsewhere);
  }
  out_.MovRelocated(kArenaBase, ImageRelocationKind::kMapTable, input_.arena, 0);
  out_.CompareByteImm({kArenaBase, 0, kScratch}, kAllocated);
  out_.JumpIf(Cond::kNotEqual, elsewhere);
  if (ArenaDisplacement() != 0) return;
  out_.MovImm(kSaved, ArenaBytesBeforeTable());
  out_.AluReg(Alu::kSub, Bits::k64, kArenaBase, kSaved);
}

// What lies between the address 0 of 32-bit pointers and the table.
std::uint64_t Translator::ArenaBytesBeforeTable() const {
  return ArenaLowHalf() + std::uint64_t{input_.maps[input_.arena].max_entries} * runtime::kPageSize;
}

// 0 where it does not fit an instruction beside an access's own, and with either sign.
std::int32_t Translator::ArenaDisplacement() const {
  const auto displacement = -static_cast<std::int64_t>(ArenaBytesBeforeTable());
  return displacement + std::numeric_limits<std::int16_t>::min() > std::numeric_limits<std::int32_t>::min()
             ? static_cast<std::int32_t>(displacement)
             : 0;
}

Mem Translator::ArenaMemoryAt(Mem place) const { return {kArenaBase, place.disp + ArenaDisplacement(), place.base}; }

// Where no page is, loads give 0 and all else does nothing. What an access has asked for is still known to the next one
// of the same place, but for what KeepsArenaPlace() says.
void Translator::ArenaAccess(InsnIndex at, OperandForm form) {
  const Instruction& insn = code_[at.value];
  const ArenaPlace place{PlaceOf(insn, form), isa::AccessBytes(insn.opcode)};
  NoMemory slow{at, form, place, place == known_arena_place_, out_.NewLabel(), out_.NewLabel(), out_.NewLabel()};
  if (slow.is_known) {
    out_.Test(Bits::k64, kArenaBase, kArenaBase);
    out_.JumpIf(Cond::kEqual, slow.elsewhere);
  } else {
    FindArenaMemory(place.mem, place.size, slow.elsewhere);
    out_.Bind(slow.found);
  }
  if (form == OperandForm::kAtomic) {
    out_.Lea(kScratch, ArenaMemoryAt(place.mem));
    AtomicAccess(insn, {kScratch});
  } else {
    LoadOrStore(insn, form, ArenaMemoryAt(place.mem));
  }
  out_.Bind(slow.done);
  no_memory_.push_back(slow);
  const bool keeps_place = form != OperandForm::kAtomic && (form != OperandForm::kLoad || Dst(insn) != place.mem.base);
  known_arena_place_ = keeps_place ? place : ArenaPlace{};
}

// Behind the function: what the short way does not find, the helper may.
void Translator::EmitArenaHelperCalls() {
  for (const NoMemory& slow : no_memory_) {
    const Instruction& insn = code_[slow.at.value];
    const Label none = out_.NewLabel();
    out_.Bind(slow.elsewhere);
    if (!slow.is_known) {
      CallGuarded(runtime::kArenaMemoryHelper, slow.place.mem, slow.place.size);
      out_.Mov(Bits::k64, kArenaBase, kScratch);
      out_.Test(Bits::k64, kScratch, kScratch);
      out_.JumpIf(Cond::kEqual, none);
      out_.AluReg(Alu::kSub, Bits::k64, kArenaBase, slow.place.mem.base);
      out_.Lea(kArenaBase, {kArenaBase, -ArenaMemoryAt(slow.place.mem).disp});
      out_.Jump(slow.found);
    }
    out_.Bind(none);
    if (slow.form == OperandForm::kLoad) out_.MovImm(Dst(insn), 0);
    out_.Jump(slow.done);
  }
  no_memory_.clear();
}

// Whether kArenaBase and the pointer are still what they were behind an instruction that is no access to an arena.
bool Translator::KeepsArenaPlace(const Instruction& insn, OperandForm form) const {
  const bool writes_pointer = Dst(insn) == known_arena_place_.mem.base;
  switch (form) {
    case OperandForm::kMoveReg:
      return !writes_pointer && insn.offset != 1;
    case OperandForm::kAluReg:
    case OperandForm::kAluImm:
    case OperandForm::kLoad:
    case OperandForm::kLoadImm64:
      return !writes_pointer;
    case OperandForm::kStoreImm:
    case OperandForm::kStoreReg:
    case OperandForm::kBranchImm:
    case OperandForm::kBranchReg:
      return true;
    default:
      return false;
  }
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
