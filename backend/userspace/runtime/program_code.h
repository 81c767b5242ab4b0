// A program's file in memory, and the code that is made of it: a relocated image, or the interpreter's record. Private
// to program instances.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/program_instance.h"

namespace strata::runtime {

// The program's file, read into private memory before anything of it is believed.
struct ProgramFile {
  std::byte* bytes = nullptr;
  std::uint64_t size = 0;

  const ProgramHeader& header() const { return *reinterpret_cast<const ProgramHeader*>(bytes); }
  template <typename T>
  const T* Table(std::uint32_t offset) const {
    return reinterpret_cast<const T*>(bytes + offset);
  }
};

// Anonymous memory, zero; null where there is none.
std::byte* MapPrivate(std::uint64_t size) noexcept;

// Sets entries, callback and engine state of a program whose maps and imports are found.
long LoadCode(const ProgramFile& file, ProgramInstance* program, Reason* reason) noexcept;
void UnmapCode(ProgramInstance* program) noexcept;

}  // namespace strata::runtime
