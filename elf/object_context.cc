#include "object_context.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "externs.h"
#include "strata/btf/fixup.h"

namespace strata::elf {
namespace {

constexpr std::size_t kMaxSymbolName = 4096;

enum class NameMatch : std::uint8_t {
  kExact,
  kExactOrDotted,   // ".data" and ".data.counters"
  kExactOrSlashed,  // "maps" and "maps/counters"
};

struct RoleRow {
  std::string_view name;
  NameMatch match;
  std::uint32_t type;  // SHT_*
  SectionRole role;
};

constexpr RoleRow kRoles[] = {
    {".text", NameMatch::kExact, SHT_PROGBITS, SectionRole::kFunctions},
    {".maps", NameMatch::kExact, SHT_PROGBITS, SectionRole::kMaps},
    {"maps", NameMatch::kExactOrSlashed, SHT_PROGBITS, SectionRole::kLegacyMaps},
    {".struct_ops", NameMatch::kExact, SHT_PROGBITS, SectionRole::kStructOps},
    {".struct_ops.link", NameMatch::kExact, SHT_PROGBITS, SectionRole::kStructOps},
    {"?.struct_ops", NameMatch::kExact, SHT_PROGBITS, SectionRole::kStructOps},
    {"?.struct_ops.link", NameMatch::kExact, SHT_PROGBITS, SectionRole::kStructOps},
    {".data", NameMatch::kExactOrDotted, SHT_PROGBITS, SectionRole::kData},
    {".rodata", NameMatch::kExactOrDotted, SHT_PROGBITS, SectionRole::kReadOnlyData},
    {".bss", NameMatch::kExactOrDotted, SHT_NOBITS, SectionRole::kZeroData},
    {".addr_space.1", NameMatch::kExact, SHT_PROGBITS, SectionRole::kArenaData},
    {".jumptables", NameMatch::kExact, SHT_PROGBITS, SectionRole::kJumpTables},
    {"license", NameMatch::kExact, SHT_PROGBITS, SectionRole::kLicense},
    {"version", NameMatch::kExact, SHT_PROGBITS, SectionRole::kVersion},
    {".BTF", NameMatch::kExact, SHT_PROGBITS, SectionRole::kTypes},
    {".BTF.ext", NameMatch::kExact, SHT_PROGBITS, SectionRole::kExtInfo},
};

bool Matches(std::string_view name, const RoleRow& row) {
  if (!name.starts_with(row.name)) return false;
  const std::string_view rest = name.substr(row.name.size());
  if (rest.empty()) return true;
  return (row.match == NameMatch::kExactOrDotted && rest.front() == '.') ||
         (row.match == NameMatch::kExactOrSlashed && rest.front() == '/');
}

Result<void> ReadSymbols(ObjectContext& context) {
  const ElfFile& file = context.file;
  std::optional<ElfSection> found;
  for (const ElfSection section : file.sections()) {
    if (section.type != SHT_SYMTAB) continue;
    if (found) {
      return Error(ErrorCode::kMalformed, fmt::format("{}: is a second symbol table", context.Place(section)));
    }
    found = section;
  }
  if (!found) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: has no symbol table", file.where()));
  }
  context.symbol_table = *found;
  context.symbols = STRATA_TRY(file.Symbols(*found, kMaxSymbolName));
  return {};
}

void IndexSymbols(ObjectContext& context) {
  struct Place {  // read once: a comparison would read two
    std::uint32_t section;
    std::uint32_t index;
    std::uint64_t value;
  };
  std::vector<Place> places;
  places.reserve(context.symbols.size());
  for (std::uint32_t i = 0; i < context.symbols.size(); ++i) {
    const std::uint32_t section = context.symbols.SectionOf(i);
    if (section == SHN_UNDEF || section >= context.file.sections().size()) continue;
    places.push_back({section, i, context.symbols.ValueOf(i)});
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.section, a.value, a.index) < std::tie(b.section, b.value, b.index);
  });
  context.symbols_by_section.reserve(places.size());
  for (const Place& place : places) context.symbols_by_section.push_back(place.index);
}

Result<void> IndexRelocations(ObjectContext& context) {
  for (const ElfSection table : context.file.sections()) {
    if (table.type != SHT_REL && table.type != SHT_RELA) continue;
    if (table.info >= context.file.sections().size()) {
      return Error(ErrorCode::kMalformed, fmt::format("{}: relocates section number {}, which does not exist",
                                                      context.Place(table), table.info));
    }
    context.relocation_tables.push_back({table.info, table.index});
  }
  std::stable_sort(context.relocation_tables.begin(), context.relocation_tables.end(),
                   [](const auto& a, const auto& b) { return a.section < b.section; });
  return {};
}

