#include "frame_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::verifier {
namespace {

using isa::Instruction;
using isa::OpClass;
using isa::Opcode;
using isa::OperandForm;

// What a register holds, as far as this function's frame is concerned.
struct Value {
  enum Kind : std::uint8_t {
    kOther,    // no address of the frame
    kUnknown,  // perhaps an address of the frame
    kFrame,    // R10 + offset
  };
  Kind kind = kOther;
  std::int64_t offset = 0;
};

class FrameTracker {
 public:
  explicit FrameTracker(std::span<const Instruction> code) : code_(code) {
    values_[isa::kFrameRegister] = {Value::kFrame, 0};
  }

  // Control may come from elsewhere: nothing is known but R10.
  void EnterBlock() {
    LeaveBlock();
    for (int i = 0; i < isa::kFrameRegister; ++i) values_[i] = {Value::kUnknown, 0};
  }

  void LeaveBlock() {
    const auto is_frame = [](const Value& value) { return value.kind == Value::kFrame; };
    if (std::any_of(values_.begin(), values_.begin() + isa::kFrameRegister, is_frame)) escapes_ = true;
  }

  Result<void> Step(isa::InsnIndex at, const isa::OpcodeInfo& info);

  FrameBytes frame_bytes() const {
    const auto reached = static_cast<std::uint32_t>((depth_ + 7) / 8 * 8);
    const bool escapes_function = gives_frame_ && (calls_function_ || has_callback_);
    const bool is_unbounded =
        escapes_ && (moves_unknown_down_ || (gives_unknown_ && (calls_function_ || has_callback_)));
    return {escapes_function || is_unbounded ? std::uint32_t{isa::kStackBytes} : reached, reached};
  }

 private:
  void Set(int reg, Value value) {
    values_[reg] = value;
    if (value.kind == Value::kFrame) Reach(value.offset);
  }
  void Reach(std::int64_t offset) {
    depth_ = std::max<std::int64_t>(depth_, std::min<std::int64_t>(-offset, isa::kStackBytes));
  }
  void StepArithmetic(const Instruction& insn, const isa::OpcodeInfo& info);
  void StepCall(const Instruction& insn);
  Result<void> StepAccess(isa::InsnIndex at, int base, std::string_view verb);

