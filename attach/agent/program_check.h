// Whether the agent can be loaded into a program.
#pragma once

namespace strata::attach {

// True unless it is known that the dynamic linker would not load the library `agent_path` into the program at `path`,
// or would say so on its standard error: another machine or class, no dynamic linker, set-user-ID, an agent that cannot
// be reached from here. Scripts are judged by their interpreter.
bool TakesAgent(const char* path, const char* agent_path) noexcept;

}  // namespace strata::attach
