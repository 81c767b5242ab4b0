// What the kernel told the program at its start (/proc/self/auxv).
#pragma once

#include <cstdint>

namespace strata::runtime {

struct AuxiliaryVector {
  std::uint64_t vdso = 0;             // AT_SYSINFO_EHDR: its ELF header
  std::uint64_t program_headers = 0;  // AT_PHDR: of the main program
  std::uint64_t program_header_count = 0;
};

// All zero without /proc.
AuxiliaryVector ReadAuxiliaryVector() noexcept;

}  // namespace strata::runtime
