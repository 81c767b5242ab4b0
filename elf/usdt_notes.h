// The notes of section .note.stapsdt.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "strata/base/byte_reader.h"
#include "strata/base/result.h"

namespace strata::elf {

// One note of owner "stapsdt"; the texts lie in the section's bytes.
struct UsdtNote {
  std::uint64_t offset = 0;     // of the note in the section
  std::uint64_t address = 0;    // of the instruction
  std::uint64_t base = 0;       // of section .stapsdt.base when the note was written
  std::uint64_t semaphore = 0;  // address; 0 for none
  std::string_view provider;
  std::string_view name;
  std::string_view arguments;
};

// Of a 64-bit file. Notes of other owners and types are left out. kMalformed names the offset.
Result<std::vector<UsdtNote>> ReadUsdtNotes(ByteReader notes);

}  // namespace strata::elf
