#include "program_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "helper_numbers.h"
#include "register_use.h"
#include "strata/backend/userspace/runtime/run_context.h"
#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::compile {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpcodeInfo;
using isa::OperandForm;

// The templates of these need both scratch registers.
bool CanAccessArena(const Instruction& insn) {
  const auto operation = static_cast<isa::AtomicOp>(insn.imm);
  return operation != isa::AtomicOp::kFetchAnd && operation != isa::AtomicOp::kFetchOr &&
         operation != isa::AtomicOp::kFetchXor;
}

struct DirectKind {
  MapType type;
  bool update_only;
};
constexpr DirectKind kDirectKinds[] = {
    {MapType::kHash, false},          {MapType::kPerCpuHash, false}, {MapType::kLruHash, false},
    {MapType::kLruPerCpuHash, false}, {MapType::kArray, true},       {MapType::kPerCpuArray, true},
};

// What is known of a register: within one basic block, or everywhere where the function writes it in one place.
struct Known {
  enum Kind : std::uint8_t { kNothing, kMap, kConstant, kAtMost, kFrameAddress } kind = kNothing;
  bool is_needed = false;                         // somebody else may read it than who asks what it is
  std::uint32_t defined_by = 0;                   // the instruction ...
  std::optional<std::uint32_t> adjusted_by = {};  // ... and the addition behind it
  std::int64_t value = 0;  // kMap: position; kConstant; kAtMost: bound; kFrameAddress: offset to R10
};

// 32 bits that the block stored into the frame.
struct StoredWord {
  std::int64_t offset;  // to R10
  KnownIndex value;
};

class Scanner {
 public:
  explicit Scanner(const CompileInput& input) : input_(input), code_(input.instructions) {}

  Result<ProgramScan> Scan() {
    std::vector<verifier::FunctionFacts> functions = STRATA_TRY(verifier::FindFunctions(code_));
    scan_.flags.resize(code_.size());
    scan_.functions.reserve(functions.size());
    for (const verifier::FunctionFacts& facts : functions) {
      scan_.functions.push_back({.facts = facts});
      FindTargetsAndWrites(scan_.functions.back());
    }
    for (ScannedFunction& function : scan_.functions) STRATA_TRY(ScanFunction(function));
    Summarize();
    return std::move(scan_);
  }

 private:
  void FindTargetsAndWrites(ScannedFunction& function) {
    const verifier::FunctionFacts& facts = function.facts;
    std::uint16_t written = kArgumentRegisters;  // the caller writes these
    for (InsnIndex at = facts.begin; at < facts.end; at.value += isa::SlotCount(code_[at.value])) {
      const Instruction& insn = code_[at.value];
      const OperandForm form = isa::FindOpcode(insn.opcode)->form;
      if (isa::IsJump(form))
        scan_.flags[static_cast<std::size_t>(isa::TargetOf(insn, at, form))] |= scan_flags::kTarget;
      const std::uint16_t writes = UseOf(insn, form).writes;
      function.written |= writes;
      if (AddsToFrameAddress(at, facts.begin)) continue;
      function.written_often |= written & writes;
      written |= writes;
    }
  }

  // The second half of an address in the frame: r = r10; r += x.
  bool AddsToFrameAddress(InsnIndex at, InsnIndex begin) const {
    if (at == begin || code_[at.value].opcode != static_cast<std::uint8_t>(isa::Opcode::kAdd64Imm)) return false;
    const Instruction& move = code_[at.value - 1];
    return move.opcode == static_cast<std::uint8_t>(isa::Opcode::kMov64Reg) && move.src == isa::kFrameRegister &&
           move.dst == code_[at.value].dst;
  }

  Result<void> ScanFunction(ScannedFunction& function) {
    ForgetAll(kAllRegisters);
    for (InsnIndex at = function.facts.begin; at < function.facts.end; at.value += isa::SlotCount(code_[at.value])) {
      const OpcodeInfo& info = *isa::FindOpcode(code_[at.value].opcode);
      STRATA_TRY(CheckSupported(at, info));
      if ((scan_.flags[at.value] & scan_flags::kTarget) != 0) {
        // A second half that is done several times is no such half.
        if (AddsToFrameAddress(at, function.facts.begin)) function.written_often |= RegisterBit(code_[at.value].dst);
        ForgetAll(function.written_often);
      }
      ScanInstruction(function, at, info);
    }
    return {};
  }

