// USDT semaphores: 16-bit counters in a program's data, which its probes look at to know whether somebody listens.
#pragma once

#include "link_state.h"
#include "strata/attach/uprobe/module_map.h"

namespace strata::attach {

// Finds where the semaphore of the link's place lies in this process. False when it has one that is not there.
bool FindSemaphores(LinkState& link, const ModuleMap& modules) noexcept;

// Counts the link in. 0, or a positive errno: then none is raised.
int RaiseSemaphores(LinkState& link) noexcept;

// Counts it out where the file is still mapped as it was found.
void LowerSemaphores(LinkState& link, const ModuleMap& modules) noexcept;

}  // namespace strata::attach
