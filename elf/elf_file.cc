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

template <typename Entry>
ElfRelocation DecodeRelocation(const RawTable& table, std::uint32_t index) {
  constexpr bool kIs64 = sizeof(Entry::r_info) == sizeof(std::uint64_t);
  constexpr int kSymbolShift = kIs64 ? 32 : 8;
  const auto info = table.Load<decltype(Entry::r_info)>(index, offsetof(Entry, r_info));
  ElfRelocation relocation;
  relocation.offset = table.Load<decltype(Entry::r_offset)>(index, offsetof(Entry, r_offset));
  relocation.symbol = static_cast<std::uint32_t>(info >> kSymbolShift);
  relocation.type = static_cast<std::uint32_t>(info & ((std::uint64_t{1} << kSymbolShift) - 1));
  if constexpr (requires { Entry::r_addend; }) {
    relocation.has_addend = true;
    relocation.addend = table.Load<decltype(Entry::r_addend)>(index, offsetof(Entry, r_addend));
  }
  return relocation;
}

struct RelocationForm {
  std::uint32_t size_bytes;
  ElfRelocation (*decode)(const RawTable& table, std::uint32_t index);
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

namespace {

template <typename Header>
ElfSection DecodeSection(const RawTable& table, std::uint32_t index) {
#define STRATA_FIELD(field) table.Load<decltype(Header::field)>(index, offsetof(Header, field))
  return ElfSection{.index = index,
                    .name = {},
                    .type = STRATA_FIELD(sh_type),
                    .flags = STRATA_FIELD(sh_flags),
                    .address = STRATA_FIELD(sh_addr),
                    .offset = STRATA_FIELD(sh_offset),
                    .size_bytes = STRATA_FIELD(sh_size),
                    .link = STRATA_FIELD(sh_link),
                    .info = STRATA_FIELD(sh_info),
                    .alignment = STRATA_FIELD(sh_addralign),
                    .entry_size = STRATA_FIELD(sh_entsize)};
#undef STRATA_FIELD
}

template <typename Symbol>
ElfSymbol DecodeSymbol(const RawTable& table, std::uint32_t index) {
  const auto info = table.Load<std::uint8_t>(index, offsetof(Symbol, st_info));
  ElfSymbol symbol;
  symbol.value = table.Load<decltype(Symbol::st_value)>(index, offsetof(Symbol, st_value));
  symbol.size_bytes = table.Load<decltype(Symbol::st_size)>(index, offsetof(Symbol, st_size));
  symbol.type = ELF64_ST_TYPE(info);
  symbol.binding = ELF64_ST_BIND(info);
  symbol.visibility = ELF64_ST_VISIBILITY(table.Load<std::uint8_t>(index, offsetof(Symbol, st_other)));
  return symbol;
}

const char* TextAt(std::span<const std::byte> table, std::uint32_t offset) {
  return reinterpret_cast<const char*>(table.data()) + offset;
}

}  // namespace

ElfSection SectionTable::operator[](std::uint32_t index) const {
  ElfSection section =
      is_64_bit_ ? DecodeSection<Elf64_Shdr>(headers_, index) : DecodeSection<Elf32_Shdr>(headers_, index);
  if (!names_.empty()) section.name = TextAt(names_, NameOffsetOf(index));
  return section;
}

// A symbol has 16 bits for its section's number. In a file of more sections a table of its own holds what does not fit.
std::uint32_t SymbolTable::SectionOf(std::uint32_t index) const {
  const std::size_t offset = is_64_bit_ ? offsetof(Elf64_Sym, st_shndx) : offsetof(Elf32_Sym, st_shndx);
  const auto number = symbols_.Load<std::uint16_t>(index, offset);
  const bool is_extended = number == SHN_XINDEX && extended_.size() > 0;
  return is_extended ? extended_.Load<std::uint32_t>(index, 0) : number;
}

std::uint64_t SymbolTable::ValueOf(std::uint32_t index) const {
  return is_64_bit_ ? symbols_.Load<std::uint64_t>(index, offsetof(Elf64_Sym, st_value))
                    : symbols_.Load<std::uint32_t>(index, offsetof(Elf32_Sym, st_value));
}

ElfSymbol SymbolTable::operator[](std::uint32_t index) const {
  ElfSymbol symbol = is_64_bit_ ? DecodeSymbol<Elf64_Sym>(symbols_, index) : DecodeSymbol<Elf32_Sym>(symbols_, index);
  if (const std::uint32_t name = NameOffsetOf(index); name != 0) symbol.name = TextAt(names_, name);
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
  ElfFile file = STRATA_TRY(FromElf(elf_memory(start, bytes.size()), bytes, -1, bytes.size(), std::move(where)));
  file.elf_.reset();
  return file;
}

Result<ElfFile> ElfFile::FromDescriptor(int fd, std::string where) {
  elf_version(EV_CURRENT);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, where);
  return FromElf(elf_begin(fd, ELF_C_READ, nullptr), {}, fd, static_cast<std::uint64_t>(status.st_size),
                 std::move(where));
}

