// A system call of x86-64 Linux without libc: no errno, no cancellation point, no hook of ours or others on the way. No
// code to link: for the traced process.
#pragma once

#include <cstdint>

namespace strata {

// `number` from arch/x86/entry/syscalls/syscall_64.tbl. Returns what the kernel does: a negative result down to -4095
// is -errno.
[[gnu::always_inline]] inline long RawSyscall(long number, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                              std::uint64_t d, std::uint64_t e, std::uint64_t f) noexcept {
  long result = number;
  register std::uint64_t r10 __asm__("r10") = d;
  register std::uint64_t r8 __asm__("r8") = e;
  register std::uint64_t r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

}  // namespace strata
