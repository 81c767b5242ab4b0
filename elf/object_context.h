// What every step of reading an object looks at.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "elf_file.h"
#include "strata/btf/btf.h"
#include "strata/btf/ext_reader.h"
#include "strata/elf/reader.h"
#include "strata/spec/extern_spec.h"

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
  kArenaData,
  kJumpTables,
  kLicense,
  kVersion,
  kTypes,
  kExtInfo,
};

struct ObjectContext {
  const ElfFile& file;
  const ReadOptions& options;
  std::vector<SectionRole> roles;  // by section index
  ElfSection symbol_table;
  SymbolTable symbols;
  std::shared_ptr<const btf::Btf> types;                            // null without .BTF; fixed up for the kernel
  std::unordered_map<std::string_view, btf::TypeId> data_sections;  // each DATASEC of `types`, by name
  std::map<std::string, ExternSpec, std::less<>> externs;
  std::unordered_set<std::string_view> declared_functions;      // in BTF, without being defined or in .ksyms
  std::map<btf::TypeId, std::string_view> exception_callbacks;  // by the FUNC that has one

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
  std::optional<btf::TypeId> DataSectionOf(std::string_view name) const {
    const auto found = data_sections.find(name);
    return found != data_sections.end() ? std::optional(found->second) : std::nullopt;
  }
  std::string_view NameOf(std::uint32_t section) const { return file.sections()[section].name; }

  // "a.bpf.o: section .maps"
  std::string Place(const ElfSection& section) const { return file.where() + ": section " + std::string(section.name); }

  // Indices of the symbols that a section defines, by value and then by index.
  std::span<const std::uint32_t> SymbolsOf(std::uint32_t section) const;

  // The relocations of one section, from every table that names it.
  Result<std::vector<ElfRelocation>> RelocationsOf(const ElfSection& section) const;

  // Both in the order of sections, so that looking up one does not walk over all.
  struct TableOfSection {
    std::uint32_t section = 0;  // that is relocated
    std::uint32_t table = 0;    // section number
  };
  std::vector<std::uint32_t> symbols_by_section;
  std::vector<TableOfSection> relocation_tables;
};

// A relocatable 64-bit file for the BPF machine whose sections do not share bytes.
Result<void> CheckIsBpfObject(const ElfFile& file);

SectionRole ClassifySection(const ElfSection& section);

// Sections, symbols, types, externs. `file` and `options` must outlive the result.
Result<ObjectContext> OpenObject(const ElfFile& file, const ReadOptions& options);

// Function, line and CO-RE records; nothing without .BTF.ext. `context` must outlive it.
Result<std::optional<btf::ExtInfoReader>> OpenExtRecords(const ObjectContext& context);

}  // namespace strata::elf
