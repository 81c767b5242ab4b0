// bpf_trace_printk's format language (kernel/bpf/helpers.c, bpf_bprintf_prepare).
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

inline constexpr std::uint32_t kMaxFormatArguments = 12;  // MAX_BPRINTF_VARARGS

// Prints into out[0, size), always NUL-terminated when size > 0, and returns the length that the whole text has, as
// snprintf does. -EINVAL for a format that the kernel refuses, or one that needs more arguments than there are; -ENOSPC
// when the arguments with their texts take more than 512 bytes. Nothing is printed then.
long Format(Process& process, char* out, std::size_t size, const char* format, std::size_t format_size,
            const std::uint64_t* arguments, std::uint32_t count) noexcept;

}  // namespace strata::runtime
