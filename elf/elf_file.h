// libelf behind a fence: what it hands out is checked against the file before anybody uses it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

// A symbol table that is decoded where it lies. Valid as long as the ElfFile, or the bytes it was made of.
class SymbolTable {
 public:
  SymbolTable() = default;
  std::uint32_t size() const { return count_; }
  // Of an index below size(), the null symbol at 0 included. The second and third tell a part without the rest.
  ElfSymbol operator[](std::uint32_t index) const;
  std::uint32_t SectionOf(std::uint32_t index) const;
  std::uint64_t ValueOf(std::uint32_t index) const;

  // For range-for.
  struct Iterator {
    const SymbolTable* table;
    std::uint32_t index;
    ElfSymbol operator*() const { return (*table)[index]; }
    Iterator& operator++() {
      ++index;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return index != other.index; }
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, count_}; }

 private:
  friend class ElfFile;
  std::uint32_t NameOffsetOf(std::uint32_t index) const;
  template <typename T>
  T Load(std::uint32_t index, std::size_t offset32, std::size_t offset64) const;

  std::span<const std::byte> entries_;
  std::span<const std::byte> names_;
  std::span<const std::byte> extended_;  // section numbers of 32 bits; empty when there is no such table
  std::uint32_t count_ = 0;
  bool is_64_bit_ = true;
  std::endian order_ = std::endian::native;
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
  const std::vector<ElfSection>& sections() const { return sections_; }
  const std::vector<ElfSegment>& segments() const { return segments_; }

  // Null when there is none.
  const ElfSection* FindSection(std::string_view name) const;
  const ElfSection* FindSectionOfType(std::uint32_t type) const;

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
  static Result<ElfFile> FromElf(Elf* elf, std::uint64_t size_bytes, std::string where);
  Result<void> ReadHeader();
  Result<void> ReadSegments();
  Result<void> ReadSections();
  Result<void> NameSections(std::span<const std::uint32_t> name_offsets);
  Result<std::span<const std::byte>> ExtendedSectionNumbers(const ElfSection& table, std::uint64_t count) const;
  Result<void> CheckSymbols(const ElfSection& table, const SymbolTable& symbols, std::size_t longest_name) const;
  bool IsInFile(std::uint64_t offset, std::uint64_t size_bytes) const {
    return offset <= size_bytes_ && size_bytes <= size_bytes_ - offset;
  }
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
  std::vector<ElfSection> sections_;
  std::vector<ElfSegment> segments_;
};

}  // namespace strata::elf
