#include "strata/backend/userspace/verifier/arena_accesses.h"

#include "pointer_flow.h"
#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::verifier {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpClass;
using isa::OpcodeInfo;
using isa::OperandForm;

constexpr std::int32_t kFromUserSpace = 1;  // address space 1 to 0: bpf_addr_space_cast's imm
constexpr std::uint8_t kMov32Reg = static_cast<std::uint8_t>(isa::Opcode::kMov32Reg);

bool IsCast(const Instruction& insn, OperandForm form) { return form == OperandForm::kMoveReg && insn.offset == 1; }

class AccessFinder : public PointerFlow {
 public:
  AccessFinder(std::span<const Instruction> code, std::span<const FunctionFacts> facts)
      : PointerFlow(code, facts, false), accesses_(code.size()), narrows_(code.size()) {}

  std::vector<std::uint8_t> TakeAccesses() { return std::move(accesses_); }
  // Arithmetic on a pointer.
  bool Narrows(std::size_t at) const { return narrows_[at]; }

 private:
  void Step(InsnIndex at, OperandForm form, Pointers& pointers) override;
  // What is called gives numbers, until they are cast.
  bool ReturnsPointer(InsnIndex /*at*/, const Pointers& /*pointers*/) override { return false; }
  void Load(InsnIndex at, Pointers& pointers);
  void Store(InsnIndex at, Pointers& pointers);
  void Atomic(InsnIndex at, Pointers& pointers);
  static void Move(const Instruction& insn, Pointers& pointers);
  void Compute(InsnIndex at, OperandForm form, Pointers& pointers);

  std::vector<std::uint8_t> accesses_;
  std::vector<bool> narrows_;
};

void AccessFinder::Step(InsnIndex at, OperandForm form, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  switch (form) {
    case OperandForm::kLoad:
      return Load(at, pointers);
    case OperandForm::kStoreReg:
    case OperandForm::kStoreImm:
      return Store(at, pointers);
    case OperandForm::kAtomic:
      return Atomic(at, pointers);
    case OperandForm::kMoveReg:
      return Move(insn, pointers);
    case OperandForm::kAluImm:
    case OperandForm::kAluReg:
    case OperandForm::kDivisionImm:
    case OperandForm::kDivisionReg:
    case OperandForm::kUnary:
      return Compute(at, form, pointers);
    case OperandForm::kLoadImm64:
      return pointers.Set(insn.dst, false);  // what user space sees, of globals
    default:
      return;
  }
}

// What comes out of other memory than the frame is a number, until it is cast.
void AccessFinder::Load(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  if (pointers.Has(insn.src)) accesses_[at.value] = 1;
  pointers.Set(insn.dst, insn.src == isa::kFrameRegister && (pointers.frame & FrameBit(insn)) != 0);
}

void AccessFinder::Store(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  if (pointers.Has(insn.dst)) accesses_[at.value] = 1;
  if (insn.dst != isa::kFrameRegister) return;
  const bool holds = isa::FindOpcode(insn.opcode)->form == OperandForm::kStoreReg && pointers.Has(insn.src);
  const std::uint64_t bit = FrameBit(insn);
  pointers.frame = holds ? pointers.frame | bit : pointers.frame & ~bit;
}

void AccessFinder::Atomic(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  const bool is_load = static_cast<isa::AtomicOp>(insn.imm) == isa::AtomicOp::kLoadAcquire;
  if (pointers.Has(is_load ? insn.src : insn.dst)) accesses_[at.value] = 1;
  ForgetFetched(insn, pointers);
}

void AccessFinder::Move(const Instruction& insn, Pointers& pointers) {
  if (insn.offset == 1) return pointers.Set(insn.dst, insn.imm == kFromUserSpace);
  const bool is_copy = isa::ClassOf(insn.opcode) == OpClass::kAlu64 && insn.offset == 0;
  pointers.Set(insn.dst, is_copy && pointers.Has(insn.src));
}

void AccessFinder::Compute(InsnIndex at, OperandForm form, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  if (form == OperandForm::kAluImm && isa::OperationOf(insn.opcode) == 0xb0) return pointers.Set(insn.dst, false);
  if (pointers.Has(insn.dst)) narrows_[at.value] = true;
  const bool adds = form == OperandForm::kAluReg && isa::OperationOf(insn.opcode) == 0;
  if (adds && pointers.Has(insn.src)) pointers.Set(insn.dst, true);
}

// An operation of 64 bits becomes that of 32, where there is one.
void Narrow(Instruction* insn) {
  const std::uint8_t operation = isa::OperationOf(insn->opcode);
  const bool is_shift = operation == 0x60 || operation == 0x70 || operation == 0xc0;
  if (is_shift && !isa::UsesSourceRegister(insn->opcode) && insn->imm >= 32) return;
  insn->opcode = static_cast<std::uint8_t>((insn->opcode & ~0x07) | static_cast<std::uint8_t>(OpClass::kAlu32));
}

}  // namespace

std::vector<std::uint8_t> FindArenaAccesses(std::span<Instruction> code, std::span<const FunctionFacts> functions,
                                            bool keeps_user_pointers) {
  AccessFinder finder(code, functions);
  finder.Find();
  for (std::size_t at = 0; at < code.size(); at += isa::SlotCount(code[at])) {
    Instruction& insn = code[at];
    const OpcodeInfo& info = *isa::FindOpcode(insn.opcode);
    if (finder.Narrows(at) && info.op_class == OpClass::kAlu64) Narrow(&insn);
    if (!IsCast(insn, info.form) || (insn.imm != kFromUserSpace && keeps_user_pointers)) continue;
    insn.opcode = kMov32Reg;
    insn.offset = 0;
    insn.imm = 0;
  }
  return finder.TakeAccesses();
}

}  // namespace strata::verifier
