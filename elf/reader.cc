#include "strata/elf/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "code_section.h"
#include "data_sections.h"
#include "elf_file.h"
#include "legacy_maps.h"
#include "map_definitions.h"
#include "object_context.h"
#include "strata/base/byte_reader.h"
#include "strata/elf/section_kinds.h"
#include "struct_ops.h"

namespace strata::elf {
namespace {

constexpr std::size_t kMaxLicenseSize = 128;  // more than the kernel compares

Error NotSupported(std::string text) { return Error(ErrorCode::kNotSupported, std::move(text)); }

// "a/malloc_hist.bpf.o" is "malloc_hist".
std::string NameFromPath(std::string_view path) {
  if (const auto slash = path.rfind('/'); slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return std::string(path.substr(0, path.find('.')));
}

class ObjectReader {
 public:
  ObjectReader(const ObjectContext& context, std::string name) : context_(context) { spec_.name = std::move(name); }

  Result<CollectionSpec> Read() {
    spec_.byte_order = context_.file.byte_order();
    spec_.types = context_.types;
    spec_.externs = context_.externs;
    STRATA_TRY(ReadLicense());
    STRATA_TRY(ReadVersion());
    CodeTable code = STRATA_TRY(CodeTable::Find(context_));
    AddFunctions(code);
    STRATA_TRY(ReadMaps(code));
    STRATA_TRY(ReadDataSections(context_, spec_));
    STRATA_TRY(code.ReadCode(context_, spec_));
    AddAliases(code);
    return std::move(spec_);
  }

 private:
  template <typename Each>
  Result<void> ForEachSection(SectionRole role, Each each) const {
    for (const ElfSection section : context_.file.sections()) {
      if (context_.RoleOf(section.index) == role) STRATA_TRY(each(section));
    }
    return {};
  }

  Result<void> ReadLicense() {
    return ForEachSection(SectionRole::kLicense, [&](const ElfSection& section) -> Result<void> {
      const auto bytes = STRATA_TRY(context_.file.Contents(section));
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kMaxLicenseSize));
      license_ = text.substr(0, text.find('\0'));
      return {};
    });
  }

  Result<void> ReadVersion() {
    return ForEachSection(SectionRole::kVersion, [&](const ElfSection& section) -> Result<void> {
      ByteReader reader(STRATA_TRY(context_.file.Contents(section)), context_.Place(section),
                        context_.file.byte_order());
      kernel_version_ = STRATA_TRY(reader.Read<std::uint32_t>("kernel version"));
      return {};
    });
  }

  Result<void> ReadMaps(const CodeTable& code) {
    STRATA_TRY(ForEachSection(SectionRole::kMaps, [&](const ElfSection& section) -> Result<void> {
      if (section.size_bytes == 0) return {};
      return ReadMapDefinitions(context_, section, code, spec_);
    }));
    STRATA_TRY(ForEachSection(SectionRole::kLegacyMaps,
                              [&](const ElfSection& section) { return ReadLegacyMaps(context_, section, spec_); }));
    STRATA_TRY(ForEachSection(SectionRole::kStructOps, [&](const ElfSection& section) -> Result<void> {
      if (section.size_bytes == 0) return {};
      return ReadStructOps(context_, section, code, spec_);
    }));
    return CheckArenas();
  }

  // The kernel gives a program one arena at most, and globals of an arena do not say which they belong to.
  Result<void> CheckArenas() const {
    const std::string* first = FindArena(spec_);
    for (const auto& [name, map] : spec_.maps) {
      if (map.type != MapType::kArena || name == *first) continue;
      return NotSupported(
          fmt::format("{}: section .maps: map {}: is a second arena, beside {}", context_.file.where(), name, *first));
    }
    return {};
  }

  // Their code follows when the maps are known that it refers to.
  void AddFunctions(CodeTable& code) {
    for (CodeFunction& function : code.functions()) {
      FunctionSpec spec;
      spec.name = function.name;
      spec.section_name = context_.NameOf(function.section);
      spec.is_static = function.is_static;
      std::tie(function.key, function.spec) = AddFunction(function, std::move(spec));
    }
  }

  void AddAliases(const CodeTable& code) {
    for (const FunctionAlias& alias : code.aliases()) {
      const CodeFunction& function = code.functions()[alias.function];
      FunctionSpec copy = *function.spec;
      copy.name = alias.name;
      copy.is_static = alias.is_static;
      AddFunction(function, std::move(copy));
    }
  }

  // A static function is no entry point, wherever it stands.
  std::pair<const std::string*, FunctionSpec*> AddFunction(const CodeFunction& place, FunctionSpec function) {
    std::string key = FreeKey(function.name, place);
    const bool is_subprogram = context_.RoleOf(place.section) == SectionRole::kFunctions;
    if (is_subprogram || function.is_static) {
      auto& [name, spec] = *spec_.functions.emplace(std::move(key), std::move(function)).first;
      return {&name, &spec};
    }
    // Compilers write functions in the order of the source, which often is that of the names.
    auto& programs = spec_.programs;
    auto& [name, spec] = *programs.emplace_hint(programs.end(), std::move(key), MakeProgram(std::move(function)));
    return {&name, &spec};
  }

  std::string FreeKey(const std::string& name, const CodeFunction& place) const {
    std::string key = name;
    while (spec_.functions.contains(key) || spec_.programs.contains(key)) {
      key = fmt::format("{}@{}+{}", key, context_.NameOf(place.section), place.offset);
    }
    return key;
  }

  // A section name without a row leaves the type open, for the user to set.
  ProgramSpec MakeProgram(FunctionSpec function) const {
    ProgramSpec program;
    static_cast<FunctionSpec&>(program) = std::move(function);
    program.license = license_;
    program.kernel_version = kernel_version_;
    program.autoload = !program.section_name.starts_with('?');
    const bool is_relaxed = context_.options.strictness == Strictness::kRelaxed;
    const auto section = ParseSectionName(program.section_name, context_.options.section_kinds,
                                          is_relaxed ? NameMatching::kByPrefix : NameMatching::kExact);
    if (!section) return program;
    const SectionKind& kind = *section->kind;
    const auto has = [&](std::uint8_t flag) { return (kind.flags & flag) != 0; };
    program.type_of_program = kind.program_type;
    program.attach_type = kind.attach_type;
    program.attach_to = section->details;
    program.attach_kind = kind.attach_kind;
    program.is_sleepable = has(section_flags::kSleepable);
    program.hooks_btf_function = has(section_flags::kAttachBtf);
    program.is_attach_type_optional = has(section_flags::kAttachTypeOptional);
    program.has_xdp_frags = has(section_flags::kXdpFrags);
    return program;
  }

  const ObjectContext& context_;
  CollectionSpec spec_;
  std::string license_;
  std::uint32_t kernel_version_ = 0;
};

}  // namespace

std::shared_ptr<const void> KeepForever(std::span<const std::byte> bytes) {
  return {std::shared_ptr<const void>(), bytes.data()};
}

Result<CollectionSpec> ReadCollectionSpec(std::span<const std::byte> bytes, const ReadOptions& options) {
  const std::string name = options.name.empty() ? NameFromPath(options.path) : options.name;
  const std::string where = !options.path.empty() ? options.path : name.empty() ? "object" : name;
  const ElfFile file = STRATA_TRY(ElfFile::FromMemory(bytes, where));
  STRATA_TRY(CheckIsBpfObject(file));
  const ObjectContext context = STRATA_TRY(OpenObject(file, options));
  return ObjectReader(context, name).Read();
}

}  // namespace strata::elf
