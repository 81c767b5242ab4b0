// The tables of maps and programs that a Process has open, and their lock. Private to the runtime.
//
// Programs open objects too: those whose ids they find in a map. They do so in any thread, and in signal handlers that
// interrupted a holder, so no wait is without bound.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/reason.h"

namespace strata::runtime {

// For a run: waits about as long as for a lock in shared memory. False when the calling thread holds it itself, or
// somebody else still does.
bool TryLockObjects(Process& process) noexcept;
// For everybody else: gives up after some seconds, false then.
bool LockObjects(Process& process) noexcept;
void UnlockObjects(Process& process) noexcept;

// As the functions of these names without "Locked", for callers that hold the lock.
long OpenMapByIdLocked(Process& process, int folder_fd, std::uint32_t id, MapView** out, Reason* reason) noexcept;
void ReleaseMapLocked(MapView* map) noexcept;
long InstantiateProgramLocked(Process& process, int folder_fd, std::uint32_t program_id, ProgramInstance** out,
                              Reason* reason) noexcept;
void ReleaseProgramLocked(ProgramInstance* program) noexcept;

}  // namespace strata::runtime
