// Tail calls and look-ups in arrays of maps.
#include "translation.h"

namespace strata::compile::x86 {

// `object` = what the slot of the array stands for, when this process knows it already, null where it knows that it
// cannot be opened; at `unknown` eax has its id, 0 where the slot is empty. An index that is no constant is in ecx,
// whose upper half is zero.
void Translator::FindObject(const KnownPlace& call, Reg object, Label unknown, Label none) {
  constexpr std::int64_t kIdSize = sizeof(std::uint32_t);
  constexpr std::int64_t kEntrySize = 1 << runtime::kResolvedObjectShift;
  const std::int64_t index = call.index.value_or(0);
  const auto max_entries = static_cast<std::int32_t>(input_.maps[call.map].max_entries);
  if (!call.index) {
    out_.AluImm(Alu::kCmp, Bits::k32, Reg::rcx, max_entries);
    out_.JumpIf(Cond::kAboveOrEqual, none);
  }
  out_.MovRelocated(Reg::rax, ImageRelocationKind::kMapTable, call.map, index * kIdSize);
  out_.MovRelocated(kScratch, ImageRelocationKind::kMapResolved, call.map, index * kEntrySize);
  const Reg scaled = call.index ? Reg::rsp : Reg::rcx;
  out_.Load(Reg::rax, {Reg::rax, 0, scaled, call.index ? 0 : 2}, 4);
  if (!call.index) out_.ShiftImm(Shift::kShl, Bits::k64, Reg::rcx, runtime::kResolvedObjectShift);
  out_.CompareMem(Bits::k64, Reg::rax, {kScratch, 0, scaled});
  out_.JumpIf(Cond::kNotEqual, unknown);
  out_.Load(object, {kScratch, runtime::kResolvedObjectOffset, scaled}, 8);
}

// bpf_map_lookup_elem on an array of maps.
void Translator::LookupMap(const KnownPlace& lookup) {
  if (lookup.index.value_or(0) >= input_.maps[lookup.map].max_entries) return out_.MovImm(kResult, 0);
  const UnknownObject elsewhere{lookup.map, out_.NewLabel(), out_.NewLabel(), out_.NewLabel()};
  if (!lookup.index) out_.Load(Reg::rcx, {Reg::rsi}, 4);
  FindObject(lookup, kResult, elsewhere.unknown, elsewhere.none);
  out_.Bind(elsewhere.done);
  unknown_objects_.push_back(elsewhere);
}

// Behind the function, where they are not in the way of what is known: what this process has not met yet, the helper
// opens.
void Translator::EmitUnknownObjects() {
  for (const UnknownObject& elsewhere : unknown_objects_) {
    out_.Bind(elsewhere.unknown);
    out_.Test(Bits::k32, Reg::rax, Reg::rax);
    out_.JumpIf(Cond::kEqual, elsewhere.none);
    out_.MovRelocated(Reg::rdi, ImageRelocationKind::kMapView, elsewhere.map, 0);
    CallHelper(kMapLookupElem);
    out_.Jump(elsewhere.done);
    out_.Bind(elsewhere.none);
    out_.MovImm(kResult, 0);
    out_.Jump(elsewhere.done);
  }
  unknown_objects_.clear();
}

// What is left to do when the target is known.
void Translator::CountTailCall(Label needs_slot, Label has_slot, Label none) {
  out_.AluMemImm(Alu::kCmp, Bits::k32, {kScratch, runtime::kProgramUsesSlotOffset}, 0);
  out_.JumpIf(Cond::kNotEqual, needs_slot);
  out_.Bind(has_slot);
  out_.AluMemImm(Alu::kCmp, Bits::k32, {run_, kTailCallsOffset}, runtime::kMaxTailCalls);
  out_.JumpIf(Cond::kAboveOrEqual, none);
  out_.AluMemImm(Alu::kAdd, Bits::k32, {run_, kTailCallsOffset}, 1);
  out_.Store({run_, kProgramOffset}, kScratch, 8);
}

// run_context.h describes what the target finds.
void Translator::TailCall(InsnIndex at) {
  const bool is_known = next_tail_call_ < scan_.tail_calls.size() && scan_.tail_calls[next_tail_call_].call == at.value;
  const KnownPlace call = is_known ? scan_.tail_calls[next_tail_call_++] : KnownPlace{};
  const Label enter = out_.NewLabel();
  const Label needs_slot = out_.NewLabel();
  const Label has_slot = out_.NewLabel();
  const Label unknown = out_.NewLabel();
  const Label none = out_.NewLabel();
  if (is_known && call.index.value_or(0) >= input_.maps[call.map].max_entries) return out_.MovImm(kResult, 0);
  if (is_known) {
    if (!call.index) out_.Mov(Bits::k32, Reg::rcx, Reg::rdx);
    FindObject(call, kScratch, unknown, none);
    out_.Test(Bits::k64, kScratch, kScratch);
    out_.JumpIf(Cond::kEqual, none);
    CountTailCall(needs_slot, has_slot, none);
    out_.Bind(enter);
    out_.Mov(Bits::k64, Reg::rsi, run_);
    TakeDownFrame();
    out_.JumpMem({kScratch, runtime::kProgramEntryOffset});
    out_.Bind(needs_slot);
    out_.AluMemImm(Alu::kCmp, Bits::k32, {run_, kSlotOffset}, -1);  // the helper leases one
    out_.JumpIf(Cond::kNotEqual, has_slot);
  }
  out_.Bind(unknown);
  if (is_known) {
    out_.Test(Bits::k32, Reg::rax, Reg::rax);
    out_.JumpIf(Cond::kEqual, none);
  }
  out_.Push(Reg::rdi);
  out_.Push(Reg::rdi);
  out_.Mov(Bits::k64, kHelperRun, run_);
  out_.CallHelper(kTailCall);
  out_.Pop(Reg::rdi);
  out_.Pop(Reg::rdi);
  out_.Mov(Bits::k64, kScratch, kResult);
  out_.Test(Bits::k64, kResult, kResult);
  if (is_known) {
    out_.JumpIf(Cond::kNotEqual, enter);
  } else {
    out_.JumpIf(Cond::kEqual, none);
    out_.Mov(Bits::k64, Reg::rsi, run_);
    TakeDownFrame();
    out_.JumpMem({kScratch, runtime::kProgramEntryOffset});
  }
  out_.Bind(none);
  out_.MovImm(kResult, 0);
}

}  // namespace strata::compile::x86
