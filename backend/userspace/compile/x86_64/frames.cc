// How functions begin and end, and how runs end before their time.
#include "translation.h"

namespace strata::compile::x86 {
namespace {

constexpr int kFirstKeptRegister = 6;  // R6 .. R9 survive calls
constexpr int kLastKeptRegister = 9;
constexpr int kRedZoneBytes = 128;  // below rsp, not touched by signal handlers (psABI 3.2.2)

}  // namespace

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
  const Label entry = entries_[static_cast<std::size_t>(function_ - scan_.functions.data())];
  if (is_entry_) {
    EmitEntries(entry);
  } else {
    out_.Bind(entry);
  }
  for (int i = frame_.KeepsRun() ? 1 : 0; i < frame_.saved_count; ++i)
    out_.Push(frame_.saved[static_cast<std::size_t>(i)]);
  if (frame_.has_rbp) {
    out_.Push(Reg::rbp);
    out_.Mov(Bits::k64, Reg::rbp, Reg::rsp);
  }
  if (frame_.stack_bytes != 0) out_.AluImm(Alu::kSub, Bits::k64, Reg::rsp, frame_.stack_bytes);
  if (frame_.has_padding) out_.Push(Reg::rax);
  if (is_entry_ && scan_.uses_run && !frame_.KeepsRun()) out_.Mov(Bits::k64, run_, Reg::rsi);
  if (is_entry_ && scan_.has_callbacks) StoreCallback();
  if (!frame_.is_unwind_target) return;
  needs_end_run_entry_ = true;
  out_.LeaLabel(Reg::rax, end_run_entry_);
  out_.Push(Reg::rax);
  out_.Store({run_, kEngineStateOffset}, Reg::rsp, 8);
}

// An image is entered by C callers and by tail calls (run_context.h): the two meet where r12 is saved and the run is in
// it, or, where the image does without, at the entry for C callers.
void Translator::EmitEntries(Label entry) {
  const bool keeps_run = frame_.KeepsRun();
  if (input_.uses_slot) {
    out_.Bind(tail_entry_);
    out_.AluMemImm(Alu::kCmp, Bits::k32, {Reg::r12, kSlotOffset}, -1);
    static_assert(runtime::kNoSlot == 0xffffffff);
    if (keeps_run) out_.JumpIf(Cond::kNotEqual, has_slot_);
    keeps_run ? out_.Jump(needs_slot_) : out_.JumpIf(Cond::kEqual, needs_slot_);
  }
  if (!keeps_run) {
    out_.Bind(input_.uses_slot ? has_slot_ : tail_entry_);
    out_.Mov(Bits::k64, Reg::rsi, Reg::r12);
    out_.Pop(Reg::r12);
  }
  out_.Bind(entry);
  if (!keeps_run) return;
  out_.Push(Reg::r12);
  out_.Mov(Bits::k64, Reg::r12, Reg::rsi);
  out_.Bind(input_.uses_slot ? has_slot_ : tail_entry_);
}

// For a tail call that comes from a program without one. When none is to be had the run ends: the budget is used up,
// which whoever called a function that made the tail call looks at.
void Translator::EmitSlotLease() {
  out_.Bind(needs_slot_);
  out_.Push(Reg::rdi);
  out_.Push(Reg::rdi);  // keeps the alignment
  out_.Mov(Bits::k64, kHelperRun, Reg::r12);
  out_.CallHelper(runtime::kLeaseSlotHelper);
  out_.Pop(Reg::rdi);
  out_.Pop(Reg::rdi);
  out_.Test(Bits::k32, kResult, kResult);
  out_.JumpIf(Cond::kNotEqual, has_slot_);
  out_.Pop(Reg::r12);
  out_.Ret();
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
void Translator::TakeDownFrame() { TakeDownFrame(0); }

// As a tail entry expects it: the caller's r12 lies at rsp.
void Translator::TakeDownFrameForTail() {
  TakeDownFrame(frame_.KeepsRun() ? 1 : 0);
  if (!frame_.KeepsRun()) out_.Push(Reg::r12);
}

// But for the registers in front of `first`.
void Translator::TakeDownFrame(int first) {
  const std::int32_t below = frame_.bytes_below_rbp();
  if (frame_.has_rbp && below != 0) {
    out_.Leave();
  } else {
    if (frame_.has_padding) out_.Pop(Reg::rcx);
    if (frame_.has_rbp) out_.Pop(Reg::rbp);
  }
  RestoreRegisters(first);
}

void Translator::RestoreRegisters(int first) {
  for (int i = frame_.saved_count - 1; i >= first; --i) out_.Pop(frame_.saved[static_cast<std::size_t>(i)]);
}

void Translator::EmitRunEnds() {
  if (needs_end_run_entry_) {
    out_.Bind(end_run_entry_);
    out_.MovImm(kResult, 0);
    frame_ = entry_frame_;
    // rbp may be that of an inner function: only rsp is right.
    if (const std::int32_t below = frame_.bytes_below_rbp(); below != 0) out_.Lea(Reg::rsp, {Reg::rsp, below});
    if (frame_.has_rbp) out_.Pop(Reg::rbp);
    RestoreRegisters(0);
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

}  // namespace strata::compile::x86
