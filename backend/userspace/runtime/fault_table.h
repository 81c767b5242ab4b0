// Faults of guarded copies and of session files that somebody shortened: which instructions and addresses may fault,
// and who catches their signals.
//
// A signal that a thread blocks kills the process when the thread's own instruction causes it, and a handler of the
// host's may replace ours. So plain copies are for processes whose owner of SIGSEGV and SIGBUS has promised that they
// are never blocked where programs run and always reach HandleFault; everybody else reads by system calls.
#pragma once

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

// From a handler of SIGSEGV or SIGBUS, with its second and third argument (siginfo_t, ucontext_t): true when the fault
// is a guarded copy's or behind the end of a session's file. When the handler returns the thread then continues with
// that copy's error, or with zeros where the file was. Changes nothing otherwise.
bool HandleFault(const void* info, void* context) noexcept;

// Installs handlers of SIGSEGV and SIGBUS for the whole process, unless they are there already, and makes guarded reads
// of `process` plain copies. A fault that is not a guarded copy's goes where it went before: to the handler that was
// installed, with its mask, on its stack, with its flags, or to the default action at the place of the fault. Returns 0
// or a negative errno. CloseProcess gives the signals back.
//
// The caller promises that, as long as `process` is open, nobody changes the actions of these signals, and no thread
// runs programs while it blocks them; that includes the host's own handlers of the two.
long UseFaultTable(Process& process) noexcept;

// The same for SIGBUS alone and for session files alone: guarded reads stay what they are, so that nothing is promised.
// -EBUSY, and nothing is done, in a process that has a handler of its own. Should one be installed later, a shortened
// file ends the process as if this had not been called.
long GuardFiles(Process& process) noexcept;

// What CloseProcess does for a process that uses one of them. The previous actions return with the last one, except
// where somebody has installed a handler since.
void LeaveFaultTable(Process& process) noexcept;

}  // namespace strata::runtime
