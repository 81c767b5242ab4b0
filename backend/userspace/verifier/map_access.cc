#include "strata/backend/userspace/verifier/map_access.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "pointer_flow.h"
#include "strata/isa/decode.h"
#include "strata/spec/map_type.h"

namespace strata::verifier {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpClass;
using isa::OperandForm;

// Helpers, by the kernel's numbers.
constexpr std::int32_t kReturnsValue[] = {1, 195};      // map_lookup_elem, map_lookup_percpu_elem
constexpr std::int32_t kChangesMap[] = {2, 3, 87, 88};  // map_update_elem, map_delete_elem, map_push_elem, map_pop_elem

struct Rule {
  std::uint32_t flag;   // of a map
  bool forbids_writes;  // else reads
  const char* complaint;
};
constexpr Rule kRules[] = {
    {map_flags::kReadOnlyProgram, true, "write into map forbidden: it has BPF_F_RDONLY_PROG"},
    {map_flags::kWriteOnlyProgram, false, "read from map forbidden: it has BPF_F_WRONLY_PROG"},
};

// Maps that have the rule's flag and their values; the first instruction that does what is forbidden.
class ForbiddenAccessFinder : public PointerFlow {
 public:
  ForbiddenAccessFinder(std::span<const Instruction> code, std::span<const FunctionFacts> functions,
                        std::span<const std::uint32_t> flags_of_maps, const Rule& rule)
      : PointerFlow(code, functions, false), flags_of_maps_(flags_of_maps), rule_(rule) {}

  const std::optional<std::uint32_t>& found() const { return found_; }

 private:
  void Step(InsnIndex at, OperandForm form, Pointers& pointers) override;
  bool ReturnsPointer(InsnIndex at, const Pointers& pointers) override;
  void Store(InsnIndex at, bool stores_pointer, Pointers& pointers);
  void Load(InsnIndex at, Pointers& pointers);
  void Atomic(InsnIndex at, Pointers& pointers);
  static void Compute(const Instruction& insn, OperandForm form, Pointers& pointers);

  void Write(InsnIndex at) {
    if (rule_.forbids_writes) Report(at);
  }
  void Read(InsnIndex at) {
    if (!rule_.forbids_writes) Report(at);
  }
  void Report(InsnIndex at) { found_ = std::min(found_.value_or(at.value), at.value); }

  std::span<const std::uint32_t> flags_of_maps_;
  const Rule& rule_;
  std::optional<std::uint32_t> found_;
};

void ForbiddenAccessFinder::Step(InsnIndex at, OperandForm form, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  switch (form) {
    case OperandForm::kLoadImm64: {
      const auto source = static_cast<isa::PseudoLoad>(insn.src);
      const bool is_map = source == isa::PseudoLoad::kMapIndex || source == isa::PseudoLoad::kMapIndexValue;
      const auto position = static_cast<std::uint32_t>(insn.imm);
      return pointers.Set(insn.dst,
                          is_map && position < flags_of_maps_.size() && (flags_of_maps_[position] & rule_.flag) != 0);
    }
    case OperandForm::kLoad:
      return Load(at, pointers);
    case OperandForm::kStoreImm:
      return Store(at, false, pointers);
    case OperandForm::kStoreReg:
      return Store(at, pointers.Has(insn.src), pointers);
    case OperandForm::kAtomic:
      return Atomic(at, pointers);
    case OperandForm::kMoveReg:
    case OperandForm::kAluReg:
    case OperandForm::kAluImm:
      return Compute(insn, form, pointers);
    case OperandForm::kUnary:
    case OperandForm::kByteOrder:
    case OperandForm::kDivisionImm:
    case OperandForm::kDivisionReg:
      return pointers.Set(insn.dst, false);
    default:
      return;
  }
}

void ForbiddenAccessFinder::Load(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  if (pointers.Has(insn.src)) Read(at);
  pointers.Set(insn.dst, insn.src == isa::kFrameRegister && (pointers.frame & FrameBit(insn)) != 0);
}

void ForbiddenAccessFinder::Store(InsnIndex at, bool stores_pointer, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  if (pointers.Has(insn.dst)) Write(at);
  if (insn.dst != isa::kFrameRegister) return;
  const std::uint64_t bit = FrameBit(insn);
  pointers.frame = stores_pointer ? pointers.frame | bit : pointers.frame & ~bit;
}

// All but two of them read and write.
void ForbiddenAccessFinder::Atomic(InsnIndex at, Pointers& pointers) {
  const Instruction& insn = InsnAt(at);
  const auto operation = static_cast<isa::AtomicOp>(insn.imm);
  const bool is_load = operation == isa::AtomicOp::kLoadAcquire;
  if (pointers.Has(is_load ? insn.src : insn.dst)) {
    if (!is_load) Write(at);
    if (operation != isa::AtomicOp::kStoreRelease) Read(at);
  }
  ForgetFetched(insn, pointers);
}

// A pointer and a number are a pointer; two pointers, 32 bits or anything else are none.
void ForbiddenAccessFinder::Compute(const Instruction& insn, OperandForm form, Pointers& pointers) {
  const std::uint8_t operation = isa::OperationOf(insn.opcode);
  constexpr std::uint8_t kAdd = 0x00;
  constexpr std::uint8_t kSub = 0x10;
  const bool is_whole = isa::ClassOf(insn.opcode) == OpClass::kAlu64;
  const bool has_dst = pointers.Has(insn.dst);
  const bool has_src = form != OperandForm::kAluImm && pointers.Has(insn.src);
  bool is_pointer = false;
  if (form == OperandForm::kMoveReg) is_pointer = has_src && insn.offset == 0;
  if (form != OperandForm::kMoveReg && operation == kAdd) is_pointer = has_dst != has_src;
  if (form != OperandForm::kMoveReg && operation == kSub) is_pointer = has_dst && !has_src;
  pointers.Set(insn.dst, is_whole && is_pointer);
}

bool ForbiddenAccessFinder::ReturnsPointer(InsnIndex at, const Pointers& pointers) {
  const Instruction& call = InsnAt(at);
  if (!isa::IsHelperCall(call, OperandForm::kCall) || !pointers.Has(1)) return false;
  const auto is_one_of = [&](const auto& helpers) { return std::ranges::find(helpers, call.imm) != std::end(helpers); };
  if (is_one_of(kChangesMap)) Write(at);
  return is_one_of(kReturnsValue);
}

}  // namespace

Result<void> CheckMapAccess(std::span<const Instruction> code, std::span<const FunctionFacts> functions,
                            std::span<const std::uint32_t> flags_of_maps) {
  for (const Rule& rule : kRules) {
    const bool is_needed =
        std::ranges::any_of(flags_of_maps, [&](std::uint32_t flags) { return (flags & rule.flag) != 0; });
    if (!is_needed) continue;
    ForbiddenAccessFinder finder(code, functions, flags_of_maps, rule);
    finder.Find();
    if (!finder.found()) continue;
    return Error(ErrorCode::kVerifierRejected, fmt::format("instruction {}: {}", *finder.found(), rule.complaint),
                 EACCES);
  }
  return {};
}

}  // namespace strata::verifier
