// What a session's links count: turned on for all of them, added up, and added to their programs' totals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "references.h"
#include "strata/backend/userspace/runtime/layout.h"

namespace strata::userspace {

// Adds what a line of counters says now.
void AddCounts(const runtime::LinkCounters& line, runtime::LinkCounters* sum);

// Adds what a link counted to its program's totals, once, whoever asks first. Both files are mapped writable.
void SumLink(runtime::LinkHeader* link, std::size_t link_size, int program_fd);
void SumLink(int folder_fd, ObjectId link);
// The same for runs without a link.
void AddRuns(int program_fd, const runtime::LinkCounters& counts);
// What a program's links have counted that are not added yet, but for those in `without`.
runtime::LinkCounters CountsOfLinks(int folder_fd, std::uint32_t program_id, std::span<const std::uint32_t> without);

// Gives all links the flags that the stats files ask for which somebody holds, and links made from now on.
void ApplyStats(int folder_fd);

}  // namespace strata::userspace
