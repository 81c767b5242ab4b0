// The memory areas of this process, as the kernel lists them in /proc/self/maps.
#pragma once

#include <cstdint>

namespace strata::runtime {

struct MemoryArea {
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t flags;   // VM_READ, VM_WRITE, VM_EXEC, VM_SHARED
  std::uint64_t inode;   // of the file that is mapped; 0 without one
  std::uint64_t device;  // the kernel's own dev_t
};

// The one that `address` lies in; -ENOENT when there is none, -EBUSY when the list cannot be had.
long FindMemoryArea(std::uint64_t address, MemoryArea* out) noexcept;
// The same where the kernel cannot be asked for a single one, before Linux 6.11. Gives up after the first MiB of text,
// some 10,000 areas: -EBUSY.
long FindMemoryAreaInText(std::uint64_t address, MemoryArea* out) noexcept;

}  // namespace strata::runtime
