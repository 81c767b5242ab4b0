#include "translator.h"

#include <cassert>

#include "translation.h"

namespace strata::compile::x86 {

Translator::Translator(const CompileInput& input, const ProgramScan& scan)
    : input_(input),
      code_(input.instructions),
      scan_(scan),
      out_(static_cast<std::uint32_t>(input.instructions.size())),
      run_(scan.calls || scan.has_callbacks ? Reg::r12 : Reg::r9),
      tail_entry_(out_.NewLabel()),
      needs_slot_(out_.NewLabel()),
      has_slot_(out_.NewLabel()),
      end_run_entry_(out_.NewLabel()),
      end_run_inner_(out_.NewLabel()),
      end_run_callback_(out_.NewLabel()),
      thunk_(out_.NewLabel()) {
  for (std::size_t i = 0; i < scan.functions.size(); ++i) entries_.push_back(out_.NewLabel());
}

CompiledImage Translator::Translate() {
  for (const ScannedFunction& function : scan_.functions) TranslateFunction(function);
  EmitRunEnds();
  if (input_.uses_slot) EmitSlotLease();
  if (scan_.has_callbacks) EmitCallbackThunk();
  Code code = out_.Finish();
  CompiledImage image;
  image.code = std::move(code.bytes);
  image.entry_offset = code.label_offsets[entries_.front().id];
  image.tail_entry_offset = code.label_offsets[tail_entry_.id];
  image.callback_offset = scan_.has_callbacks ? code.label_offsets[thunk_.id] : 0;
  image.relocations = std::move(code.relocations);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto offset = static_cast<std::uint32_t>(code.label_offsets[entries_[i].id]);
    image.functions.push_back({scan_.functions[i].facts.begin.value, offset});
  }
  return image;
}

void Translator::TranslateFunction(const ScannedFunction& function) {
  function_ = &function;
  is_entry_ = &function == &scan_.functions.front();
  frame_ = LayOutFrame(function);
  if (is_entry_) entry_frame_ = frame_;
  EmitPrologue();
  known_arena_place_ = {};
  for (InsnIndex at = function.facts.begin; at < function.facts.end;) {
    const Instruction& insn = code_[at.value];
    const OperandForm form = isa::FindOpcode(insn.opcode)->form;
    if ((scan_.flags[at.value] & scan_flags::kTarget) != 0) known_arena_place_ = {};
    const std::uint32_t slots = TranslateInstruction(at);
    if (IsGuardedLoad(input_, at.value) || (!IsArenaAccess(input_, at.value) && !KeepsArenaPlace(insn, form)))
      known_arena_place_ = {};
    at.value += slots;
  }
  EmitUnknownMaps();
  EmitMisses();
  EmitArenaHelperCalls();
}

std::uint32_t Translator::TranslateInstruction(InsnIndex at) {
  const Instruction& insn = code_[at.value];
  const OpcodeInfo& info = *isa::FindOpcode(insn.opcode);
  out_.Bind(Label{at.value});
  if ((scan_.flags[at.value] & scan_flags::kSkip) != 0) return isa::SlotCount(insn);
  switch (info.form) {
    case OperandForm::kAluImm:
      return AluImmediate(at, info);
    case OperandForm::kAluReg:
      AluRegister(insn, info);
      return 1;
    case OperandForm::kDivisionImm:
    case OperandForm::kDivisionReg:
      Divide(insn, WidthOf(info));
      return 1;
    case OperandForm::kMoveReg:
      return Move(at, WidthOf(info));
    case OperandForm::kUnary:
      out_.UnaryOp(Unary::kNeg, WidthOf(info), Dst(insn));
      return 1;
    case OperandForm::kByteOrder:
      SwapByteOrder(insn);
      return 1;
    case OperandForm::kJump:
    case OperandForm::kJumpLong:
      JumpTo(at, isa::TargetOf(insn, at, info.form));
      return 1;
    case OperandForm::kBranchImm:
    case OperandForm::kBranchReg:
      Branch(at, info);
      return 1;
    case OperandForm::kMayGoto:
      MayGoto(at);
      return 1;
    case OperandForm::kCall:
      return Call(at);
    case OperandForm::kExit:
      EmitEpilogue();
      return 1;
    case OperandForm::kLoad:
    case OperandForm::kStoreImm:
    case OperandForm::kStoreReg:
      if (IsGuardedLoad(input_, at.value)) {
        GuardedLoad(insn);
      } else if (IsArenaAccess(input_, at.value)) {
        ArenaAccess(at, info.form);
      } else {
        LoadOrStore(insn, info.form, PlaceOf(insn, info.form));
      }
      return 1;
    case OperandForm::kAtomic:
      if (IsArenaAccess(input_, at.value)) {
        ArenaAccess(at, info.form);
      } else {
        AtomicAccess(insn, PlaceOf(insn, info.form));
      }
      return 1;
    case OperandForm::kLoadImm64:
      return LoadImmediate64(at);
    case OperandForm::kPacketAbsolute:
    case OperandForm::kPacketIndirect:
      break;
  }
  assert(false && "refused by ScanProgram");
  return 1;
}

CompiledImage Translate(const CompileInput& input, const ProgramScan& scan) {
  return Translator(input, scan).Translate();
}

}  // namespace strata::compile::x86
