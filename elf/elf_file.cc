#include "elf_file.h"

#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "strata/base/byte_reader.h"

namespace strata::elf {
namespace {

constexpr std::size_t kMaxSectionName = 4096;

// A string of a table. Names may overlap in it, so that a small file can have many long ones: `longest` keeps both the
// search for the end and what readers copy in bounds.
Result<std::string_view> NameAt(std::span<const std::byte> table, std::uint64_t offset, std::size_t longest) {
  if (offset >= table.size()) {
    return Error(ErrorCode::kMalformed, fmt::format("string offset {} is past the end at {}", offset, table.size()));
  }
  const auto* start = reinterpret_cast<const char*>(table.data()) + offset;
  const std::size_t room = std::min(table.size() - static_cast<std::size_t>(offset), longest);
  const auto* end = static_cast<const char*>(std::memchr(start, 0, room));
  if (end == nullptr) return Error(ErrorCode::kMalformed, fmt::format("string at {} has no end", offset));
  return std::string_view(start, static_cast<std::size_t>(end - start));
}

template <typename T>
T LoadAt(const std::byte* at, std::endian order) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return order == std::endian::native ? value : SwapBytes(value);
}

template <typename Entry>
ElfRelocation DecodeRelocation(const std::byte* at, std::endian order) {
  constexpr bool kIs64 = sizeof(Entry::r_info) == sizeof(std::uint64_t);
  constexpr int kSymbolShift = kIs64 ? 32 : 8;
  const auto info = LoadAt<decltype(Entry::r_info)>(at + offsetof(Entry, r_info), order);
  ElfRelocation relocation;
  relocation.offset = LoadAt<decltype(Entry::r_offset)>(at + offsetof(Entry, r_offset), order);
  relocation.symbol = static_cast<std::uint32_t>(info >> kSymbolShift);
  relocation.type = static_cast<std::uint32_t>(info & ((std::uint64_t{1} << kSymbolShift) - 1));
  if constexpr (requires { Entry::r_addend; }) {
    relocation.has_addend = true;
    relocation.addend = LoadAt<decltype(Entry::r_addend)>(at + offsetof(Entry, r_addend), order);
  }
  return relocation;
}

struct RelocationForm {
  std::size_t size_bytes;
  ElfRelocation (*decode)(const std::byte* at, std::endian order);
};

RelocationForm FormOf(std::uint32_t table_type, bool is_64_bit) {
  if (table_type == SHT_RELA) {
    return is_64_bit ? RelocationForm{sizeof(Elf64_Rela), DecodeRelocation<Elf64_Rela>}
                     : RelocationForm{sizeof(Elf32_Rela), DecodeRelocation<Elf32_Rela>};
  }
  return is_64_bit ? RelocationForm{sizeof(Elf64_Rel), DecodeRelocation<Elf64_Rel>}
                   : RelocationForm{sizeof(Elf32_Rel), DecodeRelocation<Elf32_Rel>};
}

}  // namespace

template <typename T>
T SymbolTable::Load(std::uint32_t index, std::size_t offset32, std::size_t offset64) const {
  const std::size_t entry_size = is_64_bit_ ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  return LoadAt<T>(entries_.data() + index * entry_size + (is_64_bit_ ? offset64 : offset32), order_);
}

std::uint32_t SymbolTable::NameOffsetOf(std::uint32_t index) const {
  return Load<std::uint32_t>(index, offsetof(Elf32_Sym, st_name), offsetof(Elf64_Sym, st_name));
}

// A symbol has 16 bits for its section's number. In a file of more sections a table of its own holds what does not fit.
std::uint32_t SymbolTable::SectionOf(std::uint32_t index) const {
  const auto number = Load<std::uint16_t>(index, offsetof(Elf32_Sym, st_shndx), offsetof(Elf64_Sym, st_shndx));
  if (number != SHN_XINDEX || extended_.empty()) return number;
  return LoadAt<std::uint32_t>(extended_.data() + index * sizeof(std::uint32_t), order_);
}

std::uint64_t SymbolTable::ValueOf(std::uint32_t index) const {
  if (!is_64_bit_) return Load<std::uint32_t>(index, offsetof(Elf32_Sym, st_value), 0);
  return Load<std::uint64_t>(index, 0, offsetof(Elf64_Sym, st_value));
}

