#include "strata/spec/skeleton.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "skeleton_members.h"
#include "skeleton_text.h"
#include "strata/btf/dump_cpp.h"

namespace strata {
namespace {

constexpr std::string_view kPrologue = R"(#pragma once

#include <strata/strata.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

// The types have what C has and C++ does not: structs without a name, arrays of no elements. And a string is long.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Woverlength-strings"
)";

constexpr std::string_view kEpilogue = "\n#pragma GCC diagnostic pop\n";

bool IsIdentifier(std::string_view name) {
  return !name.empty() && btf::CppIdentifier(name) == name && !(name.front() >= '0' && name.front() <= '9');
}

// The text of one class, part by part.
class Writer {
 public:
  Writer(std::string name, const SkeletonMembers& members) : name_(std::move(name)), members_(members) {}

  std::string Write(std::span<const std::byte> object) && {
    WriteClass();
    WriteSpec();
    WriteDefinitions(object);
    return std::move(text_);
  }

 private:
  template <typename... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format(format, std::forward<Args>(args)...) + '\n';
  }

  static std::string TypeOf(const SkeletonMap& map) { return map.type.empty() ? "strata::Map*" : map.type; }
  static std::string TypeOf(const SkeletonVariableMember& variable) {
    return fmt::format("{}{}", variable.is_constant ? "const " : "", variable.type);
  }
  static std::string PointerOf(const SkeletonSection& section, const SkeletonVariableMember& variable) {
    return section.accessor + "_" + variable.name;
  }

  void Member(std::string_view comment, std::string_view declaration) {
    if (!comment.empty()) Line("    // {}", comment);
    Line("    {};", declaration);
  }

  void WriteClass() {
    Line("");
    Line("// The object on a backend. Move-only; pointers and references from it are valid as long as it is.");
    Line("class {} {{", name_);
    Line(" public:");
    WriteMembers();
    WriteFunctions();
    WritePrivatePart();
    Line("}};");
  }

  void WriteMembers() {
    Line("  class Spec;");
    Line("");
    Line("  // Plain maps are null when the spec does not have them made (MapSpec::autocreate).");
    Line("  struct Maps {{");
    for (const SkeletonMap& map : members_.maps) Member(map.comment, TypeOf(map) + " " + map.name);
    Line("  }};");
    Line("");
    Line("  // Null when the spec does not have it loaded (ProgramSpec::autoload).");
    Line("  struct Programs {{");
    for (const SkeletonProgram& program : members_.programs)
      Member(program.comment, "strata::Program* " + program.name);
    Line("  }};");
    for (const SkeletonSection& section : members_.sections) {
      Line("");
      const bool is_constant = section.variables.front().is_constant;
      Line("  // The variables of {} in the memory that programs see{}.", section.key,
           is_constant ? "" : ". Use std::atomic_ref for those that change meanwhile");
      Line("  struct {} {{", section.type);
      for (const auto& variable : section.variables) {
        Member(variable.comment, TypeOf(variable) + "& " + variable.name);
      }
      Line("  }};");
    }
  }

  void WriteFunctions() {
    Line("");
    Line("  // What the object says, to be changed before it is loaded.");
    Line("  [[nodiscard]] static strata::Result<Spec> Open();");
    Line("");
    Line("  // Opens and loads it as it is.");
    Line("  [[nodiscard]] static strata::Result<{}> Load(", name_);
    Line("      std::shared_ptr<strata::Backend> backend, strata::LoadOptions options = {{}});");
    Line("");
    Line("  // The bytes of the object file.");
    Line("  [[nodiscard]] static std::span<const std::byte> object();");
    Line("");
    Line("  [[nodiscard]] Maps& maps() {{ return maps_; }}");
    Line("  [[nodiscard]] const Maps& maps() const {{ return maps_; }}");
    Line("  [[nodiscard]] const Programs& programs() const {{ return programs_; }}");
    for (const SkeletonSection& section : members_.sections) {
      std::vector<std::string> references;
      for (const auto& variable : section.variables)
        references.push_back("*variables_." + PointerOf(section, variable));
      Line("  [[nodiscard]] {} {}() const {{ return {}; }}", section.type, section.accessor, InLines(references));
    }
    Line("");
    Line("  // Attaches the loaded programs whose sections say where, and names the others.");
    Line("  [[nodiscard]] strata::Result<strata::AttachedCollection> AttachAll(");
    Line("      const strata::AutoAttachOptions& options = {{}}) const {{");
    Line("    return strata::AttachAll(collection_, options);");
    Line("  }}");
    Line("");
    Line("  [[nodiscard]] strata::Collection& collection() {{ return collection_; }}");
    Line("  [[nodiscard]] const strata::Collection& collection() const {{ return collection_; }}");
  }

