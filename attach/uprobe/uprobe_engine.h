// Calls handlers when the program comes to a place in its code, or when a function returns: plans in, calls out. Knows
// no eBPF and is usable alone.
//
// A hooked place holds a jump to a stub near it, which saves the registers, calls the handlers, runs the displaced
// instructions and jumps back. What is hooked is the process's text, so there is one engine per process and its
// functions are free ones. Memory comes from mmap; no descriptor stays open.
//
// Limits. Hooking and unhooking while other threads run is safe where the plan has no inner boundary, and where no
// thread stands between two instructions of the window at that moment. Return probes: not with shadow stacks, not where
// somebody copies stacks to other addresses.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/attach/engine.h"

namespace strata::attach {

// One handler at one site; valid until it is passed to RemoveProbes.
struct Probe;

struct ProbeRequest {
  const UprobePlan* plan = nullptr;  // read during the call only; plan->probe tells entry or return
  std::uint64_t address = 0;         // of plan->file_offset in this process (FindAddresses)
  Handler handler;

  // Answers.
  Probe* probe = nullptr;        // null: refused
  int error = 0;                 // a positive errno
  const char* reason = nullptr;  // static text
};

// Adds the handlers; a site that has none yet is hooked. Each request gets its own answer. Handlers of one site run in
// no particular order; entry handlers may run before the call returns. Any thread, not from a handler; calls are
// serialised.
void ApplyProbes(ProbeRequest* requests, std::size_t count) noexcept;

// The handlers are not started again once this returns, but other threads may still be running one
// (WaitUntilHooksAreLeft). A site without handlers gets its bytes back; functions that are to return to the engine
// still do so. Any thread, not from a handler.
void RemoveProbes(Probe* const* probes, std::size_t count) noexcept;

// Waits until each thread has left the handlers it was in. False after 10 ms: then nothing of theirs may be freed
// yet.
bool WaitUntilHooksAreLeft() noexcept;

// For a handler that does not come back, because it is about to execute another program: the thread is in no handler
// from here on. A vfork child shares its parent's memory, which would otherwise stay in the handler for good.
void LeaveHandler() noexcept;

// For a handler of an entry probe, while it runs: the hooked function does not run, but returns `result` to its caller
// at once. The handlers behind it still run; return probes do not see the call. Means nothing at other places than the
// start of a function (UprobePlan::is_function_start).
void ReturnAtOnce(PtRegs* regs, std::uint64_t result) noexcept;

}  // namespace strata::attach
