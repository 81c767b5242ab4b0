// The environment of a traced program: it finds in it what it would find without the agent, and programs that it
// executes find the agent.
#pragma once

#include <cstddef>

namespace strata::attach {

inline constexpr std::size_t kMaxPath = 4096;

// What the loader put into the environment, copied: programs overwrite the memory of theirs (setproctitle).
struct AgentSettings {
  char session[kMaxPath];     // the session's folder; empty: none
  char agent_path[kMaxPath];  // of this library, as LD_PRELOAD named it; empty: it is not there
};

// Reads the settings and removes them: the variable STRATA_SESSION, and from LD_PRELOAD this library alone. Strings are
// changed in place and entries move up; places that become free at the array's end are null.
void TakeSettings(char** environment, AgentSettings* out) noexcept;

// Memory for an environment with the settings put back; big enough for most, so that a child that shares its parent's
// memory (vfork) need not map any.
inline constexpr std::size_t kMaxEntries = 1024;
struct ChildEnvironment {
  const char* entries[kMaxEntries];
  char session[sizeof("STRATA_SESSION=") + kMaxPath];
  char preload[sizeof("LD_PRELOAD=:") + 2 * kMaxPath];
};

// Fills `out` from a program's `environment` (null: empty). False if it is larger than fits.
bool AddSettings(char* const* environment, const AgentSettings& settings, ChildEnvironment* out) noexcept;

}  // namespace strata::attach