ElfSymbol SymbolTable::operator[](std::uint32_t index) const {
  ElfSymbol symbol;
  const std::uint32_t name = NameOffsetOf(index);
  if (name != 0) symbol.name = reinterpret_cast<const char*>(names_.data()) + name;
  symbol.value = ValueOf(index);
  symbol.size_bytes = is_64_bit_ ? Load<std::uint64_t>(index, 0, offsetof(Elf64_Sym, st_size))
                                 : Load<std::uint32_t>(index, offsetof(Elf32_Sym, st_size), 0);
  const auto info = Load<std::uint8_t>(index, offsetof(Elf32_Sym, st_info), offsetof(Elf64_Sym, st_info));
  const auto other = Load<std::uint8_t>(index, offsetof(Elf32_Sym, st_other), offsetof(Elf64_Sym, st_other));
  symbol.type = ELF64_ST_TYPE(info);
  symbol.binding = ELF64_ST_BIND(info);
  symbol.visibility = ELF64_ST_VISIBILITY(other);
  symbol.section = SectionOf(index);
  return symbol;
}

void ElfFile::Closer::operator()(Elf* elf) const { elf_end(elf); }

Error ElfFile::Malformed(std::string_view message) const {
  return Error(ErrorCode::kMalformed, fmt::format("{}: {}", where_, message));
}

Error ElfFile::Malformed(const ElfSection& section, std::string_view message) const {
  const std::string name = section.name.empty() ? fmt::format("number {}", section.index) : std::string(section.name);
  return Malformed(fmt::format("section {}: {}", name, message));
}

Result<ElfFile> ElfFile::FromMemory(std::span<const std::byte> bytes, std::string where) {
  elf_version(EV_CURRENT);
  // libelf only reads what it is given to read, in spite of the parameter's type.
  auto* start = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
  ElfFile file = STRATA_TRY(FromElf(elf_memory(start, bytes.size()), bytes.size(), std::move(where)));
  file.bytes_ = bytes;
  file.elf_.reset();
  return file;
}

Result<ElfFile> ElfFile::FromDescriptor(int fd, std::string where) {
  elf_version(EV_CURRENT);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, where);
  return FromElf(elf_begin(fd, ELF_C_READ, nullptr), static_cast<std::uint64_t>(status.st_size), std::move(where));
}

Result<ElfFile> ElfFile::FromElf(Elf* elf, std::uint64_t size_bytes, std::string where) {
  ElfFile file;
  file.elf_.reset(elf);
  file.where_ = std::move(where);
  file.size_bytes_ = size_bytes;
  if (elf == nullptr || elf_kind(elf) != ELF_K_ELF) return file.Malformed("is no ELF file");
  STRATA_TRY(file.ReadHeader());
  STRATA_TRY(file.ReadSegments());
  STRATA_TRY(file.ReadSections());
  return file;
}

Result<void> ElfFile::ReadHeader() {
  GElf_Ehdr header;
  if (gelf_getehdr(elf_.get(), &header) == nullptr) return Malformed("the ELF header is truncated");
  const unsigned char encoding = header.e_ident[EI_DATA];
  if (encoding != ELFDATA2LSB && encoding != ELFDATA2MSB) return Malformed("the ELF header names no byte order");
  byte_order_ = encoding == ELFDATA2LSB ? std::endian::little : std::endian::big;
  is_64_bit_ = gelf_getclass(elf_.get()) == ELFCLASS64;
  type_ = header.e_type;
  machine_ = header.e_machine;

  // libelf forgets a table that lies outside of the file; what it still tells must agree with the header.
  const std::uint64_t section_entry = is_64_bit_ ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
  const std::uint64_t segment_entry = is_64_bit_ ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
  std::size_t section_count = 0;
  std::size_t segment_count = 0;
  const bool has_counts =
      elf_getshdrnum(elf_.get(), &section_count) == 0 && elf_getphdrnum(elf_.get(), &segment_count) == 0;
  if (!has_counts || section_count < header.e_shnum || (header.e_shoff != 0 && section_count == 0) ||
      (section_count != 0 && !IsInFile(header.e_shoff, section_count * section_entry))) {
    return Malformed("the section header table is outside of the file");
  }
  if ((header.e_shnum != 0 && header.e_shentsize != section_entry) ||
      (header.e_phnum != 0 && header.e_phentsize != segment_entry)) {
    return Malformed("the ELF header gives a wrong size for section or program headers");
  }
  if (segment_count != 0 && !IsInFile(header.e_phoff, segment_count * segment_entry)) {
    return Malformed("the program header table is outside of the file");
  }
  return {};
}

