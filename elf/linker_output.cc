#include "linker_output.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <utility>

namespace strata::elf {
namespace {

class ObjectWriter {
 public:
  explicit ObjectWriter(const OutputObject& object) : object_(object) {}

  std::vector<std::byte> Run() {
    NumberSymbols();
    file_.resize(sizeof(Elf64_Ehdr));
    headers_.emplace_back();
    for (const OutputSection& section : object_.sections) AddSection(section);
    const auto symbol_table = static_cast<std::uint32_t>(headers_.size() + RelocatedSections());
    for (std::size_t i = 0; i < object_.sections.size(); ++i) AddRelocations(i, symbol_table);
    AddSymbolTable(symbol_table + 1);
    AddStrings();
    AddHeaders();
    return std::move(file_);
  }

 private:
  template <typename Integer>
  Integer InOrder(Integer value) const {
    return object_.byte_order == std::endian::native ? value : SwapBytes(value);
  }

  template <typename Record>
  void Append(const Record& record) {
    const auto* start = reinterpret_cast<const std::byte*>(&record);
    file_.insert(file_.end(), start, start + sizeof(record));
  }

  void Align(std::uint64_t alignment) {
    while (file_.size() % alignment != 0) file_.push_back(std::byte{0});
  }

  std::uint32_t StringOf(const std::string& text) {
    if (text.empty()) return 0;
    const auto [entry, is_new] = string_offsets_.emplace(text, static_cast<std::uint32_t>(strings_.size()));
    if (is_new) strings_.append(text).push_back('\0');
    return entry->second;
  }

  // ELF wants the local symbols first; number 0 is the null symbol.
  void NumberSymbols() {
    symbol_order_.resize(object_.symbols.size());
    std::iota(symbol_order_.begin(), symbol_order_.end(), 0U);
    const auto first_global =
        std::stable_partition(symbol_order_.begin(), symbol_order_.end(),
                              [&](std::uint32_t symbol) { return object_.symbols[symbol].binding == STB_LOCAL; });
    local_count_ = static_cast<std::uint32_t>(first_global - symbol_order_.begin()) + 1;
    symbol_numbers_.resize(symbol_order_.size());
    for (std::uint32_t i = 0; i < symbol_order_.size(); ++i) symbol_numbers_[symbol_order_[i]] = i + 1;
  }

  std::size_t RelocatedSections() const {
    return static_cast<std::size_t>(
        std::count_if(object_.sections.begin(), object_.sections.end(),
                      [](const OutputSection& section) { return !section.relocations.empty(); }));
  }

  Elf64_Shdr& AddHeader(const std::string& name, std::uint32_t type, std::uint64_t alignment) {
    Align(alignment);
    Elf64_Shdr header{};
    header.sh_name = StringOf(name);
    header.sh_type = type;
    header.sh_addralign = alignment;
    header.sh_offset = file_.size();
    headers_.push_back(header);
    return headers_.back();
  }

  void AddSection(const OutputSection& section) {
    Elf64_Shdr& header = AddHeader(section.name, section.type, section.alignment);
    header.sh_flags = section.flags;
    header.sh_size = section.size_bytes;
    file_.insert(file_.end(), section.content.begin(), section.content.end());
  }

  void AddRelocations(std::size_t index, std::uint32_t symbol_table) {
    const OutputSection& section = object_.sections[index];
    if (section.relocations.empty()) return;
    Elf64_Shdr& header = AddHeader(".rel" + section.name, SHT_REL, alignof(Elf64_Rel));
    header.sh_flags = SHF_INFO_LINK;
    header.sh_entsize = sizeof(Elf64_Rel);
    header.sh_size = section.relocations.size() * sizeof(Elf64_Rel);
    header.sh_link = symbol_table;
    header.sh_info = static_cast<std::uint32_t>(index + 1);
    for (const OutputRelocation& relocation : section.relocations) {
      Elf64_Rel record{};
      record.r_offset = InOrder(relocation.offset);
      record.r_info = InOrder(std::uint64_t{
          ELF64_R_INFO(std::uint64_t{symbol_numbers_[relocation.symbol]}, std::uint64_t{relocation.type})});
      Append(record);
    }
  }

  void AddSymbolTable(std::uint32_t string_table) {
    Elf64_Shdr& header = AddHeader(".symtab", SHT_SYMTAB, alignof(Elf64_Sym));
    header.sh_entsize = sizeof(Elf64_Sym);
    header.sh_size = (object_.symbols.size() + 1) * sizeof(Elf64_Sym);
    header.sh_link = string_table;
    header.sh_info = local_count_;
    Append(Elf64_Sym{});
    for (const std::uint32_t index : symbol_order_) {
      const OutputSymbol& symbol = object_.symbols[index];
      Elf64_Sym record{};
      record.st_name = InOrder(StringOf(symbol.name));
      record.st_info = static_cast<unsigned char>(ELF64_ST_INFO(symbol.binding, symbol.type));
      record.st_other = symbol.visibility;
      record.st_shndx = InOrder(static_cast<std::uint16_t>(symbol.section == kNoSection ? 0 : symbol.section + 1));
      record.st_value = InOrder(symbol.value);
      record.st_size = InOrder(symbol.size_bytes);
      Append(record);
    }
  }

  // One table for symbols and sections; comes after everything that adds to it.
  void AddStrings() {
    Elf64_Shdr& header = AddHeader(".strtab", SHT_STRTAB, 1);
    header.sh_size = strings_.size();
    const auto* start = reinterpret_cast<const std::byte*>(strings_.data());
    file_.insert(file_.end(), start, start + strings_.size());
  }

  void AddHeaders() {
    Align(alignof(Elf64_Shdr));
    const std::uint64_t offset = file_.size();
    for (Elf64_Shdr header : headers_) {
      for (auto* word : {&header.sh_name, &header.sh_type, &header.sh_link, &header.sh_info}) *word = InOrder(*word);
      for (auto* word : {&header.sh_flags, &header.sh_addr, &header.sh_offset, &header.sh_size, &header.sh_addralign,
                         &header.sh_entsize}) {
        *word = InOrder(*word);
      }
      Append(header);
    }
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = object_.byte_order == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = InOrder(std::uint16_t{ET_REL});
    header.e_machine = InOrder(std::uint16_t{EM_BPF});
    header.e_version = InOrder(std::uint32_t{EV_CURRENT});
    header.e_ehsize = InOrder(static_cast<std::uint16_t>(sizeof(Elf64_Ehdr)));
    header.e_shentsize = InOrder(static_cast<std::uint16_t>(sizeof(Elf64_Shdr)));
    header.e_shoff = InOrder(offset);
    header.e_shnum = InOrder(static_cast<std::uint16_t>(headers_.size()));
    header.e_shstrndx = InOrder(static_cast<std::uint16_t>(headers_.size() - 1));
    std::memcpy(file_.data(), &header, sizeof(header));
  }

  const OutputObject& object_;
  std::vector<std::byte> file_;
  std::vector<Elf64_Shdr> headers_;  // in host byte order until they are written
  std::string strings_ = std::string(1, '\0');
  std::map<std::string, std::uint32_t> string_offsets_;
  std::vector<std::uint32_t> symbol_order_;    // positions, local ones first
  std::vector<std::uint32_t> symbol_numbers_;  // in the file, by position
  std::uint32_t local_count_ = 0;
};

}  // namespace

std::vector<std::byte> WriteObject(const OutputObject& object) { return ObjectWriter(object).Run(); }

}  // namespace strata::elf
