// An executable or shared library as uprobes need it: symbols, segments, build id, USDT probes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/elf/usdt_probe.h"

namespace strata::elf {

enum class SymbolKind : std::uint8_t {
  kFunction,
  kObject,
  kIndirectFunction,  // STT_GNU_IFUNC: its address is that of a resolver
  kOther,
};

struct ImageSymbol {
  std::string name;  // without version
  SymbolKind kind = SymbolKind::kOther;
  std::uint64_t address = 0;      // virtual, as the file states it (before relocation)
  std::uint64_t file_offset = 0;  // in bytes from the file's start
  std::uint64_t size_bytes = 0;   // 0 where the file gives none

  bool operator==(const ImageSymbol&) const = default;
};

// A PT_LOAD program header.
struct ImageSegment {
  std::uint64_t address = 0;
  std::uint64_t file_offset = 0;
  std::uint64_t file_size_bytes = 0;
  std::uint64_t memory_size_bytes = 0;
  bool is_executable = false;
  bool is_writable = false;

  bool operator==(const ImageSegment&) const = default;
};

// Holds the file open and reads from it what is asked for; the file is never mapped, so that one who truncates it
// causes an error and no SIGBUS. Move-only. Const members may be called from any thread.
class STRATA_EXPORT Image {
 public:
  // Errors: kNotFound for a missing file, kMalformed for what is no ELF executable or library; each names the path.
  static Result<Image> Open(const std::string& path);

  Image(Image&&) noexcept;
  Image& operator=(Image&&) noexcept;
  ~Image();

  const std::string& path() const;
  std::uint16_t machine() const;  // EM_X86_64, ...
  bool is_64_bit() const;
  bool is_position_independent() const;  // ET_DYN
  std::uint64_t size_bytes() const;
  const std::vector<ImageSegment>& segments() const;
  const std::vector<std::byte>& build_id() const;  // empty when the file has none
  std::string build_id_text() const;               // in hexadecimal

  // A function or object by name, from .symtab, then from .dynsym; a version ("malloc@GLIBC_2.2.5",
  // "malloc@@GLIBC_2.2.5") in the name is not compared. Global symbols go before weak ones, those before local ones.
  // Errors: kNotFound, with the nearest name that exists; kNotSupported for an indirect function, whose symbol is not
  // where calls arrive.
  Result<ImageSymbol> FindSymbol(std::string_view name) const;

  // All defined symbols with a name and an address in a segment, sorted by address and name, without duplicates.
  Result<std::vector<ImageSymbol>> Symbols() const;

  // Addresses of all defined symbols of exactly that name, in order and without duplicates; also of those that the file
  // has no contents for (.bss).
  Result<std::vector<std::uint64_t>> AddressesOf(std::string_view name) const;

  // The file's USDT probes in the order of their notes; those whose code the linker dropped (address 0) are left out.
  // Errors: kMalformed naming section and offset, kNotSupported for a 32-bit file.
  Result<std::vector<UsdtProbe>> UsdtProbes() const;

  // Between virtual addresses and file offsets, by PT_LOAD. Errors: kInvalidArgument for what no segment of the file
  // holds.
  Result<std::uint64_t> FileOffsetOf(std::uint64_t address) const;
  Result<std::uint64_t> AddressOf(std::uint64_t file_offset) const;

  // `count` bytes from `file_offset`; kInvalidArgument when the file ends before.
  Result<std::vector<std::byte>> ReadBytes(std::uint64_t file_offset, std::uint64_t count) const;

 private:
  struct State;
  explicit Image(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace strata::elf
