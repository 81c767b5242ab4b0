// libelf behind a fence: what it hands out is checked against the file before anybody uses it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/byte_reader.h"
#include "strata/base/result.h"

struct Elf;

namespace strata::elf {

struct ElfSection {
  std::uint32_t index = 0;
  std::string_view name;   // in the file's string table: valid as long as the ElfFile, or the bytes it was made of
  std::uint32_t type = 0;  // SHT_*
  std::uint64_t flags = 0;
  std::uint64_t address = 0;
  std::uint64_t offset = 0;  // in the file; [offset, offset + size) lies in it unless the type is SHT_NOBITS
  std::uint64_t size_bytes = 0;
  std::uint32_t link = 0;
  std::uint32_t info = 0;
  std::uint64_t alignment = 0;
  std::uint64_t entry_size = 0;  // of a table; 0 where the writer left it out
};

struct ElfSymbol {
  std::string_view name;  // as that of a section
  std::uint64_t value = 0;
  std::uint64_t size_bytes = 0;
  std::uint8_t type = 0;        // STT_*
  std::uint8_t binding = 0;     // STB_*
  std::uint8_t visibility = 0;  // STV_*
  std::uint32_t section = 0;    // index, or SHN_UNDEF, SHN_ABS, SHN_COMMON
};

struct ElfRelocation {
  std::uint64_t offset = 0;  // in the section that is relocated
  std::uint32_t symbol = 0;  // index; below the number of symbols
  std::uint32_t type = 0;
  bool has_addend = false;  // otherwise it is in the place that is relocated
  std::int64_t addend = 0;
};

struct ElfSegment {
  std::uint32_t type = 0;   // PT_*
  std::uint32_t flags = 0;  // PF_*
  std::uint64_t offset = 0;
  std::uint64_t address = 0;
  std::uint64_t file_size_bytes = 0;
  std::uint64_t memory_size_bytes = 0;
  std::uint64_t alignment = 0;
};

// Iterates over a table that decodes its entries when they are asked for.
template <typename Table>
struct TableIterator {
  const Table* table;
  std::uint32_t index;
  auto operator*() const { return (*table)[index]; }
  TableIterator& operator++() {
    ++index;
    return *this;
  }
  bool operator!=(const TableIterator& other) const { return index != other.index; }
};

// Entries of one size, as the file has them.
struct RawTable {
  std::span<const std::byte> entries;
  std::uint32_t entry_size = 1;
  std::endian order = std::endian::native;

  std::uint32_t size() const { return static_cast<std::uint32_t>(entries.size() / entry_size); }
  template <typename T>
  T Load(std::uint32_t index, std::size_t offset) const {
    T value;
    std::memcpy(&value, entries.data() + std::size_t{index} * entry_size + offset, sizeof(value));
    return order == std::endian::native ? value : SwapBytes(value);
  }
};

// The section headers, decoded where they lie. Valid as long as the ElfFile, or the bytes it was made of.
class SectionTable {
 public:
  std::uint32_t size() const { return headers_.size(); }
  bool empty() const { return size() == 0; }
  ElfSection operator[](std::uint32_t index) const;  // below size()
  TableIterator<SectionTable> begin() const { return {this, 0}; }
  TableIterator<SectionTable> end() const { return {this, size()}; }

 private:
  friend class ElfFile;
  std::uint32_t NameOffsetOf(std::uint32_t index) const { return headers_.Load<std::uint32_t>(index, 0); }

  RawTable headers_;
  std::span<const std::byte> names_;  // empty in a file without
  bool is_64_bit_ = true;
};

// A symbol table, likewise.
class SymbolTable {
 public:
  std::uint32_t size() const { return symbols_.size(); }
  // Of an index below size(), the null symbol at 0 included. The second and third tell a part without the rest.
  ElfSymbol operator[](std::uint32_t index) const;
  std::uint32_t SectionOf(std::uint32_t index) const;
  std::uint64_t ValueOf(std::uint32_t index) const;
  TableIterator<SymbolTable> begin() const { return {this, 0}; }
  TableIterator<SymbolTable> end() const { return {this, size()}; }

 private:
  friend class ElfFile;
  std::uint32_t NameOffsetOf(std::uint32_t index) const { return symbols_.Load<std::uint32_t>(index, 0); }

  RawTable symbols_;
  RawTable extended_;  // section numbers of 32 bits; empty when there is no such table
  std::span<const std::byte> names_;
  bool is_64_bit_ = true;
};

// libelf tells where the tables are and is let go before they are read, unless the file is read piece by piece.
// Not thread-safe, as libelf is not. Move-only.
class ElfFile {
 public:
  // `bytes` must outlive the object. `where` starts the text of errors.
  static Result<ElfFile> FromMemory(std::span<const std::byte> bytes, std::string where);
  // Reads what is asked for with pread; `fd` must stay open.
  static Result<ElfFile> FromDescriptor(int fd, std::string where);

  const std::string& where() const { return where_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  std::uint16_t type() const { return type_; }  // ET_*
  std::uint16_t machine() const { return machine_; }
  bool is_64_bit() const { return is_64_bit_; }
  std::endian byte_order() const { return byte_order_; }
  const SectionTable& sections() const { return sections_; }
  const std::vector<ElfSegment>& segments() const { return segments_; }

  // The first one.
  std::optional<ElfSection> FindSection(std::string_view name) const;
  std::optional<ElfSection> FindSectionOfType(std::uint32_t type) const;

  // Valid as long as this object. Empty for SHT_NOBITS; kNotSupported for compressed sections.
  Result<std::span<const std::byte>> Contents(const ElfSection& section) const;
  // Every section index of its symbols lies in the file; a name of `longest_name` bytes or more is an error.
  Result<SymbolTable> Symbols(const ElfSection& table, std::size_t longest_name = SIZE_MAX) const;
  Result<std::vector<ElfRelocation>> Relocations(const ElfSection& table, std::size_t symbol_count) const;

 private:
  struct Closer {
    void operator()(Elf* elf) const;
  };
  ElfFile() = default;
  static Result<ElfFile> FromElf(Elf* elf, std::span<const std::byte> bytes, int fd, std::uint64_t size_bytes,
                                 std::string where);
  Result<void> ReadHeader();
  Result<void> ReadSegments();
  Result<void> ReadSections(int fd);
  Result<std::span<const std::byte>> ReadSectionHeaders(int fd, std::uint64_t offset, std::size_t size_bytes);
  Result<void> ReadSectionNames();
  Result<RawTable> ExtendedSectionNumbers(const ElfSection& table, std::uint64_t count) const;
  Result<void> CheckSymbols(const ElfSection& table, const SymbolTable& symbols, std::size_t longest_name) const;
  bool IsInFile(std::uint64_t offset, std::uint64_t size_bytes) const {
    return offset <= size_bytes_ && size_bytes <= size_bytes_ - offset;
  }
  Result<void> CheckEntrySize(const ElfSection& table, std::uint32_t size_bytes) const;
  Error Malformed(std::string_view message) const;
  Error Malformed(const ElfSection& section, std::string_view message) const;

  std::unique_ptr<Elf, Closer> elf_;  // null once a file in memory was looked over
  std::span<const std::byte> bytes_;  // of a file in memory
  std::string where_;
  std::uint64_t size_bytes_ = 0;
  std::uint16_t type_ = 0;
  std::uint16_t machine_ = 0;
  bool is_64_bit_ = false;
  std::endian byte_order_ = std::endian::native;
  std::vector<std::byte> headers_;  // of the sections, where the file is read piece by piece
  SectionTable sections_;
  std::vector<ElfSegment> segments_;
};

}  // namespace strata::elf
