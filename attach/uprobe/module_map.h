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
  bool is_shared;
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

// The mappings of files, as they were when it was made: one walk serves many searches. Holds its own memory.
class ModuleMap {
 public:
  ModuleMap() noexcept;
  ~ModuleMap();
  ModuleMap(const ModuleMap&) = delete;
  ModuleMap& operator=(const ModuleMap&) = delete;

  // 0, or the positive errno for which there is no map: then nothing is found in it.
  int error() const { return error_; }

  // Writes the addresses of all executable mappings of the place, up to `capacity`, and returns how many there are.
  std::size_t Find(const FilePlace& place, std::uint64_t* addresses, std::size_t capacity) const noexcept;
  // Those of the process's own writable copies of it.
  std::size_t FindData(const FilePlace& place, std::uint64_t* addresses, std::size_t capacity) const noexcept;

 private:
  struct Row;
  struct Filling;
  static bool Add(const Mapping& mapping, void* argument);
  enum class Use : std::uint8_t { kCode, kData };
  std::size_t Find(Use use, const FilePlace& place, std::uint64_t* addresses, std::size_t capacity) const noexcept;
  std::size_t FindBy(bool by_path, Use use, const FilePlace& place, std::uint64_t* addresses,
                     std::size_t capacity) const noexcept;

  Row* rows_ = nullptr;
  std::size_t count_ = 0;
  std::size_t size_bytes_ = 0;
  int error_ = 0;
};

}  // namespace strata::attach
