// The translator's parts: one class, whose methods lie in the file of their subject.
//   translator.cc      the whole, and which template an instruction has
//   frames.cc          how functions begin and end, and how runs end
//   arithmetic.cc      arithmetic, moves, byte order, constants
//   memory.cc          loads, stores and atomics, guarded ones and those in arenas
//   flow.cc            branches, the budget, calls
//   known_objects.cc   tail calls and look-ups in arrays of maps
//   array_lookups.cc   look-ups in arrays
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "../helper_numbers.h"
#include "../program_scan.h"
#include "assembler.h"
#include "strata/backend/userspace/compile/compiler.h"
#include "strata/backend/userspace/runtime/run_context.h"
#include "strata/isa/decode.h"
#include "strata/isa/opcode.h"

namespace strata::compile::x86 {

using isa::InsnIndex;
using isa::Instruction;
using isa::OpClass;
using isa::Opcode;
using isa::OpcodeInfo;
using isa::OperandForm;
using runtime::ImageRelocationKind;
using runtime::RunContext;

inline constexpr Reg kRegisters[] = {Reg::rax, Reg::rdi, Reg::rsi, Reg::rdx, Reg::rcx, Reg::r8,
                                     Reg::rbx, Reg::r13, Reg::r14, Reg::r15, Reg::rbp};
inline constexpr Reg kResult = Reg::rax;
inline constexpr Reg kScratch = Reg::r11;
inline constexpr Reg kSaved = Reg::r10;     // holds a register's value while a template needs that register
inline constexpr Reg kHelperRun = Reg::r9;  // the sixth argument
inline constexpr Reg kArenaBase = Reg::r9;  // of the last access; free where there are calls: the run is in r12

inline constexpr std::int32_t kBudgetOffset = offsetof(RunContext, budget);
inline constexpr std::int32_t kSlotOffset = offsetof(RunContext, slot);
inline constexpr std::int32_t kCallbackOffset = offsetof(RunContext, callback);
inline constexpr std::int32_t kEngineStateOffset = offsetof(RunContext, engine_state);
inline constexpr std::int32_t kProgramOffset = offsetof(RunContext, program);
inline constexpr std::int32_t kTailCallsLeftOffset = offsetof(RunContext, tail_calls_left);

inline Bits WidthOf(const OpcodeInfo& info) {
  return info.op_class == OpClass::kAlu64 || info.op_class == OpClass::kJump ? Bits::k64 : Bits::k32;
}

// How a function's frame is laid out: saved registers, then rbp, then the eBPF stack, which may lie in the red zone.
struct Frame {
  std::array<Reg, 6> saved{};
  int saved_count = 0;
  bool has_rbp = false;
  std::int32_t stack_bytes = 0;   // subtracted from rsp
  bool has_padding = false;       // one word, to align calls, where there is no stack
  bool is_unwind_target = false;  // the address to end the run at lies at rsp
  bool KeepsRun() const { return saved_count > 0 && saved[0] == Reg::r12; }  // for its caller, to hold the run itself
  std::int32_t bytes_below_rbp() const { return stack_bytes + (has_padding ? 8 : 0) + (is_unwind_target ? 8 : 0); }
};

class Translator {
 public:
  Translator(const CompileInput& input, const ProgramScan& scan);
  CompiledImage Translate();

 private:
  // The test of a look-up's result for null that comes right behind it.
  struct NullTest {
    bool exists = false;
    bool jumps_if_null = false;  // else if it is not null
    std::int64_t target = 0;
  };
  // A look-up that finds nothing: null is still to be put into rax.
  struct Miss {
    Label none;
    Label after;
  };
  // A look-up in an array of maps whose helper call is still to be written.
  struct UnknownMap {
    KnownPlace place;
    Label unknown;  // eax has the id that is there
    Label found;
    Miss miss;
  };
  // What an access to the arena names, as the program says it.
  struct ArenaPlace {
    Mem mem{};
    int size = 0;  // bytes; 0: none
    bool operator==(const ArenaPlace& other) const {
      return size != 0 && size == other.size && mem.base == other.mem.base && mem.disp == other.mem.disp;
    }
  };
  // An access to the arena that may not have found its page.
  struct NoMemory {
    InsnIndex at;
    OperandForm form;
    ArenaPlace place;
    bool is_known;  // that there is none
    Label elsewhere;
    Label found;
    Label done;
  };

  // --- frames
  void TranslateFunction(const ScannedFunction& function);
  Frame LayOutFrame(const ScannedFunction& function) const;
  void EmitPrologue();
  void EmitEntries(Label entry);
  void EmitSlotLease();
  void EmitEpilogue();
  void TakeDownFrame();
  void TakeDownFrame(int first);
  void TakeDownFrameForTail();
  void RestoreRegisters(int first);
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
  void ArenaAccess(InsnIndex at, OperandForm form);
  std::uint32_t ArenaLowHalf() const { return static_cast<std::uint32_t>(input_.arena_address); }
  std::uint64_t ArenaBytesBeforeTable() const;
  std::int32_t ArenaDisplacement() const;
  Mem ArenaMemoryAt(Mem place) const;
  void FindArenaOffset(Mem place);
  void FindArenaMemory(Mem place, int size, Label elsewhere);
  void EmitArenaHelperCalls();
  bool KeepsArenaPlace(const Instruction& insn, OperandForm form) const;
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
  void FindObject(const KnownPlace& place, Reg object, Label unknown, Label none);
  void EmitUnknownMaps();
  std::uint32_t LookupMap(InsnIndex at, const KnownPlace& lookup);
  void CallTailCallHelper();
  void EnterTarget();
  void JumpBackIf(Cond cond, std::int64_t target);
  std::uint32_t Lookup(InsnIndex at, const InlineLookup& lookup);
  NullTest NullTestBehind(InsnIndex at) const;
  void LoadKey(const KnownIndex& key);
  void CheckBounds(const KnownIndex& index, std::uint32_t max_entries, Label none);
  void BindMiss(const NullTest& test, Miss* miss);
  void EmitMisses();
  void LookupConstantKey(const InlineLookup& lookup);
  void LookupKeyInMemory(const InlineLookup& lookup, Label none);
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
  Label tail_entry_;
  Label needs_slot_;  // of a tail call
  Label has_slot_;
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
  std::vector<UnknownMap> unknown_maps_;
  std::vector<Miss> misses_;
  std::vector<NoMemory> no_memory_;
  ArenaPlace known_arena_place_;  // that kArenaBase is right for; 0 where no page is
  const ScannedFunction* function_ = nullptr;
  Frame frame_;
  Frame entry_frame_;
  bool is_entry_ = true;
};

}  // namespace strata::compile::x86
