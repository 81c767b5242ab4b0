#include "strata/backend/userspace/verifier/guarded_loads.h"

#include <algorithm>

#include "pointer_flow.h"
#include "strata/isa/decode.h"

namespace strata::verifier {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpcodeInfo;
using isa::OperandForm;

// Pointers to the kernel's structures, and what is loaded through them.
class GuardedLoadFinder : public PointerFlow {
 public:
  GuardedLoadFinder(std::span<const Instruction> code, std::span<const FunctionFacts> functions,
                    bool (*returns_pointer)(std::uint32_t))
      : PointerFlow(code, functions, true), returns_pointer_(returns_pointer), guarded_(code.size()) {}

  std::vector<std::uint8_t> TakeGuarded() { return std::move(guarded_); }

 private:
  void Step(InsnIndex at, OperandForm form, Pointers& pointers) override;
  bool ReturnsPointer(InsnIndex at, const Pointers& /*pointers*/) override {
    const Instruction& call = InsnAt(at);
    return isa::IsHelperCall(call, OperandForm::kCall) && returns_pointer_(static_cast<std::uint32_t>(call.imm));
  }
  void Load(InsnIndex at, Pointers& pointers);
  static void Store(const Instruction& insn, Pointers& pointers);

  bool (*returns_pointer_)(std::uint32_t);
  std::vector<std::uint8_t> guarded_;
};

void GuardedLoadFinder::Step(InsnIndex at, OperandForm form, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  switch (form) {
    case OperandForm::kLoad:
      return Load(at, pointers);
    case OperandForm::kStoreReg:
      return Store(insn, pointers);
    case OperandForm::kMoveReg:
      return pointers.Set(insn.dst, pointers.Has(insn.src));
    case OperandForm::kAluReg:
      return pointers.Set(insn.dst, pointers.Has(insn.dst) || pointers.Has(insn.src));
    case OperandForm::kAluImm:
      if (isa::OperationOf(insn.opcode) == 0xb0) pointers.Set(insn.dst, false);  // mov
      return;
    case OperandForm::kLoadImm64:
      return pointers.Set(insn.dst, false);
    case OperandForm::kAtomic:
      // One that fetches may bring a pointer out of memory.
      pointers.Set(insn.src, true);
      return pointers.Set(0, true);
    default:
      return;
  }
}

void GuardedLoadFinder::Load(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  if (pointers.Has(insn.src)) guarded_[at.value] = 1;
  const bool is_in_frame = insn.src == isa::kFrameRegister;
  pointers.Set(insn.dst, is_in_frame ? (pointers.frame & FrameBit(insn)) != 0 : isa::AccessBytes(insn.opcode) == 8);
}

void GuardedLoadFinder::Store(const Instruction& insn, Pointers& pointers) {
  if (insn.dst != isa::kFrameRegister) {
    // Perhaps the frame by another name.
    if (pointers.Has(insn.src)) pointers.frame = ~std::uint64_t{0};
    return;
  }
  const std::uint64_t bit = FrameBit(insn);
  pointers.frame = pointers.Has(insn.src) ? pointers.frame | bit : pointers.frame & ~bit;
}

}  // namespace

std::vector<std::uint8_t> FindGuardedLoads(std::span<const Instruction> code, std::span<const FunctionFacts> functions,
                                           bool (*returns_pointer)(std::uint32_t helper)) {
  const bool is_needed = std::any_of(code.begin(), code.end(), [&](const Instruction& insn) {
    const OpcodeInfo* info = isa::FindOpcode(insn.opcode);
    return info != nullptr && isa::IsHelperCall(insn, info->form) &&
           returns_pointer(static_cast<std::uint32_t>(insn.imm));
  });
  if (!is_needed) return {};
  GuardedLoadFinder finder(code, functions, returns_pointer);
  finder.Find();
  return finder.TakeGuarded();
}

}  // namespace strata::verifier
