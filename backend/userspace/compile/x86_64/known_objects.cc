// Tail calls and look-ups in arrays of maps: what a process has met before is found without a call.
#include "translation.h"

namespace strata::compile::x86 {

// `object` = what the place in the array stands for, when this process knows it; at `unknown` eax has its id, 0 where
// nothing is there. An index that is no constant is in ecx, whose upper half is zero.
void Translator::FindObject(const KnownPlace& place, Reg object, Label unknown, Label none) {
  constexpr int kIdScale = 2;     // log2 of an id in the file
  constexpr int kKnownScale = 3;  // of a known id and of an address
  const std::uint32_t max_entries = input_.maps[place.map].max_entries;
  const std::int64_t index = place.index.constant.value_or(0);
  const std::int64_t here = index << kIdScale;  // what the register of the table is ahead
  const auto known_id = static_cast<std::int32_t>(static_cast<std::int64_t>(runtime::KnownIdsOffset(max_entries)) +
                                                  (index << kKnownScale) - here);
  const auto known_object = static_cast<std::int32_t>(
      static_cast<std::int64_t>(runtime::KnownObjectsOffset(max_entries)) + (index << kKnownScale) - here);
  const Reg scaled = place.index.constant ? Reg::rsp : Reg::rcx;
  const auto scale = [&](int log2) { return place.index.constant ? 0 : log2; };
  if (!place.index.constant) CheckBounds(place.index, max_entries, none);
  out_.MovRelocated(kScratch, ImageRelocationKind::kMapTable, place.map, here);
  out_.Load(Reg::rax, {kScratch, 0, scaled, scale(kIdScale)}, 4);
  out_.CompareMem(Bits::k64, Reg::rax, {kScratch, known_id, scaled, scale(kKnownScale)});
  out_.JumpIf(Cond::kNotEqual, unknown);
  out_.Load(object, {kScratch, known_object, scaled, scale(kKnownScale)}, 8);
}

// bpf_map_lookup_elem on an array of maps. What is found is not null, so the program's own test of that is left out.
std::uint32_t Translator::LookupMap(InsnIndex at, const KnownPlace& lookup) {
  if (lookup.index.constant.value_or(0) >= input_.maps[lookup.map].max_entries) return out_.MovImm(kResult, 0), 1;
  const NullTest test = NullTestBehind(at);
  UnknownMap elsewhere{lookup, out_.NewLabel(), out_.NewLabel(), {out_.NewLabel(), out_.NewLabel()}};
  if (!lookup.index.constant) LoadKey(lookup.index);
  FindObject(lookup, kResult, elsewhere.unknown, elsewhere.miss.none);
  out_.Bind(elsewhere.found);
  BindMiss(test, &elsewhere.miss);
  unknown_maps_.push_back(elsewhere);
  return test.exists ? 2 : 1;
}

// Behind the function: what this process has not met yet, the helper opens.
void Translator::EmitUnknownMaps() {
  for (const UnknownMap& elsewhere : unknown_maps_) {
    out_.Bind(elsewhere.unknown);
    out_.Test(Bits::k32, Reg::rax, Reg::rax);
    out_.JumpIf(Cond::kEqual, elsewhere.miss.none);
    out_.MovRelocated(Reg::rdi, ImageRelocationKind::kMapView, elsewhere.place.map, 0);
    if (elsewhere.place.index.frame_offset) out_.Lea(Reg::rsi, {Reg::rbp, *elsewhere.place.index.frame_offset});
    CallHelper(kMapLookupElem);
    out_.Test(Bits::k64, kResult, kResult);
    out_.JumpIf(Cond::kEqual, elsewhere.miss.after);
    out_.Jump(elsewhere.found);
  }
  unknown_maps_.clear();
}

// kScratch = the instance to enter, counted and announced; null where the program goes on.
void Translator::CallTailCallHelper() {
  out_.Push(Reg::rdi);
  out_.Push(Reg::rdi);  // keeps the alignment
  out_.Mov(Bits::k64, kHelperRun, run_);
  out_.CallHelper(kTailCall);
  out_.Pop(Reg::rdi);
  out_.Pop(Reg::rdi);
  out_.AluMemImm(Alu::kCmp, Bits::k64, {run_, kBudgetOffset}, 0);
  JumpToEndRunIf(Cond::kLess);
  out_.Mov(Bits::k64, kScratch, kResult);
  out_.Test(Bits::k64, kResult, kResult);
}

void Translator::EnterTarget() {
  TakeDownFrameForTail();
  out_.JumpMem({kScratch, runtime::kProgramTailEntryOffset});
}

// run_context.h describes what the target finds.
void Translator::TailCall(InsnIndex at) {
  const bool is_known = next_tail_call_ < scan_.tail_calls.size() && scan_.tail_calls[next_tail_call_].call == at.value;
  const Label none = out_.NewLabel();
  if (!is_known) {
    CallTailCallHelper();
    out_.JumpIf(Cond::kEqual, none);
    EnterTarget();
    out_.Bind(none);
    return out_.MovImm(kResult, 0);
  }

  const KnownPlace& call = scan_.tail_calls[next_tail_call_++];
  if (call.index.constant.value_or(0) >= input_.maps[call.map].max_entries) return out_.MovImm(kResult, 0);
  const Label enter = out_.NewLabel();
  const Label unknown = out_.NewLabel();
  const Label too_many = out_.NewLabel();
  if (!call.index.constant) out_.Mov(Bits::k32, Reg::rcx, Reg::rdx);
  FindObject(call, kScratch, unknown, none);
  out_.AluMemImm(Alu::kSub, Bits::k32, {run_, kTailCallsLeftOffset}, 1);
  out_.JumpIf(Cond::kBelow, too_many);
  out_.Store({run_, kProgramOffset}, kScratch, 8);
  out_.Bind(enter);
  EnterTarget();

  out_.Bind(unknown);
  out_.Test(Bits::k32, Reg::rax, Reg::rax);
  out_.JumpIf(Cond::kEqual, none);
  out_.MovRelocated(Reg::rsi, ImageRelocationKind::kMapView, call.map, 0);
  if (call.index.constant) out_.MovImm(Reg::rdx, *call.index.constant);
  CallTailCallHelper();
  out_.JumpIf(Cond::kNotEqual, enter);
  out_.Jump(none);
  out_.Bind(too_many);
  out_.AluMemImm(Alu::kAdd, Bits::k32, {run_, kTailCallsLeftOffset}, 1);
  out_.Bind(none);
  out_.MovImm(kResult, 0);
}

}  // namespace strata::compile::x86
