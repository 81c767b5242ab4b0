#include "strata/backend/userspace/verifier/guarded_loads.h"

#include <algorithm>

#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::verifier {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpcodeInfo;
using isa::OperandForm;

constexpr std::uint16_t kArguments = 0x3e;  // R1 .. R5

// What may be a pointer to a kernel structure: a bit for each register and for each word of the frame.
struct Marks {
  std::uint16_t registers = 0;
  std::uint64_t frame = 0;

  bool Has(int reg) const { return (registers >> reg & 1) != 0; }
  void Set(int reg, bool value) {
    const auto bit = static_cast<std::uint16_t>(1U << reg);
    registers = static_cast<std::uint16_t>(value ? registers | bit : registers & ~bit);
  }
  // True when that added something.
  bool Join(const Marks& other) {
    const Marks before = *this;
    registers |= other.registers;
    frame |= other.frame;
    return registers != before.registers || frame != before.frame;
  }
};

struct FunctionMarks {
  Marks entry;
  bool returns = false;
};

// The word of the frame at `offset` to R10; an access that is no whole word has none.
std::uint64_t FrameBit(std::int16_t offset) {
  if (offset >= 0 || offset < -isa::kStackBytes || offset % 8 != 0) return 0;
  return std::uint64_t{1} << (-offset / 8 - 1);
}

class GuardedLoadFinder {
 public:
  GuardedLoadFinder(std::span<const Instruction> code, std::span<const FunctionFacts> functions,
                    bool (*returns_pointer)(std::uint32_t))
      : code_(code),
        facts_(functions),
        returns_pointer_(returns_pointer),
        functions_(functions.size()),
        guarded_(code.size()) {
    for (std::size_t i = 0; i < functions.size(); ++i) {
      if (functions[i].is_callback) functions_[i].entry.registers = kArguments;
    }
  }

  std::vector<std::uint8_t> Find() {
    // What a function is called with, and what it returns, only ever grows.
    for (has_changed_ = true; has_changed_;) {
      has_changed_ = false;
      for (std::size_t i = 0; i < functions_.size(); ++i) Walk(i);
    }
    return std::move(guarded_);
  }

 private:
  void Walk(std::size_t function);
  Marks Step(std::size_t function, InsnIndex at, Marks marks);
  void Load(InsnIndex at, Marks& marks);
  void Store(const Instruction& insn, Marks& marks) const;
  void Call(InsnIndex at, Marks& marks);
  FunctionMarks& FunctionAt(std::int64_t slot) {
    const auto found = std::find_if(facts_.begin(), facts_.end(),
                                    [&](const FunctionFacts& facts) { return facts.begin.value == slot; });
    return functions_[static_cast<std::size_t>(found - facts_.begin())];
  }

  std::span<const Instruction> code_;
  std::span<const FunctionFacts> facts_;
  bool (*returns_pointer_)(std::uint32_t);
  std::vector<FunctionMarks> functions_;
  std::vector<std::uint8_t> guarded_;
  bool has_changed_ = false;
};

void GuardedLoadFinder::Walk(std::size_t function) {
  const FunctionFacts& facts = facts_[function];
  std::vector<Marks> before(facts.end.value - facts.begin.value);
  std::vector<bool> is_seen(before.size());
  std::vector<std::uint32_t> pending;
  const auto reach = [&](std::int64_t slot, const Marks& marks) {
    const auto position = static_cast<std::size_t>(slot - facts.begin.value);
    const bool is_more = before[position].Join(marks);
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
    const Marks after = Step(function, at, before[at.value - facts.begin.value]);
    if (isa::IsJump(form)) reach(isa::TargetOf(insn, at, form), after);
    if (!isa::EndsFlow(form)) reach(at.value + isa::SlotCount(insn), after);
  }
}

Marks GuardedLoadFinder::Step(std::size_t function, InsnIndex at, Marks marks) {
  const Instruction& insn = code_[at.value];
  const OpcodeInfo& info = *isa::FindOpcode(insn.opcode);
  switch (info.form) {
    case OperandForm::kLoad:
      Load(at, marks);
      return marks;
    case OperandForm::kStoreReg:
      Store(insn, marks);
      return marks;
    case OperandForm::kMoveReg:
      marks.Set(insn.dst, marks.Has(insn.src));
      return marks;
    case OperandForm::kAluReg:
      marks.Set(insn.dst, marks.Has(insn.dst) || marks.Has(insn.src));
      return marks;
    case OperandForm::kAluImm:
      if (isa::OperationOf(insn.opcode) == 0xb0) marks.Set(insn.dst, false);  // mov
      return marks;
    case OperandForm::kLoadImm64:
      marks.Set(insn.dst, false);
      return marks;
    case OperandForm::kAtomic:
      // One that fetches may bring a pointer out of memory.
      marks.Set(insn.src, true);
      marks.Set(0, true);
      return marks;
    case OperandForm::kCall:
      Call(at, marks);
      return marks;
    case OperandForm::kExit:
      has_changed_ = has_changed_ || (marks.Has(0) && !functions_[function].returns);
      functions_[function].returns = functions_[function].returns || marks.Has(0);
      return marks;
    default:
      return marks;
  }
}

void GuardedLoadFinder::Load(InsnIndex at, Marks& marks) {
  const Instruction& insn = code_[at.value];
  const bool is_word = isa::AccessBytes(insn.opcode) == 8;
  if (marks.Has(insn.src)) guarded_[at.value] = 1;
  if (insn.src == isa::kFrameRegister) {
    marks.Set(insn.dst, is_word && (marks.frame & FrameBit(insn.offset)) != 0);
  } else {
    marks.Set(insn.dst, is_word);
  }
}

void GuardedLoadFinder::Store(const Instruction& insn, Marks& marks) const {
  if (insn.dst != isa::kFrameRegister) {
    // Perhaps the frame by another name.
    if (marks.Has(insn.src)) marks.frame = ~std::uint64_t{0};
    return;
  }
  const std::uint64_t bit = FrameBit(insn.offset);
  marks.frame = marks.Has(insn.src) ? marks.frame | bit : marks.frame & ~bit;
}

void GuardedLoadFinder::Call(InsnIndex at, Marks& marks) {
  const Instruction& insn = code_[at.value];
  bool is_pointer = false;
  if (isa::IsFunctionCall(insn, OperandForm::kCall)) {
    FunctionMarks& callee = FunctionAt(isa::TargetOf(insn, at, OperandForm::kCall));
    Marks arguments;
    arguments.registers = marks.registers & kArguments;
    has_changed_ = callee.entry.Join(arguments) || has_changed_;
    is_pointer = callee.returns;
  } else {
    is_pointer = isa::IsHelperCall(insn, OperandForm::kCall) && returns_pointer_(static_cast<std::uint32_t>(insn.imm));
  }
  marks.registers = static_cast<std::uint16_t>(marks.registers & ~kArguments);
  marks.Set(0, is_pointer);
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
  return GuardedLoadFinder(code, functions, returns_pointer).Find();
}

}  // namespace strata::verifier