  std::span<const Instruction> code_;
  std::array<Value, 16> values_{};
  std::int64_t depth_ = 0;
  bool escapes_ = false;  // an address of the frame outlives its block, or lies in memory
  bool moves_unknown_down_ =
      false;                  // what may be an address of the frame is moved by something else than a positive constant
  bool gives_frame_ = false;  // a call gets an address of the frame
  bool gives_unknown_ = false;  // a call gets what may be one
  bool calls_function_ = false;
  bool has_callback_ = false;
};

void FrameTracker::StepArithmetic(const Instruction& insn, const isa::OpcodeInfo& info) {
  Value& dst = values_[insn.dst];
  const bool is_register = isa::UsesSourceRegister(insn.opcode);
  const Value src = is_register ? values_[insn.src] : Value{};
  const auto opcode = static_cast<Opcode>(insn.opcode);
  if (opcode == Opcode::kMov64Reg && insn.offset == 0) return Set(insn.dst, src);
  const bool is_move = isa::OperationOf(insn.opcode) == isa::OperationOf(static_cast<std::uint8_t>(Opcode::kMov64Imm));
  if (info.op_class != OpClass::kAlu64 || is_move) return Set(insn.dst, {});  // half an address is none

  const bool is_sum = opcode == Opcode::kAdd64Imm || opcode == Opcode::kSub64Imm;
  const std::int64_t step = opcode == Opcode::kSub64Imm ? -std::int64_t{insn.imm} : insn.imm;
  if (is_sum && dst.kind == Value::kFrame) return Set(insn.dst, {Value::kFrame, dst.offset + step});
  if (is_sum && step >= 0) return;
  if (dst.kind == Value::kOther && src.kind != Value::kFrame) return;
  if (dst.kind == Value::kFrame || src.kind == Value::kFrame) escapes_ = true;
  moves_unknown_down_ = true;
  dst = {Value::kUnknown, 0};
}

void FrameTracker::StepCall(const Instruction& insn) {
  if (insn.src == static_cast<std::uint8_t>(isa::PseudoCall::kFunction)) calls_function_ = true;
  for (int reg = 1; reg <= 5; ++reg) {
    gives_frame_ = gives_frame_ || values_[reg].kind == Value::kFrame;
    gives_unknown_ = gives_unknown_ || values_[reg].kind == Value::kUnknown;
  }
  for (int reg = 0; reg <= 5; ++reg) values_[reg] = {};
}

Result<void> FrameTracker::StepAccess(isa::InsnIndex at, int base, std::string_view verb) {
  const Instruction& insn = code_[at.value];
  if (values_[base].kind == Value::kUnknown && insn.offset < 0) moves_unknown_down_ = true;
  if (values_[base].kind != Value::kFrame) return {};
  const std::int64_t offset = values_[base].offset + insn.offset;
  const int size = isa::AccessBytes(insn.opcode);
  if (offset < -isa::kStackBytes || offset > -size) {
    return Error(ErrorCode::kVerifierRejected, fmt::format("instruction {}: invalid {} stack R{} off={} size={}",
                                                           at.value, verb, base, offset, size));
  }
  Reach(offset);
  return {};
}

Result<void> FrameTracker::Step(isa::InsnIndex at, const isa::OpcodeInfo& info) {
  const Instruction& insn = code_[at.value];
  switch (info.form) {
    case OperandForm::kAluImm:
    case OperandForm::kAluReg:
    case OperandForm::kDivisionImm:
    case OperandForm::kDivisionReg:
    case OperandForm::kMoveReg:
    case OperandForm::kUnary:
    case OperandForm::kByteOrder:
      StepArithmetic(insn, info);
      return {};
    case OperandForm::kLoad:
      STRATA_TRY(StepAccess(at, insn.src, "read from"));
      values_[insn.dst] = {Value::kUnknown, 0};
      return {};
    case OperandForm::kStoreReg:
      if (values_[insn.src].kind == Value::kFrame) escapes_ = true;
      return StepAccess(at, insn.dst, "write to");
    case OperandForm::kStoreImm:
      return StepAccess(at, insn.dst, "write to");
    case OperandForm::kAtomic: {
      const bool is_load = static_cast<isa::AtomicOp>(insn.imm) == isa::AtomicOp::kLoadAcquire;
      STRATA_TRY(StepAccess(at, is_load ? insn.src : insn.dst, is_load ? "read from" : "write to"));
      if (!is_load && values_[insn.src].kind == Value::kFrame) escapes_ = true;
      if (is_load) values_[insn.dst] = {Value::kUnknown, 0};
      if ((insn.imm & 1) != 0) values_[insn.src] = values_[0] = {Value::kUnknown, 0};
      return {};
    }
    case OperandForm::kLoadImm64:
      has_callback_ = has_callback_ || isa::IsFunctionReference(insn, info.form);
      Set(insn.dst, {});
      return {};
    case OperandForm::kCall:
      StepCall(insn);
      return {};
    case OperandForm::kPacketAbsolute:
    case OperandForm::kPacketIndirect:
      for (int reg = 0; reg <= 5; ++reg) values_[reg] = {};
      return {};
    case OperandForm::kJump:
    case OperandForm::kJumpLong:
    case OperandForm::kBranchImm:
    case OperandForm::kBranchReg:
    case OperandForm::kMayGoto:
      LeaveBlock();
      return {};
    case OperandForm::kExit:
      return {};
  }
  return {};
}

}  // namespace

Result<FrameBytes> FrameSize(std::span<const Instruction> code, isa::InsnIndex begin, isa::InsnIndex end,
                             const std::vector<bool>& is_target) {
  FrameTracker tracker(code);
  for (isa::InsnIndex at = begin; at < end; at.value += isa::SlotCount(code[at.value])) {
    if (is_target[at.value]) tracker.EnterBlock();
    STRATA_TRY(tracker.Step(at, *isa::FindOpcode(code[at.value].opcode)));
  }
  return tracker.frame_bytes();
}

}  // namespace strata::verifier