  // Braces around a list that has one line for each of its parts.
  static std::string InLines(const std::vector<std::string>& parts) {
    return fmt::format("{{{}{}}}", parts.empty() ? "" : "\n      ", fmt::join(parts, ",\n      "));
  }

  void WritePrivatePart() {
    Line("");
    Line(" private:");
    Line("  struct Variables {{");
    Line("    std::vector<strata::Variable> handles;  // keep the memory");
    for (const SkeletonSection& section : members_.sections) {
      for (const auto& variable : section.variables) {
        Line("    {}* {};", TypeOf(variable), PointerOf(section, variable));
      }
    }
    Line("  }};");
    Line("");
    Line("  {}(strata::Collection&& collection, Maps&& maps, Programs programs, Variables&& variables)", name_);
    Line("      : collection_(std::move(collection)),");
    Line("        maps_(std::move(maps)),");
    Line("        programs_(programs),");
    Line("        variables_(std::move(variables)) {{}}");
    Line("  static strata::Result<{}> FromCollection(strata::Collection collection);", name_);
    Line("");
    Line("  strata::Collection collection_;");
    Line("  Maps maps_;");
    Line("  Programs programs_;");
    Line("  Variables variables_;");
  }

  void WriteSpec() {
    Line("");
    Line("// The object before it is loaded: a value, which may be copied.");
    Line("class {}::Spec {{", name_);
    Line(" public:");
    WriteSpecStruct("Maps", "strata::MapSpec", members_.maps);
    Line("");
    WriteSpecStruct("Programs", "strata::ProgramSpec", members_.programs);
    for (const SkeletonSection& section : members_.sections) WriteSpecVariables(section);
    Line("");
    WriteSpecAccessor("Maps", "maps", members_.maps);
    WriteSpecAccessor("Programs", "programs", members_.programs);
    for (const SkeletonSection& section : members_.sections) WriteSpecVariablesAccessor(section);
    WriteSpecFunctions();
    Line("}};");
  }

  template <typename Members>
  void WriteSpecStruct(std::string_view name, std::string_view type, const Members& members) {
    Line("  struct {} {{", name);
    for (const auto& member : members) Member(member.comment, fmt::format("{}& {}", type, member.name));
    Line("  }};");
  }

  void WriteSpecVariables(const SkeletonSection& section) {
    Line("");
    Line("  // What the variables of {} will hold.", section.key);
    Line("  struct {} {{", section.type);
    for (const auto& variable : section.variables) Member(variable.comment, variable.type + "& " + variable.name);
    Line("  }};");
  }

  template <typename Members>
  void WriteSpecAccessor(std::string_view type, std::string_view name, const Members& members) {
    std::vector<std::string> references;
    for (const auto& member : members) {
      references.push_back(fmt::format("spec_.{}.find(\"{}\")->second", name, member.key));
    }
    Line("  [[nodiscard]] {} {}() {{ return {}; }}", type, name, InLines(references));
  }

  void WriteSpecVariablesAccessor(const SkeletonSection& section) {
    std::vector<std::string> references;
    for (const auto& variable : section.variables) {
      references.push_back(
          fmt::format("strata::internal::VariableValue<{}>(spec_, \"{}\")", variable.type, variable.key));
    }
    Line("  [[nodiscard]] {} {}() {{ return {}; }}", section.type, section.accessor, InLines(references));
  }

