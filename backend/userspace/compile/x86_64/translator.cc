#include "translator.h"

#include <array>
#include <bit>
#include <cassert>
#include <limits>

#include "../helper_numbers.h"
#include "assembler.h"
#include "strata/backend/userspace/runtime/run_context.h"
#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::compile::x86 {
namespace {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpClass;
using isa::Opcode;
using isa::OpcodeInfo;
using isa::OperandForm;
using runtime::ImageRelocationKind;
using runtime::RunContext;

constexpr Reg kRegisters[] = {Reg::rax, Reg::rdi, Reg::rsi, Reg::rdx, Reg::rcx, Reg::r8,
                              Reg::rbx, Reg::r13, Reg::r14, Reg::r15, Reg::rbp};
constexpr Reg kResult = Reg::rax;
constexpr Reg kScratch = Reg::r11;
constexpr Reg kSaved = Reg::r10;     // holds a register's value while a template needs that register
constexpr Reg kHelperRun = Reg::r9;  // the sixth argument

constexpr int kFirstKeptRegister = 6;  // R6 .. R9 survive calls
constexpr int kLastKeptRegister = 9;
constexpr int kRedZoneBytes = 128;  // below rsp, not touched by signal handlers (psABI 3.2.2)

constexpr std::int32_t kBudgetOffset = offsetof(RunContext, budget);
constexpr std::int32_t kSlotOffset = offsetof(RunContext, slot);
constexpr std::int32_t kCallbackOffset = offsetof(RunContext, callback);
constexpr std::int32_t kEngineStateOffset = offsetof(RunContext, engine_state);
constexpr std::int32_t kProgramOffset = offsetof(RunContext, program);
constexpr std::int32_t kTailCallsOffset = offsetof(RunContext, tail_calls);

Bits WidthOf(const OpcodeInfo& info) {
  return info.op_class == OpClass::kAlu64 || info.op_class == OpClass::kJump ? Bits::k64 : Bits::k32;
}

// The condition of a branch, by bits 4 to 7 of its opcode.
Cond ConditionOf(std::uint8_t opcode) {
  switch (isa::OperationOf(opcode)) {
    case 0x10:
      return Cond::kEqual;
    case 0x20:
      return Cond::kAbove;
    case 0x30:
      return Cond::kAboveOrEqual;
    case 0x40:  // jset: any bit set
    case 0x50:
      return Cond::kNotEqual;
    case 0x60:
      return Cond::kGreater;
    case 0x70:
      return Cond::kGreaterOrEqual;
    case 0xa0:
      return Cond::kBelow;
    case 0xb0:
      return Cond::kBelowOrEqual;
    case 0xc0:
      return Cond::kLess;
    default:
      return Cond::kLessOrEqual;
  }
}

bool IsTestOfBits(std::uint8_t opcode) { return isa::OperationOf(opcode) == 0x40; }

bool IsPerCpu(MapType type) {
  return type == MapType::kPerCpuArray || type == MapType::kPerCpuHash || type == MapType::kLruPerCpuHash;
}

// How a function's frame is laid out: saved registers, then rbp, then the eBPF stack, which may lie in the red zone.
struct Frame {
  std::array<Reg, 6> saved{};
  int saved_count = 0;
  bool has_rbp = false;
  std::int32_t stack_bytes = 0;   // subtracted from rsp
  bool has_padding = false;       // one word, to align calls, where there is no stack
  bool is_unwind_target = false;  // the address to end the run at lies at rsp
  std::int32_t bytes_below_rbp() const { return stack_bytes + (has_padding ? 8 : 0) + (is_unwind_target ? 8 : 0); }
};

class Translator {
 public:
  Translator(const CompileInput& input, const ProgramScan& scan)
      : input_(input),
        code_(input.instructions),
        scan_(scan),
        out_(static_cast<std::uint32_t>(input.instructions.size())),
        run_(scan.calls || scan.has_callbacks ? Reg::r12 : Reg::r9),
        end_run_entry_(out_.NewLabel()),
        end_run_inner_(out_.NewLabel()),
        end_run_callback_(out_.NewLabel()),
        thunk_(out_.NewLabel()) {
    for (std::size_t i = 0; i < scan.functions.size(); ++i) entries_.push_back(out_.NewLabel());
  }

  CompiledImage Translate() {
    for (const ScannedFunction& function : scan_.functions) TranslateFunction(function);
    EmitRunEnds();
    if (scan_.has_callbacks) EmitCallbackThunk();
    Code code = out_.Finish();
    CompiledImage image;
    image.code = std::move(code.bytes);
    image.entry_offset = code.label_offsets[entries_.front().id];
    image.callback_offset = scan_.has_callbacks ? code.label_offsets[thunk_.id] : 0;
    image.relocations = std::move(code.relocations);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const auto offset = static_cast<std::uint32_t>(code.label_offsets[entries_[i].id]);
      image.functions.push_back({scan_.functions[i].facts.begin.value, offset});
    }
    return image;
  }

 private:
  // --- frames
  void TranslateFunction(const ScannedFunction& function);
  Frame LayOutFrame(const ScannedFunction& function) const;
  void EmitPrologue();
  void EmitEpilogue();
  void TakeDownFrame();
  void RestoreRegisters();
  void StoreCallback();
  void EmitRunEnds();
  void EmitCallbackThunk();
  std::uint16_t WrittenAnywhere() const;
  std::uint16_t KeptRegisters(const ScannedFunction& function) const;

  // --- budget
  void Spend() { out_.AluMemImm(Alu::kSub, Bits::k64, {run_, kBudgetOffset}, 1); }
  Label EndRun() const { return is_entry_ ? end_run_entry_ : end_run_inner_; }
  void JumpToEndRunIf(Cond cond) {
    needs_end_run_entry_ = needs_end_run_entry_ || is_entry_;
    out_.JumpIf(cond, EndRun());
  }
  void JumpToEndRun() {
    needs_end_run_entry_ = needs_end_run_entry_ || is_entry_;
    out_.Jump(EndRun());
  }