  Result<void> CheckSupported(InsnIndex at, const OpcodeInfo& info) const;
  void ScanInstruction(ScannedFunction& function, InsnIndex at, const OpcodeInfo& info);
  void ScanCall(ScannedFunction& function, InsnIndex at);
  bool TryInlineLookup(InsnIndex at);
  void TryDirectCall(InsnIndex at);
  void ScanTailCall(InsnIndex at);
  void ScanMapLookup(InsnIndex at);
  bool IsKnownArray(const Known& map, MapType type) const;
  KnownIndex KeyAt(const Known& address);
  bool Drop(const Known& known);
  void NeedAll();
  static KnownIndex IndexOf(const Known& known);
  void LearnStore(const Instruction& insn, const OpcodeInfo& info);
  Known ResultOf(InsnIndex at, const OpcodeInfo& info) const;
  void FindTailCallers();
  void Summarize();

  // Where paths meet. A register that the function writes in one place has that value wherever it has any.
  void ForgetAll(std::uint16_t registers) {
    NeedAll();
    ForEachRegister(registers, [this](int reg) { known_[reg] = {}; });
    known_[isa::kFrameRegister] = {.kind = Known::kFrameAddress, .is_needed = true};
    stored_.reset();
  }

  const CompileInput& input_;
  std::span<const Instruction> code_;
  ProgramScan scan_;
  std::array<Known, 16> known_;
  std::optional<StoredWord> stored_;
};

Result<void> Scanner::CheckSupported(InsnIndex at, const OpcodeInfo& info) const {
  const Instruction& insn = code_[at.value];
  const auto refuse = [&](ErrorCode code, std::string_view what) {
    return Error(code, fmt::format("instruction {}: {}", at.value, what));
  };
  if (info.form == OperandForm::kPacketAbsolute || info.form == OperandForm::kPacketIndirect) {
    return refuse(ErrorCode::kNotSupported, "packet loads: not on the userspace backend");
  }
  if (info.form == OperandForm::kMoveReg && insn.offset == 1 && input_.arena_address == 0) {
    return refuse(ErrorCode::kNotSupported, "address space casts: the program has no arena");
  }
  if (info.form == OperandForm::kAtomic && IsArenaAccess(input_, at.value) && !CanAccessArena(insn)) {
    return refuse(ErrorCode::kNotSupported, "this atomic access to an arena is not compiled");
  }
  if (info.form == OperandForm::kCall && insn.src == static_cast<std::uint8_t>(isa::PseudoCall::kKfunc) &&
      static_cast<std::uint32_t>(insn.imm) >= input_.function_count) {
    return refuse(ErrorCode::kNotSupported, fmt::format("kernel function #{}: not on the userspace backend",
                                                        static_cast<std::uint32_t>(insn.imm)));
  }
  if (info.form != OperandForm::kLoadImm64) return {};
  switch (static_cast<isa::PseudoLoad>(insn.src)) {
    case isa::PseudoLoad::kNone:
    case isa::PseudoLoad::kFunction:
      return {};
    case isa::PseudoLoad::kMapIndex:
    case isa::PseudoLoad::kMapIndexValue:
      if (static_cast<std::uint32_t>(insn.imm) < input_.maps.size()) return {};
      return refuse(
          ErrorCode::kVerifierRejected,
          fmt::format("map {}: the program has {} maps", static_cast<std::uint32_t>(insn.imm), input_.maps.size()));
    case isa::PseudoLoad::kMapFd:
    case isa::PseudoLoad::kMapValue:
    case isa::PseudoLoad::kBtfId:
      return refuse(ErrorCode::kVerifierRejected,
                    fmt::format("64-bit immediate of kind {} is not resolved", static_cast<unsigned>(insn.src)));
  }
  return {};
}

void Scanner::ScanInstruction(ScannedFunction& function, InsnIndex at, const OpcodeInfo& info) {
  const Instruction& insn = code_[at.value];
  if (info.form == OperandForm::kCall) return ScanCall(function, at);
  if (IsGuardedLoad(input_, at.value) || IsArenaAccess(input_, at.value)) {
    function.calls = true;
    scan_.uses_run = true;
  }
  const RegisterUse use = UseOf(insn, info.form);
  if (info.form == OperandForm::kStoreImm || info.form == OperandForm::kStoreReg) LearnStore(insn, info);
  if (info.form == OperandForm::kAtomic) stored_.reset();
  const Known result = ResultOf(at, info);
  ForEachRegister(use.reads, [this](int reg) { known_[reg].is_needed = true; });
  ForEachRegister(use.writes, [&](int reg) { known_[reg] = result; });
  if (isa::IsJump(info.form)) NeedAll();
  if ((use.reads & RegisterBit(isa::kFrameRegister)) != 0) function.uses_frame = true;
  if (info.form == OperandForm::kMayGoto) scan_.uses_run = true;
  if (isa::IsFunctionReference(insn, info.form)) scan_.has_callbacks = true;
  if (isa::IsJump(info.form) && isa::TargetOf(insn, at, info.form) <= at.value) function.spends_budget = true;
}

