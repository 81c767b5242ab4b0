// eBPF instructions to x86-64, one template each.
//
// Registers: R0 rax, R1-R5 rdi rsi rdx rcx r8 (the C arguments), R6 rbx, R7 r13, R8 r14, R9 r15, R10 rbp. The run's
// RunContext is in r12, or in r9 where nothing is called. r10, r11 and, before a helper call, r9 are free. A function
// keeps rbx, rbp, r12 to r15 for its caller; R1-R5 do not survive a call.
#pragma once

#include "../program_scan.h"
#include "strata/backend/userspace/compile/compiler.h"

namespace strata::compile::x86 {

// `scan` is that of `input`.
CompiledImage Translate(const CompileInput& input, const ProgramScan& scan);

}  // namespace strata::compile::x86
