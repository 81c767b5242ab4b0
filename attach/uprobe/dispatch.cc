// What the trampolines call: from an event to its handlers.
#include "return_table.h"
#include "site.h"
#include "thread_record.h"

namespace strata::attach {

extern "C" {
void strata_uretprobe_return();
void strata_uprobe_dispatch(Site* site, PtRegs* regs) noexcept __attribute__((visibility("hidden")));
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

}  // namespace

void strata_uprobe_dispatch(Site* site, PtRegs* regs) noexcept {
  ThreadRecord* thread = CurrentThread();
  if (thread == nullptr || IsInHook(*thread, PlaceOf(regs))) [[unlikely]] {
    MissAll(&site->entry_probes);
    MissAll(&site->return_probes);
    return;
  }
  EnterHook(*thread, PlaceOf(regs));
  RunAll(&site->entry_probes, regs);
  if (__atomic_load_n(&site->live_returns, __ATOMIC_RELAXED) != 0 &&
      !HijackReturn(regs->sp, site, reinterpret_cast<std::uint64_t>(&strata_uretprobe_return))) {
    MissAll(&site->return_probes);
  }
  LeaveHook(*thread);
}

void strata_uretprobe_dispatch(std::uint64_t slot, PtRegs* regs) noexcept {
  Return found;
  TakeReturn(slot, &found);
  // Somebody moved the stack: nobody knows any more where this function was to return to.
  if (found.original == 0) [[unlikely]]
    __builtin_trap();
  regs->ip = found.original;
  ThreadRecord* thread = CurrentThread();
  const bool is_missed = thread == nullptr || IsInHook(*thread, PlaceOf(regs));
  if (!is_missed) EnterHook(*thread, PlaceOf(regs));
  for (std::size_t i = 0; i < found.count; ++i) {
    Probe* const* probes = &found.sites[i]->return_probes;
    if (is_missed) {
      MissAll(probes);
    } else {
      RunAll(probes, regs);
    }
  }
  if (!is_missed) LeaveHook(*thread);
}

}  // namespace strata::attach
