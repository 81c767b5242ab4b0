#include "strata/spec/program_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata {
namespace {

using isa::InsnIndex;
using isa::Instruction;

// Which field of an instruction holds the distance to another one, counted in slots from the one behind it.
enum class DistanceField : std::uint8_t { kOffset, kImm };

std::optional<DistanceField> DistanceFieldOf(const Instruction& instruction) {
  const isa::OpcodeInfo* info = isa::FindOpcode(instruction.opcode);
  if (info == nullptr) return std::nullopt;
  const bool in_imm = info->form == isa::OperandForm::kJumpLong || isa::IsFunctionCall(instruction, info->form) ||
                      isa::IsFunctionReference(instruction, info->form);
  if (in_imm) return DistanceField::kImm;
  return isa::IsJump(info->form) ? std::optional(DistanceField::kOffset) : std::nullopt;
}

// False when the field cannot hold it.
bool SetDistance(Instruction& instruction, DistanceField field, std::int64_t distance) {
  if (field == DistanceField::kImm) {
    if (distance < INT32_MIN || distance > INT32_MAX) return false;
    instruction.imm = static_cast<std::int32_t>(distance);
    return true;
  }
  if (distance < INT16_MIN || distance > INT16_MAX) return false;
  instruction.offset = static_cast<std::int16_t>(distance);
  return true;
}

std::uint8_t SourceOf(ReferenceKind kind) {
  switch (kind) {
    case ReferenceKind::kMap:
      return static_cast<std::uint8_t>(isa::PseudoLoad::kMapFd);
    case ReferenceKind::kMapValue:
      return static_cast<std::uint8_t>(isa::PseudoLoad::kMapValue);
    case ReferenceKind::kFunctionCall:
      return static_cast<std::uint8_t>(isa::PseudoCall::kFunction);
    case ReferenceKind::kFunctionAddress:
      return static_cast<std::uint8_t>(isa::PseudoLoad::kFunction);
    case ReferenceKind::kKsym:
      return static_cast<std::uint8_t>(isa::PseudoLoad::kNone);
    case ReferenceKind::kKfunc:
      return static_cast<std::uint8_t>(isa::PseudoCall::kKfunc);
  }
  return 0;
}

Error Invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

// Exchanges `removed` slots at `start` for `added` ones, and says where everything else moves.
class Splice {
 public:
  Splice(FunctionSpec& function, InsnIndex start, std::uint32_t removed, const std::vector<Instruction>& added)
      : function_(function),
        start_(start.value),
        removed_(removed),
        end_(start.value + removed),
        growth_(static_cast<std::int64_t>(added.size()) - removed),
        added_(added) {}

  Result<void> Apply() {
    STRATA_TRY(CheckPlace());
    const std::size_t old_size = function_.instructions.size();
    std::vector<Instruction> code = STRATA_TRY(MovedJumps());
    code.erase(code.begin() + start_, code.begin() + end_);
    code.insert(code.begin() + start_, added_.begin(), added_.end());
    function_.instructions = std::move(code);
    MoveTable(function_.references);
    MoveTable(function_.core_relocations);
    MoveLineInfos(old_size);
    return {};
  }

 private:
  Result<void> CheckPlace() const {
    const std::size_t size = function_.instructions.size();
    if (start_ > size || removed_ > size - start_) {
      return Invalid(fmt::format("function {}: [{}, +{}) is outside of its {} instructions", function_.name, start_,
                                 removed_, size));
    }
    std::size_t at = 0;
    while (at < start_) at += isa::SlotCount(function_.instructions[at]);
    const bool splits_start = at != start_;
    while (at < end_) at += isa::SlotCount(function_.instructions[at]);
    if (splits_start || at != end_) {
      return Invalid(fmt::format("function {}: [{}, +{}) cuts a 64-bit load in two", function_.name, start_, removed_));
    }
    return {};
  }

  // Where the instruction at `index` goes. What jumped to the first replaced one finds the first added one.
  Result<std::int64_t> NewIndex(std::int64_t index) const {
    if (index <= start_) return index;
    if (index >= end_) return index + growth_;
    return Invalid(
        fmt::format("function {}: a jump from outside leads to instruction {}, which goes", function_.name, index));
  }