bool IsHidden(const ElfSymbol& symbol) { return symbol.visibility == STV_HIDDEN || symbol.visibility == STV_INTERNAL; }

std::unordered_map<std::string_view, btf::TypeId> FindDataSections(const btf::Btf& types) {
  std::unordered_map<std::string_view, btf::TypeId> found;
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    if (types.KindOf(btf::TypeId{id}) != btf::Kind::kDataSec) continue;
    found.emplace(types.NameOf(btf::TypeId{id}), btf::TypeId{id});
  }
  return found;
}

// What symbols say about the sections that BTF describes and about functions, for the parts of BTF that the compiler
// leaves open.
btf::ObjectLayout LayoutOf(const ObjectContext& context) {
  btf::ObjectLayout layout;
  for (const ElfSection section : context.file.sections()) {
    if (!context.data_sections.contains(section.name)) continue;
    btf::SectionLayout& place = layout.sections[section.name];
    place.size_bytes = section.size_bytes;
    for (const std::uint32_t index : context.SymbolsOf(section.index)) {
      const ElfSymbol symbol = context.symbols[index];
      const bool is_variable = symbol.type == STT_OBJECT || symbol.type == STT_NOTYPE;
      if (!is_variable || symbol.name.empty() || symbol.binding == STB_LOCAL) continue;
      place.variable_offsets.emplace(symbol.name, symbol.value);
      if (IsHidden(symbol)) layout.hidden_variables.insert(symbol.name);
    }
  }
  for (const ElfSymbol symbol : context.symbols) {
    const bool is_hidden = symbol.type == STT_FUNC && symbol.binding != STB_LOCAL && IsHidden(symbol);
    if (is_hidden) layout.hidden_functions.insert(symbol.name);
  }
  btf::SectionLayout kconfig{.size_bytes = KconfigSize(context.externs), .variable_offsets = {}};
  for (const auto& [name, external] : context.externs) {
    if (external.kind == ExternKind::kKconfig) kconfig.variable_offsets.emplace(name, external.offset_bytes);
  }
  if (!kconfig.variable_offsets.empty()) layout.sections[kKconfigSection] = std::move(kconfig);
  return layout;
}

// A name that no undefined symbol has is of nobody's interest: as good as weak.
Result<std::set<std::string_view>> NamesThatMayBeMissing(const ObjectContext& context, const btf::Btf& types,
                                                         const ExternSections& sections) {
  std::set<std::string_view> weak;
  for (const auto& id : {sections.kconfig, sections.ksyms}) {
    if (!id) continue;
    const auto section = STRATA_TRY(types.Get<btf::DataSec>(*id));
    for (const btf::SectionVariable variable : section.variables) weak.insert(types.NameOf(variable.type));
  }
  if (weak.empty()) return weak;
  for (const ElfSymbol symbol : context.symbols) {
    if (symbol.section == SHN_UNDEF && symbol.binding != STB_WEAK) weak.erase(symbol.name);
  }
  return weak;
}

// What clang leaves of __exception_cb(name).
std::map<btf::TypeId, std::string_view> ExceptionCallbacks(const btf::Btf& types) {
  constexpr std::string_view kTag = "exception_callback:";
  std::map<btf::TypeId, std::string_view> callbacks;
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    if (types.KindOf(btf::TypeId{id}) != btf::Kind::kDeclTag) continue;
    const auto tag = types.Get<btf::DeclTag>(btf::TypeId{id});
    const bool is_callback = tag && tag->target && tag->component == -1 && tag->tag.starts_with(kTag);
    if (is_callback) callbacks.emplace(tag->target, tag->tag.substr(kTag.size()));
  }
  return callbacks;
}

// Functions that another file was to define.
std::unordered_set<std::string_view> DeclaredFunctions(const ObjectContext& context) {
  std::unordered_set<std::string_view> undefined;
  for (const ElfSymbol symbol : context.symbols) {
    if (symbol.section == SHN_UNDEF && !symbol.name.empty() && !context.externs.contains(symbol.name)) {
      undefined.insert(symbol.name);
    }
  }
  std::unordered_set<std::string_view> functions;
  for (std::uint32_t id = 1; !undefined.empty() && id < context.types->type_count(); ++id) {
    if (context.types->KindOf(btf::TypeId{id}) != btf::Kind::kFunc) continue;
    const auto name = undefined.find(context.types->NameOf(btf::TypeId{id}));
    if (name != undefined.end()) functions.insert(*name);
  }
  return functions;
}

