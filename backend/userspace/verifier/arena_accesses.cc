#include "strata/backend/userspace/verifier/arena_accesses.h"

#include <algorithm>

#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::verifier {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpClass;
using isa::OpcodeInfo;
using isa::OperandForm;

constexpr std::uint16_t kArguments = 0x3e;  // R1 .. R5
constexpr std::int32_t kFromUserSpace = 1;  // address space 1 to 0: bpf_addr_space_cast's imm
constexpr std::uint8_t kMov32Reg = static_cast<std::uint8_t>(isa::Opcode::kMov32Reg);

bool IsCast(const Instruction& insn, OperandForm form) { return form == OperandForm::kMoveReg && insn.offset == 1; }

// Which registers and which words of the frame hold a pointer into the arena.
struct Pointers {
  std::uint16_t registers = 0;
  std::uint64_t frame = 0;

  bool Has(int reg) const { return (registers >> reg & 1) != 0; }
  void Set(int reg, bool value) {
    const auto bit = static_cast<std::uint16_t>(1U << reg);
    registers = static_cast<std::uint16_t>(value ? registers | bit : registers & ~bit);
  }
  // True when that added something.
  bool Join(const Pointers& other) {
    const Pointers before = *this;
    registers |= other.registers;
    frame |= other.frame;
    return registers != before.registers || frame != before.frame;
  }
};

struct FunctionPointers {
  Pointers entry;
  bool returns = false;
};

// The word of the frame at `offset` to R10; an access that is no whole word has none.
std::uint64_t FrameBit(const Instruction& insn) {
  const std::int16_t offset = insn.offset;
  const bool is_word = isa::AccessBytes(insn.opcode) == 8 && offset % 8 == 0;
  if (!is_word || offset >= 0 || offset < -isa::kStackBytes) return 0;
  return std::uint64_t{1} << (-offset / 8 - 1);
}

class AccessFinder {
 public:
  AccessFinder(std::span<const Instruction> code, std::span<const FunctionFacts> facts)
      : code_(code), facts_(facts), functions_(facts.size()), accesses_(code.size()), narrows_(code.size()) {}

  void Find() {
    // What a function is called with, and what it returns, only ever grows.
    for (has_changed_ = true; has_changed_;) {
      has_changed_ = false;
      for (std::size_t i = 0; i < functions_.size(); ++i) Walk(i);
    }
  }
  std::vector<std::uint8_t> TakeAccesses() { return std::move(accesses_); }
  // Arithmetic on a pointer.
  bool Narrows(std::size_t at) const { return narrows_[at]; }

 private:
  void Walk(std::size_t function);
  Pointers Step(std::size_t function, InsnIndex at, Pointers pointers);
  void Call(InsnIndex at, Pointers& pointers);
  void Load(InsnIndex at, Pointers& pointers);
  void Store(InsnIndex at, Pointers& pointers);
  void Atomic(InsnIndex at, Pointers& pointers);
  void Move(const Instruction& insn, Pointers& pointers) const;
  void Compute(InsnIndex at, OperandForm form, Pointers& pointers);

  std::span<const Instruction> code_;
  std::span<const FunctionFacts> facts_;
  std::vector<FunctionPointers> functions_;
  std::vector<std::uint8_t> accesses_;
  std::vector<bool> narrows_;
  bool has_changed_ = false;
};

void AccessFinder::Walk(std::size_t function) {
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
    const Pointers after = Step(function, at, before[at.value - facts.begin.value]);
    if (isa::IsJump(form)) reach(isa::TargetOf(insn, at, form), after);
    if (!isa::EndsFlow(form)) reach(at.value + isa::SlotCount(insn), after);
  }
}

Pointers AccessFinder::Step(std::size_t function, InsnIndex at, Pointers pointers) {
  const Instruction& insn = code_[at.value];
  const OperandForm form = isa::FindOpcode(insn.opcode)->form;
  switch (form) {
    case OperandForm::kLoad:
      Load(at, pointers);
      break;
    case OperandForm::kStoreReg:
    case OperandForm::kStoreImm:
      Store(at, pointers);
      break;
    case OperandForm::kAtomic:
      Atomic(at, pointers);
      break;
    case OperandForm::kMoveReg:
      Move(insn, pointers);
      break;
    case OperandForm::kAluImm:
    case OperandForm::kAluReg:
    case OperandForm::kDivisionImm:
    case OperandForm::kDivisionReg:
    case OperandForm::kUnary:
      Compute(at, form, pointers);
      break;
    case OperandForm::kLoadImm64:
      pointers.Set(insn.dst, false);  // what user space sees, of globals
      break;
    case OperandForm::kCall:
      Call(at, pointers);
      break;
    case OperandForm::kExit:
      has_changed_ = has_changed_ || (pointers.Has(0) && !functions_[function].returns);
      functions_[function].returns = functions_[function].returns || pointers.Has(0);
      break;
    default:
      break;
  }
  return pointers;
}

// What comes out of other memory than the frame is a number, until it is cast.
void AccessFinder::Load(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = code_[at.value];
  if (pointers.Has(insn.src)) accesses_[at.value] = 1;
  pointers.Set(insn.dst, insn.src == isa::kFrameRegister && (pointers.frame & FrameBit(insn)) != 0);
}

void AccessFinder::Store(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = code_[at.value];
  if (pointers.Has(insn.dst)) accesses_[at.value] = 1;
  if (insn.dst != isa::kFrameRegister) return;
  const bool holds = isa::FindOpcode(insn.opcode)->form == OperandForm::kStoreReg && pointers.Has(insn.src);
  const std::uint64_t bit = FrameBit(insn);
  pointers.frame = holds ? pointers.frame | bit : pointers.frame & ~bit;
}

void AccessFinder::Atomic(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = code_[at.value];
  const auto operation = static_cast<isa::AtomicOp>(insn.imm);
  const bool is_load = operation == isa::AtomicOp::kLoadAcquire;
  if (pointers.Has(is_load ? insn.src : insn.dst)) accesses_[at.value] = 1;
  // Those that give the old value.
  if (is_load) pointers.Set(insn.dst, false);
  if (operation == isa::AtomicOp::kCompareExchange) {
    pointers.Set(0, false);
  } else if ((insn.imm & 1) != 0) {
    pointers.Set(insn.src, false);
  }
}

void AccessFinder::Move(const Instruction& insn, Pointers& pointers) const {
  if (insn.offset == 1) return pointers.Set(insn.dst, insn.imm == kFromUserSpace);
  const bool is_copy = isa::ClassOf(insn.opcode) == OpClass::kAlu64 && insn.offset == 0;
  pointers.Set(insn.dst, is_copy && pointers.Has(insn.src));
}

void AccessFinder::Compute(InsnIndex at, OperandForm form, Pointers& pointers) {
  const Instruction& insn = code_[at.value];
  if (form == OperandForm::kAluImm && isa::OperationOf(insn.opcode) == 0xb0) return pointers.Set(insn.dst, false);
  if (pointers.Has(insn.dst)) narrows_[at.value] = true;
  const bool adds = form == OperandForm::kAluReg && isa::OperationOf(insn.opcode) == 0;
  if (adds && pointers.Has(insn.src)) pointers.Set(insn.dst, true);
}

void AccessFinder::Call(InsnIndex at, Pointers& pointers) {
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
  }
  pointers.registers = static_cast<std::uint16_t>(pointers.registers & ~kArguments);
  pointers.Set(0, returns);
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