  // --- instructions; each returns how many slots it has dealt with
  std::uint32_t TranslateInstruction(InsnIndex at);
  void LoadOrStore(const Instruction& insn, OperandForm form, Mem place);
  // What an access names.
  static Mem PlaceOf(const Instruction& insn, OperandForm form) {
    const bool is_load_acquire =
        form == OperandForm::kAtomic && static_cast<isa::AtomicOp>(insn.imm) == isa::AtomicOp::kLoadAcquire;
    return {form == OperandForm::kLoad || is_load_acquire ? Src(insn) : Dst(insn), insn.offset};
  }
  void CallGuarded(std::uint32_t helper, Mem place, int size);
  void GuardedLoad(const Instruction& insn);
  void ArenaAccess(const Instruction& insn, OperandForm form);
  void FindArenaMemory(Mem place, int size, Label elsewhere);
  void CastToUserSpace(const Instruction& insn);
  std::uint32_t AluImmediate(InsnIndex at, const OpcodeInfo& info);
  void AluRegister(const Instruction& insn, const OpcodeInfo& info);
  std::uint32_t ShiftImmediate(InsnIndex at, Bits bits);
  void ShiftRegister(const Instruction& insn, Bits bits);
  void AndImmediate(Reg dst, Bits bits, std::int32_t imm);
  void MulImmediate(Reg dst, Bits bits, std::int32_t imm);
  void Divide(const Instruction& insn, Bits bits);
  bool DivideByConstant(const Instruction& insn, Bits bits, bool is_modulo, bool is_signed);
  void DivideByScratch(Reg dst, Bits bits, bool is_modulo, bool is_signed);
  std::uint32_t Move(InsnIndex at, Bits bits);
  void SwapByteOrder(const Instruction& insn);
  void AtomicAccess(const Instruction& insn, Mem mem);
  void FetchByCompareExchange(Alu op, Bits bits, Mem mem, Reg src);
  std::uint32_t LoadImmediate64(InsnIndex at);
  void Branch(InsnIndex at, const OpcodeInfo& info);
  void Compare(const Instruction& insn, Bits bits);
  void JumpTo(InsnIndex at, std::int64_t target);
  void MayGoto(InsnIndex at);
  std::uint32_t Call(InsnIndex at);
  void CallFunction(InsnIndex at);
  void CallHelper(std::uint32_t helper);
  void CallMap(const DirectCall& call);
  void TailCall(InsnIndex at);
  void FindObject(const KnownPlace& call, Reg object, Label unknown, Label none);
  void EmitUnknownObjects();
  void LookupMap(const KnownPlace& lookup);
  void CountTailCall(Label needs_slot, Label has_slot, Label none);
  void JumpBackIf(Cond cond, std::int64_t target);
  std::uint32_t Lookup(InsnIndex at, const InlineLookup& lookup);
  void LookupConstantKey(const InlineLookup& lookup);
  void LookupKeyInMemory(const InlineLookup& lookup, Label out_of_bounds);
  void AddScaledKey(std::uint32_t stride);
  void AddSlotOffset(const runtime::ProgramMap& map);

  // The instruction behind the one at `at`, when no jump leads to it: it may be merged.
  const Instruction* Follower(InsnIndex at) const {
    const std::uint32_t next = at.value + 1;
    if (next >= function_->facts.end.value || (scan_.flags[next] & scan_flags::kTarget) != 0) return nullptr;
    return &code_[next];
  }
  std::size_t FunctionAt(std::int64_t slot) const;
  // What every 32-bit operation does to its result, also those that change nothing else.
  void ZeroUpperHalf(Bits bits, Reg reg) {
    if (bits == Bits::k32) out_.Mov(Bits::k32, reg, reg);
  }
  static Label TargetLabel(std::int64_t slot) { return Label{static_cast<std::uint32_t>(slot)}; }
  static Reg Dst(const Instruction& insn) { return kRegisters[insn.dst]; }
  static Reg Src(const Instruction& insn) { return kRegisters[insn.src]; }

  const CompileInput& input_;
  std::span<const Instruction> code_;
  const ProgramScan& scan_;
  Assembler out_;
  Reg run_;
  Label end_run_entry_;     // result 0, in the entry's frame
  Label end_run_inner_;     // from any depth to the frame that called first
  Label end_run_callback_;  // in the thunk's frame
  Label thunk_;
  std::vector<Label> entries_;  // by function, in front of its prologue; an instruction's label lies behind it
  std::size_t next_lookup_ = 0;
  std::size_t next_direct_call_ = 0;
  std::size_t next_tail_call_ = 0;
  std::size_t next_map_lookup_ = 0;
  bool needs_end_run_entry_ = false;

  // of the function being translated
  // A lookup whose helper call is still to be written.
  struct UnknownObject {
    std::uint32_t map;  // its position in the map table
    Label unknown;
    Label none;
    Label done;
  };
  std::vector<UnknownObject> unknown_objects_;
  const ScannedFunction* function_ = nullptr;
  Frame frame_;
  Frame entry_frame_;
  bool is_entry_ = true;
};

// --- frames --------------------------------------------------------------------------------------------------------

// Of R6..R9, those that a function must keep for its caller. A frame that runs may end in keeps what any function
// writes, since the frames in between never get to restore theirs.
std::uint16_t Translator::KeptRegisters(const ScannedFunction& function) const {
  return is_entry_ && scan_.unwinds_frames ? WrittenAnywhere() : function.written;
}

std::uint16_t Translator::WrittenAnywhere() const {
  std::uint16_t written = 0;
  for (const ScannedFunction& function : scan_.functions) written |= function.written;
  return written;
}

Frame Translator::LayOutFrame(const ScannedFunction& function) const {
  Frame frame;
  const auto save = [&](Reg reg) { frame.saved[static_cast<std::size_t>(frame.saved_count++)] = reg; };
  if (is_entry_ && scan_.uses_run && run_ == Reg::r12) save(Reg::r12);
  const std::uint16_t kept = KeptRegisters(function);
  for (int reg = kFirstKeptRegister; reg <= kLastKeptRegister; ++reg) {
    if ((kept & (1U << reg)) != 0) save(kRegisters[reg]);
  }
  frame.is_unwind_target = is_entry_ && scan_.unwinds_frames;
  // An inner function's rbp is not restored when the run ends there.
  frame.has_rbp = function.uses_frame || frame.is_unwind_target;

  const auto stack = static_cast<std::int32_t>(function.facts.stack_bytes);
  const bool in_red_zone = !function.calls && stack <= kRedZoneBytes;
  if (frame.has_rbp && !in_red_zone) frame.stack_bytes = stack;
  if (!function.calls) return frame;
  const int words = 1 + frame.saved_count + (frame.has_rbp ? 1 : 0) + (frame.is_unwind_target ? 1 : 0);
  if ((words * 8 + frame.stack_bytes) % 16 == 0) return frame;
  if (frame.stack_bytes != 0) {
    frame.stack_bytes += 8;
  } else {
    frame.has_padding = true;
  }
  return frame;
}

void Translator::EmitPrologue() {
  for (int i = 0; i < frame_.saved_count; ++i) out_.Push(frame_.saved[static_cast<std::size_t>(i)]);
  if (frame_.has_rbp) {
    out_.Push(Reg::rbp);
    out_.Mov(Bits::k64, Reg::rbp, Reg::rsp);
  }
  if (frame_.stack_bytes != 0) out_.AluImm(Alu::kSub, Bits::k64, Reg::rsp, frame_.stack_bytes);
  if (frame_.has_padding) out_.Push(Reg::rax);
  if (is_entry_ && scan_.uses_run) out_.Mov(Bits::k64, run_, Reg::rsi);
  if (is_entry_ && scan_.has_callbacks) StoreCallback();
  if (!frame_.is_unwind_target) return;
  needs_end_run_entry_ = true;
  out_.LeaLabel(Reg::rax, end_run_entry_);
  out_.Push(Reg::rax);
  out_.Store({run_, kEngineStateOffset}, Reg::rsp, 8);
}

// Run contexts name the thunk of the image that runs.
void Translator::StoreCallback() {
  out_.LeaLabel(kScratch, thunk_);
  out_.Store({run_, kCallbackOffset}, kScratch, 8);
}

void Translator::EmitEpilogue() {
  TakeDownFrame();
  out_.Ret();
}