Result<ElfFile> ElfFile::FromElf(Elf* elf, std::span<const std::byte> bytes, int fd, std::uint64_t size_bytes,
                                 std::string where) {
  ElfFile file;
  file.elf_.reset(elf);
  file.bytes_ = bytes;
  file.where_ = std::move(where);
  file.size_bytes_ = size_bytes;
  if (elf == nullptr || elf_kind(elf) != ELF_K_ELF) return file.Malformed("is no ELF file");
  STRATA_TRY(file.ReadHeader());
  STRATA_TRY(file.ReadSegments());
  STRATA_TRY(file.ReadSections(fd));
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

Result<std::span<const std::byte>> ElfFile::ReadSectionHeaders(int fd, std::uint64_t offset, std::size_t size_bytes) {
  if (!bytes_.empty()) return bytes_.subspan(offset, size_bytes);
  headers_.resize(size_bytes);
  std::size_t done = 0;
  while (done < size_bytes) {
    const ssize_t count = ::pread(fd, headers_.data() + done, size_bytes - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::FromErrno(errno, where_);
    if (count == 0) return Malformed("the section headers are truncated");
    done += static_cast<std::size_t>(count);
  }
  return std::span<const std::byte>(headers_);
}

Result<void> ElfFile::ReadSections(int fd) {
  std::size_t count = 0;
  GElf_Ehdr header;
  if (elf_getshdrnum(elf_.get(), &count) != 0 || gelf_getehdr(elf_.get(), &header) == nullptr) {
    return Malformed("cannot count the sections");
  }
  if (count == 0) return {};
  sections_.is_64_bit_ = is_64_bit_;
  sections_.headers_.order = byte_order_;
  sections_.headers_.entry_size = is_64_bit_ ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
  sections_.headers_.entries =
      STRATA_TRY(ReadSectionHeaders(fd, header.e_shoff, count * sections_.headers_.entry_size));
  for (const ElfSection section : sections_) {
    const bool has_bytes = section.type != SHT_NOBITS && section.type != SHT_NULL;
    if (has_bytes && !IsInFile(section.offset, section.size_bytes)) {
      return Malformed(fmt::format("section number {}: [{}, +{}) is outside of the file's {} bytes", section.index,
                                   section.offset, section.size_bytes, size_bytes_));
    }
  }
  return ReadSectionNames();
}

Result<void> ElfFile::ReadSectionNames() {
  std::size_t index = 0;
  const bool has_names = elf_getshdrstrndx(elf_.get(), &index) == 0;
  // A file may do without section names.
  if (has_names && index == SHN_UNDEF) return {};
  if (!has_names || index >= sections_.size()) return Malformed("the section name table's number is out of range");
  const ElfSection table = sections_[static_cast<std::uint32_t>(index)];
  if (table.type != SHT_STRTAB) return Malformed(table, "holds the section names and is no string table");
  const auto names = STRATA_TRY(Contents(table));
  for (std::uint32_t i = 0; i < sections_.size(); ++i) {
    const auto name = NameAt(names, sections_.NameOffsetOf(i), kMaxSectionName);
    if (!name) return name.error().WithContext(fmt::format("{}: name of section number {}", where_, i));
  }
  sections_.names_ = names;
  return {};
}

std::optional<ElfSection> ElfFile::FindSection(std::string_view name) const {
  for (const ElfSection section : sections_) {
    if (section.name == name) return section;
  }
  return std::nullopt;
}

std::optional<ElfSection> ElfFile::FindSectionOfType(std::uint32_t type) const {
  for (const ElfSection section : sections_) {
    if (section.type == type) return section;
  }
  return std::nullopt;
}

Result<std::span<const std::byte>> ElfFile::Contents(const ElfSection& section) const {
  if (section.type == SHT_NOBITS || section.size_bytes == 0) return std::span<const std::byte>();
  if ((section.flags & SHF_COMPRESSED) != 0) {
    return Error(ErrorCode::kNotSupported, fmt::format("{}: section {}: is compressed", where_, section.name));
  }
  if (!bytes_.empty()) return bytes_.subspan(section.offset, section.size_bytes);
  const Elf_Data* data = elf_rawdata(elf_getscn(elf_.get(), section.index), nullptr);
  if (data == nullptr || data->d_buf == nullptr || data->d_size != section.size_bytes) {
    return Malformed(section, "its bytes cannot be read");
  }
  return std::span(static_cast<const std::byte*>(data->d_buf), data->d_size);
}

// Empty when there is no such table (SHT_SYMTAB_SHNDX).
Result<RawTable> ElfFile::ExtendedSectionNumbers(const ElfSection& table, std::uint64_t count) const {
  for (const ElfSection section : sections_) {
    if (section.type != SHT_SYMTAB_SHNDX || section.link != table.index) continue;
    const auto numbers = STRATA_TRY(Contents(section));
    if (numbers.size() / sizeof(std::uint32_t) < count) return Malformed(section, "is shorter than its symbol table");
    return RawTable{numbers, sizeof(std::uint32_t), byte_order_};
  }
  return RawTable{};
}

Result<void> ElfFile::CheckEntrySize(const ElfSection& table, std::uint32_t size_bytes) const {
  if (table.entry_size == 0 || table.entry_size == size_bytes) return {};
  return Malformed(table, fmt::format("its entries have {} bytes, not {}", table.entry_size, size_bytes));
}

Result<SymbolTable> ElfFile::Symbols(const ElfSection& table, std::size_t longest_name) const {
  const std::uint32_t entry_size = is_64_bit_ ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  STRATA_TRY(CheckEntrySize(table, entry_size));
  if (table.size_bytes % entry_size != 0) {
    return Malformed(table, fmt::format("{} bytes are no multiple of a symbol's {}", table.size_bytes, entry_size));
  }
  if (table.link >= sections_.size() || sections_[table.link].type != SHT_STRTAB) {
    return Malformed(table, fmt::format("its string table, section number {}, is none", table.link));
  }
  const std::uint64_t count = table.size_bytes / entry_size;
  if (count > UINT32_MAX) return Malformed(table, fmt::format("{} symbols are too many", count));
  SymbolTable symbols;
  symbols.is_64_bit_ = is_64_bit_;
  symbols.symbols_ = { STRATA_TRY(Contents(table)), entry_size, byte_order_ };
  symbols.names_ = STRATA_TRY(Contents(sections_[table.link]));
  symbols.extended_ = STRATA_TRY(ExtendedSectionNumbers(table, count));
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
  STRATA_TRY(CheckEntrySize(table, form.size_bytes));
  if (table.size_bytes % form.size_bytes != 0) {
    return Malformed(table,
                     fmt::format("{} bytes are no multiple of a relocation's {}", table.size_bytes, form.size_bytes));
  }
  const RawTable raw {
    STRATA_TRY(Contents(table))
    , form.size_bytes, byte_order_
  };
  std::vector<ElfRelocation> relocations;
  relocations.reserve(raw.size());
  for (std::uint32_t i = 0; i < raw.size(); ++i) {
    const ElfRelocation relocation = form.decode(raw, i);
    if (relocation.symbol >= symbol_count) {
      return Malformed(table, fmt::format("relocation {}: there is no symbol {}", i, relocation.symbol));
    }
    relocations.push_back(relocation);
  }
  return relocations;
}

}  // namespace strata::elf
