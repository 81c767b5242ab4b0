// Reads and writes of memory that may not be there (kernel/trace/bpf_trace.c, kernel/bpf/helpers.c). "Kernel" memory is
// the process's own here, as is all other.
#include <asm/errno.h>

#include "../guarded_read.h"
#include "functions.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kTaskSize = 0x7ffffffff000;  // TASK_SIZE_MAX
constexpr std::uint64_t kKernelHalf = std::uint64_t{0xffff} << 47;
constexpr std::uint64_t kVsyscall = 0xffffffffff600000;

// What kernel reads say of an address that could not be read: copy_from_kernel_nofault_allowed (arch/x86/mm/maccess.c)
// refuses all that is not the kernel's half.
long KernelReadError(std::uint64_t address) {
  const bool is_kernel_half = address >= kKernelHalf && address / 4096 != kVsyscall / 4096;
  return is_kernel_half ? -EFAULT : -ERANGE;
}

// r1: where to, r2: bytes, r3: where from. What could not be read is left as zeros.
[[gnu::always_inline]] inline long ReadOrClear(std::uint64_t to, std::uint64_t size, std::uint64_t from,
                                               RunContext* run) {
  const auto bytes = static_cast<std::uint32_t>(size);
  const long error = GuardedRead(*run->process, PointerFrom<void>(to), from, bytes);
  if (error != 0) [[unlikely]]
    memset(PointerFrom<void>(to), 0, bytes);
  return error;
}

[[gnu::always_inline]] inline long ReadStringOrClear(std::uint64_t to, std::uint64_t size, std::uint64_t from,
                                                     RunContext* run) {
  const auto bytes = static_cast<std::uint32_t>(size);
  const long length = GuardedReadString(*run->process, PointerFrom<char>(to), from, bytes);
  if (length < 0) [[unlikely]]
    memset(PointerFrom<void>(to), 0, bytes);
  return length;
}

}  // namespace

STRATA_HELPER(HelperProbeReadUser) { return Status(ReadOrClear(r1, r2, r3, run)); }

STRATA_HELPER(HelperProbeReadKernel) {
  const long error = ReadOrClear(r1, r2, r3, run);
  return Status(error == 0 ? 0 : KernelReadError(r3));
}

// The older helpers, which choose by the address.
STRATA_HELPER(HelperProbeRead) {
  return r3 < kTaskSize ? Status(ReadOrClear(r1, r2, r3, run)) : HelperProbeReadKernel(r1, r2, r3, r4, r5, run);
}

// Nothing is read of an address that is nobody's.
STRATA_HELPER(HelperCopyFromUser) {
  return static_cast<std::uint32_t>(r2) == 0 ? 0 : Status(ReadOrClear(r1, r2, r3, run));
}

STRATA_HELPER(HelperProbeReadUserString) { return Status(ReadStringOrClear(r1, r2, r3, run)); }

STRATA_HELPER(HelperProbeReadKernelString) {
  const long length = ReadStringOrClear(r1, r2, r3, run);
  return Status(length >= 0 ? length : KernelReadError(r3));
}

STRATA_HELPER(HelperProbeReadString) {
  return r3 < kTaskSize ? HelperProbeReadUserString(r1, r2, r3, r4, r5, run)
                        : HelperProbeReadKernelString(r1, r2, r3, r4, r5, run);
}

STRATA_HELPER(HelperProbeWriteUser) {
  return Status(GuardedWrite(*run->process, r1, PointerFrom<const void>(r2), static_cast<std::uint32_t>(r3)));
}

}  // namespace strata::runtime
