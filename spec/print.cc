#include "strata/spec/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "print_names.h"
#include "strata/btf/core.h"
#include "strata/btf/format_value.h"
#include "strata/spec/type_names.h"

namespace strata {
namespace {

// Longer values end in "...": a table of a thousand elements is no help in a listing.
constexpr std::size_t kMaxValueText = 100;

std::string Shortened(std::string text) {
  if (text.size() <= kMaxValueText) return text;
  text.resize(kMaxValueText);
  return text + "...";
}

// Names of one kind of reference, each once, in the order of the code.
std::vector<std::string_view> SymbolsOf(const FunctionSpec& function, std::initializer_list<ReferenceKind> kinds) {
  std::vector<std::string_view> symbols;
  for (const Reference& reference : function.references) {
    const bool is_wanted = std::find(kinds.begin(), kinds.end(), reference.kind) != kinds.end();
    if (is_wanted && std::find(symbols.begin(), symbols.end(), reference.symbol) == symbols.end()) {
      symbols.push_back(reference.symbol);
    }
  }
  return symbols;
}

class SpecPrinter {
 public:
  explicit SpecPrinter(const CollectionSpec& spec) : spec_(spec) {}

  std::string Run() {
    PrintHeader();
    PrintMaps();
    PrintPrograms();
    PrintFunctions();
    PrintVariables();
    PrintExterns();
    PrintTypes();
    return std::move(text_);
  }

 private:
  template <typename... Arguments>
  void Print(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
  }

  void PrintHeading(std::string_view heading, std::size_t count) {
    if (count > 0) Print("\n{} ({})\n", heading, count);
  }

  void PrintHeader() {
    Print("object {}, {}-endian", spec_.name, spec_.byte_order == std::endian::little ? "little" : "big");
    if (!spec_.programs.empty()) {
      const ProgramSpec& first = spec_.programs.begin()->second;
      Print(", license {}", first.license.empty() ? "none" : "\"" + first.license + "\"");
      if (first.kernel_version != 0) Print(", for Linux {}", KernelVersionText(first.kernel_version));
    }
    Print("\n");
  }

  void PrintMaps() {
    PrintHeading("maps", spec_.maps.size());
    for (const auto& [name, map] : spec_.maps) {
      Print("  {:<24} {}\n", name, MapText(map));
      if (map.name != name) Print("      the kernel's name: {}\n", map.name);
      if (!map.tags.empty()) Print("      tags: {}\n", fmt::join(map.tags, ", "));
      for (const MapSpec& inner : map.inner) Print("      of {}\n", MapText(inner));
      for (const MapSlotInit& slot : map.slots) Print("      [{}] = {}\n", slot.key, slot.symbol);
    }
  }

  std::string MapText(const MapSpec& map) const {
    std::vector<std::string> parts = {MapTypeName(map.type)};
    if (map.is_data_section) {
      parts.push_back(fmt::format("{} bytes", map.value_size));
      if (!map.contents.empty() && IsZero(map.contents)) parts.emplace_back("zero");
    } else {
      if (map.key_size != 0) parts.push_back("key " + SizedType(map.key_type, map.key_size));
      if (map.value_size != 0) parts.push_back("value " + SizedType(map.value_type, map.value_size));
      if (map.max_entries != 0) parts.push_back(fmt::format("{} entries", map.max_entries));
    }
    if (map.flags != 0) parts.push_back(fmt::format("flags {:#x}", map.flags));
    if (map.map_extra != 0) parts.push_back(fmt::format("extra {:#x}", map.map_extra));
    if (map.numa_node != 0) parts.push_back(fmt::format("NUMA node {}", map.numa_node));
    if (map.pinning == PinType::kByName) parts.emplace_back("pinned by name");
    if (map.freeze) parts.emplace_back("frozen");
    if (map.is_linkable) parts.emplace_back("attached by a link");
    if (!map.autocreate) parts.emplace_back("made only when asked for");
    if (!map.extra.empty()) parts.push_back(fmt::format("{} bytes without a meaning", map.extra.size()));
    return fmt::format("{}", fmt::join(parts, ", "));
  }

  std::string SizedType(btf::TypeId type, std::uint32_t size) const {
    const std::string name = TypeText(spec_, type);
    return name.empty() ? fmt::format("of {} bytes", size) : fmt::format("{} ({} bytes)", name, size);
  }

  void PrintPrograms() {
    PrintHeading("programs", spec_.programs.size());
    for (const auto& [name, program] : spec_.programs) {
      Print("  {:<24} {}\n", name, ProgramText(program));
      PrintCode(program);
    }
  }

