// Mappings of a session's files. Whoever may write a file may also shorten it, and tmpfs has no seal against that for
// files with names: what lies behind the new end is then SIGBUS for whoever has it mapped. A process whose SIGBUS
// reaches RestoreMapping (fault_table.h) gets zeros there instead, which every reader of shared memory can take.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::runtime {

// mmap with MAP_SHARED, in place of what is there when `at` is not null; the address or a negative errno. The first
// 1024 mappings of a process are remembered. From any thread.
long MapShared(void* at, std::size_t size_bytes, int protection, int fd, std::uint64_t offset = 0) noexcept;
// munmap of one or of several in a row.
void UnmapShared(void* at, std::size_t size_bytes) noexcept;

// Puts zeroed private memory behind the end of the file in whose mapping `address` lies; false for any other address.
// From a signal handler too.
bool RestoreMapping(std::uint64_t address) noexcept;

}  // namespace strata::runtime
