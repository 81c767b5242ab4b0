#include "pointer_flow.h"

#include <algorithm>

#include "strata/isa/decode.h"

namespace strata::verifier {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OperandForm;

constexpr std::uint16_t kArguments = 0x3e;  // R1 .. R5

}  // namespace

bool Pointers::Join(const Pointers& other) {
  const Pointers before = *this;
  registers |= other.registers;
  frame |= other.frame;
  return registers != before.registers || frame != before.frame;
}

std::uint64_t FrameBit(const Instruction& insn) {
  const std::int16_t offset = insn.offset;
  const bool is_word = isa::AccessBytes(insn.opcode) == 8 && offset % 8 == 0;
  if (!is_word || offset >= 0 || offset < -isa::kStackBytes) return 0;
  return std::uint64_t{1} << (-offset / 8 - 1);
}

void ForgetFetched(const Instruction& insn, Pointers& pointers) {
  switch (static_cast<isa::AtomicOp>(insn.imm)) {
    case isa::AtomicOp::kLoadAcquire:
      return pointers.Set(insn.dst, false);
    case isa::AtomicOp::kCompareExchange:
      return pointers.Set(0, false);
    default:
      if ((insn.imm & 1) != 0) pointers.Set(insn.src, false);
  }
}

PointerFlow::PointerFlow(std::span<const Instruction> code, std::span<const FunctionFacts> facts, bool has_in_callbacks)
    : code_(code), facts_(facts), functions_(facts.size()) {
  for (std::size_t i = 0; has_in_callbacks && i < facts.size(); ++i) {
    if (facts[i].is_callback) functions_[i].entry.registers = kArguments;
  }
}

void PointerFlow::Find() {
  // What a function is called with, and what it returns, only ever grows.
  for (has_changed_ = true; has_changed_;) {
    has_changed_ = false;
    for (std::size_t i = 0; i < functions_.size(); ++i) Walk(i);
  }
}

void PointerFlow::Walk(std::size_t function) {
  const FunctionFacts& facts = facts_[function];
  std::vector<Pointers> before(facts.end.value - facts.begin.value);
  std::vector<bool> is_seen(before.size());
  std::vector<std::uint32_t> pending;
  const auto reach = [&](std::int64_t slot, const Pointers& pointers) {
    const auto position = static_cast<std::size_t>(slot - facts.begin.value);
    const bool is_more = before[position].Join(pointers);
    if (!is_more && is_seen[position]) return;
    is_seen[position] = true;
    pending.push_back(static_cast<std::uint32_t>(slot));
  };
  reach(facts.begin.value, functions_[function].entry);
  while (!pending.empty()) {
    const InsnIndex at{pending.back()};
    pending.pop_back();
    const Instruction& insn = code_[at.value];
    const OperandForm form = isa::FindOpcode(insn.opcode)->form;
    Pointers pointers = before[at.value - facts.begin.value];
    if (form == OperandForm::kCall) {
      Call(at, pointers);
    } else if (form == OperandForm::kExit) {
      has_changed_ = has_changed_ || (pointers.Has(0) && !functions_[function].returns);
      functions_[function].returns = functions_[function].returns || pointers.Has(0);
    } else {
      Step(at, form, pointers);
    }
    if (isa::IsJump(form)) reach(isa::TargetOf(insn, at, form), pointers);
    if (!isa::EndsFlow(form)) reach(at.value + isa::SlotCount(insn), pointers);
  }
}

void PointerFlow::Call(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = code_[at.value];
  bool returns = false;
  if (isa::IsFunctionCall(insn, OperandForm::kCall)) {
    const std::int64_t target = isa::TargetOf(insn, at, OperandForm::kCall);
    const auto found = std::find_if(facts_.begin(), facts_.end(),
                                    [&](const FunctionFacts& facts) { return facts.begin.value == target; });
    FunctionPointers& callee = functions_[static_cast<std::size_t>(found - facts_.begin())];
    Pointers arguments;
    arguments.registers = pointers.registers & kArguments;
    has_changed_ = callee.entry.Join(arguments) || has_changed_;
    returns = callee.returns;
  } else {
    returns = ReturnsPointer(at, pointers);
  }
  pointers.registers = static_cast<std::uint16_t>(pointers.registers & ~kArguments);
  pointers.Set(0, returns);
}

}  // namespace strata::verifier
