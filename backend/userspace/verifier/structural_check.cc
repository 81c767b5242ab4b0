#include "strata/backend/userspace/verifier/structural_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "strata/backend/userspace/verifier/absent_helpers.h"
#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::verifier {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpcodeInfo;
using isa::OperandForm;
using isa::PseudoLoad;

constexpr std::uint32_t kTailCall = 12;

// Of the callers of a function that makes a tail call, which leaves their frames where they are.
constexpr std::uint32_t kMaxStackBelowTailCall = 256;

Error At(InsnIndex at, ErrorCode code, std::string_view message) {
  return Error(code, fmt::format("instruction {}: {}", at.value, message));
}
Error Rejected(InsnIndex at, std::string_view message) { return At(at, ErrorCode::kVerifierRejected, message); }

Error UnknownHelper(InsnIndex at, std::uint32_t number) {
  const AbsentHelper* absent = FindAbsentHelper(number);
  const std::string what = absent == nullptr ? fmt::format("helper #{}", number)
                                             : fmt::format("helper bpf_{}: {}", absent->name, absent->reason);
  return At(at, ErrorCode::kNotSupported,
            fmt::format("{}{} not on the userspace backend", what, absent == nullptr ? ":" : ","));
}

void InsertSorted(std::vector<std::uint32_t>& numbers, std::uint32_t number) {
  const auto place = std::lower_bound(numbers.begin(), numbers.end(), number);
  if (place == numbers.end() || *place != number) numbers.insert(place, number);
}

// Program types that get packets and may use ld_abs and ld_ind (kernel/bpf/verifier.c, may_access_skb()).
bool MayLoadPacket(ProgramType type) {
  return type == ProgramType::kSocketFilter || type == ProgramType::kSchedCls || type == ProgramType::kSchedAct;
}

class StructureChecker {
 public:
  StructureChecker(std::span<const Instruction> code, ProgramType type, bool (*helper_known)(std::uint32_t),
                   std::size_t map_count, std::size_t function_count, bool has_arena)
      : code_(code),
        type_(type),
        helper_known_(helper_known),
        map_count_(map_count),
        function_count_(function_count),
        has_arena_(has_arena) {}

  Result<StructuralFacts> Check() {
    if (code_.size() > kMaxInstructions) {
      return Error(ErrorCode::kVerifierRejected,
                   fmt::format("{} instructions, more than the limit of {}", code_.size(), kMaxInstructions));
    }
    facts_.functions = STRATA_TRY(FindFunctions(code_));
    calls_.resize(facts_.functions.size());
    tail_calls_.resize(facts_.functions.size());
    for (std::uint32_t function = 0; function < facts_.functions.size(); ++function) {
      STRATA_TRY(CheckReachable(facts_.functions[function]));
      STRATA_TRY(CheckInstructions(function));
    }
    STRATA_TRY(CheckCallGraph());
    STRATA_TRY(CheckTailCalls());
    return std::move(facts_);
  }

 private:
  struct CallChain {
    enum State : std::uint8_t { kNew, kActive, kDone } state = kNew;
    std::uint32_t depth = 0;        // frames
    std::uint32_t stack_bytes = 0;  // of these frames
  };
  struct CallSite {
    std::uint32_t callee;  // position in facts_.functions
    InsnIndex at;
  };

  Result<void> CheckReachable(const FunctionFacts& function);
  Result<void> CheckInstructions(std::uint32_t function);
  Result<void> CheckInstruction(std::uint32_t function, InsnIndex at, const OpcodeInfo& info);
  Result<void> CheckConstant(InsnIndex at, const OpcodeInfo& info) const;
  Result<void> CheckLoadImm64(InsnIndex at);
  Result<void> CheckCall(std::uint32_t function, InsnIndex at);
  Result<void> CheckCallGraph();
  Result<void> CheckTailCalls();
  Result<void> Walk(std::uint32_t function, std::vector<CallChain>& chains, std::uint32_t depth);
  void AddCall(std::uint32_t function, InsnIndex at, std::int64_t target);

  std::span<const Instruction> code_;
  ProgramType type_;
  bool (*helper_known_)(std::uint32_t);
  std::size_t map_count_;
  std::size_t function_count_;
  bool has_arena_;
  StructuralFacts facts_;
  std::vector<std::vector<CallSite>> calls_;          // by caller
  std::vector<std::optional<InsnIndex>> tail_calls_;  // by function, one that it makes
};

