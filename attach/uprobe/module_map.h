// Where files are mapped in this process, from /proc/self/maps, without heap or libc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::attach {

struct Mapping {
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t file_offset;  // of `begin`
  std::uint64_t device;       // as st_dev
  std::uint64_t inode;        // 0: no file
  const char* path;           // NUL-terminated, valid during the visit; "" for anonymous memory, "[stack]", ...
  bool is_readable;
  bool is_writable;
  bool is_executable;
};

// Visits the mappings in order of their addresses until `visit` returns false. Returns 0 or a positive errno. Reads
// into a buffer on the stack (8 KiB); mappings made meanwhile may or may not be seen.
using MappingVisitor = bool (*)(const Mapping& mapping, void* argument);
int ForEachMapping(MappingVisitor visit, void* argument) noexcept;

// A place in a file.
struct FilePlace {
  std::uint64_t device;  // st_dev and st_ino of the file
  std::uint64_t inode;
  const char* path;  // helps on file systems whose mappings show another device than stat does; may be null
  std::uint64_t file_offset;
};

// Writes the addresses of all executable mappings of the place, up to `capacity`, and returns how many there are; 0
// when the file is not mapped here (or /proc cannot be read).
std::size_t FindAddresses(const FilePlace& place, std::uint64_t* addresses, std::size_t capacity) noexcept;

}  // namespace strata::attach
