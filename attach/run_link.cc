// From an event at a link's site to a run of its program. The hot path of every probe.
#include "link_state.h"
#include "strata/backend/userspace/runtime/slots.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "x86_64/time_stamp.h"

namespace strata::attach {
namespace {

using runtime::LinkCounters;
using runtime::RunContext;

void Add(std::uint64_t& counter, std::uint64_t value) { __atomic_fetch_add(&counter, value, __ATOMIC_RELAXED); }

LinkCounters& CountersHere(const LinkState& link) {
  return runtime::CountersOf(link.view, runtime::CurrentCpu(*link.program->process));
}

// A link by pid counts one process. Its forked children share the hooked code, but not the selection; those of vfork
// share the memory too, and count.
[[gnu::noinline, gnu::cold]] bool DecideHere(const LinkState& link) {
  const std::int32_t pid = link.view.header.pid;
  const bool is_here = pid < 0 || static_cast<std::uint32_t>(pid) == runtime::sys::Getpid();
  __atomic_store_n(link.here, is_here ? kHere : kElsewhere, __ATOMIC_RELAXED);
  return is_here;
}

bool IsHere(const LinkState& link) {
  const std::uint8_t known = __atomic_load_n(link.here, __ATOMIC_RELAXED);
  if (known == kHere) [[likely]]
    return true;
  return known == kUnknown && DecideHere(link);
}

[[gnu::noinline]] void RunCounted(const LinkState& link, std::uint32_t flags, RunContext& run) {
  const bool is_timed = (flags & runtime::link_flags::kTimed) != 0;
  const std::uint64_t start = is_timed ? ReadTimeStamp() : 0;
  runtime::RunProgram(*link.program, run);
  if ((run.flags & runtime::run_flags::kMissed) != 0) return;
  LinkCounters& counters = CountersHere(link);
  if (is_timed) Add(counters.run_ticks, ReadTimeStamp() - start);
  Add(counters.run_count, 1);
}

// What is left of a run that was not as usual.
[[gnu::noinline, gnu::cold]] void ActOn(const LinkState& link, const RunContext& run, PtRegs* regs) {
  if ((run.flags & runtime::run_flags::kMissed) != 0) {
    Add(CountersHere(link).missed_count, 1);
  } else if ((run.flags & runtime::run_flags::kOverride) != 0) {
    ReturnAtOnce(regs, run.override_result);
  }
}

}  // namespace

void RunLink(void* cookie, PtRegs* regs) noexcept {
  const auto* site = static_cast<const LinkSite*>(cookie);
  const LinkState& link = *site->link;
  if (!IsHere(link) || !runtime::IsEnabled(link.view)) return;
  RunContext run;
  run.context = regs;
  run.cookie = link.view.header.cookie;
  run.function_address = site->address;
  run.event = site->event;
  const std::uint32_t flags = runtime::FlagsOf(link.view);
  if (flags == 0) [[likely]] {
    runtime::RunProgram(*link.program, run);
  } else {
    RunCounted(link, flags, run);
  }
  if (run.flags != 0) [[unlikely]]
    ActOn(link, run, regs);
}

void MissLink(void* cookie) noexcept {
  const LinkState& link = *static_cast<const LinkSite*>(cookie)->link;
  if (IsHere(link) && runtime::IsEnabled(link.view)) Add(CountersHere(link).missed_count, 1);
}

}  // namespace strata::attach
