// Machine code of this process: written without ever making it writable where that is possible, and placed within a
// jump's reach.
#pragma once

#include <cstddef>
#include <cstdint>

#include "x86_64/reach.h"

namespace strata::attach {

// Reads and writes code. Holds a descriptor of /proc/self/mem for its (short) life; where that file is refused, writing
// makes the pages writable and executable for the time of the write.
class TextWriter {
 public:
  TextWriter() noexcept;
  ~TextWriter();
  TextWriter(const TextWriter&) = delete;
  TextWriter& operator=(const TextWriter&) = delete;

  // False where no memory is mapped (any more).
  bool Read(std::uint64_t address, void* to, std::size_t size) const noexcept;
  // 0 or a positive errno. Bytes that lie in one aligned 8-byte word are stored at once.
  int Write(std::uint64_t address, const void* from, std::size_t size) const noexcept;

 private:
  int WriteDirectly(std::uint64_t address, const void* from, std::size_t size) const noexcept;
  int fd_;
};

// A piece of executable memory for `size` bytes (at most 4096) within `reach`, 16-byte aligned, near `wish`; 0 when
// there is none. `slot` gets the address of 8 bytes at its region's start that hold `word`, within 2 GiB of the code.
// Never freed: code that a thread may yet return to must stay. Not thread-safe.
std::uint64_t AllocateText(const TextWriter& writer, const Reach& reach, std::uint64_t wish, std::size_t size,
                           std::uint64_t word, std::uint64_t* slot) noexcept;

}  // namespace strata::attach
