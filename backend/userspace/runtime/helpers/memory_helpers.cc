#include <asm/errno.h>

#include "../guarded_read.h"
#include "functions.h"

namespace strata::runtime {
namespace {

// r1: where to, r2: bytes, r3: where from. What could not be read is left as zeros (kernel/trace/bpf_trace.c).
std::uint64_t ReadOrClear(std::uint64_t to, std::uint64_t size, std::uint64_t from, RunContext* run) {
  const auto bytes = static_cast<std::uint32_t>(size);
  const long error = GuardedRead(*run->process, PointerFrom<void>(to), from, bytes);
  if (error != 0) memset(PointerFrom<void>(to), 0, bytes);
  return Status(error);
}

}  // namespace

STRATA_HELPER(HelperProbeRead) { return ReadOrClear(r1, r2, r3, run); }

STRATA_HELPER(HelperCopyFromUser) { return ReadOrClear(r1, r2, r3, run); }

STRATA_HELPER(HelperProbeReadString) {
  const auto bytes = static_cast<std::uint32_t>(r2);
  const long length = GuardedReadString(*run->process, PointerFrom<char>(r1), r3, bytes);
  if (length < 0) memset(PointerFrom<void>(r1), 0, bytes);
  return Status(length);
}

}  // namespace strata::runtime