Result<void> StructureChecker::CheckReachable(const FunctionFacts& function) {
  std::vector<bool> seen(function.end.value - function.begin.value);
  std::vector<std::uint32_t> pending{function.begin.value};
  const auto visit = [&](std::int64_t slot) {
    const auto position = static_cast<std::size_t>(slot - function.begin.value);
    if (seen[position]) return;
    seen[position] = true;
    pending.push_back(static_cast<std::uint32_t>(slot));
  };
  seen[0] = true;
  while (!pending.empty()) {
    const InsnIndex at{pending.back()};
    pending.pop_back();
    const Instruction& insn = code_[at.value];
    const OperandForm form = isa::FindOpcode(insn.opcode)->form;
    if (isa::IsJump(form)) visit(isa::TargetOf(insn, at, form));
    if (!isa::EndsFlow(form)) visit(at.value + isa::SlotCount(insn));
  }
  for (InsnIndex at = function.begin; at < function.end; at.value += isa::SlotCount(code_[at.value])) {
    if (!seen[at.value - function.begin.value]) {
      return Error(ErrorCode::kVerifierRejected, fmt::format("unreachable insn {}", at.value));
    }
  }
  return {};
}

Result<void> StructureChecker::CheckInstructions(std::uint32_t function) {
  const FunctionFacts& facts = facts_.functions[function];
  for (InsnIndex at = facts.begin; at < facts.end; at.value += isa::SlotCount(code_[at.value])) {
    STRATA_TRY(CheckInstruction(function, at, *isa::FindOpcode(code_[at.value].opcode)));
  }
  return {};
}

Result<void> StructureChecker::CheckInstruction(std::uint32_t function, InsnIndex at, const OpcodeInfo& info) {
  const Instruction& insn = code_[at.value];
  if (isa::IsFunctionCall(insn, info.form) || isa::IsFunctionReference(insn, info.form)) {
    AddCall(function, at, isa::TargetOf(insn, at, info.form));
  }
  if (isa::IsJump(info.form) && isa::TargetOf(insn, at, info.form) <= at.value) facts_.has_backward_jumps = true;
  if (info.form == OperandForm::kPacketAbsolute || info.form == OperandForm::kPacketIndirect) {
    if (!MayLoadPacket(type_)) {
      return Rejected(at, "BPF_LD_[ABS|IND] instructions not allowed for this program type");
    }
    return At(at, ErrorCode::kNotSupported, "packet loads: not on the userspace backend");
  }
  if (info.form == OperandForm::kLoadImm64) return CheckLoadImm64(at);
  if (info.form == OperandForm::kCall) return CheckCall(function, at);
  return CheckConstant(at, info);
}

// Constants for which the operation has no useful result; the kernel refuses them.
Result<void> StructureChecker::CheckConstant(InsnIndex at, const OpcodeInfo& info) const {
  const Instruction& insn = code_[at.value];
  if (info.form == OperandForm::kDivisionImm && insn.imm == 0) return Rejected(at, "div by zero");
  if (info.form == OperandForm::kMoveReg && insn.offset == 1 && !has_arena_) {
    return Rejected(at, "addr_space_cast insn can only be used in a program that has an associated arena");
  }
  const int bits = info.op_class == isa::OpClass::kAlu64 ? 64 : 32;
  const std::uint8_t operation = isa::OperationOf(insn.opcode);
  const bool is_shift = operation == 0x60 || operation == 0x70 || operation == 0xc0;  // lsh, rsh, arsh
  if (info.form == OperandForm::kAluImm && is_shift && (insn.imm < 0 || insn.imm >= bits)) {
    return Rejected(at, fmt::format("invalid shift {}", insn.imm));
  }
  return {};
}

Result<void> StructureChecker::CheckLoadImm64(InsnIndex at) {
  const Instruction& insn = code_[at.value];
  switch (static_cast<PseudoLoad>(insn.src)) {
    case PseudoLoad::kNone:
      return {};
    case PseudoLoad::kFunction:
      facts_.uses_callbacks = true;
      return {};
    case PseudoLoad::kMapIndex:
    case PseudoLoad::kMapIndexValue:
      if (static_cast<std::uint32_t>(insn.imm) >= map_count_) {
        return Rejected(
            at, fmt::format("map {}: the program has {} maps", static_cast<std::uint32_t>(insn.imm), map_count_));
      }
      InsertSorted(facts_.maps, static_cast<std::uint32_t>(insn.imm));
      return {};
    case PseudoLoad::kMapFd:
    case PseudoLoad::kMapValue:
      return Rejected(at, "map given by descriptor: expected its position in the program's map table");
    case PseudoLoad::kBtfId:
      return At(at, ErrorCode::kNotSupported, "kernel variables: not on the userspace backend");
  }
  return {};
}

