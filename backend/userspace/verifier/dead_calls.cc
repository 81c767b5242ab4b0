#include "strata/backend/userspace/verifier/dead_calls.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <optional>
#include <unordered_map>
#include <vector>

#include "strata/backend/userspace/verifier/functions.h"
#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::verifier {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpClass;
using isa::OpcodeInfo;
using isa::OperandForm;

// A number that is the same in every run, or nothing.
using Constant = std::optional<std::uint64_t>;

// What R0 to R9 hold before an instruction.
class Registers {
 public:
  Constant Get(unsigned number) const {
    return number < kTracked && known_[number] ? Constant(values_[number]) : Constant();
  }
  void Set(unsigned number, Constant value) {
    if (number >= kTracked) return;
    known_[number] = value.has_value();
    values_[number] = value.value_or(0);
  }
  // Of two ways that lead to one place: keeps what both agree on. True when that is less than before.
  bool Join(const Registers& other) {
    const auto before = known_;
    for (unsigned number = 0; number < kTracked; ++number) {
      if (Get(number) != other.Get(number)) Set(number, std::nullopt);
    }
    return known_ != before;
  }

 private:
  static constexpr unsigned kTracked = 10;
  std::array<std::uint64_t, kTracked> values_{};
  std::bitset<kTracked> known_;
};

Constant Compute(std::uint8_t opcode, std::uint64_t left, std::uint64_t right) {
  const bool is_wide = isa::ClassOf(opcode) == OpClass::kAlu64;
  const std::uint64_t shift = right & (is_wide ? 63 : 31);
  const auto narrow = [&](std::uint64_t value) { return is_wide ? value : value & 0xffffffff; };
  left = narrow(left);
  right = narrow(right);
  switch (isa::OperationOf(opcode)) {
    case 0x00:
      return narrow(left + right);
    case 0x10:
      return narrow(left - right);
    case 0x20:
      return narrow(left * right);
    case 0x40:
      return left | right;
    case 0x50:
      return left & right;
    case 0x60:
      return narrow(left << shift);
    case 0x70:
      return left >> shift;
    case 0xa0:
      return left ^ right;
    case 0xb0:
      return right;
    case 0xc0:
      if (is_wide) return static_cast<std::uint64_t>(static_cast<std::int64_t>(left) >> shift);
      return narrow(static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(left)) >> shift));
    default:
      return std::nullopt;
  }
}

template <typename Unsigned, typename Signed>
bool Holds(std::uint8_t operation, Unsigned left, Unsigned right) {
  const auto signed_left = static_cast<Signed>(left);
  const auto signed_right = static_cast<Signed>(right);
  switch (operation) {
    case 0x10:
      return left == right;
    case 0x20:
      return left > right;
    case 0x30:
      return left >= right;
    case 0x40:
      return (left & right) != 0;
    case 0x50:
      return left != right;
    case 0x60:
      return signed_left > signed_right;
    case 0x70:
      return signed_left >= signed_right;
    case 0xa0:
      return left < right;
    case 0xb0:
      return left <= right;
    case 0xc0:
      return signed_left < signed_right;
    default:
      return signed_left <= signed_right;
  }
}

std::uint64_t SignExtended(std::int32_t value) { return static_cast<std::uint64_t>(std::int64_t{value}); }

// Where a branch goes, when that is always the same.
std::optional<bool> Decide(const Instruction& insn, OperandForm form, const Registers& registers) {
  const Constant left = registers.Get(insn.dst);
  const Constant right = form == OperandForm::kBranchReg ? registers.Get(insn.src) : Constant(SignExtended(insn.imm));
  if (!left || !right) return std::nullopt;
  const std::uint8_t operation = isa::OperationOf(insn.opcode);
  if (isa::ClassOf(insn.opcode) == OpClass::kJump32) {
    return Holds<std::uint32_t, std::int32_t>(operation, static_cast<std::uint32_t>(*left),
                                              static_cast<std::uint32_t>(*right));
  }
  return Holds<std::uint64_t, std::int64_t>(operation, *left, *right);
}

// Follows the code from its entry along branches that may be taken. Registers are kept where runs of instructions
// begin; each of them loses every constant at most once, which bounds the work.
class ReachableCode {
 public:
  ReachableCode(std::span<const Instruction> code, const std::vector<FunctionFacts>& functions)
      : code_(code), functions_(functions), results_(functions.size()), callers_(functions.size()) {
    reached_.resize(code.size());
    is_start_.resize(code.size());
    FindStarts();
  }

