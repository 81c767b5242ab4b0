// What the trampolines call: from an event to its handlers.
#include "return_table.h"
#include "site.h"
#include "thread_record.h"

namespace strata::attach {

extern "C" {
void strata_uretprobe_launch();
void strata_uretprobe_launched();
void strata_uretprobe_return();
// True when the hooked function shall return at once.
bool strata_uprobe_dispatch(std::uint64_t return_address, PtRegs* regs) noexcept __attribute__((visibility("hidden")));
void strata_uretprobe_dispatch(std::uint64_t slot, PtRegs* regs) noexcept __attribute__((visibility("hidden")));
}

namespace {

std::uint64_t PlaceOf(const PtRegs* regs) { return reinterpret_cast<std::uint64_t>(regs); }

[[gnu::always_inline]] inline void RunAll(Probe* const* head, PtRegs* regs) {
  for (const Probe* probe = __atomic_load_n(head, __ATOMIC_ACQUIRE); probe != nullptr;
       probe = __atomic_load_n(&probe->next, __ATOMIC_ACQUIRE)) {
    auto* run = __atomic_load_n(&probe->run, __ATOMIC_ACQUIRE);
    if (run != nullptr) run(__atomic_load_n(&probe->cookie, __ATOMIC_ACQUIRE), regs);
  }
}

[[gnu::noinline, gnu::cold]] void MissAll(Probe* const* head) {
  for (const Probe* probe = __atomic_load_n(head, __ATOMIC_ACQUIRE); probe != nullptr;
       probe = __atomic_load_n(&probe->next, __ATOMIC_ACQUIRE)) {
    auto* missed = __atomic_load_n(&probe->missed, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&probe->run, __ATOMIC_ACQUIRE) == nullptr || missed == nullptr) continue;
    missed(__atomic_load_n(&probe->cookie, __ATOMIC_ACQUIRE));
  }
}

template <typename Function>
std::uint64_t AddressOf(Function* function) {
  return reinterpret_cast<std::uint64_t>(function);
}

std::uint64_t& WordAt(std::uint64_t address) { return *reinterpret_cast<std::uint64_t*>(address); }

bool IsTrampoline(std::uint64_t address) {
  return address == AddressOf(strata_uretprobe_launched) || address == AddressOf(strata_uretprobe_return);
}

enum class Hijack : std::uint8_t { kMissed, kDone, kAlreadyThere };

// Makes the function whose return address lies at `slot` return to `trampoline`.
[[gnu::always_inline]] inline Hijack HijackReturn(ThreadRecord& thread, std::uint64_t slot, Site* site,
                                                  std::uint64_t trampoline) {
  ReturnEntry* entry = ReturnEntryOf(slot, thread.returns);
  if (entry == nullptr) [[unlikely]]
    return Hijack::kMissed;
  const std::uint64_t original = WordAt(slot);
  if (IsTrampoline(original)) [[unlikely]] {
    ReturnNode* longer = Chain(entry->node, site);
    if (longer == nullptr) return Hijack::kMissed;
    entry->node = longer;
    return Hijack::kAlreadyThere;
  }
  entry->original = original;
  entry->node = &site->called;
  WordAt(slot) = trampoline;
  return Hijack::kDone;
}

// What a stub of the kind kReturns finds below the stack pointer.
void SetNext(std::uint64_t stack, std::uint64_t next, std::uint64_t displaced) {
  WordAt(stack - 8) = next;
  WordAt(stack - 16) = displaced;
}

[[gnu::noinline, gnu::cold]] void MissSite(Site* site) {
  MissAll(&site->entry_probes);
  MissAll(&site->return_probes);
}

// How a function goes on after its site's handlers.
enum class Outcome : std::uint8_t {
  kRuns,
  kLaunched,  // it now returns to the trampoline, which it did not before
  kReturns,   // at once
};

// The handlers of a site.
[[gnu::always_inline]] inline Outcome RunSite(Site* site, PtRegs* regs, std::uint64_t trampoline) {
  ThreadRecord* thread = CurrentThread();
  if (thread == nullptr || IsInHook(*thread, PlaceOf(regs))) [[unlikely]] {
    MissSite(site);
    return Outcome::kRuns;
  }
  EnterHook(*thread, PlaceOf(regs));
  thread->returns_at_once = 0;  // an earlier hook may have been left by siglongjmp
  RunAll(&site->entry_probes, regs);
  if (thread->returns_at_once != 0) [[unlikely]] {
    LeaveHook(*thread);
    return site->plan.is_function_start != 0 ? Outcome::kReturns : Outcome::kRuns;
  }
  Hijack hijack = Hijack::kAlreadyThere;
  if (__atomic_load_n(&site->live_returns, __ATOMIC_RELAXED) != 0) {
    hijack = HijackReturn(*thread, regs->sp, site, trampoline);
    if (hijack == Hijack::kMissed) MissAll(&site->return_probes);
  }
  LeaveHook(*thread);
  return hijack == Hijack::kDone ? Outcome::kLaunched : Outcome::kRuns;
}

}  // namespace

void ReturnAtOnce(PtRegs* regs, std::uint64_t result) noexcept {
  ThreadRecord* thread = CurrentThread();
  if (thread == nullptr) return;
  thread->returns_at_once = 1;
  regs->ax = result;
}

bool strata_uprobe_dispatch(std::uint64_t return_address, PtRegs* regs) noexcept {
  constexpr std::uint64_t kKindBits = 1;
  const std::uint64_t word = WordAt(return_address - kStubReturn);
  auto* site = reinterpret_cast<Site*>(word & ~kKindBits);
  regs->ip = site->address;
  if ((word & kKindBits) == static_cast<std::uint64_t>(StubKind::kPlain)) {
    return RunSite(site, regs, AddressOf(strata_uretprobe_return)) == Outcome::kReturns;
  }
  const std::uint64_t displaced = return_address - kStubReturn + DisplacedOffset(StubKind::kReturns);
  const Outcome outcome = RunSite(site, regs, AddressOf(strata_uretprobe_launched));
  SetNext(regs->sp, outcome == Outcome::kLaunched ? AddressOf(strata_uretprobe_launch) : displaced, displaced);
  return outcome == Outcome::kReturns;
}

void strata_uretprobe_dispatch(std::uint64_t slot, PtRegs* regs) noexcept {
  ThreadRecord* thread = CurrentThread();
  AreaCache none = {};
  const ReturnEntry* entry = ReturnEntryOf(slot, thread == nullptr ? none : thread->returns);
  // Somebody moved the stack: nobody knows any more where this function was to return to.
  if (entry == nullptr || entry->original == 0) [[unlikely]]
    __builtin_trap();
  regs->ip = entry->original;
  const bool is_missed = thread == nullptr || IsInHook(*thread, PlaceOf(regs));
  if (!is_missed) EnterHook(*thread, PlaceOf(regs));
  for (const ReturnNode* node = entry->node; node != nullptr; node = node->entered_from) {
    if (is_missed) {
      MissAll(&node->site->return_probes);
    } else {
      RunAll(&node->site->return_probes, regs);
    }
  }
  if (!is_missed) LeaveHook(*thread);
}

}  // namespace strata::attach