// Of a register whose value is known in another way: nobody reads what set it.
bool Scanner::Drop(const Known& known) {
  if (known.is_needed) return false;
  scan_.flags[known.defined_by] |= scan_flags::kSkip;
  if (known.adjusted_by) scan_.flags[*known.adjusted_by] |= scan_flags::kSkip;
  return true;
}

// By what a jump leads to.
void Scanner::NeedAll() {
  for (Known& known : known_) known.is_needed = true;
}

void Scanner::ScanCall(ScannedFunction& function, InsnIndex at) {
  const Instruction& insn = code_[at.value];
  const bool is_helper = isa::IsHelperCall(insn, OperandForm::kCall);
  const bool is_inline = is_helper && (insn.imm == kGetSmpProcessorId || TryInlineLookup(at));
  if (!is_inline) function.calls = true;
  if (!is_inline || insn.imm == kGetSmpProcessorId) scan_.uses_run = true;
  if (isa::IsFunctionCall(insn, OperandForm::kCall)) {
    function.spends_budget = true;
    function.callees.push_back(static_cast<std::uint32_t>(isa::TargetOf(insn, at, OperandForm::kCall)));
  } else if (is_helper && insn.imm == kTailCall) {
    function.may_tail_call = true;
    ScanTailCall(at);
  } else if (is_helper && insn.imm == kMapLookupElem && !is_inline) {
    ScanMapLookup(at);
  }
  if (is_helper && MayEndRun(insn.imm)) function.spends_budget = true;
  if (is_helper && !is_inline) TryDirectCall(at);
  for (int reg = 0; reg <= 5; ++reg) known_[reg] = {};
  if (!is_inline) stored_.reset();
}

bool Scanner::TryInlineLookup(InsnIndex at) {
  const Known& map = known_[1];
  if (code_[at.value].imm != kMapLookupElem || map.kind != Known::kMap) return false;
  const auto position = static_cast<std::uint32_t>(map.value);
  const runtime::ProgramMap& geometry = input_.maps[position];
  const bool is_per_cpu = geometry.type == MapType::kPerCpuArray;
  if (geometry.type != MapType::kArray && !is_per_cpu) return false;
  if (is_per_cpu) scan_.uses_run = true;

  scan_.lookups.push_back({.call = at.value, .map = position, .key = KeyAt(known_[2])});
  Drop(map);
  return true;
}

// The kinds of which a helper does nothing but call the map's function, and the functions that are short enough for
// that to be felt.
void Scanner::TryDirectCall(InsnIndex at) {
  const Known& map = known_[1];
  const std::int32_t helper = code_[at.value].imm;
  if (map.kind != Known::kMap || helper < kMapLookupElem || helper > kMapDeleteElem) return;
  const auto position = static_cast<std::uint32_t>(map.value);
  const runtime::ProgramMap& geometry = input_.maps[position];
  const auto* row = std::find_if(std::begin(kDirectKinds), std::end(kDirectKinds),
                                 [&](const DirectKind& kind) { return kind.type == geometry.type; });
  const auto operation = static_cast<runtime::MapOperation>(helper - kMapLookupElem);
  const bool writes = operation != runtime::MapOperation::kLookup;
  if (row == std::end(kDirectKinds) || (writes && (geometry.flags & map_flags::kReadOnlyProgram) != 0)) return;
  if (row->update_only && operation != runtime::MapOperation::kUpdate) return;
  scan_.direct_calls.push_back({.call = at.value, .map = position, .operation = operation});
}

// One whose process-local part is as near as an instruction reaches.
bool Scanner::IsKnownArray(const Known& map, MapType type) const {
  if (map.kind != Known::kMap) return false;
  const runtime::ProgramMap& geometry = input_.maps[static_cast<std::uint32_t>(map.value)];
  const std::uint64_t end = runtime::KnownObjectsOffset(geometry.max_entries) + std::uint64_t{geometry.max_entries} * 8;
  return geometry.type == type && std::in_range<std::int32_t>(end);
}

void Scanner::ScanTailCall(InsnIndex at) {
  const Known& map = known_[2];
  if (!IsKnownArray(map, MapType::kProgArray)) return;
  KnownPlace call{.call = at.value, .map = static_cast<std::uint32_t>(map.value), .index = {}};
  call.index = IndexOf(known_[3]);
  if (call.index.constant) Drop(known_[3]);
  Drop(map);
  scan_.tail_calls.push_back(call);
}

void Scanner::ScanMapLookup(InsnIndex at) {
  const Known& map = known_[1];
  if (!IsKnownArray(map, MapType::kArrayOfMaps)) return;
  scan_.map_lookups.push_back(
      {.call = at.value, .map = static_cast<std::uint32_t>(map.value), .index = KeyAt(known_[2])});
  Drop(map);
}

