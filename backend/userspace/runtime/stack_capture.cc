#include "strata/backend/userspace/runtime/stack_capture.h"

#include "guarded_read.h"
#include "unwind_expression.h"
#include "unwind_modules.h"
#include "unwind_registers.h"
#include "unwind_rules.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kMaxFrames = 4096;
constexpr std::uint64_t kLowestAddress = 4096;

// struct pt_regs as words, by DWARF's numbers of registers.
constexpr std::uint8_t kPtRegsWord[kDwarfRegisters] = {10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16};

// gregs of a signal's ucontext, in bytes from it.
constexpr std::uint64_t kContextFramePointer = 120;
constexpr std::uint64_t kContextStackPointer = 160;
constexpr std::uint64_t kContextInstruction = 168;

class StackWalk {
 public:
  StackWalk(Process& process, const std::uint64_t* pt_regs) : process_(process), cache_(UnwindCacheOf(process)) {
    for (std::uint32_t reg = 0; reg < kDwarfRegisters; ++reg) registers_.Set(reg, pt_regs[kPtRegsWord[reg]]);
  }

  std::uint64_t address() const { return registers_.value[kDwarfReturnAddress]; }
  // Goes to the caller's frame; false at the end.
  bool Next();

 private:
  enum class Step : std::uint8_t { kDone, kEnd, kUnknown };

  Step NextByRules();
  // kUnknown where the rules do not hold any more, or lead nowhere.
  Step Apply(const SimpleRules& rules);
  Step Apply(const FrameRules& rules);
  Step Leave(std::uint64_t cfa, std::uint64_t caller, bool has_frame_pointer, std::uint64_t frame_pointer);
  bool FindCfa(const FrameRules& rules, std::uint64_t* out) const;
  bool Restore(const SavedRegister& saved, std::uint32_t reg, std::uint64_t cfa, std::uint64_t* out) const;
  Step NextBySignalFrame();
  Step NextByFramePointer();
  // The address to look up: of the call, not behind it, unless the instruction itself was interrupted.
  std::uint64_t looked_up() const { return is_exact_ ? address() : address() - 1; }
  bool ReadWord(std::uint64_t at, std::uint64_t* out) const {
    return GuardedRead(process_, out, at, sizeof(*out)) == 0;
  }

  Process& process_;
  UnwindCache* cache_;
  FrameRegisters registers_ = {};
  bool is_exact_ = true;
};

StackWalk::Step StackWalk::Leave(std::uint64_t cfa, std::uint64_t caller, bool has_frame_pointer,
                                 std::uint64_t frame_pointer) {
  if (caller < kLowestAddress) return Step::kEnd;
  registers_.known = 0;
  registers_.Set(kDwarfStackPointer, cfa);
  registers_.Set(kDwarfReturnAddress, caller);
  if (has_frame_pointer) registers_.Set(kDwarfFramePointer, frame_pointer);
  return Step::kDone;
}

StackWalk::Step StackWalk::Apply(const SimpleRules& rules) {
  const std::uint32_t base = rules.is_from_frame_pointer ? kDwarfFramePointer : kDwarfStackPointer;
  if (!registers_.Has(base)) return Step::kUnknown;
  const std::uint64_t stack = registers_.value[kDwarfStackPointer];
  const std::uint64_t cfa = registers_.value[base] + static_cast<std::uint64_t>(std::int64_t{rules.cfa_offset});
  if (cfa <= stack) return Step::kUnknown;
  std::uint64_t code = 0;
  std::uint64_t caller = 0;
  std::uint64_t frame_pointer = registers_.value[kDwarfFramePointer];
  const bool is_saved = rules.frame_pointer_offset != 0;
  const std::uint64_t saved = cfa + static_cast<std::uint64_t>(std::int64_t{rules.frame_pointer_offset});
  const GuardedPlace places[] = {{&code, looked_up() - sizeof(code), sizeof(code)},
                                 {&caller, cfa - sizeof(caller), sizeof(caller)},
                                 {&frame_pointer, saved, sizeof(frame_pointer)}};
  if (GuardedReadPlaces(process_, places, is_saved ? 3 : 2) != 0 || code != rules.code) return Step::kUnknown;
  is_exact_ = false;
  return Leave(cfa, caller, is_saved || registers_.Has(kDwarfFramePointer), frame_pointer);
}

bool StackWalk::FindCfa(const FrameRules& rules, std::uint64_t* out) const {
  if (rules.is_expression) {
    return EvaluateExpression(process_, static_cast<std::uint64_t>(rules.cfa_value), registers_, nullptr, out);
  }
  if (!registers_.Has(rules.cfa_register)) return false;
  *out = registers_.value[rules.cfa_register] + static_cast<std::uint64_t>(rules.cfa_value);
  return true;
}

bool StackWalk::Restore(const SavedRegister& saved, std::uint32_t reg, std::uint64_t cfa, std::uint64_t* out) const {
  std::uint64_t place = cfa + static_cast<std::uint64_t>(saved.value);
  switch (saved.rule) {
    case RegisterRule::kSame:
      *out = registers_.value[reg];
      return registers_.Has(reg);
    case RegisterRule::kUndefined:
      return false;
    case RegisterRule::kIsOffset:
      *out = place;
      return true;
    case RegisterRule::kAtExpression:
      if (!EvaluateExpression(process_, static_cast<std::uint64_t>(saved.value), registers_, &cfa, &place))
        return false;
      return ReadWord(place, out);
    case RegisterRule::kAtOffset:
      return ReadWord(place, out);
  }
  return false;
}