  void Follow() {
    Enter(0, Registers());
    while (!pending_.empty()) {
      const std::uint32_t start = pending_.back();
      pending_.pop_back();
      Run(start);
    }
  }
  bool IsReached(std::size_t slot) const { return reached_[slot]; }

 private:
  // What a function returns: nothing until one of its exits is reached.
  struct Outcome {
    bool is_reached = false;
    Constant value;
  };

  void FindStarts() {
    for (InsnIndex at{0}; at.value < code_.size(); at.value += isa::SlotCount(code_[at.value])) {
      const OperandForm form = isa::FindOpcode(code_[at.value].opcode)->form;
      if (isa::IsJump(form)) is_start_[static_cast<std::size_t>(isa::TargetOf(code_[at.value], at, form))] = true;
      const bool ends_run = isa::IsJump(form) || isa::IsFunctionCall(code_[at.value], form);
      if (ends_run && at.value + 1 < code_.size()) is_start_[at.value + 1] = true;
    }
    for (const FunctionFacts& function : functions_) is_start_[function.begin.value] = true;
  }

  void Enter(std::int64_t slot, const Registers& registers) {
    const auto start = static_cast<std::uint32_t>(slot);
    const auto [entry, is_new] = entries_.try_emplace(start, registers);
    if (is_new || entry->second.Join(registers)) pending_.push_back(start);
  }

  void Run(std::uint32_t start) {
    Registers registers = entries_.at(start);
    for (InsnIndex at{start};;) {
      const Instruction& insn = code_[at.value];
      const OpcodeInfo& info = *isa::FindOpcode(insn.opcode);
      reached_[at.value] = true;
      if (isa::IsJump(info.form)) return Branch(at, info.form, registers);
      if (info.form == OperandForm::kExit) return Return(at, registers);
      if (isa::IsFunctionCall(insn, info.form)) return Call(at, registers);
      Step(at, info, &registers);
      at.value += isa::SlotCount(insn);
      if (is_start_[at.value]) return Enter(at.value, registers);
    }
  }

  void Branch(InsnIndex at, OperandForm form, const Registers& registers) {
    const Instruction& insn = code_[at.value];
    std::optional<bool> is_taken;
    if (isa::EndsFlow(form)) is_taken = true;
    if (form == OperandForm::kBranchImm || form == OperandForm::kBranchReg) is_taken = Decide(insn, form, registers);
    if (is_taken != false) Enter(isa::TargetOf(insn, at, form), registers);
    if (is_taken != true) Enter(at.value + 1, registers);
  }

  // The caller goes on once it is known that the function returns.
  void Call(InsnIndex at, const Registers& registers) {
    const std::size_t callee = FunctionAt(isa::TargetOf(code_[at.value], at, OperandForm::kCall));
    Registers arguments;
    for (unsigned number = 1; number <= 5; ++number) arguments.Set(number, registers.Get(number));
    Enter(functions_[callee].begin.value, arguments);
    const auto place = std::lower_bound(callers_[callee].begin(), callers_[callee].end(), at.value);
    if (place == callers_[callee].end() || *place != at.value) callers_[callee].insert(place, at.value);
    states_.insert_or_assign(at.value, registers);
    if (results_[callee].is_reached) Continue(at.value, results_[callee].value);
  }

  void Return(InsnIndex at, const Registers& registers) {
    const std::size_t function = FunctionAt(at.value);
    Outcome& outcome = results_[function];
    const Constant value = registers.Get(0);
    const bool changes = !outcome.is_reached || (outcome.value && outcome.value != value);
    if (!changes) return;
    outcome.value = outcome.is_reached ? Constant() : value;
    outcome.is_reached = true;
    for (const std::uint32_t caller : callers_[function]) Continue(caller, outcome.value);
  }

  void Continue(std::uint32_t call, Constant result) {
    Registers registers = states_.at(call);
    Forget(&registers);
    registers.Set(0, result);
    Enter(call + 1, registers);
  }

  // What a call leaves behind.
  static void Forget(Registers* registers) {
    for (unsigned number = 0; number <= 5; ++number) registers->Set(number, std::nullopt);
  }

