// Reading and writing memory of the traced program that may not be there.
//
// Where the process's faults reach the table (fault_table.h) these are plain copies; elsewhere the kernel copies
// (process_vm_readv on the process itself, about a microsecond), so that a bad address cannot fault here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

// Copies, or returns -EFAULT and copies an unspecified part.
long GuardedRead(Process& process, void* to, std::uint64_t from, std::size_t size_bytes) noexcept;

// Several places at once, at most kMostGuardedPlaces: one system call where these are needed.
struct GuardedPlace {
  void* to;
  std::uint64_t from;
  std::size_t size_bytes;
};
inline constexpr std::uint32_t kMostGuardedPlaces = 4;
long GuardedReadPlaces(Process& process, const GuardedPlace* places, std::uint32_t count) noexcept;

// The same into the traced program's memory; -EFAULT for a page that it could not write itself.
long GuardedWrite(Process& process, std::uint64_t to, const void* from, std::size_t size_bytes) noexcept;

// Copies a string up to and with its NUL, or cut off at size_bytes with a NUL as last byte. Returns the bytes written,
// or -EFAULT. Behind the NUL, up to seven zeros may follow (strncpy_from_user_nofault, mm/maccess.c).
long GuardedReadString(Process& process, char* to, std::uint64_t from, std::size_t size_bytes) noexcept;

}  // namespace strata::runtime