Result<void> StructureChecker::CheckCall(std::uint32_t function, InsnIndex at) {
  const Instruction& insn = code_[at.value];
  if (insn.src == static_cast<std::uint8_t>(isa::PseudoCall::kFunction)) return {};
  const auto number = static_cast<std::uint32_t>(insn.imm);
  if (insn.src == static_cast<std::uint8_t>(isa::PseudoCall::kKfunc)) {
    if (number < function_count_) return {};
    return At(at, ErrorCode::kNotSupported, fmt::format("kernel function #{}: not on the userspace backend", number));
  }
  if (!helper_known_(number)) {
    return UnknownHelper(at, number);
  }
  InsertSorted(facts_.helpers, number);
  if (number == kTailCall) tail_calls_[function] = at;
  return {};
}

void StructureChecker::AddCall(std::uint32_t function, InsnIndex at, std::int64_t target) {
  const auto begins_at = [](const FunctionFacts& facts, std::int64_t slot) { return facts.begin.value < slot; };
  const auto callee = std::lower_bound(facts_.functions.begin(), facts_.functions.end(), target, begins_at);
  calls_[function].push_back({static_cast<std::uint32_t>(callee - facts_.functions.begin()), at});
}

Result<void> StructureChecker::Walk(std::uint32_t function, std::vector<CallChain>& chains, std::uint32_t depth) {
  CallChain& chain = chains[function];
  chain.state = CallChain::kActive;
  std::uint32_t below_depth = 0;
  std::uint32_t below_stack = 0;
  for (const CallSite& call : calls_[function]) {
    const CallChain& callee = chains[call.callee];
    if (callee.state == CallChain::kActive) return Rejected(call.at, "recursive call");
    if (depth + 1 > isa::kMaxCallDepth) {
      return Rejected(call.at, fmt::format("the call stack of {} frames is too deep", depth + 1));
    }
    if (callee.state == CallChain::kNew) STRATA_TRY(Walk(call.callee, chains, depth + 1));
    below_depth = std::max(below_depth, callee.depth);
    below_stack = std::max(below_stack, callee.stack_bytes);
  }
  chain.depth = below_depth + 1;
  chain.stack_bytes = below_stack + facts_.functions[function].stack_bytes;
  chain.state = CallChain::kDone;
  if (depth + below_depth > isa::kMaxCallDepth) {
    return Rejected(facts_.functions[function].begin,
                    fmt::format("the call stack of {} frames is too deep", depth + below_depth));
  }
  return {};
}

Result<void> StructureChecker::CheckCallGraph() {
  std::vector<CallChain> chains(facts_.functions.size());
  STRATA_TRY(Walk(0, chains, 1));
  facts_.call_depth = chains[0].depth;
  facts_.stack_bytes = chains[0].stack_bytes;
  for (std::size_t function = 0; function < chains.size(); ++function) {
    if (chains[function].state == CallChain::kNew) {
      return Error(ErrorCode::kVerifierRejected,
                   fmt::format("unreachable insn {}", facts_.functions[function].begin.value));
    }
  }
  return {};
}

// check_max_stack_depth_subprog; and callbacks, which the kernel refuses in other words, since a helper is their
// caller.
Result<void> StructureChecker::CheckTailCalls() {
  struct Above {
    std::uint32_t stack_bytes = 0;  // of the callers, as far as they are known, rounded as the kernel's compiler does
    bool is_callback = false;       // one of them is one, or it is one itself
  };
  std::vector<Above> above(facts_.functions.size());
  for (std::size_t i = 0; i < above.size(); ++i) above[i].is_callback = facts_.functions[i].is_callback;
  for (bool has_changed = true; has_changed;) {  // as often as the longest chain is long: there is no cycle
    has_changed = false;
    for (std::size_t caller = 0; caller < calls_.size(); ++caller) {
      const std::uint32_t stack =
          above[caller].stack_bytes + (facts_.functions[caller].reached_stack_bytes + 15) / 16 * 16;
      for (const CallSite& call : calls_[caller]) {
        Above& callee = above[call.callee];
        if (callee.stack_bytes >= stack && callee.is_callback >= above[caller].is_callback) continue;
        callee = {std::max(callee.stack_bytes, stack), callee.is_callback || above[caller].is_callback};
        has_changed = true;
      }
    }
  }
  for (std::size_t i = 0; i < above.size(); ++i) {
    if (!tail_calls_[i]) continue;
    if (above[i].is_callback) return Rejected(*tail_calls_[i], "cannot tail call within callback");
    if (i == 0 || above[i].stack_bytes < kMaxStackBelowTailCall) continue;
    return Rejected(*tail_calls_[i],
                    fmt::format("tail_calls are not allowed when call stack of previous frames is {} bytes. Too large",
                                above[i].stack_bytes));
  }
  return {};
}

}  // namespace

Result<StructuralFacts> CheckStructure(std::span<const Instruction> code, ProgramType type,
                                       bool (*helper_known)(std::uint32_t id), std::size_t map_count,
                                       std::size_t function_count, bool has_arena) {
  return StructureChecker(code, type, helper_known, map_count, function_count, has_arena).Check();
}

}  // namespace strata::verifier
