// Private to stack capture: which loaded file an address belongs to, and what was found out of its addresses before.
// The dynamic linker's own list is read, in memory, by guarded reads: no file is opened.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"
#include "unwind_rules.h"

namespace strata::runtime {

// The simple form that nearly all rules have: CFA = stack or frame pointer + offset, the return address below it.
struct SimpleRules {
  std::int32_t cfa_offset;
  std::int32_t frame_pointer_offset;  // from the CFA; 0: still in its register
  bool is_from_frame_pointer;
  std::uint64_t code;  // the 8 bytes before the address when the rules were found
};

struct UnwindCache;

// Made at the first use; null when there is no memory.
UnwindCache* UnwindCacheOf(Process& process) noexcept;
void CloseUnwindCache(Process& process) noexcept;

// Address of the .eh_frame_hdr of the file that `address` belongs to; 0 without one. Files loaded since the last look
// are found after 10 ms at the latest.
std::uint64_t FindUnwindHeader(Process& process, UnwindCache& cache, std::uint64_t address) noexcept;

// What was remembered of the instruction at `address`. Holds only where its code is still what it was.
bool RecallRules(const UnwindCache& cache, std::uint64_t address, SimpleRules* out) noexcept;
void RememberRules(UnwindCache& cache, std::uint64_t address, const SimpleRules& rules) noexcept;

}  // namespace strata::runtime