// Leaves rax, rdi, rsi and r11 alone.
void Translator::TakeDownFrame() {
  const std::int32_t below = frame_.bytes_below_rbp();
  if (frame_.has_rbp && below != 0) {
    out_.Leave();
  } else {
    if (frame_.has_padding) out_.Pop(Reg::rcx);
    if (frame_.has_rbp) out_.Pop(Reg::rbp);
  }
  RestoreRegisters();
}

void Translator::RestoreRegisters() {
  for (int i = frame_.saved_count - 1; i >= 0; --i) out_.Pop(frame_.saved[static_cast<std::size_t>(i)]);
}

void Translator::TranslateFunction(const ScannedFunction& function) {
  function_ = &function;
  is_entry_ = &function == &scan_.functions.front();
  frame_ = LayOutFrame(function);
  if (is_entry_) entry_frame_ = frame_;
  out_.Bind(entries_[static_cast<std::size_t>(&function - scan_.functions.data())]);
  EmitPrologue();
  for (InsnIndex at = function.facts.begin; at < function.facts.end;) at.value += TranslateInstruction(at);
  EmitUnknownObjects();
}

void Translator::EmitRunEnds() {
  if (needs_end_run_entry_) {
    out_.Bind(end_run_entry_);
    out_.MovImm(kResult, 0);
    frame_ = entry_frame_;
    // rbp may be that of an inner function: only rsp is right.
    if (const std::int32_t below = frame_.bytes_below_rbp(); below != 0) out_.Lea(Reg::rsp, {Reg::rsp, below});
    if (frame_.has_rbp) out_.Pop(Reg::rbp);
    RestoreRegisters();
    out_.Ret();
  }
  if (!scan_.unwinds_frames) return;
  out_.Bind(end_run_inner_);
  out_.Load(Reg::rsp, {run_, kEngineStateOffset}, 8);
  out_.JumpMem({Reg::rsp});
}

// runtime::CallbackThunk: R1..R4 are in place, the function is in r8, the run in r9. Returns 1, which ends the helper's
// loop, when the budget is or becomes used up.
void Translator::EmitCallbackThunk() {
  std::array<Reg, 6> saved{Reg::r12};
  std::size_t saved_count = 1;
  if (scan_.unwinds_frames) {
    const std::uint16_t written = WrittenAnywhere();
    for (int reg = kFirstKeptRegister; reg <= kLastKeptRegister; ++reg) {
      if ((written & (1U << reg)) != 0) saved[saved_count++] = kRegisters[reg];
    }
    saved[saved_count++] = Reg::rbp;
  }
  const bool needs_padding = (1 + saved_count) % 2 != 0;
  const Label result_one = out_.NewLabel();
  const Label done = out_.NewLabel();

  out_.Bind(thunk_);
  for (std::size_t i = 0; i < saved_count; ++i) out_.Push(saved[i]);
  if (needs_padding) out_.Push(Reg::rax);
  out_.Mov(Bits::k64, Reg::r12, Reg::r9);
  Spend();
  out_.JumpIf(Cond::kSign, result_one);
  if (scan_.unwinds_frames) {
    out_.PushMem({Reg::r12, kEngineStateOffset});
    out_.LeaLabel(Reg::rax, end_run_callback_);
    out_.Push(Reg::rax);
    out_.Store({Reg::r12, kEngineStateOffset}, Reg::rsp, 8);
  }
  out_.CallReg(Reg::r8);
  if (scan_.unwinds_frames) {
    out_.Pop(Reg::rcx);
    out_.PopMem({Reg::r12, kEngineStateOffset});
  }
  out_.Bind(done);
  if (needs_padding) out_.Pop(Reg::rcx);
  for (std::size_t i = saved_count; i > 0; --i) out_.Pop(saved[i - 1]);
  out_.Ret();

  if (scan_.unwinds_frames) {
    out_.Bind(end_run_callback_);
    out_.Pop(Reg::rcx);
    out_.PopMem({Reg::r12, kEngineStateOffset});
  }
  out_.Bind(result_one);
  out_.MovImm(kResult, 1);
  out_.Jump(done);
}

// --- instructions --------------------------------------------------------------------------------------------------