  void WriteSpecFunctions() {
    Line("");
    Line("  // Makes the maps and loads the programs. The spec may be loaded again, on the same or another backend.");
    Line("  [[nodiscard]] strata::Result<{}> Load(", name_);
    Line("      std::shared_ptr<strata::Backend> backend, strata::LoadOptions options = {{}}) const& {{");
    Line("    return FromCollection(");
    Line(
        "        STRATA_TRY(strata::LoadCollection(std::move(backend), strata::CollectionSpec(spec_), "
        "std::move(options))));");
    Line("  }}");
    Line("  [[nodiscard]] strata::Result<{}> Load(", name_);
    Line("      std::shared_ptr<strata::Backend> backend, strata::LoadOptions options = {{}}) && {{");
    Line("    return FromCollection(");
    Line("        STRATA_TRY(strata::LoadCollection(std::move(backend), std::move(spec_), std::move(options))));");
    Line("  }}");
    Line("");
    Line("  [[nodiscard]] const strata::CollectionSpec& collection() const {{ return spec_; }}");
    Line("  // For what needs more than the members here; LoadCollection takes it.");
    Line("  [[nodiscard]] strata::CollectionSpec Release() && {{ return std::move(spec_); }}");
    Line("");
    Line(" private:");
    Line("  friend class {};", name_);
    Line("  explicit Spec(strata::CollectionSpec spec) : spec_(std::move(spec)) {{}}");
    Line("");
    Line("  strata::CollectionSpec spec_;");
  }

  void WriteDefinitions(std::span<const std::byte> object) {
    WriteOpen();
    WriteFromCollection();
    Line("");
    Line("inline std::span<const std::byte> {}::object() {{", name_);
    Line("  alignas(16) static constexpr char kObject[] =");
    Line("{};", LiteralLines(object));
    Line("  return std::as_bytes(std::span(kObject)).first({});  // without the literal's own NUL", object.size());
    Line("}}");
  }

  void WriteOpen() {
    Line("");
    Line("inline strata::Result<{0}::Spec> {0}::Open() {{", name_);
    WriteNames("kMaps", members_.maps);
    WriteNames("kPrograms", members_.programs);
    std::vector<std::string> variables;
    for (const SkeletonSection& section : members_.sections) {
      for (const auto& variable : section.variables) {
        variables.push_back(fmt::format("{{\"{}\", {}}}", variable.key, variable.size_bytes));
      }
    }
    WriteArray("strata::internal::SkeletonVariable", "kVariables", variables);
    Line("  return Spec(STRATA_TRY(strata::internal::OpenSkeleton(");
    Line("      \"{}\", object(), {{.maps = kMaps, .programs = kPrograms, .variables = kVariables}})));", name_);
    Line("}}");
    Line("");
    Line("inline strata::Result<{0}> {0}::Load(", name_);
    Line("    std::shared_ptr<strata::Backend> backend, strata::LoadOptions options) {{");
    Line("  return STRATA_TRY(Open()).Load(std::move(backend), std::move(options));");
    Line("}}");
  }

  template <typename Members>
  void WriteNames(std::string_view array, const Members& members) {
    std::vector<std::string> names;
    for (const auto& member : members) names.push_back(fmt::format("\"{}\"", member.key));
    WriteArray("std::string_view", array, names);
  }

  void WriteArray(std::string_view type, std::string_view name, const std::vector<std::string>& parts) {
    Line("  static constexpr std::array<{}, {}> {} = {{{}}};", type, parts.size(), name, InLines(parts));
  }

