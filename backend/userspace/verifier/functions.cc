#include "strata/backend/userspace/verifier/functions.h"

#include <fmt/format.h>

#include <algorithm>

#include "frame_size.h"
#include "strata/isa/decode.h"

namespace strata::verifier {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OperandForm;

Error Rejected(std::string message) { return Error(ErrorCode::kVerifierRejected, std::move(message)); }

class FunctionFinder {
 public:
  explicit FunctionFinder(std::span<const Instruction> code)
      : code_(code),
        is_start_(code.size()),
        is_target_(code.size()),
        is_function_(code.size()),
        is_callback_(code.size()) {}

  Result<std::vector<FunctionFacts>> Find() {
    if (code_.empty()) return Rejected("no instructions");
    is_function_[0] = true;
    STRATA_TRY(Decode());
    STRATA_TRY(CollectFunctions());
    std::vector<FunctionFacts> functions = SplitFunctions();
    for (FunctionFacts& function : functions) {
      STRATA_TRY(CheckFlow(function));
      const FrameBytes frame = STRATA_TRY(FrameSize(code_, function.begin, function.end, is_target_));
      function.stack_bytes = frame.reserved;
      function.reached_stack_bytes = frame.reached;
    }
    return functions;
  }

 private:
  Result<void> Decode() {
    for (InsnIndex at; at.value < code_.size(); at.value += isa::SlotCount(code_[at.value])) {
      Result<const isa::OpcodeInfo*> info = isa::DecodeInstruction(code_, at);
      if (!info) return Rejected(info.error().message());
      is_start_[at.value] = true;
    }
    return {};
  }

  template <typename Visit>
  Result<void> ForEach(InsnIndex begin, InsnIndex end, Visit visit) const {
    for (InsnIndex at = begin; at < end; at.value += isa::SlotCount(code_[at.value])) {
      STRATA_TRY(visit(at, isa::FindOpcode(code_[at.value].opcode)->form));
    }
    return {};
  }

  InsnIndex end() const { return InsnIndex{static_cast<std::uint32_t>(code_.size())}; }

  Result<void> CollectFunctions() {
    return ForEach(InsnIndex{0}, end(), [this](InsnIndex at, OperandForm form) -> Result<void> {
      const Instruction& insn = code_[at.value];
      const bool is_reference = isa::IsFunctionReference(insn, form);
      if (!is_reference && !isa::IsFunctionCall(insn, form)) return {};
      const std::int64_t target = isa::TargetOf(insn, at, form);
      if (target < 0 || target >= std::ssize(code_) || !is_start_[static_cast<std::size_t>(target)]) {
        return Rejected(fmt::format("instruction {}: call to invalid destination {}", at.value, target));
      }
      is_function_[static_cast<std::size_t>(target)] = true;
      if (is_reference) is_callback_[static_cast<std::size_t>(target)] = true;
      return {};
    });
  }

  std::vector<FunctionFacts> SplitFunctions() const {
    std::vector<FunctionFacts> functions;
    for (std::uint32_t slot = 0; slot < code_.size(); ++slot) {
      if (!is_function_[slot]) continue;
      if (!functions.empty()) functions.back().end = InsnIndex{slot};
      functions.push_back({.begin = InsnIndex{slot}, .end = end(), .is_callback = is_callback_[slot]});
    }
    return functions;
  }

  Result<void> CheckFlow(const FunctionFacts& function) {
    bool ends_flow = false;
    InsnIndex last;
    STRATA_TRY(ForEach(function.begin, function.end, [&](InsnIndex at, OperandForm form) -> Result<void> {
      ends_flow = isa::EndsFlow(form);
      last = at;
      if (!isa::IsJump(form)) return {};
      const std::int64_t target = isa::TargetOf(code_[at.value], at, form);
      if (target < function.begin.value || target >= function.end.value) {
        return Rejected(fmt::format("jump out of range from insn {} to {}", at.value, target));
      }
      if (!is_start_[static_cast<std::size_t>(target)]) {
        return Rejected(fmt::format("jump into the middle of ldimm64 from insn {} to {}", at.value, target));
      }
      is_target_[static_cast<std::size_t>(target)] = true;
      return {};
    }));
    if (!ends_flow) return Rejected(fmt::format("instruction {}: last insn is not an exit or jmp", last.value));
    return {};
  }

  std::span<const Instruction> code_;
  std::vector<bool> is_start_;  // by slot: an instruction begins here
  std::vector<bool> is_target_;
  std::vector<bool> is_function_;
  std::vector<bool> is_callback_;
};

}  // namespace

Result<std::vector<FunctionFacts>> FindFunctions(std::span<const Instruction> code) {
  return FunctionFinder(code).Find();
}

}  // namespace strata::verifier