Result<void> ReadTypes(ObjectContext& context) {
  const auto types_section = context.file.FindSection(".BTF");
  if (!types_section || context.RoleOf(types_section->index) != SectionRole::kTypes) return {};
  const std::string where = context.Place(*types_section);
  const auto bytes = STRATA_TRY(context.file.Contents(*types_section));
  const auto raw = STRATA_TRY(btf::Btf::Parse(std::vector(bytes.begin(), bytes.end()), where));
  if (raw->byte_order() != context.file.byte_order()) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: its byte order is not the file's", where));
  }
  context.data_sections = FindDataSections(*raw);
  const ExternSections externs{context.DataSectionOf(kKconfigSection), context.DataSectionOf(kKsymsSection)};
  const auto weak = STRATA_TRY(NamesThatMayBeMissing(context, *raw, externs));
  context.externs = STRATA_TRY(ReadExterns(*raw, externs, weak).Context(context.file.where()));
  auto fixed = STRATA_TRY(btf::FixUpForKernel(*raw, LayoutOf(context)).Context(where));
  context.types = STRATA_TRY(btf::Btf::Parse(std::move(fixed), where));
  context.data_sections = FindDataSections(*context.types);  // names of the new one
  context.declared_functions = DeclaredFunctions(context);
  context.exception_callbacks = ExceptionCallbacks(*context.types);
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

std::span<const std::uint32_t> ObjectContext::SymbolsOf(std::uint32_t section) const {
  // Two searches: the subrange that equal_range returns does not compile with clang 14 and libstdc++ 12.
  const auto section_of = [this](std::uint32_t index) { return symbols.SectionOf(index); };
  const auto first = std::ranges::lower_bound(symbols_by_section, section, {}, section_of);
  return std::span(first, std::ranges::upper_bound(symbols_by_section, section, {}, section_of));
}

Result<std::vector<ElfRelocation>> ObjectContext::RelocationsOf(const ElfSection& section) const {
  std::vector<ElfRelocation> all;
  const auto first = std::ranges::lower_bound(relocation_tables, section.index, {}, &TableOfSection::section);
  const auto last = std::ranges::upper_bound(relocation_tables, section.index, {}, &TableOfSection::section);
  for (const TableOfSection& row : std::span(first, last)) {
    const ElfSection table = file.sections()[row.table];
    if (table.link != symbol_table.index) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("{}: its symbol table, section number {}, is none", Place(table), table.link));
    }
    const auto relocations = STRATA_TRY(file.Relocations(table, symbols.size()));
    all.insert(all.end(), relocations.begin(), relocations.end());
  }
  return all;
}

Result<ObjectContext> OpenObject(const ElfFile& file, const ReadOptions& options) {
  ObjectContext context{.file = file,
                        .options = options,
                        .roles = {},
                        .symbol_table = {},
                        .symbols = {},
                        .types = {},
                        .data_sections = {},
                        .externs = {},
                        .declared_functions = {},
                        .exception_callbacks = {},
                        .symbols_by_section = {},
                        .relocation_tables = {}};
  context.roles.reserve(file.sections().size());
  for (const ElfSection section : file.sections()) context.roles.push_back(ClassifySection(section));
  STRATA_TRY(ReadSymbols(context));
  IndexSymbols(context);
  STRATA_TRY(IndexRelocations(context));
  STRATA_TRY(ReadTypes(context));
  return context;
}

Result<std::optional<btf::ExtInfoReader>> OpenExtRecords(const ObjectContext& context) {
  std::optional<btf::ExtInfoReader> records;
  const auto section = context.file.FindSection(".BTF.ext");
  const bool has_records =
      context.types != nullptr && section.has_value() && context.RoleOf(section->index) == SectionRole::kExtInfo;
  if (!has_records) return records;
  const auto bytes = STRATA_TRY(context.file.Contents(*section));
  records = STRATA_TRY(btf::ExtInfoReader::Open(bytes, *context.types, context.Place(*section)));
  return records;
}

Result<void> CheckIsBpfObject(const ElfFile& file) {
  // Compilers before the machine had a number left it zero.
  const bool is_bpf = file.machine() == EM_BPF || file.machine() == EM_NONE;
  if (file.type() != ET_REL || !is_bpf) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("{}: is no BPF object (ELF type {}, machine {}); compile it with -target bpf -c",
                             file.where(), file.type(), file.machine()));
  }
  if (!file.is_64_bit())
    return Error(ErrorCode::kMalformed, fmt::format("{}: is a 32-bit file, and BPF objects are 64-bit", file.where()));
  // Bytes that several sections share would be read for each of them: a small file could ask for any amount of memory.
  std::uint64_t room = file.size_bytes();
  for (const ElfSection section : file.sections()) {
    if (section.type == SHT_NOBITS || section.type == SHT_NULL) continue;
    if (section.size_bytes > room) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("{}: section {}: overlaps other sections", file.where(), section.name));
    }
    room -= section.size_bytes;
  }
  return {};
}

}  // namespace strata::elf