// The key of 4 bytes at an address that the program names.
KnownIndex Scanner::KeyAt(const Known& address) {
  if (address.kind != Known::kFrameAddress || !std::in_range<std::int32_t>(address.value)) return {};
  KnownIndex key;
  if (stored_ && address.value == stored_->offset) key = stored_->value;
  if (Drop(address)) key.frame_offset = static_cast<std::int32_t>(address.value);
  return key;
}

KnownIndex Scanner::IndexOf(const Known& known) {
  KnownIndex index;
  if (known.kind == Known::kConstant) index.constant = static_cast<std::uint32_t>(known.value);
  if (known.kind == Known::kAtMost) index.most = static_cast<std::uint32_t>(known.value);
  return index;
}

Known Scanner::ResultOf(InsnIndex at, const OpcodeInfo& info) const {
  const Instruction& insn = code_[at.value];
  switch (static_cast<isa::Opcode>(insn.opcode)) {
    case isa::Opcode::kLoadImm64:
      if (insn.src != static_cast<std::uint8_t>(isa::PseudoLoad::kMapIndex)) return {};
      return {.kind = Known::kMap, .defined_by = at.value, .value = insn.imm};
    case isa::Opcode::kMov64Imm:
    case isa::Opcode::kMov32Imm:
      return {.kind = Known::kConstant, .defined_by = at.value, .value = insn.imm};
    case isa::Opcode::kAnd32Imm:
    case isa::Opcode::kAnd64Imm:
      if (insn.imm < 0) return {};
      return {.kind = Known::kAtMost, .defined_by = at.value, .value = insn.imm};
    case isa::Opcode::kMod32Imm:
    case isa::Opcode::kMod64Imm:
      if (insn.imm <= 0 || insn.offset != 0) return {};
      return {.kind = Known::kAtMost, .defined_by = at.value, .value = insn.imm - 1};
    case isa::Opcode::kMov32Reg:
      if (known_[insn.src].kind != Known::kAtMost) return {};
      [[fallthrough]];
    case isa::Opcode::kMov64Reg:
      if (insn.offset != 0) return {};
      return {.kind = known_[insn.src].kind, .defined_by = at.value, .value = known_[insn.src].value};
    case isa::Opcode::kAdd64Imm: {
      Known sum = known_[insn.dst];
      if (sum.kind != Known::kFrameAddress) return {};
      sum.value += insn.imm;
      sum.is_needed = sum.is_needed || sum.adjusted_by;
      sum.adjusted_by = at.value;
      return sum;
    }
    default:
      return {};
  }
}

void Scanner::LearnStore(const Instruction& insn, const OpcodeInfo& info) {
  const bool is_word = isa::AccessBytes(insn.opcode) == 4;
  const bool is_frame = known_[insn.dst].kind == Known::kFrameAddress;
  const std::int64_t offset = known_[insn.dst].value + insn.offset;
  const bool overlaps =
      stored_ &&
      (!is_frame || (offset < stored_->offset + 4 && stored_->offset < offset + isa::AccessBytes(insn.opcode)));
  if (overlaps) stored_.reset();
  if (!is_frame || !is_word) return;
  const bool is_constant = info.form == OperandForm::kStoreImm;
  stored_ = {offset, IndexOf(is_constant ? Known{.kind = Known::kConstant, .value = insn.imm} : known_[insn.src])};
}

// Along the calls, which form no cycle: as many rounds as the longest chain.
void Scanner::FindTailCallers() {
  const auto function_at = [this](std::uint32_t slot) {
    return std::find_if(scan_.functions.begin(), scan_.functions.end(),
                        [slot](const ScannedFunction& function) { return function.facts.begin.value == slot; });
  };
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    for (ScannedFunction& function : scan_.functions) {
      if (function.may_tail_call) continue;
      function.may_tail_call = std::any_of(function.callees.begin(), function.callees.end(),
                                           [&](std::uint32_t slot) { return function_at(slot)->may_tail_call; });
      has_changed = has_changed || function.may_tail_call;
    }
  }
}

void Scanner::Summarize() {
  FindTailCallers();
  const ScannedFunction& entry = scan_.functions.front();
  for (const ScannedFunction& function : scan_.functions) {
    scan_.calls = scan_.calls || function.calls;
    scan_.uses_run = scan_.uses_run || function.spends_budget || scan_.has_callbacks;  // which the prologue announces
    const bool is_inner = &function != &entry;
    if (is_inner && (function.spends_budget || (scan_.has_callbacks && function.calls))) scan_.unwinds_frames = true;
  }
}

}  // namespace

Result<ProgramScan> ScanProgram(const CompileInput& input) { return Scanner(input).Scan(); }

}  // namespace strata::compile
