// Programs that the traced one executes keep the agent.
#pragma once

#include "strata/attach/agent/environment.h"
#include "strata/attach/agent/loaded_symbols.h"

namespace strata::attach {

// Hooks the C library's execve, which all of exec*, posix_spawn, system and popen go through. fexecve, execveat and
// programs' own system calls are not followed. `settings` must stay.
void FollowExec(const AuxiliaryEntry* auxiliary_vector, const AgentSettings& settings) noexcept;

}  // namespace strata::attach