  // All jumps outside of the replaced part, with distances that fit the new places.
  Result<std::vector<Instruction>> MovedJumps() const {
    std::vector<Instruction> code = function_.instructions.ToVector();
    for (std::uint32_t at = 0; at < code.size(); at += isa::SlotCount(code[at])) {
      if (at >= start_ && at < end_) continue;
      const auto field = DistanceFieldOf(code[at]);
      if (!field || function_.FindReference(InsnIndex{at}) != nullptr) continue;
      const std::int64_t distance = *field == DistanceField::kImm ? code[at].imm : code[at].offset;
      const std::int64_t target = STRATA_TRY(NewIndex(std::int64_t{at} + 1 + distance));
      // An instruction at `start` is behind what is inserted there, although a jump to it is not.
      const std::int64_t from = at < start_ ? at : at + growth_;
      if (!SetDistance(code[at], *field, target - from - 1)) {
        return Invalid(fmt::format("function {}: the jump at instruction {} would be too far", function_.name, at));
      }
    }
    return code;
  }

  template <typename Entry>
  void MoveTable(std::vector<Entry>& table) const {
    std::erase_if(table, [&](const Entry& entry) { return entry.index.value >= start_ && entry.index.value < end_; });
    for (Entry& entry : table) {
      if (entry.index.value >= end_) entry.index.value = static_cast<std::uint32_t>(entry.index.value + growth_);
    }
  }

  // The entry whose line the instruction at `index` belongs to: a line holds until the next entry.
  std::optional<btf::LineInfo> LineInForce(std::uint32_t index) const {
    std::optional<btf::LineInfo> in_force;
    for (const btf::LineInfo info : function_.line_infos) {
      if (info.index.value <= index) in_force = info;
    }
    return in_force;
  }

  static bool IsSameLine(btf::LineInfo a, btf::LineInfo b) {
    a.index = b.index;
    return a == b;
  }

  // Added code belongs to the line of the place (the verifier wants one at a function's start); what follows it keeps
  // its own.
  void MoveLineInfos(std::size_t old_size) {
    std::vector<btf::LineInfo> moved;
    const auto add = [&](const btf::LineInfo& info, std::int64_t index) {
      moved.push_back(info);
      moved.back().index.value = static_cast<std::uint32_t>(index);
    };
    for (const btf::LineInfo info : function_.line_infos) {
      if (info.index.value < start_ || (info.index.value == start_ && !added_.empty())) moved.push_back(info);
    }
    const std::optional<btf::LineInfo> behind = end_ < old_size ? LineInForce(end_) : std::nullopt;
    if (behind && (moved.empty() || !IsSameLine(moved.back(), *behind))) add(*behind, end_ + growth_);
    for (const btf::LineInfo info : function_.line_infos) {
      if (info.index.value > end_) add(info, info.index.value + growth_);
    }
    function_.line_infos = moved;
  }

  FunctionSpec& function_;
  std::uint32_t start_;
  std::uint32_t removed_;
  std::uint32_t end_;
  std::int64_t growth_;
  const std::vector<Instruction>& added_;
};

}  // namespace

std::vector<Instruction> FunctionSpec::CanonicalCode() const {
  std::vector<Instruction> code = instructions.ToVector();
  for (const Reference& reference : references) {
    const std::uint32_t index = reference.index.value;
    if (index >= code.size()) continue;
    const bool is_call = code[index].opcode == static_cast<std::uint8_t>(isa::Opcode::kCall);
    code[index].src = SourceOf(reference.kind);
    code[index].imm = is_call ? -1 : 0;
    if (!is_call && index + 1 < code.size()) code[index + 1].imm = 0;
  }
  return code;
}

const Reference* FunctionSpec::FindReference(InsnIndex index) const {
  const auto found =
      std::lower_bound(references.begin(), references.end(), index,
                       [](const Reference& reference, InsnIndex wanted) { return reference.index < wanted; });
  return found != references.end() && found->index == index ? &*found : nullptr;
}

Result<void> FunctionSpec::Insert(InsnIndex index, const std::vector<Instruction>& added) {
  return Splice(*this, index, 0, added).Apply();
}

Result<void> FunctionSpec::Erase(InsnIndex index, std::uint32_t count) {
  return Splice(*this, index, count, {}).Apply();
}

Result<void> FunctionSpec::Replace(InsnIndex index, std::uint32_t count, const std::vector<Instruction>& with) {
  return Splice(*this, index, count, with).Apply();
}

}  // namespace strata