StackWalk::Step StackWalk::Apply(const FrameRules& rules) {
  std::uint64_t cfa = 0;
  if (!FindCfa(rules, &cfa)) return Step::kEnd;
  // A signal's stack may be any other; a trampoline of return probes leaves none of its own.
  const bool may_stay = rules.is_signal_frame || rules.return_address.rule == RegisterRule::kAtExpression;
  if (!may_stay && cfa <= registers_.value[kDwarfStackPointer]) return Step::kEnd;
  std::uint64_t caller = 0;
  if (rules.return_address.rule == RegisterRule::kSame ||
      !Restore(rules.return_address, kDwarfReturnAddress, cfa, &caller))
    return Step::kEnd;
  std::uint64_t frame_pointer = 0;
  const bool has_frame_pointer = Restore(rules.frame_pointer, kDwarfFramePointer, cfa, &frame_pointer);
  is_exact_ = rules.is_signal_frame;
  return Leave(cfa, caller, has_frame_pointer, frame_pointer);
}

// Most frames: from the stack or frame pointer, and nothing in an unusual place.
bool IsSimple(const FrameRules& rules, SimpleRules* out) {
  constexpr std::int64_t kMost = 1 << 30;
  const bool is_plain_cfa = !rules.is_expression && rules.cfa_value > 0 && rules.cfa_value < kMost &&
                            (rules.cfa_register == kDwarfStackPointer || rules.cfa_register == kDwarfFramePointer);
  const bool is_plain_return = rules.return_address.rule == RegisterRule::kAtOffset && rules.return_address.value == -8;
  const bool is_plain_pointer =
      rules.frame_pointer.rule == RegisterRule::kSame ||
      (rules.frame_pointer.rule == RegisterRule::kAtOffset && rules.frame_pointer.value != 0 &&
       rules.frame_pointer.value > -kMost && rules.frame_pointer.value < kMost);
  if (!is_plain_cfa || !is_plain_return || !is_plain_pointer || rules.is_signal_frame) return false;
  *out = {static_cast<std::int32_t>(rules.cfa_value),
          rules.frame_pointer.rule == RegisterRule::kSame ? 0 : static_cast<std::int32_t>(rules.frame_pointer.value),
          rules.cfa_register == kDwarfFramePointer, 0};
  return true;
}

StackWalk::Step StackWalk::NextByRules() {
  if (cache_ == nullptr) return Step::kUnknown;
  SimpleRules simple;
  const std::uint64_t key = looked_up();
  if (RecallRules(*cache_, key, &simple)) {
    const Step step = Apply(simple);
    if (step != Step::kUnknown) return step;
  }
  const std::uint64_t header = FindUnwindHeader(process_, *cache_, key);
  FrameRules rules;
  if (header == 0 || !FindFrameRules(process_, header, key, &rules)) return Step::kUnknown;
  if (IsSimple(rules, &simple) && ReadWord(key - sizeof(simple.code), &simple.code))
    RememberRules(*cache_, key, simple);
  return Apply(rules);
}

// A C library without frame information for the place where handlers return to: it has a form that all tools know.
StackWalk::Step StackWalk::NextBySignalFrame() {
  constexpr unsigned char kReturnCode[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};  // mov $15, %rax; syscall
  unsigned char code[sizeof(kReturnCode)];
  if (GuardedRead(process_, code, address(), sizeof(code)) != 0 || memcmp(code, kReturnCode, sizeof(code)) != 0)
    return Step::kUnknown;
  const std::uint64_t context = registers_.value[kDwarfStackPointer];
  std::uint64_t stack = 0;
  std::uint64_t caller = 0;
  std::uint64_t frame_pointer = 0;
  if (!ReadWord(context + kContextStackPointer, &stack) || !ReadWord(context + kContextInstruction, &caller) ||
      !ReadWord(context + kContextFramePointer, &frame_pointer))
    return Step::kEnd;
  is_exact_ = true;
  return Leave(stack, caller, true, frame_pointer);
}

StackWalk::Step StackWalk::NextByFramePointer() {
  if (!registers_.Has(kDwarfFramePointer)) return Step::kEnd;
  const std::uint64_t frame = registers_.value[kDwarfFramePointer];
  std::uint64_t words[2];  // the caller's frame pointer, and where to return to
  if (frame < registers_.value[kDwarfStackPointer] || GuardedRead(process_, words, frame, sizeof(words)) != 0)
    return Step::kEnd;
  is_exact_ = false;
  return Leave(frame + sizeof(words), words[1], true, words[0]);
}

bool StackWalk::Next() {
  Step step = NextByRules();
  if (step == Step::kUnknown) step = NextBySignalFrame();
  if (step == Step::kUnknown) step = NextByFramePointer();
  return step == Step::kDone;
}

}  // namespace

std::uint32_t CaptureUserStack(Process& process, const void* pt_regs, std::uint32_t skip, std::uint64_t* frames,
                               std::uint32_t most) noexcept {
  StackWalk walk(process, static_cast<const std::uint64_t*>(pt_regs));
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < kMaxFrames && count < most; ++i) {
    if (i >= skip) frames[count++] = walk.address();
    if (count == most || !walk.Next()) break;
  }
  return count;
}

}  // namespace strata::runtime
