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
  out_.Load(Reg::rdx, {run_, kSlotOffset}, 4);
  if (map.slot_stride <= std::numeric_limits<std::int32_t>::max()) {
    out_.MulImm(Bits::k64, Reg::rdx, Reg::rdx, static_cast<std::int32_t>(map.slot_stride));
  } else {
    out_.MovImm(kScratch, map.slot_stride);
    out_.MulReg(Bits::k64, Reg::rdx, kScratch);
  }
  out_.AluReg(Alu::kAdd, Bits::k64, Reg::rax, Reg::rdx);
}

void Translator::LookupConstantKey(const InlineLookup& lookup) {
  const runtime::ProgramMap& map = input_.maps[lookup.map];
  const auto offset = static_cast<std::int64_t>(std::uint64_t{*lookup.key} * map.value_stride);
  out_.MovRelocated(Reg::rax, ImageRelocationKind::kMapData, lookup.map, offset);
  AddSlotOffset(map);
}

void Translator::LookupKeyInMemory(const InlineLookup& lookup, Label out_of_bounds) {
  const runtime::ProgramMap& map = input_.maps[lookup.map];
  out_.Load(Reg::rcx, {Reg::rsi}, 4);
  out_.MovImm(Reg::rax, 0);
  out_.AluImm(Alu::kCmp, Bits::k32, Reg::rcx, static_cast<std::int32_t>(map.max_entries));
  out_.JumpIf(Cond::kAboveOrEqual, out_of_bounds);
  out_.MovRelocated(Reg::rax, ImageRelocationKind::kMapData, lookup.map, 0);
  AddScaledKey(map.value_stride);
  AddSlotOffset(map);
}

// Programs test the result for null right away: where they do, the bounds check is that test.
std::uint32_t Translator::Lookup(InsnIndex at, const InlineLookup& lookup) {
  const Instruction* next = Follower(at);
  const Opcode next_opcode = next != nullptr ? static_cast<Opcode>(next->opcode) : Opcode::kExit;
  const bool is_test = (next_opcode == Opcode::kJeq64Imm || next_opcode == Opcode::kJne64Imm) && next->dst == 0 &&
                       next->imm == 0 && next->offset > 0;
  const InsnIndex test{at.value + 1};
  const std::int64_t target = is_test ? isa::TargetOf(*next, test, OperandForm::kBranchImm) : 0;
  if (lookup.key) {
    if (*lookup.key >= input_.maps[lookup.map].max_entries) return out_.MovImm(kResult, 0), 1;
    LookupConstantKey(lookup);
    if (!is_test) return 1;
    if (next_opcode == Opcode::kJne64Imm) JumpTo(test, target);
    return 2;
  }
  if (is_test && next_opcode == Opcode::kJeq64Imm) {
    LookupKeyInMemory(lookup, TargetLabel(target));
    return 2;
  }
  const Label missing = out_.NewLabel();
  LookupKeyInMemory(lookup, missing);
  if (is_test) JumpTo(test, target);
  out_.Bind(missing);
  return is_test ? 2 : 1;
}

}  // namespace strata::compile::x86
