#include "support/elf_writer.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <unordered_map>

namespace strata::test {
namespace {

template <typename Record>
void AppendRecord(std::vector<std::byte>& bytes, const Record& record) {
  const auto* start = reinterpret_cast<const std::byte*>(&record);
  bytes.insert(bytes.end(), start, start + sizeof(record));
}

std::uint32_t AddName(std::string& names, const std::string& name) {
  const auto offset = static_cast<std::uint32_t>(names.size());
  names += name;
  names += '\0';
  return offset;
}

}  // namespace

std::vector<std::byte> BytesOf(std::string_view text) {
  const auto* start = reinterpret_cast<const std::byte*>(text.data());
  return {start, start + text.size()};
}

std::vector<std::byte> BytesOf(const std::vector<isa::Instruction>& code) {
  const auto* start = reinterpret_cast<const std::byte*>(code.data());
  return {start, start + code.size() * sizeof(isa::Instruction)};
}

ElfWriter& ElfWriter::Section(std::string name, std::vector<std::byte> content, SectionOptions options) {
  sections_.push_back(SectionEntry{std::move(name), std::move(content), options});
  return *this;
}

ElfWriter& ElfWriter::Code(std::string section, std::string function, const std::vector<isa::Instruction>& code) {
  Section(std::move(section), BytesOf(code), {.flags = SHF_ALLOC | SHF_EXECINSTR});
  return Symbol(std::move(function), 0, code.size() * sizeof(isa::Instruction), {.type = STT_FUNC});
}

ElfWriter& ElfWriter::Symbol(std::string name, std::uint64_t value, std::uint64_t size, SymbolOptions options) {
  symbols_.push_back(SymbolEntry{std::move(name), value, size, options, sections_.size()});
  return *this;
}

ElfWriter& ElfWriter::UndefinedSymbol(std::string name) {
  return Symbol(std::move(name), 0, 0, {.type = STT_NOTYPE, .section = SHN_UNDEF});
}

ElfWriter& ElfWriter::Relocation(std::uint64_t offset, std::string symbol, std::uint32_t type) {
  relocations_.push_back(RelocationEntry{sections_.size(), offset, std::move(symbol), type});
  return *this;
}

ElfWriter& ElfWriter::Segment(Elf64_Phdr header) {
  segments_.push_back(header);
  return *this;
}

// Section numbers: 0 is null, then the test's own, then names, strings, symbols, and relocations.
std::vector<std::byte> ElfWriter::Bytes() const {
  std::vector<SectionEntry> all = sections_;
  const std::size_t names_number = sections_.size() + 1;
  const std::size_t strings_number = names_number + 1;
  const std::size_t symbols_number = strings_number + 1;

  std::string strings(1, '\0');
  std::unordered_map<std::string, std::uint64_t> symbol_numbers;
  std::uint64_t symbol_count = 0;
  ByteWriter section_numbers;
  section_numbers.Put(std::uint32_t{0});
  const bool is_large = sections_.size() >= SHN_LORESERVE;
  std::vector<std::byte> symbol_bytes;
  AppendRecord(symbol_bytes, Elf64_Sym{});
  for (const SymbolEntry& symbol : symbols_) {
    Elf64_Sym record{};
    record.st_name = AddName(strings, symbol.name);
    record.st_value = symbol.value;
    record.st_size = symbol.size;
    record.st_info = static_cast<unsigned char>(ELF64_ST_INFO(symbol.options.binding, symbol.options.type));
    record.st_other = static_cast<unsigned char>(symbol.options.visibility);
    const auto section = static_cast<std::uint32_t>(symbol.options.section >= 0 ? symbol.options.section
                                                                                : static_cast<int>(symbol.section));
    const bool is_extended = is_large && symbol.options.section < 0 && section >= SHN_LORESERVE;
    record.st_shndx = static_cast<std::uint16_t>(is_extended ? SHN_XINDEX : section);
    section_numbers.Put(is_extended ? section : 0U);
    symbol_numbers.emplace(symbol.name, ++symbol_count);
    AppendRecord(symbol_bytes, record);
  }
  const auto symbol_number = [&](const std::string& name) -> std::uint64_t {
    const auto found = symbol_numbers.find(name);
    return found != symbol_numbers.end() ? found->second : symbols_.size() + 1000;
  };

  all.push_back({".shstrtab", {}, {.type = SHT_STRTAB, .flags = 0}});
  all.push_back({".strtab", BytesOf(strings), {.type = SHT_STRTAB, .flags = 0}});
  all.push_back({".symtab", symbol_bytes, {.type = SHT_SYMTAB, .flags = 0}});
  if (is_large) {
    all.push_back({".symtab_shndx",
                   section_numbers.bytes(),
                   {.type = SHT_SYMTAB_SHNDX, .flags = 0, .link = static_cast<std::uint32_t>(symbols_number)}});
  }
  std::vector<std::size_t> relocated(all.size(), 0);
  for (std::size_t number = 1; number <= sections_.size(); ++number) {
    std::vector<std::byte> content;
    for (const RelocationEntry& relocation : relocations_) {
      if (relocation.section != number) continue;
      AppendRecord(content,
                   Elf64_Rel{relocation.offset, ELF64_R_INFO(symbol_number(relocation.symbol), relocation.type)});
    }
    if (content.empty()) continue;
    all.push_back({".rel" + sections_[number - 1].name, content, {.type = SHT_REL, .flags = 0}});
    relocated.push_back(number);
  }
  std::string names(1, '\0');
  std::vector<std::uint32_t> name_offsets;
  for (const SectionEntry& section : all) name_offsets.push_back(AddName(names, section.name));
  all[names_number - 1].content = BytesOf(names);

  std::vector<std::byte> bytes(sizeof(Elf64_Ehdr));
  const std::size_t segments_offset = bytes.size();
  for (const Elf64_Phdr& segment : segments_) AppendRecord(bytes, segment);
  std::vector<Elf64_Shdr> headers(1);
  for (std::size_t i = 0; i < all.size(); ++i) {
    bytes.resize((bytes.size() + 7) & ~std::size_t{7});
    const SectionEntry& section = all[i];
    Elf64_Shdr header{};
    header.sh_name = name_offsets[i];
    header.sh_type = section.options.type;
    header.sh_flags = section.options.flags;
    header.sh_offset = bytes.size();
    header.sh_size = section.options.claimed_size != 0 ? section.options.claimed_size : section.content.size();
    header.sh_addralign = 8;
    header.sh_link = section.options.link;
    header.sh_info = section.options.info;
    if (section.options.type == SHT_SYMTAB) {
      header.sh_link = static_cast<std::uint32_t>(strings_number);
      header.sh_entsize = sizeof(Elf64_Sym);
    }
    if (section.options.type == SHT_REL) {
      header.sh_link = static_cast<std::uint32_t>(symbols_number);
      header.sh_info = static_cast<std::uint32_t>(relocated[i]);
      header.sh_entsize = sizeof(Elf64_Rel);
    }
    headers.push_back(header);
    bytes.insert(bytes.end(), section.content.begin(), section.content.end());
  }
  bytes.resize((bytes.size() + 7) & ~std::size_t{7});

  Elf64_Ehdr file{};
  std::memcpy(file.e_ident, ELFMAG, SELFMAG);
  file.e_ident[EI_CLASS] = ELFCLASS64;
  file.e_ident[EI_DATA] = ELFDATA2LSB;
  file.e_ident[EI_VERSION] = EV_CURRENT;
  file.e_type = type_;
  file.e_machine = machine_;
  file.e_version = EV_CURRENT;
  file.e_ehsize = sizeof(Elf64_Ehdr);
  file.e_shoff = bytes.size();
  file.e_shentsize = sizeof(Elf64_Shdr);
  // Numbers that do not fit the file header stand in the null section's.
  if (is_large) {
    headers[0].sh_size = headers.size();
    headers[0].sh_link = static_cast<std::uint32_t>(names_number);
  }
  file.e_shnum = is_large ? std::uint16_t{0} : static_cast<std::uint16_t>(headers.size());
  file.e_shstrndx = is_large ? std::uint16_t{SHN_XINDEX} : static_cast<std::uint16_t>(names_number);
  if (!segments_.empty()) {
    file.e_phoff = segments_offset;
    file.e_phentsize = sizeof(Elf64_Phdr);
    file.e_phnum = static_cast<std::uint16_t>(segments_.size());
  }
  std::memcpy(bytes.data(), &file, sizeof(file));
  for (const Elf64_Shdr& header : headers) AppendRecord(bytes, header);
  return bytes;
}

std::uint32_t BtfWriter::String(std::string_view text) {
  if (text.empty()) return 0;
  const std::string wanted = std::string(1, '\0') + std::string(text) + std::string(1, '\0');
  if (const auto found = strings_.find(wanted); found != std::string::npos)
    return static_cast<std::uint32_t>(found + 1);
  const auto offset = static_cast<std::uint32_t>(strings_.size());
  strings_ += text;
  strings_ += '\0';
  return offset;
}

std::uint32_t BtfWriter::Type(std::uint32_t kind, std::string_view name, std::uint32_t count,
                              std::uint32_t size_or_target, const std::vector<std::uint32_t>& words, bool kind_flag) {
  types_.Put(String(name)).Put(std::uint32_t{kind_flag ? 1U << 31 : 0} | kind << 24 | count).Put(size_or_target);
  for (const std::uint32_t word : words) types_.Put(word);
  return next_id_++;
}

std::uint32_t BtfWriter::Int(std::string_view name, std::uint32_t size_bytes, std::uint32_t encoding) {
  return Type(1, name, 0, size_bytes, {encoding << 24 | size_bytes * 8});
}

std::vector<std::byte> BtfWriter::Bytes() const {
  ByteWriter types = types_;
  ByteWriter writer(order_);
  writer.Put(std::uint16_t{0xeb9f}).Put(std::uint8_t{1}).Put(std::uint8_t{0}).Put(std::uint32_t{24});
  writer.Put(std::uint32_t{0}).Put(static_cast<std::uint32_t>(types.size()));
  writer.Put(static_cast<std::uint32_t>(types.size())).Put(static_cast<std::uint32_t>(strings_.size()));
  writer.Append(types.bytes()).Append(BytesOf(strings_));
  return writer.bytes();
}

std::vector<std::byte> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return BytesOf(content);
}

}  // namespace strata::test
