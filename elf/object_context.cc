#include "object_context.h"

#include <elf.h>
#include <fmt/format.h>

#include <utility>

#include "strata/btf/fixup.h"

namespace strata::elf {
namespace {

enum class NameMatch : std::uint8_t { kExact, kExactOrDotted };  // ".data" or also ".data.counters"

struct RoleRow {
  std::string_view name;
  NameMatch match;
  std::uint32_t type;  // SHT_*
  SectionRole role;
};

constexpr RoleRow kRoles[] = {
    {".text", NameMatch::kExact, SHT_PROGBITS, SectionRole::kFunctions},
    {".maps", NameMatch::kExact, SHT_PROGBITS, SectionRole::kMaps},
    {"maps", NameMatch::kExact, SHT_PROGBITS, SectionRole::kLegacyMaps},
    {".struct_ops", NameMatch::kExactOrDotted, SHT_PROGBITS, SectionRole::kStructOps},
    {"?.struct_ops", NameMatch::kExactOrDotted, SHT_PROGBITS, SectionRole::kStructOps},
    {".data", NameMatch::kExactOrDotted, SHT_PROGBITS, SectionRole::kData},
    {".rodata", NameMatch::kExactOrDotted, SHT_PROGBITS, SectionRole::kReadOnlyData},
    {".bss", NameMatch::kExactOrDotted, SHT_NOBITS, SectionRole::kZeroData},
    {"license", NameMatch::kExact, SHT_PROGBITS, SectionRole::kLicense},
    {"version", NameMatch::kExact, SHT_PROGBITS, SectionRole::kVersion},
    {".BTF", NameMatch::kExact, SHT_PROGBITS, SectionRole::kTypes},
    {".BTF.ext", NameMatch::kExact, SHT_PROGBITS, SectionRole::kExtInfo},
};

bool Matches(std::string_view name, const RoleRow& row) {
  if (!name.starts_with(row.name)) return false;
  const std::string_view rest = name.substr(row.name.size());
  return rest.empty() || (row.match == NameMatch::kExactOrDotted && rest.front() == '.');
}

Result<void> ReadSymbols(ObjectContext& context) {
  const ElfFile& file = context.file;
  for (const ElfSection& section : file.sections()) {
    if (section.type != SHT_SYMTAB) continue;
    if (context.symbol_table != nullptr) {
      return Error(ErrorCode::kMalformed, fmt::format("{}: is a second symbol table", context.Place(section)));
    }
    context.symbol_table = &section;
  }
  if (context.symbol_table == nullptr) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: has no symbol table", file.where()));
  }
  context.symbols = STRATA_TRY(file.Symbols(*context.symbol_table));
  return {};
}

// What symbols say about sections and functions, for the parts of BTF that the compiler leaves open.
btf::ObjectLayout LayoutOf(const ObjectContext& context) {
  btf::ObjectLayout layout;
  for (const ElfSection& section : context.file.sections()) {
    if (!section.name.empty()) layout.sections[section.name].size_bytes = section.size_bytes;
  }
  for (const ElfSymbol& symbol : context.symbols) {
    if (symbol.name.empty() || symbol.section == SHN_UNDEF || symbol.section >= context.file.sections().size())
      continue;
    const bool is_hidden = symbol.visibility == STV_HIDDEN || symbol.visibility == STV_INTERNAL;
    if (symbol.type == STT_FUNC && is_hidden) layout.hidden_functions.insert(symbol.name);
    if (symbol.type == STT_OBJECT || symbol.type == STT_NOTYPE) {
      layout.sections[context.NameOf(symbol.section)].variable_offsets.emplace(symbol.name, symbol.value);
    }
  }
  return layout;
}

Result<void> ReadTypes(ObjectContext& context) {
  const ElfSection* types_section = context.file.FindSection(".BTF");
  if (types_section == nullptr || context.RoleOf(types_section->index) != SectionRole::kTypes) return {};
  const std::string where = context.Place(*types_section);
  const auto bytes = STRATA_TRY(context.file.Contents(*types_section));
  const auto raw = STRATA_TRY(btf::Btf::Parse(std::vector(bytes.begin(), bytes.end()), where));
  if (raw->byte_order() != context.file.byte_order()) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: its byte order is not the file's", where));
  }
  auto fixed = STRATA_TRY(btf::FixUpForKernel(*raw, LayoutOf(context)).Context(where));
  context.types = STRATA_TRY(btf::Btf::Parse(std::move(fixed), where));

  const ElfSection* ext_section = context.file.FindSection(".BTF.ext");
  if (ext_section == nullptr || context.RoleOf(ext_section->index) != SectionRole::kExtInfo) return {};
  const auto ext_bytes = STRATA_TRY(context.file.Contents(*ext_section));
  context.ext_info = STRATA_TRY(btf::ReadExtInfo(ext_bytes, *context.types, context.Place(*ext_section)));
  return {};
}

}  // namespace

SectionRole ClassifySection(const ElfSection& section) {
  for (const RoleRow& row : kRoles) {
    if (section.type == row.type && Matches(section.name, row)) return row.role;
  }
  const bool is_code = section.type == SHT_PROGBITS && (section.flags & SHF_EXECINSTR) != 0;
  return is_code ? SectionRole::kPrograms : SectionRole::kNone;
}

Result<std::vector<ElfRelocation>> ObjectContext::RelocationsOf(const ElfSection& section) const {
  std::vector<ElfRelocation> all;
  for (const ElfSection& table : file.sections()) {
    if ((table.type != SHT_REL && table.type != SHT_RELA) || table.info != section.index) continue;
    if (table.link != symbol_table->index) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("{}: its symbol table, section number {}, is none", Place(table), table.link));
    }
    const auto relocations = STRATA_TRY(file.Relocations(table, symbols.size()));
    all.insert(all.end(), relocations.begin(), relocations.end());
  }
  return all;
}

Result<ObjectContext> OpenObject(const ElfFile& file) {
  ObjectContext context{.file = file, .roles = {}, .symbols = {}, .types = {}, .ext_info = {}};
  for (const ElfSection& section : file.sections()) context.roles.push_back(ClassifySection(section));
  STRATA_TRY(ReadSymbols(context));
  STRATA_TRY(ReadTypes(context));
  return context;
}

}  // namespace strata::elf
