// What every step of reading an object looks at.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "elf_file.h"
#include "strata/btf/btf.h"
#include "strata/btf/ext_reader.h"

namespace strata::elf {

// What a section means, by its name, type and flags.
enum class SectionRole : std::uint8_t {
  kNone,  // debug information, relocations, tables of ELF itself
  kPrograms,
  kFunctions,  // .text: subprograms
  kMaps,
  kLegacyMaps,
  kStructOps,
  kData,
  kReadOnlyData,
  kZeroData,
  kLicense,
  kVersion,
  kTypes,
  kExtInfo,
};

struct ObjectContext {
  const ElfFile& file;
  std::vector<SectionRole> roles;  // by section index
  const ElfSection* symbol_table = nullptr;
  std::vector<ElfSymbol> symbols;
  std::shared_ptr<const btf::Btf> types;  // null without .BTF
  btf::ExtInfo ext_info;

  SectionRole RoleOf(std::uint32_t section) const {
    return section < roles.size() ? roles[section] : SectionRole::kNone;
  }
  bool IsCode(std::uint32_t section) const {
    return RoleOf(section) == SectionRole::kPrograms || RoleOf(section) == SectionRole::kFunctions;
  }
  bool IsData(std::uint32_t section) const {
    const SectionRole role = RoleOf(section);
    return role == SectionRole::kData || role == SectionRole::kReadOnlyData || role == SectionRole::kZeroData;
  }
  const std::string& NameOf(std::uint32_t section) const { return file.sections()[section].name; }

  // "a.bpf.o: section .maps"
  std::string Place(const ElfSection& section) const { return file.where() + ": section " + section.name; }

  // The relocations of one section, from every table that names it.
  Result<std::vector<ElfRelocation>> RelocationsOf(const ElfSection& section) const;
};

SectionRole ClassifySection(const ElfSection& section);

// Sections, symbols, types.
Result<ObjectContext> OpenObject(const ElfFile& file);

}  // namespace strata::elf
