// Probes that a program's author put into it (USDT): the notes that <sys/sdt.h> leaves in a file.
#pragma once

#include <cstdint>
#include <string>

namespace strata::elf {

// One place in the code; a probe of one provider and name may have many.
struct UsdtProbe {
  std::string provider;
  std::string name;
  std::string arguments;                // as the note has them: "-4@%edi 8@-16(%rbp)"
  std::uint64_t address = 0;            // virtual, as the file states it
  std::uint64_t file_offset = 0;        // of the instruction, in bytes from the file's start
  std::uint64_t semaphore_address = 0;  // of a 16-bit counter of who listens; 0: the probe has none
  std::uint64_t semaphore_file_offset = 0;

  bool operator==(const UsdtProbe&) const = default;
};

}  // namespace strata::elf