  void WriteFromCollection() {
    Line("");
    Line("inline strata::Result<{0}> {0}::FromCollection(strata::Collection collection) {{", name_);
    std::vector<std::string> maps;
    for (const SkeletonMap& map : members_.maps) {
      if (map.type.empty()) {
        Line("  auto map_{} = collection.FindMap(\"{}\").value_or(nullptr);", map.name, map.key);
      } else {
        Line("  auto map_{} = STRATA_TRY(collection.FindMap<{}>(\"{}\"));", map.name, map.type, map.key);
      }
      maps.push_back(fmt::format("std::move(map_{})", map.name));
    }
    std::vector<std::string> programs;
    for (const SkeletonProgram& program : members_.programs) {
      programs.push_back(fmt::format("collection.FindProgram(\"{}\").value_or(nullptr)", program.key));
    }
    Line("  Programs programs = {};", InLines(programs));
    Line("  Variables variables = {{}};");
    for (const SkeletonSection& section : members_.sections) {
      for (const auto& variable : section.variables) WriteVariable(section, variable);
    }
    Line("  Maps maps = {};", InLines(maps));
    Line("  return {}(std::move(collection), std::move(maps), programs, std::move(variables));", name_);
    Line("}}");
  }

  void WriteVariable(const SkeletonSection& section, const SkeletonVariableMember& variable) {
    Line("  variables.handles.push_back(STRATA_TRY(collection.FindVariable(\"{}\")));", variable.key);
    Line("  variables.{} = STRATA_TRY(variables.handles.back().Pointer<{}>());", PointerOf(section, variable),
         TypeOf(variable));
  }

  std::string name_;
  const SkeletonMembers& members_;
  std::string text_;
};

// The names that the class has inside of it.
bool IsTaken(std::string_view name, const SkeletonMembers& members) {
  constexpr std::string_view kOwn[] = {"Spec", "Maps",   "Programs", "Variables", "Open",       "Load",
                                       "maps", "object", "programs", "AttachAll", "collection", "FromCollection"};
  const auto is_section = [&](const SkeletonSection& section) {
    return name == section.type || name == section.accessor;
  };
  return name == "strata" || name == "std" || std::find(std::begin(kOwn), std::end(kOwn), name) != std::end(kOwn) ||
         std::any_of(members.sections.begin(), members.sections.end(), is_section);
}

Result<void> CheckNamespace(std::string_view name_space) {
  std::string_view rest = name_space;
  while (!name_space.empty()) {
    const std::size_t end = rest.find("::");
    if (!IsIdentifier(rest.substr(0, end))) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no name of a namespace", name_space));
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 2);
  }
  return {};
}

Result<std::string> NameFor(const CollectionSpec& spec, const SkeletonOptions& options) {
  const std::string name = options.name.empty() ? btf::CppIdentifier(spec.name) : options.name;
  if (IsIdentifier(name)) return name;
  return Error(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no name of a class; give one by --name", name));
}

}  // namespace

Result<std::string> GenerateSkeleton(const CollectionSpec& spec, std::span<const std::byte> object,
                                     const SkeletonOptions& options) {
  if (spec.byte_order != std::endian::native) {
    return Error(ErrorCode::kNotSupported, fmt::format("{}: the object is of the other byte order", spec.name));
  }
  const std::string name = STRATA_TRY(NameFor(spec, options).Context(spec.name));
  STRATA_TRY(CheckNamespace(options.name_space));
  const std::string scope = name + "_types";
  const SkeletonMembers members = STRATA_TRY(FindSkeletonMembers(spec, options, scope).Context(spec.name));
  if (IsTaken(name, members)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} is a name inside of the class; give another by --name", name));
  }
  std::string text =
      fmt::format("// Generated by strata gen from the object {}. Do not edit.\n", name) + std::string(kPrologue);
  if (!options.name_space.empty()) text += fmt::format("\nnamespace {} {{\n", options.name_space);
  text += fmt::format("\nnamespace {} {{\n{}\n}}  // namespace {}\n", scope, members.types, scope);
  text += Writer(name, members).Write(object);
  if (!options.name_space.empty()) text += fmt::format("\n}}  // namespace {}\n", options.name_space);
  return text + std::string(kEpilogue);
}

}  // namespace strata
