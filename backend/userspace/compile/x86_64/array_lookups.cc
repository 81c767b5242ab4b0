// bpf_map_lookup_elem on arrays, without a call.
#include <bit>
#include <limits>

#include "translation.h"

namespace strata::compile::x86 {

// rax = rax + rcx * stride
void Translator::AddScaledKey(std::uint32_t stride) {
  if (stride == 8) return out_.Lea(Reg::rax, {Reg::rax, 0, Reg::rcx, 3});
  if (std::has_single_bit(stride)) {
    out_.ShiftImm(Shift::kShl, Bits::k64, Reg::rcx, std::countr_zero(stride));
  } else if (stride <= std::numeric_limits<std::int32_t>::max()) {
    out_.MulImm(Bits::k64, Reg::rcx, Reg::rcx, static_cast<std::int32_t>(stride));
  } else {
    out_.MovImm(kScratch, stride);
    out_.MulReg(Bits::k64, Reg::rcx, kScratch);
  }
  out_.AluReg(Alu::kAdd, Bits::k64, Reg::rax, Reg::rcx);
}

// rax += slot * slot_stride, for per-CPU arrays
void Translator::AddSlotOffset(const runtime::ProgramMap& map) {
  if (map.type != MapType::kPerCpuArray) return;
  const Mem slot{run_, kSlotOffset};
  if (map.slot_stride <= std::numeric_limits<std::int32_t>::max() / map.slot_count) {
    out_.MulMemImm(Bits::k32, Reg::rdx, slot, static_cast<std::int32_t>(map.slot_stride));
  } else {
    out_.Load(Reg::rdx, slot, 4);
    out_.MovImm(kScratch, map.slot_stride);
    out_.MulReg(Bits::k64, Reg::rdx, kScratch);
  }
  out_.AluReg(Alu::kAdd, Bits::k64, Reg::rax, Reg::rdx);
}

// ecx = the key, which lies in the frame or where the second argument says.
void Translator::LoadKey(const KnownIndex& key) {
  out_.Load(Reg::rcx, key.frame_offset ? Mem{Reg::rbp, *key.frame_offset} : Mem{Reg::rsi}, 4);
}

// Of the index in ecx; leads to `none` where that is not known to be one of an element.
void Translator::CheckBounds(const KnownIndex& index, std::uint32_t max_entries, Label none) {
  if (index.most && *index.most < max_entries) return;
  out_.AluImm(Alu::kCmp, Bits::k32, Reg::rcx, static_cast<std::int32_t>(max_entries));
  out_.JumpIf(Cond::kAboveOrEqual, none);
}

void Translator::LookupConstantKey(const InlineLookup& lookup) {
  const runtime::ProgramMap& map = input_.maps[lookup.map];
  const auto offset = static_cast<std::int64_t>(std::uint64_t{*lookup.key.constant} * map.value_stride);
  out_.MovRelocated(Reg::rax, ImageRelocationKind::kMapData, lookup.map, offset);
  AddSlotOffset(map);
}

void Translator::LookupKeyInMemory(const InlineLookup& lookup, Label none) {
  const runtime::ProgramMap& map = input_.maps[lookup.map];
  LoadKey(lookup.key);
  CheckBounds(lookup.key, map.max_entries, none);
  out_.MovRelocated(Reg::rax, ImageRelocationKind::kMapData, lookup.map, 0);
  AddScaledKey(map.value_stride);
  AddSlotOffset(map);
}

// Programs test the result of a look-up for null right away.
Translator::NullTest Translator::NullTestBehind(InsnIndex at) const {
  const Instruction* next = Follower(at);
  if (next == nullptr || next->dst != 0 || next->imm != 0 || next->offset <= 0) return {};
  const auto opcode = static_cast<Opcode>(next->opcode);
  if (opcode != Opcode::kJeq64Imm && opcode != Opcode::kJne64Imm) return {};
  return {.exists = true,
          .jumps_if_null = opcode == Opcode::kJeq64Imm,
          .target = isa::TargetOf(*next, InsnIndex{at.value + 1}, OperandForm::kBranchImm)};
}

// Where there is such a test, the bounds check is that test.
std::uint32_t Translator::Lookup(InsnIndex at, const InlineLookup& lookup) {
  const NullTest test = NullTestBehind(at);
  if (lookup.key.constant) {
    if (*lookup.key.constant >= input_.maps[lookup.map].max_entries) return out_.MovImm(kResult, 0), 1;
    LookupConstantKey(lookup);
    if (test.exists && !test.jumps_if_null) out_.Jump(TargetLabel(test.target));
    return test.exists ? 2 : 1;
  }
  Miss miss{out_.NewLabel(), out_.NewLabel()};
  LookupKeyInMemory(lookup, miss.none);
  BindMiss(test, &miss);
  return test.exists ? 2 : 1;
}

// Where a look-up goes on that has found something, and where one that has not.
void Translator::BindMiss(const NullTest& test, Miss* miss) {
  if (test.exists && !test.jumps_if_null) out_.Jump(TargetLabel(test.target));
  if (test.exists && test.jumps_if_null) {
    miss->after = TargetLabel(test.target);
  } else {
    out_.Bind(miss->after);
  }
  misses_.push_back(*miss);
}

// Behind the function, where they are not in the way of what is found.
void Translator::EmitMisses() {
  for (const Miss& miss : misses_) {
    out_.Bind(miss.none);
    out_.MovImm(kResult, 0);
    out_.Jump(miss.after);
  }
  misses_.clear();
}

}  // namespace strata::compile::x86