  void Step(InsnIndex at, const OpcodeInfo& info, Registers* registers) {
    const Instruction& insn = code_[at.value];
    switch (info.form) {
      case OperandForm::kAluImm:
        return Compute(insn, SignExtended(insn.imm), registers);
      case OperandForm::kAluReg:
        return Compute(insn, registers->Get(insn.src), registers);
      case OperandForm::kMoveReg:
        if (insn.offset != 0) return registers->Set(insn.dst, std::nullopt);
        return Compute(insn, registers->Get(insn.src), registers);
      case OperandForm::kLoadImm64:
        return LoadImm64(at, registers);
      case OperandForm::kCall:
      case OperandForm::kPacketAbsolute:
      case OperandForm::kPacketIndirect:
        return Forget(registers);
      case OperandForm::kAtomic:
        registers->Set(insn.src, std::nullopt);
        return registers->Set(0, std::nullopt);
      case OperandForm::kStoreImm:
      case OperandForm::kStoreReg:
        return;
      default:
        return registers->Set(insn.dst, std::nullopt);
    }
  }

  static void Compute(const Instruction& insn, Constant right, Registers* registers) {
    Constant left = registers->Get(insn.dst);
    if (isa::OperationOf(insn.opcode) == 0xb0) left = 0;  // mov
    registers->Set(insn.dst, left && right ? verifier::Compute(insn.opcode, *left, *right) : Constant());
  }

  void LoadImm64(InsnIndex at, Registers* registers) {
    const Instruction& insn = code_[at.value];
    if (isa::IsFunctionReference(insn, OperandForm::kLoadImm64)) {
      // A callback: some helper calls it, with anything.
      Enter(isa::TargetOf(insn, at, OperandForm::kLoadImm64), Registers());
    }
    const bool is_number = insn.src == static_cast<std::uint8_t>(isa::PseudoLoad::kNone);
    registers->Set(insn.dst, is_number ? Constant(isa::Imm64(insn, code_[at.value + 1])) : Constant());
  }

  std::size_t FunctionAt(std::int64_t slot) const {
    const auto begins_after = [](std::int64_t wanted, const FunctionFacts& facts) {
      return wanted < facts.begin.value;
    };
    const auto next = std::upper_bound(functions_.begin(), functions_.end(), slot, begins_after);
    return static_cast<std::size_t>(next - functions_.begin()) - 1;
  }

  std::span<const Instruction> code_;
  const std::vector<FunctionFacts>& functions_;
  std::vector<bool> reached_;
  std::vector<bool> is_start_;                            // a jump, call or return leads here
  std::unordered_map<std::uint32_t, Registers> entries_;  // by start
  std::unordered_map<std::uint32_t, Registers> states_;   // before each reached function call
  std::vector<Outcome> results_;                          // by function
  std::vector<std::vector<std::uint32_t>> callers_;       // by function; sorted
  std::vector<std::uint32_t> pending_;
};

bool IsUnavailable(const Instruction& insn, bool (*helper_known)(std::uint32_t)) {
  if (insn.opcode != static_cast<std::uint8_t>(isa::Opcode::kCall)) return false;
  if (insn.src == static_cast<std::uint8_t>(isa::PseudoCall::kKfunc)) return true;
  return insn.src == static_cast<std::uint8_t>(isa::PseudoCall::kHelper) &&
         !helper_known(static_cast<std::uint32_t>(insn.imm));
}

}  // namespace

Result<void> RemoveDeadCalls(std::span<Instruction> code, bool (*helper_known)(std::uint32_t id)) {
  const auto is_unavailable = [&](const Instruction& insn) { return IsUnavailable(insn, helper_known); };
  if (std::none_of(code.begin(), code.end(), is_unavailable)) return {};
  const auto functions = STRATA_TRY(FindFunctions(code));
  ReachableCode reachable(code, functions);
  reachable.Follow();
  for (std::size_t slot = 0; slot < code.size(); slot += isa::SlotCount(code[slot])) {
    if (!is_unavailable(code[slot]) || reachable.IsReached(slot)) continue;
    code[slot] = Instruction{.opcode = static_cast<std::uint8_t>(isa::Opcode::kMov64Imm)};
  }
  return {};
}

}  // namespace strata::verifier