std::uint32_t Translator::TranslateInstruction(InsnIndex at) {
  const Instruction& insn = code_[at.value];
  const OpcodeInfo& info = *isa::FindOpcode(insn.opcode);
  out_.Bind(Label{at.value});
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
        ArenaAccess(insn, info.form);
      } else {
        LoadOrStore(insn, info.form, PlaceOf(insn, info.form));
      }
      return 1;
    case OperandForm::kAtomic:
      if (IsArenaAccess(input_, at.value)) {
        ArenaAccess(insn, info.form);
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

void Translator::LoadOrStore(const Instruction& insn, OperandForm form, Mem place) {
  const int size = isa::AccessBytes(insn.opcode);
  if (form == OperandForm::kStoreImm) return out_.StoreImm(place, insn.imm, size);
  if (form == OperandForm::kStoreReg) return out_.Store(place, Src(insn), size);
  constexpr std::uint8_t kModeMask = 0xe0;
  constexpr std::uint8_t kModeSigned = 0x80;
  if ((insn.opcode & kModeMask) == kModeSigned) return out_.LoadSigned(Dst(insn), place, size);
  out_.Load(Dst(insn), place, size);
}

// kScratch = what a helper says of so many bytes at an address. Programs do not see it as a call: R0 .. R5 stay as they
// are.
void Translator::CallGuarded(std::uint32_t helper, Mem place, int size) {
  constexpr std::array kKept = {Reg::rax, Reg::rdi, Reg::rsi, Reg::rdx, Reg::rcx, Reg::r8};  // even: keeps alignment
  out_.Lea(kScratch, place);
  for (const Reg reg : kKept) out_.Push(reg);
  out_.Mov(Bits::k64, Reg::rdi, kScratch);
  out_.MovImm(Reg::rsi, static_cast<std::uint64_t>(size));
  if (helper == runtime::kArenaMemoryHelper)
    out_.MovRelocated(Reg::rdx, ImageRelocationKind::kMapView, input_.arena, 0);
  out_.Mov(Bits::k64, kHelperRun, run_);
  out_.CallHelper(helper);
  out_.Mov(Bits::k64, kScratch, Reg::rax);
  for (auto reg = kKept.rbegin(); reg != kKept.rend(); ++reg) out_.Pop(*reg);
}

// kScratch = the address in this process, when the page is allocated and the access is aligned, so that no second page
// has a part of it.
void Translator::FindArenaMemory(Mem place, int size, Label elsewhere) {
  constexpr Reg kTable = Reg::r9;  // free where there are calls: the run is in r12
  constexpr auto kAllocated = static_cast<std::int32_t>(runtime::ArenaPage::kAllocated);
  constexpr int kPageShift = 12;
  const std::uint64_t pages = input_.maps[input_.arena].max_entries;
  out_.Lea(kScratch, place);
  if (size > 1) {
    out_.TestImm(Bits::k64, kScratch, size - 1);
    out_.JumpIf(Cond::kNotEqual, elsewhere);
  }
  out_.MovImm(kSaved, static_cast<std::uint32_t>(input_.arena_address));
  out_.AluReg(Alu::kSub, Bits::k64, kScratch, kSaved);
  out_.Mov(Bits::k64, kSaved, kScratch);
  out_.ShiftImm(Shift::kShr, Bits::k64, kSaved, kPageShift);
  out_.AluImm(Alu::kCmp, Bits::k64, kSaved, static_cast<std::int32_t>(pages));
  out_.JumpIf(Cond::kAboveOrEqual, elsewhere);
  out_.MovRelocated(kTable, ImageRelocationKind::kMapTable, input_.arena, 0);
  out_.AluReg(Alu::kAdd, Bits::k64, kSaved, kTable);
  out_.Load(kSaved, {kSaved}, 1);
  out_.AluImm(Alu::kCmp, Bits::k32, kSaved, kAllocated);
  out_.JumpIf(Cond::kNotEqual, elsewhere);
  out_.AluReg(Alu::kAdd, Bits::k64, kScratch, kTable);
  out_.MovImm(kSaved, pages << kPageShift);  // the data ends where the table begins
  out_.AluReg(Alu::kSub, Bits::k64, kScratch, kSaved);
}

// Where no page is, loads give 0 and all else does nothing.
void Translator::ArenaAccess(const Instruction& insn, OperandForm form) {
  const Label elsewhere = out_.NewLabel();
  const Label found = out_.NewLabel();
  const Label done = out_.NewLabel();
  const Mem place = PlaceOf(insn, form);
  const int size = isa::AccessBytes(insn.opcode);
  FindArenaMemory(place, size, elsewhere);
  out_.Jump(found);
  out_.Bind(elsewhere);
  CallGuarded(runtime::kArenaMemoryHelper, place, size);
  if (form == OperandForm::kLoad) out_.MovImm(Dst(insn), 0);
  out_.Test(Bits::k64, kScratch, kScratch);
  out_.JumpIf(Cond::kEqual, done);
  out_.Bind(found);
  if (form == OperandForm::kAtomic) {
    AtomicAccess(insn, {kScratch});
  } else {
    LoadOrStore(insn, form, {kScratch});
  }
  out_.Bind(done);
}

// Null stays null.
void Translator::CastToUserSpace(const Instruction& insn) {
  const Label done = out_.NewLabel();
  const Reg dst = Dst(insn);
  out_.ExtendZero(dst, Src(insn), 32);
  out_.Test(Bits::k32, dst, dst);
  out_.JumpIf(Cond::kEqual, done);
  out_.MovImm(kScratch, input_.arena_address >> 32 << 32);
  out_.AluReg(Alu::kOr, Bits::k64, dst, kScratch);
  out_.Bind(done);
}

// Through a helper that may be asked of any address.
void Translator::GuardedLoad(const Instruction& insn) {
  constexpr std::uint8_t kModeMask = 0xe0;
  constexpr std::uint8_t kModeSigned = 0x80;
  const int size = isa::AccessBytes(insn.opcode);
  CallGuarded(runtime::kGuardedLoadHelper, PlaceOf(insn, OperandForm::kLoad), size);
  if ((insn.opcode & kModeMask) == kModeSigned) return out_.ExtendSign(Bits::k64, Dst(insn), kScratch, size * 8);
  out_.Mov(Bits::k64, Dst(insn), kScratch);
}

std::uint32_t Translator::AluImmediate(InsnIndex at, const OpcodeInfo& info) {
  const Instruction& insn = code_[at.value];
  const Bits bits = WidthOf(info);
  const Reg dst = Dst(insn);
  constexpr std::int32_t kOneTooFar = 128;  // -128 fits a byte
  switch (isa::OperationOf(insn.opcode)) {
    case 0x00:
      if (insn.imm == 0) {
        ZeroUpperHalf(bits, dst);
      } else if (insn.imm == kOneTooFar) {
        out_.AluImm(Alu::kSub, bits, dst, -kOneTooFar);
      } else {
        out_.AluImm(Alu::kAdd, bits, dst, insn.imm);
      }
      return 1;
    case 0x10:
      if (insn.imm == kOneTooFar) {
        out_.AluImm(Alu::kAdd, bits, dst, -kOneTooFar);
      } else {
        out_.AluImm(Alu::kSub, bits, dst, insn.imm);
      }
      return 1;
    case 0x20:
      MulImmediate(dst, bits, insn.imm);
      return 1;
    case 0x40:
      out_.AluImm(Alu::kOr, bits, dst, insn.imm);
      return 1;
    case 0x50:
      AndImmediate(dst, bits, insn.imm);
      return 1;
    case 0xa0:
      out_.AluImm(Alu::kXor, bits, dst, insn.imm);
      return 1;
    case 0xb0:
      out_.MovImm(dst, bits == Bits::k64 ? static_cast<std::uint64_t>(std::int64_t{insn.imm})
                                         : static_cast<std::uint32_t>(insn.imm));
      return 1;
    default:
      return ShiftImmediate(at, bits);
  }
}

void Translator::AluRegister(const Instruction& insn, const OpcodeInfo& info) {
  const Bits bits = WidthOf(info);
  switch (isa::OperationOf(insn.opcode)) {
    case 0x00:
      return out_.AluReg(Alu::kAdd, bits, Dst(insn), Src(insn));
    case 0x10:
      return out_.AluReg(Alu::kSub, bits, Dst(insn), Src(insn));
    case 0x20:
      return out_.MulReg(bits, Dst(insn), Src(insn));
    case 0x40:
      return out_.AluReg(Alu::kOr, bits, Dst(insn), Src(insn));
    case 0x50:
      return out_.AluReg(Alu::kAnd, bits, Dst(insn), Src(insn));
    case 0xa0:
      return out_.AluReg(Alu::kXor, bits, Dst(insn), Src(insn));
    default:
      return ShiftRegister(insn, bits);
  }
}

void Translator::AndImmediate(Reg dst, Bits bits, std::int32_t imm) {
  if (imm == 0) return out_.MovImm(dst, 0);
  if (imm == 0xff) return out_.ExtendZero(dst, dst, 8);
  if (imm == 0xffff) return out_.ExtendZero(dst, dst, 16);
  // A mask without its sign bit leaves nothing of the upper half.
  out_.AluImm(Alu::kAnd, imm > 0 ? Bits::k32 : bits, dst, imm);
}

void Translator::MulImmediate(Reg dst, Bits bits, std::int32_t imm) {
  if (imm == 0) return out_.MovImm(dst, 0);
  if (imm == 1) return ZeroUpperHalf(bits, dst);
  if (imm > 0 && std::has_single_bit(static_cast<std::uint32_t>(imm))) {
    return out_.ShiftImm(Shift::kShl, bits, dst, std::countr_zero(static_cast<std::uint32_t>(imm)));
  }
  out_.MulImm(bits, dst, dst, imm);
}

Shift ShiftOf(std::uint8_t opcode) {
  const std::uint8_t operation = isa::OperationOf(opcode);
  return operation == 0x60 ? Shift::kShl : operation == 0x70 ? Shift::kShr : Shift::kSar;
}

// Compilers for v1 and v2 extend 32-bit values by two shifts: one move does both.
std::uint32_t Translator::ShiftImmediate(InsnIndex at, Bits bits) {
  const Instruction& insn = code_[at.value];
  const Reg dst = Dst(insn);
  const int count = insn.imm & (bits == Bits::k64 ? 63 : 31);
  const Instruction* next = Follower(at);
  const bool is_pair = static_cast<Opcode>(insn.opcode) == Opcode::kLsh64Imm && count == 32 && next != nullptr &&
                       next->dst == insn.dst && next->imm == 32;
  if (is_pair && static_cast<Opcode>(next->opcode) == Opcode::kRsh64Imm) {
    out_.ExtendZero(dst, dst, 32);
    return 2;
  }
  if (is_pair && static_cast<Opcode>(next->opcode) == Opcode::kArsh64Imm) {
    out_.ExtendSign(Bits::k64, dst, dst, 32);
    return 2;
  }
  if (count == 0) {
    ZeroUpperHalf(bits, dst);
  } else {
    out_.ShiftImm(ShiftOf(insn.opcode), bits, dst, count);
  }
  return 1;
}

// The count must be in cl, which is R4's; the hardware masks it as eBPF does.
void Translator::ShiftRegister(const Instruction& insn, Bits bits) {
  const Shift op = ShiftOf(insn.opcode);
  const Reg dst = Dst(insn);
  const Reg count = Src(insn);
  if (count == Reg::rcx) return out_.ShiftByCl(op, bits, dst);
  out_.Mov(Bits::k64, kScratch, Reg::rcx);
  out_.Mov(Bits::k32, Reg::rcx, count);
  out_.ShiftByCl(op, bits, dst == Reg::rcx ? kScratch : dst);
  out_.Mov(Bits::k64, Reg::rcx, kScratch);
}

// --- division ------------------------------------------------------------------------------------------------------

// Divisors that need no division. By zero: the quotient is 0, the remainder the dividend (RFC 9669 section 4.1).
bool Translator::DivideByConstant(const Instruction& insn, Bits bits, bool is_modulo, bool is_signed) {
  const Reg dst = Dst(insn);
  const auto clear = [&] { out_.MovImm(dst, 0); };
  const auto keep = [&] { ZeroUpperHalf(bits, dst); };
  if (insn.imm == 0) return is_modulo ? keep() : clear(), true;
  if (insn.imm == 1) return is_modulo ? clear() : keep(), true;
  if (is_signed) {
    if (insn.imm != -1) return false;
    if (is_modulo) return clear(), true;
    out_.UnaryOp(Unary::kNeg, bits, dst);
    return true;
  }
  const std::uint64_t divisor =
      bits == Bits::k64 ? static_cast<std::uint64_t>(std::int64_t{insn.imm}) : static_cast<std::uint32_t>(insn.imm);
  if (!std::has_single_bit(divisor)) return false;
  if (is_modulo) {
    AndImmediate(dst, bits, static_cast<std::int32_t>(divisor - 1));
  } else {
    out_.ShiftImm(Shift::kShr, bits, dst, std::countr_zero(divisor));
  }
  return true;
}

// dst divided by what is in kScratch, which is not 0, and not -1 for signed division. The hardware wants rdx:rax.
void Translator::DivideByScratch(Reg dst, Bits bits, bool is_modulo, bool is_signed) {
  const Reg result = is_modulo ? Reg::rdx : Reg::rax;
  const auto divide = [&] {
    if (is_signed) {
      out_.SignToRdx(bits);
    } else {
      out_.MovImm(Reg::rdx, 0);
    }
    out_.UnaryOp(is_signed ? Unary::kIdiv : Unary::kDiv, bits, kScratch);
  };
  if (dst == Reg::rax) {
    out_.Mov(Bits::k64, kSaved, Reg::rdx);
    divide();
    if (is_modulo) out_.Mov(Bits::k64, Reg::rax, Reg::rdx);
    return out_.Mov(Bits::k64, Reg::rdx, kSaved);
  }
  out_.Mov(Bits::k64, kSaved, Reg::rax);
  out_.Mov(bits, Reg::rax, dst);
  if (dst != Reg::rdx) out_.Mov(Bits::k64, dst, Reg::rdx);  // dst keeps rdx meanwhile
  divide();
  if (dst == Reg::rdx) {
    if (!is_modulo) out_.Mov(Bits::k64, dst, result);
  } else if (is_modulo) {
    out_.Exchange(dst, Reg::rdx);
  } else {
    out_.Mov(Bits::k64, Reg::rdx, dst);
    out_.Mov(Bits::k64, dst, result);
  }
  out_.Mov(Bits::k64, Reg::rax, kSaved);
}

void Translator::Divide(const Instruction& insn, Bits bits) {
  const bool is_modulo = isa::OperationOf(insn.opcode) == 0x90;
  const bool is_signed = insn.offset == 1;
  const Reg dst = Dst(insn);
  if (!isa::UsesSourceRegister(insn.opcode)) {
    if (DivideByConstant(insn, bits, is_modulo, is_signed)) return;
    out_.MovImm(kScratch, bits == Bits::k64 ? static_cast<std::uint64_t>(std::int64_t{insn.imm})
                                            : static_cast<std::uint32_t>(insn.imm));
    return DivideByScratch(dst, bits, is_modulo, is_signed);
  }

  out_.Mov(bits, kScratch, Src(insn));
  out_.Test(bits, kScratch, kScratch);
  const ShortJump is_not_zero = out_.JumpShortIf(Cond::kNotEqual);
  if (is_modulo) {
    ZeroUpperHalf(bits, dst);
  } else {
    out_.MovImm(dst, 0);
  }
  const ShortJump zero_done = out_.JumpShort();
  out_.BindShort(is_not_zero);
  if (!is_signed) {
    DivideByScratch(dst, bits, is_modulo, is_signed);
    return out_.BindShort(zero_done);
  }
  // The smallest value divided by -1 traps.
  out_.AluImm(Alu::kCmp, bits, kScratch, -1);
  const ShortJump is_not_minus_one = out_.JumpShortIf(Cond::kNotEqual);
  if (is_modulo) {
    out_.MovImm(dst, 0);
  } else {
    out_.UnaryOp(Unary::kNeg, bits, dst);
  }
  const ShortJump minus_one_done = out_.JumpShort();
  out_.BindShort(is_not_minus_one);
  DivideByScratch(dst, bits, is_modulo, is_signed);
  out_.BindShort(zero_done);
  out_.BindShort(minus_one_done);
}

// --- moves ---------------------------------------------------------------------------------------------------------

std::uint32_t Translator::Move(InsnIndex at, Bits bits) {
  const Instruction& insn = code_[at.value];
  const Reg dst = Dst(insn);
  const Reg src = Src(insn);
  if (insn.offset == 1) {
    CastToUserSpace(insn);
    return 1;
  }
  if (insn.offset != 0) {
    out_.ExtendSign(bits, dst, src, insn.offset);
    return 1;
  }
  if (bits == Bits::k32) {
    out_.ExtendZero(dst, src, 32);
    return 1;
  }
  if (dst == src) return 1;
  // dst = src; dst += x: one lea
  const Instruction* next = Follower(at);
  if (next != nullptr && next->dst == insn.dst && static_cast<Opcode>(next->opcode) == Opcode::kAdd64Imm) {
    out_.Lea(dst, {src, next->imm});
    return 2;
  }
  if (next != nullptr && next->dst == insn.dst && static_cast<Opcode>(next->opcode) == Opcode::kAdd64Reg) {
    out_.Lea(dst, {src, 0, next->src == insn.dst ? src : Src(*next)});
    return 2;
  }
  out_.Mov(Bits::k64, dst, src);
  return 1;
}

void Translator::SwapByteOrder(const Instruction& insn) {
  const Reg dst = Dst(insn);
  const bool swaps = static_cast<Opcode>(insn.opcode) != Opcode::kToLittleEndian;
  switch (insn.imm) {
    case 16:
      if (swaps) out_.RotateLow16(dst);
      return out_.ExtendZero(dst, dst, 16);
    case 32:
      return swaps ? out_.ByteSwap(Bits::k32, dst) : out_.ExtendZero(dst, dst, 32);
    default:
      if (swaps) out_.ByteSwap(Bits::k64, dst);
  }
}

std::uint32_t Translator::LoadImmediate64(InsnIndex at) {
  if ((scan_.flags[at.value] & scan_flags::kSkip) != 0) return 2;
  const Instruction& low = code_[at.value];
  const Instruction& high = code_[at.value + 1];
  const auto imm = static_cast<std::uint32_t>(low.imm);
  switch (static_cast<isa::PseudoLoad>(low.src)) {
    case isa::PseudoLoad::kFunction:
      out_.LeaLabel(Dst(low), entries_[FunctionAt(isa::TargetOf(low, at, OperandForm::kLoadImm64))]);
      return 2;
    case isa::PseudoLoad::kMapIndex:
      out_.MovRelocated(Dst(low), ImageRelocationKind::kMapView, imm, 0);
      return 2;
    case isa::PseudoLoad::kMapIndexValue:
      out_.MovRelocated(Dst(low), ImageRelocationKind::kMapData, imm, static_cast<std::uint32_t>(high.imm));
      return 2;
    case isa::PseudoLoad::kNone:
    case isa::PseudoLoad::kMapFd:
    case isa::PseudoLoad::kMapValue:
    case isa::PseudoLoad::kBtfId:
      break;
  }
  out_.MovImm(Dst(low), isa::Imm64(low, high));
  return 2;
}

// --- atomics -------------------------------------------------------------------------------------------------------

// x86 has no instruction that gives the old value of an and, or, xor.
void Translator::FetchByCompareExchange(Alu op, Bits bits, Mem mem, Reg src) {
  out_.Mov(Bits::k64, kSaved, Reg::rax);
  const Reg operand = src == Reg::rax ? kSaved : src;
  if (mem.base == Reg::rax) mem.base = kSaved;
  out_.Load(Reg::rax, mem, bits == Bits::k64 ? 8 : 4);
  const std::size_t again = out_.here();
  out_.Mov(Bits::k64, kScratch, Reg::rax);
  out_.AluReg(op, bits, kScratch, operand);
  out_.LockCompareExchange(bits, mem, kScratch);
  out_.JumpShortBack(Cond::kNotEqual, again);
  if (src == Reg::rax) return;
  out_.Mov(Bits::k64, src, Reg::rax);
  out_.Mov(Bits::k64, Reg::rax, kSaved);
}

void Translator::AtomicAccess(const Instruction& insn, Mem mem) {
  const int size = isa::AccessBytes(insn.opcode);
  const Bits bits = size == 8 ? Bits::k64 : Bits::k32;
  const Reg src = Src(insn);
  switch (static_cast<isa::AtomicOp>(insn.imm)) {
    case isa::AtomicOp::kAdd:
      return out_.LockAlu(Alu::kAdd, bits, mem, src);
    case isa::AtomicOp::kOr:
      return out_.LockAlu(Alu::kOr, bits, mem, src);
    case isa::AtomicOp::kAnd:
      return out_.LockAlu(Alu::kAnd, bits, mem, src);
    case isa::AtomicOp::kXor:
      return out_.LockAlu(Alu::kXor, bits, mem, src);
    case isa::AtomicOp::kFetchAdd:
      return out_.LockExchangeAdd(bits, mem, src);
    case isa::AtomicOp::kFetchOr:
      return FetchByCompareExchange(Alu::kOr, bits, mem, src);
    case isa::AtomicOp::kFetchAnd:
      return FetchByCompareExchange(Alu::kAnd, bits, mem, src);
    case isa::AtomicOp::kFetchXor:
      return FetchByCompareExchange(Alu::kXor, bits, mem, src);
    case isa::AtomicOp::kExchange:
      return out_.ExchangeMem(bits, mem, src);
    case isa::AtomicOp::kCompareExchange:
      out_.LockCompareExchange(bits, mem, src);
      return ZeroUpperHalf(bits, Reg::rax);  // on success eax is not written
    // Plain moves of x86 are ordered enough.
    case isa::AtomicOp::kLoadAcquire:
      return out_.Load(Dst(insn), mem, size);
    case isa::AtomicOp::kStoreRelease:
      return out_.Store(mem, src, size);
  }
}

// --- flow ----------------------------------------------------------------------------------------------------------

void Translator::Compare(const Instruction& insn, Bits bits) {
  const Reg left = Dst(insn);
  const bool is_test = IsTestOfBits(insn.opcode);
  if (isa::UsesSourceRegister(insn.opcode)) {
    return is_test ? out_.Test(bits, left, Src(insn)) : out_.AluReg(Alu::kCmp, bits, left, Src(insn));
  }
  if (is_test) return out_.TestImm(bits, left, insn.imm);
  if (insn.imm == 0) return out_.Test(bits, left, left);  // the flags of a comparison with 0
  out_.AluImm(Alu::kCmp, bits, left, insn.imm);
}

// The flags decide; a backward jump that is taken counts.
void Translator::JumpBackIf(Cond cond, std::int64_t target) {
  const Label stay = out_.NewLabel();
  out_.JumpIf(Negate(cond), stay);
  Spend();
  out_.JumpIf(Cond::kNotSign, TargetLabel(target));
  JumpToEndRun();
  out_.Bind(stay);
}

void Translator::Branch(InsnIndex at, const OpcodeInfo& info) {
  const Instruction& insn = code_[at.value];
  const std::int64_t target = isa::TargetOf(insn, at, info.form);
  if (insn.offset == 0) return;
  Compare(insn, WidthOf(info));
  const Cond cond = ConditionOf(insn.opcode);
  if (target <= at.value) return JumpBackIf(cond, target);
  out_.JumpIf(cond, TargetLabel(target));
}

void Translator::JumpTo(InsnIndex at, std::int64_t target) {
  if (target == at.value + 1) return;
  if (target > at.value) return out_.Jump(TargetLabel(target));
  Spend();
  out_.JumpIf(Cond::kNotSign, TargetLabel(target));
  JumpToEndRun();
}

void Translator::MayGoto(InsnIndex at) {
  const Instruction& insn = code_[at.value];
  if (insn.offset == 0) return;
  const std::int64_t target = isa::TargetOf(insn, at, OperandForm::kMayGoto);
  out_.AluMemImm(Alu::kCmp, Bits::k64, {run_, kBudgetOffset}, runtime::kMayGotoReserve);
  if (target <= at.value) return JumpBackIf(Cond::kLess, target);
  out_.JumpIf(Cond::kLess, TargetLabel(target));
}

std::size_t Translator::FunctionAt(std::int64_t slot) const {
  std::size_t function = 0;
  while (scan_.functions[function].facts.begin.value != slot) ++function;
  return function;
}

void Translator::CallFunction(InsnIndex at) {
  Spend();
  JumpToEndRunIf(Cond::kSign);
  const std::size_t callee = FunctionAt(isa::TargetOf(code_[at.value], at, OperandForm::kCall));
  if (!scan_.functions[callee].may_tail_call) return out_.Call(entries_[callee]);
  // Another program may return in the function's place.
  out_.PushMem({run_, kProgramOffset});
  out_.PushMem({run_, kEngineStateOffset});
  out_.Call(entries_[callee]);
  out_.PopMem({run_, kEngineStateOffset});
  out_.PopMem({run_, kProgramOffset});
  if (scan_.has_callbacks) StoreCallback();
  out_.AluMemImm(Alu::kCmp, Bits::k64, {run_, kBudgetOffset}, 0);
  JumpToEndRunIf(Cond::kLess);
}

void Translator::CallHelper(std::uint32_t helper) {
  out_.Mov(Bits::k64, kHelperRun, run_);
  out_.CallHelper(helper);
  if (!scan_.has_callbacks && !MayEndRun(static_cast<std::int32_t>(helper))) return;
  out_.AluMemImm(Alu::kCmp, Bits::k64, {run_, kBudgetOffset}, 0);  // a callback or the helper may have used it up
  JumpToEndRunIf(Cond::kLess);
}

std::uint32_t Translator::Call(InsnIndex at) {
  const Instruction& insn = code_[at.value];
  if (isa::IsFunctionCall(insn, OperandForm::kCall)) {
    CallFunction(at);
    return 1;
  }
  if (insn.src == static_cast<std::uint8_t>(isa::PseudoCall::kKfunc)) {
    out_.Mov(Bits::k64, kHelperRun, run_);
    out_.CallImport(static_cast<std::uint32_t>(insn.imm));
    return 1;
  }
  if (insn.imm == kGetSmpProcessorId) {
    out_.Load(kResult, {run_, kSlotOffset}, 4);
    return 1;
  }
  if (next_lookup_ < scan_.lookups.size() && scan_.lookups[next_lookup_].call == at.value) {
    return Lookup(at, scan_.lookups[next_lookup_++]);
  }
  if (next_direct_call_ < scan_.direct_calls.size() && scan_.direct_calls[next_direct_call_].call == at.value) {
    CallMap(scan_.direct_calls[next_direct_call_++]);
    return 1;
  }
  if (insn.imm == kTailCall) {
    TailCall(at);
    return 1;
  }
  if (next_map_lookup_ < scan_.map_lookups.size() && scan_.map_lookups[next_map_lookup_].call == at.value) {
    LookupMap(scan_.map_lookups[next_map_lookup_++]);
    return 1;
  }
  CallHelper(static_cast<std::uint32_t>(insn.imm));
  return 1;
}

// MapOps::lookup, update, erase take the helper's arguments and, the first two, the run's slot behind them.
void Translator::CallMap(const DirectCall& call) {
  if (IsPerCpu(input_.maps[call.map].type) && call.operation != runtime::MapOperation::kErase)
    out_.Load(call.operation == runtime::MapOperation::kLookup ? Reg::rdx : Reg::r8, {run_, kSlotOffset}, 4);
  out_.CallMapOperation(call.map, call.operation);
}

// --- tail calls ----------------------------------------------------------------------------------------------------

// `object` = what the slot of the array stands for, when this process knows it already, null where it knows that it
// cannot be opened; at `unknown` eax has its id, 0 where the slot is empty. An index that is no constant is in ecx,
// whose upper half is zero.
void Translator::FindObject(const KnownPlace& call, Reg object, Label unknown, Label none) {
  constexpr std::int64_t kIdSize = sizeof(std::uint32_t);
  constexpr std::int64_t kEntrySize = 1 << runtime::kResolvedObjectShift;
  const std::int64_t index = call.index.value_or(0);
  const auto max_entries = static_cast<std::int32_t>(input_.maps[call.map].max_entries);
  if (!call.index) {
    out_.AluImm(Alu::kCmp, Bits::k32, Reg::rcx, max_entries);
    out_.JumpIf(Cond::kAboveOrEqual, none);
  }
  out_.MovRelocated(Reg::rax, ImageRelocationKind::kMapTable, call.map, index * kIdSize);
  out_.MovRelocated(kScratch, ImageRelocationKind::kMapResolved, call.map, index * kEntrySize);
  const Reg scaled = call.index ? Reg::rsp : Reg::rcx;
  out_.Load(Reg::rax, {Reg::rax, 0, scaled, call.index ? 0 : 2}, 4);
  if (!call.index) out_.ShiftImm(Shift::kShl, Bits::k64, Reg::rcx, runtime::kResolvedObjectShift);
  out_.CompareMem(Bits::k64, Reg::rax, {kScratch, 0, scaled});
  out_.JumpIf(Cond::kNotEqual, unknown);
  out_.Load(object, {kScratch, runtime::kResolvedObjectOffset, scaled}, 8);
}

// bpf_map_lookup_elem on an array of maps.
void Translator::LookupMap(const KnownPlace& lookup) {
  if (lookup.index.value_or(0) >= input_.maps[lookup.map].max_entries) return out_.MovImm(kResult, 0);
  const UnknownObject elsewhere{lookup.map, out_.NewLabel(), out_.NewLabel(), out_.NewLabel()};
  if (!lookup.index) out_.Load(Reg::rcx, {Reg::rsi}, 4);
  FindObject(lookup, kResult, elsewhere.unknown, elsewhere.none);
  out_.Bind(elsewhere.done);
  unknown_objects_.push_back(elsewhere);
}

// Behind the function, where they are not in the way of what is known: what this process has not met yet, the helper
// opens.
void Translator::EmitUnknownObjects() {
  for (const UnknownObject& elsewhere : unknown_objects_) {
    out_.Bind(elsewhere.unknown);
    out_.Test(Bits::k32, Reg::rax, Reg::rax);
    out_.JumpIf(Cond::kEqual, elsewhere.none);
    out_.MovRelocated(Reg::rdi, ImageRelocationKind::kMapView, elsewhere.map, 0);
    CallHelper(kMapLookupElem);
    out_.Jump(elsewhere.done);
    out_.Bind(elsewhere.none);
    out_.MovImm(kResult, 0);
    out_.Jump(elsewhere.done);
  }
  unknown_objects_.clear();
}

// What is left to do when the target is known.
void Translator::CountTailCall(Label needs_slot, Label has_slot, Label none) {
  out_.AluMemImm(Alu::kCmp, Bits::k32, {kScratch, runtime::kProgramUsesSlotOffset}, 0);
  out_.JumpIf(Cond::kNotEqual, needs_slot);
  out_.Bind(has_slot);
  out_.AluMemImm(Alu::kCmp, Bits::k32, {run_, kTailCallsOffset}, runtime::kMaxTailCalls);
  out_.JumpIf(Cond::kAboveOrEqual, none);
  out_.AluMemImm(Alu::kAdd, Bits::k32, {run_, kTailCallsOffset}, 1);
  out_.Store({run_, kProgramOffset}, kScratch, 8);
}

// run_context.h describes what the target finds.
void Translator::TailCall(InsnIndex at) {
  const bool is_known = next_tail_call_ < scan_.tail_calls.size() && scan_.tail_calls[next_tail_call_].call == at.value;
  const KnownPlace call = is_known ? scan_.tail_calls[next_tail_call_++] : KnownPlace{};
  const Label enter = out_.NewLabel();
  const Label needs_slot = out_.NewLabel();
  const Label has_slot = out_.NewLabel();
  const Label unknown = out_.NewLabel();
  const Label none = out_.NewLabel();
  if (is_known && call.index.value_or(0) >= input_.maps[call.map].max_entries) return out_.MovImm(kResult, 0);
  if (is_known) {
    if (!call.index) out_.Mov(Bits::k32, Reg::rcx, Reg::rdx);
    FindObject(call, kScratch, unknown, none);
    out_.Test(Bits::k64, kScratch, kScratch);
    out_.JumpIf(Cond::kEqual, none);
    CountTailCall(needs_slot, has_slot, none);
    out_.Bind(enter);
    out_.Mov(Bits::k64, Reg::rsi, run_);
    TakeDownFrame();
    out_.JumpMem({kScratch, runtime::kProgramEntryOffset});
    out_.Bind(needs_slot);
    out_.AluMemImm(Alu::kCmp, Bits::k32, {run_, kSlotOffset}, -1);  // the helper leases one
    out_.JumpIf(Cond::kNotEqual, has_slot);
  }
  out_.Bind(unknown);
  if (is_known) {
    out_.Test(Bits::k32, Reg::rax, Reg::rax);
    out_.JumpIf(Cond::kEqual, none);
  }
  out_.Push(Reg::rdi);
  out_.Push(Reg::rdi);
  out_.Mov(Bits::k64, kHelperRun, run_);
  out_.CallHelper(kTailCall);
  out_.Pop(Reg::rdi);
  out_.Pop(Reg::rdi);
  out_.Mov(Bits::k64, kScratch, kResult);
  out_.Test(Bits::k64, kResult, kResult);
  if (is_known) {
    out_.JumpIf(Cond::kNotEqual, enter);
  } else {
    out_.JumpIf(Cond::kEqual, none);
    out_.Mov(Bits::k64, Reg::rsi, run_);
    TakeDownFrame();
    out_.JumpMem({kScratch, runtime::kProgramEntryOffset});
  }
  out_.Bind(none);
  out_.MovImm(kResult, 0);
}

// --- map look-ups --------------------------------------------------------------------------------------------------

// rax = rax + rcx * stride
void Translator::AddScaledKey(std::uint32_t stride) {
  if (stride == 8) return out_.Lea(Reg::rax, {Reg::rax, 0, Reg::rcx, 3});
  if (std::has_single_bit(stride)) {
    out_.ShiftImm(Shift::kShl, Bits::k64, Reg::rcx, std::countr_zero(stride));
  } else if (stride <= std::numeric_limits<std::int32_t>::max()) {
    out_.MulImm(Bits::k64, Reg::rcx, Reg::rcx, static_cast<std::int32_t>(stride));
  } else {
    out_.MovImm(kScratch, stride);
    out_.MulReg(Bits::k64, Reg::rcx, kScratch);
  }
  out_.AluReg(Alu::kAdd, Bits::k64, Reg::rax, Reg::rcx);
}

// rax += slot * slot_stride, for per-CPU arrays
void Translator::AddSlotOffset(const runtime::ProgramMap& map) {
  if (map.type != MapType::kPerCpuArray) return;
  out_.Load(Reg::rdx, {run_, kSlotOffset}, 4);
  if (map.slot_stride <= std::numeric_limits<std::int32_t>::max()) {
    out_.MulImm(Bits::k64, Reg::rdx, Reg::rdx, static_cast<std::int32_t>(map.slot_stride));
  } else {
    out_.MovImm(kScratch, map.slot_stride);
    out_.MulReg(Bits::k64, Reg::rdx, kScratch);
  }
  out_.AluReg(Alu::kAdd, Bits::k64, Reg::rax, Reg::rdx);
}

void Translator::LookupConstantKey(const InlineLookup& lookup) {
  const runtime::ProgramMap& map = input_.maps[lookup.map];
  const auto offset = static_cast<std::int64_t>(std::uint64_t{*lookup.key} * map.value_stride);
  out_.MovRelocated(Reg::rax, ImageRelocationKind::kMapData, lookup.map, offset);
  AddSlotOffset(map);
}

void Translator::LookupKeyInMemory(const InlineLookup& lookup, Label out_of_bounds) {
  const runtime::ProgramMap& map = input_.maps[lookup.map];
  out_.Load(Reg::rcx, {Reg::rsi}, 4);
  out_.MovImm(Reg::rax, 0);
  out_.AluImm(Alu::kCmp, Bits::k32, Reg::rcx, static_cast<std::int32_t>(map.max_entries));
  out_.JumpIf(Cond::kAboveOrEqual, out_of_bounds);
  out_.MovRelocated(Reg::rax, ImageRelocationKind::kMapData, lookup.map, 0);
  AddScaledKey(map.value_stride);
  AddSlotOffset(map);
}

// Programs test the result for null right away: where they do, the bounds check is that test.
std::uint32_t Translator::Lookup(InsnIndex at, const InlineLookup& lookup) {
  const Instruction* next = Follower(at);
  const Opcode next_opcode = next != nullptr ? static_cast<Opcode>(next->opcode) : Opcode::kExit;
  const bool is_test = (next_opcode == Opcode::kJeq64Imm || next_opcode == Opcode::kJne64Imm) && next->dst == 0 &&
                       next->imm == 0 && next->offset > 0;
  const InsnIndex test{at.value + 1};
  const std::int64_t target = is_test ? isa::TargetOf(*next, test, OperandForm::kBranchImm) : 0;
  if (lookup.key) {
    if (*lookup.key >= input_.maps[lookup.map].max_entries) return out_.MovImm(kResult, 0), 1;
    LookupConstantKey(lookup);
    if (!is_test) return 1;
    if (next_opcode == Opcode::kJne64Imm) JumpTo(test, target);
    return 2;
  }
  if (is_test && next_opcode == Opcode::kJeq64Imm) {
    LookupKeyInMemory(lookup, TargetLabel(target));
    return 2;
  }
  const Label missing = out_.NewLabel();
  LookupKeyInMemory(lookup, missing);
  if (is_test) JumpTo(test, target);
  out_.Bind(missing);
  return is_test ? 2 : 1;
}

}  // namespace

CompiledImage Translate(const CompileInput& input, const ProgramScan& scan) {
  return Translator(input, scan).Translate();
}

}  // namespace strata::compile::x86