  static std::string ProgramText(const ProgramSpec& program) {
    std::vector<std::string> parts = {fmt::format("SEC(\"{}\")", program.section_name),
                                      ProgramTypeName(program.type_of_program)};
    const std::string attach_type = AttachTypeName(program.attach_type);
    if (!attach_type.empty()) parts.push_back(attach_type);
    if (program.is_sleepable) parts.emplace_back("sleepable");
    if (program.has_xdp_frags) parts.emplace_back("takes fragments");
    if (!program.autoload) parts.emplace_back("loaded only when asked for");
    parts.push_back(fmt::format("{} instructions", program.instructions.size()));
    return fmt::format("{}", fmt::join(parts, ", "));
  }

  void PrintFunctions() {
    PrintHeading("functions", spec_.functions.size());
    for (const auto& [name, function] : spec_.functions) {
      Print("  {:<24} {}{} instructions\n", name, function.is_static ? "static, " : "", function.instructions.size());
      PrintCode(function);
    }
  }

  // What a function refers to.
  void PrintCode(const FunctionSpec& function) {
    PrintSymbols("calls", SymbolsOf(function, {ReferenceKind::kFunctionCall, ReferenceKind::kFunctionAddress}));
    PrintSymbols("maps", SymbolsOf(function, {ReferenceKind::kMap, ReferenceKind::kMapValue}));
    PrintSymbols("kernel symbols", SymbolsOf(function, {ReferenceKind::kKsym, ReferenceKind::kKfunc}));
    if (spec_.types == nullptr || function.core_relocations.empty()) return;
    const btf::CoreRelocator relocator(spec_.types, btf::CoreTargets());
    for (const btf::CoreRelocation& relocation : function.core_relocations) {
      Print("      CO-RE at {}: {}\n", relocation.index.value, relocator.Describe(relocation));
    }
  }

  void PrintSymbols(std::string_view what, const std::vector<std::string_view>& symbols) {
    if (!symbols.empty()) Print("      {}: {}\n", what, fmt::join(symbols, ", "));
  }

  void PrintVariables() {
    PrintHeading("variables", spec_.variables.size());
    for (const auto& [name, variable] : spec_.variables) {
      const std::string place = fmt::format("{}+{}", variable.map_name, variable.offset_bytes);
      const std::string type = TypeText(spec_, variable.type);
      Print("  {:<24} {:<16} {}, {} bytes{}\n", name, place, type.empty() ? "no type" : type, variable.value.size(),
            InitialValue(variable));
    }
  }

  std::string InitialValue(const VariableSpec& variable) const {
    if (IsZero(variable.value)) return {};
    if (spec_.types == nullptr || !variable.type) return Shortened(" = 0x" + HexadecimalText(variable.value));
    return Shortened(" = " + btf::FormatValue(*spec_.types, variable.type, variable.value));
  }

  void PrintExterns() {
    PrintHeading("externs", spec_.externs.size());
    for (const auto& [name, extern_spec] : spec_.externs) {
      const std::string type = TypeText(spec_, extern_spec.type);
      Print("  {:<24} {}{}{}", name, ExternKindName(extern_spec.kind), extern_spec.is_weak ? ", weak" : "",
            type.empty() ? "" : ", " + type);
      if (extern_spec.kind == ExternKind::kKconfig) Print(", .kconfig+{}", extern_spec.offset_bytes);
      if (extern_spec.value) Print(" = 0x{}", HexadecimalText(*extern_spec.value));
      Print("\n");
    }
  }

  void PrintTypes() {
    if (spec_.types == nullptr) {
      Print("\nno types\n");
      return;
    }
    std::array<std::uint32_t, btf::kKindCount> counts{};
    for (std::uint32_t id = 1; id < spec_.types->type_count(); ++id) {
      ++counts[static_cast<std::size_t>(spec_.types->KindOf(btf::TypeId{id}))];
    }
    std::vector<std::string> parts;
    for (std::uint32_t kind = 1; kind < btf::kKindCount; ++kind) {
      if (counts[kind] != 0)
        parts.push_back(fmt::format("{} {}", counts[kind], KindName(static_cast<btf::Kind>(kind))));
    }
    Print("\ntypes ({}): {}\n", spec_.types->type_count() - 1, fmt::join(parts, ", "));
  }

  const CollectionSpec& spec_;
  std::string text_;
};

}  // namespace

std::string FormatSpec(const CollectionSpec& spec) { return SpecPrinter(spec).Run(); }

}  // namespace strata
