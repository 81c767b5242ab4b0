#include "data_sections.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "externs.h"

namespace strata::elf {
namespace {

constexpr std::size_t kKernelNameSize = 16;           // BPF_OBJ_NAME_LEN, with its NUL
constexpr std::uint64_t kMaxZeroData = 256ULL << 20;  // bytes of all zeroed sections together
constexpr std::uint64_t kMaxAliasesOfSection = 4;     // bytes of all its variables, times its size

Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

// What the kernel shall call a data section's map: as libbpf names it, so that other tools find it. A plain ".rodata"
// is preceded by the object's name, for which the section's name leaves room as if it had at least seven characters.
std::string KernelMapName(std::string_view object, std::string_view section) {
  constexpr std::size_t kReservedForSection = 7;
  constexpr std::size_t kRoom = kKernelNameSize - 1;
  const bool is_custom = section.find('.', 1) != std::string_view::npos;
  const std::size_t section_size = std::min(kRoom, std::max(kReservedForSection, section.size()));
  const std::string_view prefix = is_custom ? std::string_view() : object.substr(0, kRoom - section_size);
  std::string name = std::string(prefix) + std::string(section.substr(0, section_size));
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0 && c != '_' && c != '.'; }, '_');
  return name;
}

class DataSectionsReader {
 public:
  DataSectionsReader(const ObjectContext& context, CollectionSpec& spec) : context_(context), spec_(spec) {}

  Result<void> Read() {
    for (const ElfSection section : context_.file.sections()) {
      if (section.size_bytes == 0) continue;
      const bool is_arena = context_.RoleOf(section.index) == SectionRole::kArenaData;
      if (is_arena) STRATA_TRY(ReadArena(section).Context(context_.Place(section)));
      if (context_.IsData(section.index)) STRATA_TRY(ReadSection(section).Context(context_.Place(section)));
    }
    AddKconfigMap();
    return {};
  }

 private:
  using VariableTypes = std::map<std::pair<std::uint32_t, std::string_view>, btf::TypeId>;  // by offset and name

  MapSpec MakeMap(std::string_view section, std::uint64_t size_bytes) const {
    MapSpec map;
    map.name = KernelMapName(spec_.name, section);
    map.type = MapType::kArray;
    map.key_size = sizeof(std::uint32_t);
    map.value_size = static_cast<std::uint32_t>(size_bytes);
    map.max_entries = 1;
    map.is_data_section = true;
    return map;
  }

  static void MakeReadOnly(MapSpec& map) {
    map.flags = map_flags::kReadOnlyProgram;
    map.freeze = true;
  }

  Result<void> ReadSection(const ElfSection& section) {
    if (context_.RoleOf(section.index) == SectionRole::kZeroData) {
      if (section.size_bytes > zero_room_) return Malformed(fmt::format("{} bytes are too many", section.size_bytes));
      zero_room_ -= section.size_bytes;
    }
    MapSpec map = MakeMap(section.name, section.size_bytes);
    if (context_.RoleOf(section.index) == SectionRole::kReadOnlyData) MakeReadOnly(map);
    const auto bytes = STRATA_TRY(context_.file.Contents(section));
    map.contents.assign(bytes.begin(), bytes.end());
    VariableTypes types;
    if (const auto datasec = context_.DataSectionOf(section.name)) {
      map.value_type = *datasec;
      types = STRATA_TRY(TypesOf(*datasec));
    }
    STRATA_TRY(ReadVariables(section, section.name, bytes, types));
    if (!spec_.maps.emplace(std::string(section.name), std::move(map)).second)
      return Malformed("there are two of that name");
    return {};
  }

  // A program that uses the globals of an arena which is not there is unusable; the reader of code says so.
  Result<void> ReadArena(const ElfSection& section) {
    const std::string* arena = FindArena(spec_);
    if (arena == nullptr) return {};
    MapSpec& map = spec_.maps.find(*arena)->second;
    if (!map.contents.empty()) return Malformed("there are two of that name");
    const auto bytes = STRATA_TRY(context_.file.Contents(section));
    map.contents.assign(bytes.begin(), bytes.end());
    const auto datasec = context_.DataSectionOf(section.name);
    const VariableTypes types = datasec ? STRATA_TRY(TypesOf(*datasec)) : VariableTypes();
    return ReadVariables(section, *arena, bytes, types);
  }

