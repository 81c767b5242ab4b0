// Reading memory of the traced program that may not be there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

// Copies, or returns -EFAULT and copies an unspecified part. The kernel does the copying (process_vm_readv on the
// process itself, about a microsecond), so a bad address cannot fault here; a plain copy with a fault table needs the
// agent's own SIGSEGV handling and takes this function's place once that exists.
long GuardedRead(Process& process, void* to, std::uint64_t from, std::size_t size_bytes) noexcept;

// Copies a string up to and with its NUL, or cut off at size_bytes with a NUL as last byte. Returns the bytes written,
// or -EFAULT.
long GuardedReadString(Process& process, char* to, std::uint64_t from, std::size_t size_bytes) noexcept;

}  // namespace strata::runtime