Result<void> ElfFile::ReadSegments() {
  std::size_t count = 0;
  if (elf_getphdrnum(elf_.get(), &count) != 0) return Malformed("cannot count the program headers");
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf_.get(), static_cast<int>(i), &header) == nullptr) {
      return Malformed(fmt::format("program header {} cannot be read", i));
    }
    if (header.p_type == PT_LOAD && !IsInFile(header.p_offset, header.p_filesz)) {
      return Malformed(fmt::format("program header {}: [{}, +{}) is outside of the file's {} bytes", i, header.p_offset,
                                   header.p_filesz, size_bytes_));
    }
    segments_.push_back(ElfSegment{header.p_type, header.p_flags, header.p_offset, header.p_vaddr, header.p_filesz,
                                   header.p_memsz, header.p_align});
  }
  return {};
}

Result<void> ElfFile::ReadSections() {
  std::size_t count = 0;
  if (elf_getshdrnum(elf_.get(), &count) != 0) return Malformed("cannot count the sections");
  std::vector<std::uint32_t> name_offsets;
  sections_.reserve(count);
  name_offsets.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Shdr header;
    Elf_Scn* section = elf_getscn(elf_.get(), i);
    if (section == nullptr || gelf_getshdr(section, &header) == nullptr) {
      return Malformed(fmt::format("section header {} cannot be read", i));
    }
    const bool has_bytes = header.sh_type != SHT_NOBITS && header.sh_type != SHT_NULL;
    if (has_bytes && !IsInFile(header.sh_offset, header.sh_size)) {
      return Malformed(fmt::format("section number {}: [{}, +{}) is outside of the file's {} bytes", i,
                                   header.sh_offset, header.sh_size, size_bytes_));
    }
    ElfSection entry;
    entry.index = static_cast<std::uint32_t>(i);
    entry.type = header.sh_type;
    entry.flags = header.sh_flags;
    entry.address = header.sh_addr;
    entry.offset = header.sh_offset;
    entry.size_bytes = header.sh_size;
    entry.link = header.sh_link;
    entry.info = header.sh_info;
    entry.alignment = header.sh_addralign;
    sections_.push_back(std::move(entry));
    name_offsets.push_back(header.sh_name);
  }
  return sections_.empty() ? Result<void>() : NameSections(name_offsets);
}

Result<void> ElfFile::NameSections(std::span<const std::uint32_t> name_offsets) {
  std::size_t index = 0;
  const bool has_names = elf_getshdrstrndx(elf_.get(), &index) == 0;
  // A file may do without section names.
  if (has_names && index == SHN_UNDEF) return {};
  if (!has_names || index >= sections_.size()) return Malformed("the section name table's number is out of range");
  const ElfSection& table = sections_[index];
  if (table.type != SHT_STRTAB) return Malformed(table, "holds the section names and is no string table");
  const auto names = STRATA_TRY(Contents(table));
  for (ElfSection& section : sections_) {
    auto name = NameAt(names, name_offsets[section.index], kMaxSectionName);
    if (!name) {
      return std::move(name.error()).WithContext(fmt::format("{}: name of section number {}", where_, section.index));
    }
    section.name = *name;
  }
  return {};
}