  void AddKconfigMap() {
    const std::uint32_t size = KconfigSize(context_.externs);
    if (size == 0) return;
    MapSpec map = MakeMap(kKconfigSection, size);
    MakeReadOnly(map);
    map.contents.resize(size);
    if (const auto datasec = context_.DataSectionOf(kKconfigSection)) map.value_type = *datasec;
    spec_.maps.emplace(kKconfigSection, std::move(map));
  }

  Result<VariableTypes> TypesOf(btf::TypeId datasec) const {
    VariableTypes result;
    const auto section = STRATA_TRY(context_.types->Get<btf::DataSec>(datasec));
    for (const btf::SectionVariable variable : section.variables) {
      const auto var = STRATA_TRY(context_.types->Get<btf::Var>(variable.type));
      result.emplace(std::pair(variable.offset_bytes, var.name), var.type);
    }
    return result;
  }

  // A global variable has the first right to its name; static ones may share one.
  Result<void> ReadVariables(const ElfSection& section, std::string_view map, std::span<const std::byte> bytes,
                             const VariableTypes& types) {
    std::uint64_t room = kMaxAliasesOfSection * section.size_bytes;
    for (const bool is_static : {false, true}) {
      for (const std::uint32_t index : context_.SymbolsOf(section.index)) {
        const ElfSymbol symbol = context_.symbols[index];
        const bool is_variable = symbol.type == STT_OBJECT && !symbol.name.empty() && symbol.size_bytes != 0;
        if (!is_variable || (symbol.binding == STB_LOCAL) != is_static) continue;
        if (symbol.value > section.size_bytes || symbol.size_bytes > section.size_bytes - symbol.value) {
          return Malformed(fmt::format("symbol {}: [{}, +{}) is outside of the section's {} bytes", symbol.name,
                                       symbol.value, symbol.size_bytes, section.size_bytes));
        }
        // Names may share a place (aliases), but not without end.
        if (symbol.size_bytes > room) return Malformed(fmt::format("symbol {}: overlaps other variables", symbol.name));
        room -= symbol.size_bytes;
        AddVariable(section, map, symbol, bytes, types);
      }
    }
    return {};
  }

  void AddVariable(const ElfSection& section, std::string_view map, const ElfSymbol& symbol,
                   std::span<const std::byte> bytes, const VariableTypes& types) {
    VariableSpec variable;
    variable.name = symbol.name;
    variable.map_name = map;
    variable.offset_bytes = static_cast<std::uint32_t>(symbol.value);
    variable.is_constant = context_.RoleOf(section.index) == SectionRole::kReadOnlyData;
    const auto type = types.find(std::pair(variable.offset_bytes, symbol.name));
    if (type != types.end()) variable.type = type->second;
    if (bytes.empty()) {
      variable.value.resize(symbol.size_bytes);
    } else {
      const auto part = bytes.subspan(symbol.value, symbol.size_bytes);
      variable.value.assign(part.begin(), part.end());
    }
    std::string key(symbol.name);
    if (spec_.variables.contains(key)) key = fmt::format("{}@{}+{}", symbol.name, section.name, symbol.value);
    spec_.variables.emplace(std::move(key), std::move(variable));
  }

  const ObjectContext& context_;
  CollectionSpec& spec_;
  std::uint64_t zero_room_ = kMaxZeroData;
};

}  // namespace

Result<void> ReadDataSections(const ObjectContext& context, CollectionSpec& spec) {
  return DataSectionsReader(context, spec).Read();
}

const std::string* FindArena(const CollectionSpec& spec) {
  for (const auto& [name, map] : spec.maps) {
    if (map.type == MapType::kArena) return &name;
  }
  return nullptr;
}

}  // namespace strata::elf
