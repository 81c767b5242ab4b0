// Branches, the budget, calls.
#include "translation.h"

namespace strata::compile::x86 {
namespace {

// The condition of a branch, by bits 4 to 7 of its opcode.
Cond ConditionOf(std::uint8_t opcode) {
  switch (isa::OperationOf(opcode)) {
    case 0x10:
      return Cond::kEqual;
    case 0x20:
      return Cond::kAbove;
    case 0x30:
      return Cond::kAboveOrEqual;
    case 0x40:  // jset: any bit set
    case 0x50:
      return Cond::kNotEqual;
    case 0x60:
      return Cond::kGreater;
    case 0x70:
      return Cond::kGreaterOrEqual;
    case 0xa0:
      return Cond::kBelow;
    case 0xb0:
      return Cond::kBelowOrEqual;
    case 0xc0:
      return Cond::kLess;
    default:
      return Cond::kLessOrEqual;
  }
}

bool IsTestOfBits(std::uint8_t opcode) { return isa::OperationOf(opcode) == 0x40; }

bool IsPerCpu(MapType type) {
  return type == MapType::kPerCpuArray || type == MapType::kPerCpuHash || type == MapType::kLruPerCpuHash;
}

}  // namespace

void Translator::Compare(const Instruction& insn, Bits bits) {
  const Reg left = Dst(insn);
  const bool is_test = IsTestOfBits(insn.opcode);
  if (isa::UsesSourceRegister(insn.opcode)) {
    return is_test ? out_.Test(bits, left, Src(insn)) : out_.AluReg(Alu::kCmp, bits, left, Src(insn));
  }
  if (is_test) return out_.TestImm(bits, left, insn.imm);
  if (insn.imm == 0) return out_.Test(bits, left, left);  // the flags of a comparison with 0
  out_.AluImm(Alu::kCmp, bits, left, insn.imm);
}

// The flags decide; a backward jump that is taken counts.
void Translator::JumpBackIf(Cond cond, std::int64_t target) {
  const Label stay = out_.NewLabel();
  out_.JumpIf(Negate(cond), stay);
  Spend();
  out_.JumpIf(Cond::kNotSign, TargetLabel(target));
  JumpToEndRun();
  out_.Bind(stay);
}

void Translator::Branch(InsnIndex at, const OpcodeInfo& info) {
  const Instruction& insn = code_[at.value];
  const std::int64_t target = isa::TargetOf(insn, at, info.form);
  if (insn.offset == 0) return;
  Compare(insn, WidthOf(info));
  const Cond cond = ConditionOf(insn.opcode);
  if (target <= at.value) return JumpBackIf(cond, target);
  out_.JumpIf(cond, TargetLabel(target));
}

void Translator::JumpTo(InsnIndex at, std::int64_t target) {
  if (target == at.value + 1) return;
  if (target > at.value) return out_.Jump(TargetLabel(target));
  Spend();
  out_.JumpIf(Cond::kNotSign, TargetLabel(target));
  JumpToEndRun();
}

void Translator::MayGoto(InsnIndex at) {
  const Instruction& insn = code_[at.value];
  if (insn.offset == 0) return;
  const std::int64_t target = isa::TargetOf(insn, at, OperandForm::kMayGoto);
  out_.AluMemImm(Alu::kCmp, Bits::k64, {run_, kBudgetOffset}, runtime::kMayGotoReserve);
  if (target <= at.value) return JumpBackIf(Cond::kLess, target);
  out_.JumpIf(Cond::kLess, TargetLabel(target));
}

std::size_t Translator::FunctionAt(std::int64_t slot) const {
  std::size_t function = 0;
  while (scan_.functions[function].facts.begin.value != slot) ++function;
  return function;
}

void Translator::CallFunction(InsnIndex at) {
  Spend();
  JumpToEndRunIf(Cond::kSign);
  const std::size_t callee = FunctionAt(isa::TargetOf(code_[at.value], at, OperandForm::kCall));
  if (!scan_.functions[callee].may_tail_call) return out_.Call(entries_[callee]);
  // Another program may return in the function's place.
  out_.PushMem({run_, kProgramOffset});
  out_.PushMem({run_, kEngineStateOffset});
  out_.Call(entries_[callee]);
  out_.PopMem({run_, kEngineStateOffset});
  out_.PopMem({run_, kProgramOffset});
  if (scan_.has_callbacks) StoreCallback();
  out_.AluMemImm(Alu::kCmp, Bits::k64, {run_, kBudgetOffset}, 0);
  JumpToEndRunIf(Cond::kLess);
}

void Translator::CallHelper(std::uint32_t helper) {
  out_.Mov(Bits::k64, kHelperRun, run_);
  out_.CallHelper(helper);
  if (!scan_.has_callbacks && !MayEndRun(static_cast<std::int32_t>(helper))) return;
  out_.AluMemImm(Alu::kCmp, Bits::k64, {run_, kBudgetOffset}, 0);  // a callback or the helper may have used it up
  JumpToEndRunIf(Cond::kLess);
}

std::uint32_t Translator::Call(InsnIndex at) {
  const Instruction& insn = code_[at.value];
  if (isa::IsFunctionCall(insn, OperandForm::kCall)) {
    CallFunction(at);
    return 1;
  }
  if (insn.src == static_cast<std::uint8_t>(isa::PseudoCall::kKfunc)) {
    out_.Mov(Bits::k64, kHelperRun, run_);
    out_.CallImport(static_cast<std::uint32_t>(insn.imm));
    return 1;
  }
  if (insn.imm == kGetSmpProcessorId) {
    out_.Load(kResult, {run_, kSlotOffset}, 4);
    return 1;
  }
  if (next_lookup_ < scan_.lookups.size() && scan_.lookups[next_lookup_].call == at.value) {
    return Lookup(at, scan_.lookups[next_lookup_++]);
  }
  if (next_direct_call_ < scan_.direct_calls.size() && scan_.direct_calls[next_direct_call_].call == at.value) {
    CallMap(scan_.direct_calls[next_direct_call_++]);
    return 1;
  }
  if (insn.imm == kTailCall) {
    TailCall(at);
    return 1;
  }
  if (next_map_lookup_ < scan_.map_lookups.size() && scan_.map_lookups[next_map_lookup_].call == at.value) {
    return LookupMap(at, scan_.map_lookups[next_map_lookup_++]);
  }
  CallHelper(static_cast<std::uint32_t>(insn.imm));
  return 1;
}

// MapOps::lookup, update, erase take the helper's arguments and, the first two, the run's slot behind them.
void Translator::CallMap(const DirectCall& call) {
  if (IsPerCpu(input_.maps[call.map].type) && call.operation != runtime::MapOperation::kErase)
    out_.Load(call.operation == runtime::MapOperation::kLookup ? Reg::rdx : Reg::r8, {run_, kSlotOffset}, 4);
  out_.CallMapOperation(call.map, call.operation);
}

}  // namespace strata::compile::x86