const ElfSection* ElfFile::FindSection(std::string_view name) const {
  for (const ElfSection& section : sections_) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

const ElfSection* ElfFile::FindSectionOfType(std::uint32_t type) const {
  for (const ElfSection& section : sections_) {
    if (section.type == type) return &section;
  }
  return nullptr;
}

Result<std::span<const std::byte>> ElfFile::Contents(const ElfSection& section) const {
  if (section.type == SHT_NOBITS || section.size_bytes == 0) return std::span<const std::byte>();
  if ((section.flags & SHF_COMPRESSED) != 0) {
    return Error(ErrorCode::kNotSupported, fmt::format("{}: section {}: is compressed", where_, section.name));
  }
  if (elf_ == nullptr) return bytes_.subspan(section.offset, section.size_bytes);
  const Elf_Data* data = elf_rawdata(elf_getscn(elf_.get(), section.index), nullptr);
  if (data == nullptr || data->d_buf == nullptr || data->d_size != section.size_bytes) {
    return Malformed(section, "its bytes cannot be read");
  }
  return std::span(static_cast<const std::byte*>(data->d_buf), data->d_size);
}

// Empty when there is no such table (SHT_SYMTAB_SHNDX).
Result<std::span<const std::byte>> ElfFile::ExtendedSectionNumbers(const ElfSection& table, std::uint64_t count) const {
  for (const ElfSection& section : sections_) {
    if (section.type != SHT_SYMTAB_SHNDX || section.link != table.index) continue;
    const auto numbers = STRATA_TRY(Contents(section));
    if (numbers.size() / sizeof(std::uint32_t) < count) return Malformed(section, "is shorter than its symbol table");
    return numbers;
  }
  return std::span<const std::byte>();
}

Result<SymbolTable> ElfFile::Symbols(const ElfSection& table, std::size_t longest_name) const {
  const std::uint64_t entry_size = is_64_bit_ ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  if (table.size_bytes % entry_size != 0) {
    return Malformed(table, fmt::format("{} bytes are no multiple of a symbol's {}", table.size_bytes, entry_size));
  }
  if (table.link >= sections_.size() || sections_[table.link].type != SHT_STRTAB) {
    return Malformed(table, fmt::format("its string table, section number {}, is none", table.link));
  }
  const std::uint64_t count = table.size_bytes / entry_size;
  if (count > UINT32_MAX) return Malformed(table, fmt::format("{} symbols are too many", count));
  SymbolTable symbols;
  symbols.entries_ = STRATA_TRY(Contents(table));
  symbols.names_ = STRATA_TRY(Contents(sections_[table.link]));
  symbols.extended_ = STRATA_TRY(ExtendedSectionNumbers(table, count));
  symbols.count_ = static_cast<std::uint32_t>(symbols.entries_.size() / entry_size);
  symbols.is_64_bit_ = is_64_bit_;
  symbols.order_ = byte_order_;
  STRATA_TRY(CheckSymbols(table, symbols, longest_name));
  return symbols;
}

Result<void> ElfFile::CheckSymbols(const ElfSection& table, const SymbolTable& symbols,
                                   std::size_t longest_name) const {
  const auto place = [&](std::uint32_t i) { return fmt::format("{}: section {}: symbol {}", where_, table.name, i); };
  for (std::uint32_t i = 0; i < symbols.size(); ++i) {
    const std::uint32_t name = symbols.NameOffsetOf(i);
    if (name != 0) {
      auto text = NameAt(symbols.names_, name, longest_name);
      if (!text) return std::move(text.error()).WithContext(place(i));
    }
    const std::uint32_t section = symbols.SectionOf(i);
    if (section >= sections_.size() && section != SHN_ABS && section != SHN_COMMON) {
      return Error(ErrorCode::kMalformed, fmt::format("{}: section number {} is out of range", place(i), section));
    }
  }
  return {};
}

Result<std::vector<ElfRelocation>> ElfFile::Relocations(const ElfSection& table, std::size_t symbol_count) const {
  const RelocationForm form = FormOf(table.type, is_64_bit_);
  if (table.size_bytes % form.size_bytes != 0) {
    return Malformed(table,
                     fmt::format("{} bytes are no multiple of a relocation's {}", table.size_bytes, form.size_bytes));
  }
  const auto bytes = STRATA_TRY(Contents(table));
  std::vector<ElfRelocation> relocations;
  relocations.reserve(bytes.size() / form.size_bytes);
  for (std::size_t at = 0; at < bytes.size(); at += form.size_bytes) {
    const ElfRelocation relocation = form.decode(bytes.data() + at, byte_order_);
    if (relocation.symbol >= symbol_count) {
      return Malformed(table,
                       fmt::format("relocation {}: there is no symbol {}", relocations.size(), relocation.symbol));
    }
    relocations.push_back(relocation);
  }
  return relocations;
}

}  // namespace strata::elf
