// ELF and BTF files as a test wants them, well-formed or not.
#pragma once

#include <elf.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strata/isa/instruction.h"

namespace strata::test {

// Integers appended in one byte order.
class ByteWriter {
 public:
  explicit ByteWriter(std::endian order = std::endian::little) : order_(order) {}

  template <typename T>
  ByteWriter& Put(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      const std::size_t shift = 8 * (order_ == std::endian::little ? i : sizeof(T) - 1 - i);
      bytes_.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value) >> shift));
    }
    return *this;
  }
  ByteWriter& Append(const std::vector<std::byte>& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  std::size_t size() const { return bytes_.size(); }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::endian order_;
  std::vector<std::byte> bytes_;
};

std::vector<std::byte> BytesOf(std::string_view text);
std::vector<std::byte> BytesOf(const std::vector<isa::Instruction>& code);

// Writes a 64-bit little-endian file with a section name table, a symbol table and one relocation table for each
// section that has relocations; with a table of section numbers (SHT_SYMTAB_SHNDX) where a symbol cannot hold them.
// Symbol() and Relocation() belong to the section that was added last. Nothing is checked: what is written is what was
// asked for.
class ElfWriter {
 public:
  struct SectionOptions {
    std::uint32_t type = SHT_PROGBITS;
    std::uint64_t flags = SHF_ALLOC;
    std::uint64_t claimed_size = 0;  // sh_size when it shall differ from the content's
    std::uint32_t link = 0;          // of sections that the writer makes no table of
    std::uint32_t info = 0;
  };
  struct SymbolOptions {
    unsigned type = STT_OBJECT;
    unsigned binding = STB_GLOBAL;
    unsigned visibility = STV_DEFAULT;
    int section = -1;  // a number to write instead of the current section's
  };

  explicit ElfWriter(std::uint16_t type = ET_REL, std::uint16_t machine = EM_BPF) : type_(type), machine_(machine) {}

  ElfWriter& Section(std::string name, std::vector<std::byte> content, SectionOptions options);
  ElfWriter& Section(std::string name, std::vector<std::byte> content = {}) {
    return Section(name, std::move(content), SectionOptions{});
  }
  // A section of code with one function symbol over all of it.
  ElfWriter& Code(std::string section, std::string function, const std::vector<isa::Instruction>& code);
  ElfWriter& Symbol(std::string name, std::uint64_t value, std::uint64_t size, SymbolOptions options);
  ElfWriter& Symbol(std::string name, std::uint64_t value, std::uint64_t size) {
    return Symbol(name, value, size, SymbolOptions{});
  }
  ElfWriter& UndefinedSymbol(std::string name);
  // The symbol may be added later; a name that never comes gives a number past the table.
  ElfWriter& Relocation(std::uint64_t offset, std::string symbol, std::uint32_t type);
  // A program header over what is at [offset, +size) of the file.
  ElfWriter& Segment(Elf64_Phdr header);

  std::vector<std::byte> Bytes() const;

 private:
  struct SectionEntry {
    std::string name;
    std::vector<std::byte> content;
    SectionOptions options;
  };
  struct SymbolEntry {
    std::string name;
    std::uint64_t value;
    std::uint64_t size;
    SymbolOptions options;
    std::size_t section;
  };
  struct RelocationEntry {
    std::size_t section;
    std::uint64_t offset;
    std::string symbol;
    std::uint32_t type;
  };
  std::uint16_t type_;
  std::uint16_t machine_;
  std::vector<SectionEntry> sections_;
  std::vector<SymbolEntry> symbols_;
  std::vector<RelocationEntry> relocations_;
  std::vector<Elf64_Phdr> segments_;
};

// A .BTF section, type by type; ids count from 1 in the order of the calls.
class BtfWriter {
 public:
  explicit BtfWriter(std::endian order = std::endian::little) : order_(order), types_(order), strings_(1, '\0') {}

  // The offset of a string, added when it is new.
  std::uint32_t String(std::string_view text);
  // Any type: what follows the three common words is given as words. Returns its id.
  std::uint32_t Type(std::uint32_t kind, std::string_view name, std::uint32_t count, std::uint32_t size_or_target,
                     const std::vector<std::uint32_t>& words = {}, bool kind_flag = false);
  std::uint32_t Int(std::string_view name, std::uint32_t size_bytes, std::uint32_t encoding = 0);
  std::uint32_t Pointer(std::uint32_t target) { return Type(2, "", 0, target); }

  std::vector<std::byte> Bytes() const;

 private:
  std::endian order_;
  ByteWriter types_;
  std::string strings_;
  std::uint32_t next_id_ = 1;
};

// A file compiled for a test.
std::vector<std::byte> ReadFile(const std::string& path);

}  // namespace strata::test
