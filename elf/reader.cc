#include "strata/elf/reader.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "code_section.h"
#include "elf_file.h"
#include "map_definitions.h"
#include "object_context.h"
#include "strata/base/byte_reader.h"
#include "strata/elf/section_kinds.h"

namespace strata::elf {
namespace {

constexpr std::size_t kKernelNameSize = 16;         // BPF_OBJ_NAME_LEN, with its NUL
constexpr std::size_t kMaxLicenseSize = 128;        // more than the kernel compares
constexpr std::uint64_t kMaxDataSize = 1ULL << 30;  // of one section

Error NotSupported(std::string text) { return Error(ErrorCode::kNotSupported, std::move(text)); }
Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

// "a/malloc_hist.bpf.o" is "malloc_hist".
std::string NameFromPath(std::string_view path) {
  if (const auto slash = path.rfind('/'); slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return std::string(path.substr(0, path.find('.')));
}

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

class ObjectReader {
 public:
  ObjectReader(const ObjectContext& context, std::string name) : context_(context) { spec_.name = std::move(name); }

  Result<CollectionSpec> Read() {
    spec_.byte_order = context_.file.byte_order();
    spec_.types = context_.types;
    STRATA_TRY(RefuseUnsupported());
    STRATA_TRY(ReadLicense());
    STRATA_TRY(ReadVersion());
    CodeTable code = STRATA_TRY(CodeTable::Find(context_));
    STRATA_TRY(code.ReadCode(context_));
    STRATA_TRY(ReadMaps(code));
    STRATA_TRY(ReadDataSections());
    STRATA_TRY(CheckMapReferences(code));
    AddFunctions(code);
    return std::move(spec_);
  }

 private:
  template <typename Each>
  Result<void> ForEachSection(SectionRole role, Each each) const {
    for (const ElfSection& section : context_.file.sections()) {
      if (context_.RoleOf(section.index) == role) STRATA_TRY(each(section));
    }
    return {};
  }

  std::string FirstSymbolOf(const ElfSection& section) const {
    for (const ElfSymbol& symbol : context_.symbols) {
      if (symbol.section == section.index && !symbol.name.empty()) return symbol.name;
    }
    return {};
  }

  // What needs more than this version has is refused here, before anything depends on it.
  Result<void> RefuseUnsupported() const {
    const auto refuse = [&](std::string_view what) {
      return [this, what](const ElfSection& section) -> Result<void> {
        const std::string symbol = FirstSymbolOf(section);
        if (symbol.empty()) return {};
        return NotSupported(fmt::format("{}: symbol {}: {}", context_.Place(section), symbol, what));
      };
    };
    STRATA_TRY(ForEachSection(
        SectionRole::kLegacyMaps,
        refuse("maps defined by \"struct bpf_map_def\" are not supported; define them in SEC(\".maps\")")));
    STRATA_TRY(ForEachSection(SectionRole::kStructOps, refuse("struct_ops maps are not supported yet")));
    STRATA_TRY(RefuseExterns(".kconfig", "kernel configuration values are not supported yet"));
    return RefuseExterns(".ksyms", "kernel symbols and functions are not supported yet");
  }

  // These two exist in BTF only: the variables have no section in the file.
  Result<void> RefuseExterns(std::string_view section, std::string_view what) const {
    if (context_.types == nullptr) return {};
    const auto id = context_.types->FindByName(section, btf::Kind::kDataSec);
    if (!id) return {};
    const auto datasec = STRATA_TRY(context_.types->Get<btf::DataSec>(*id));
    if (datasec.variables.empty()) return {};
    return NotSupported(fmt::format("{}: section {}: symbol {}: {}", context_.file.where(), section,
                                    context_.types->NameOf(datasec.variables[0].type), what));
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
    return ForEachSection(SectionRole::kMaps, [&](const ElfSection& section) -> Result<void> {
      if (section.size_bytes == 0) return {};
      return ReadMapDefinitions(context_, section, code, spec_);
    });
  }

  Result<void> ReadDataSections() {
    for (const ElfSection& section : context_.file.sections()) {
      if (!context_.IsData(section.index) || section.size_bytes == 0) continue;
      STRATA_TRY(ReadDataSection(section).Context(context_.Place(section)));
    }
    return {};
  }

  Result<void> ReadDataSection(const ElfSection& section) {
    if (section.size_bytes > kMaxDataSize) return Malformed(fmt::format("{} bytes are too many", section.size_bytes));
    const bool is_read_only = context_.RoleOf(section.index) == SectionRole::kReadOnlyData;
    MapSpec map;
    map.name = KernelMapName(spec_.name, section.name);
    map.type = MapType::kArray;
    map.key_size = sizeof(std::uint32_t);
    map.value_size = static_cast<std::uint32_t>(section.size_bytes);
    map.max_entries = 1;
    map.is_data_section = true;
    if (is_read_only) {
      map.flags = map_flags::kReadOnlyProgram;
      map.freeze = true;
    }
    const auto bytes = STRATA_TRY(context_.file.Contents(section));
    map.contents.assign(bytes.begin(), bytes.end());

    std::map<std::string_view, btf::TypeId> variable_types;
    if (context_.types != nullptr) {
      const auto datasec = context_.types->FindByName(section.name, btf::Kind::kDataSec);
      if (datasec) {
        map.value_type = *datasec;
        variable_types = STRATA_TRY(VariableTypes(*datasec));
      }
    }
    STRATA_TRY(ReadVariables(section, bytes, variable_types));
    if (!spec_.maps.emplace(section.name, std::move(map)).second) return Malformed("there are two of that name");
    return {};
  }

  Result<std::map<std::string_view, btf::TypeId>> VariableTypes(btf::TypeId datasec) const {
    std::map<std::string_view, btf::TypeId> result;
    const auto section = STRATA_TRY(context_.types->Get<btf::DataSec>(datasec));
    for (const btf::SectionVariable variable : section.variables) {
      const auto var = STRATA_TRY(context_.types->Get<btf::Var>(variable.type));
      result.emplace(var.name, var.type);
    }
    return result;
  }

  // Global variables take precedence over static ones of the same name, of which several may exist.
  Result<void> ReadVariables(const ElfSection& section, std::span<const std::byte> bytes,
                             const std::map<std::string_view, btf::TypeId>& types) {
    std::uint64_t room = section.size_bytes;
    for (const bool is_static : {false, true}) {
      for (const ElfSymbol& symbol : context_.symbols) {
        const bool is_variable = symbol.section == section.index && symbol.type == STT_OBJECT && !symbol.name.empty();
        if (!is_variable || (symbol.binding == STB_LOCAL) != is_static || symbol.size_bytes == 0) continue;
        if (symbol.value > section.size_bytes || symbol.size_bytes > section.size_bytes - symbol.value) {
          return Malformed(fmt::format("symbol {}: [{}, +{}) is outside of the section's {} bytes", symbol.name,
                                       symbol.value, symbol.size_bytes, section.size_bytes));
        }
        // Also keeps a hostile file from asking for the same bytes over and over.
        if (symbol.size_bytes > room) return Malformed(fmt::format("symbol {}: overlaps other variables", symbol.name));
        room -= symbol.size_bytes;
        AddVariable(section, symbol, bytes, types);
      }
    }
    return {};
  }

  void AddVariable(const ElfSection& section, const ElfSymbol& symbol, std::span<const std::byte> bytes,
                   const std::map<std::string_view, btf::TypeId>& types) {
    VariableSpec variable;
    variable.name = symbol.name;
    variable.map_name = section.name;
    variable.offset_bytes = static_cast<std::uint32_t>(symbol.value);
    variable.is_constant = context_.RoleOf(section.index) == SectionRole::kReadOnlyData;
    if (const auto type = types.find(symbol.name); type != types.end()) variable.type = type->second;
    if (bytes.empty()) {
      variable.value.resize(symbol.size_bytes);
    } else {
      const auto part = bytes.subspan(symbol.value, symbol.size_bytes);
      variable.value.assign(part.begin(), part.end());
    }
    spec_.variables.emplace(symbol.name, std::move(variable));
  }

  Result<void> CheckMapReferences(CodeTable& code) const {
    for (const CodeFunction& function : code.functions()) {
      for (const Reference& reference : function.spec.references) {
        const bool names_map = reference.kind == ReferenceKind::kMap || reference.kind == ReferenceKind::kMapValue;
        if (!names_map || spec_.maps.contains(reference.symbol)) continue;
        return Malformed(fmt::format("{}: section {}: function {}: instruction {}: refers to {}, which is no map",
                                     context_.file.where(), function.spec.section_name, function.spec.name,
                                     reference.index.value, reference.symbol));
      }
    }
    return {};
  }

  void AddFunctions(CodeTable& code) {
    for (CodeFunction& function : code.functions()) {
      if (context_.RoleOf(function.section) == SectionRole::kFunctions) {
        spec_.functions.emplace(std::move(function.key), std::move(function.spec));
      } else {
        spec_.programs.emplace(std::move(function.key), MakeProgram(std::move(function.spec)));
      }
    }
  }

  // A section name without a row leaves the type open, for the user to set.
  ProgramSpec MakeProgram(FunctionSpec function) const {
    ProgramSpec program;
    static_cast<FunctionSpec&>(program) = std::move(function);
    program.license = license_;
    program.kernel_version = kernel_version_;
    program.autoload = !program.section_name.starts_with('?');
    if (const auto section = ParseSectionName(program.section_name)) {
      const SectionKind& kind = *section->kind;
      program.type_of_program = kind.program_type;
      program.attach_type = kind.attach_type;
      program.attach_to = section->details;
      program.attach_kind = kind.attach_kind;
      program.is_sleepable = (kind.flags & section_flags::kSleepable) != 0;
      program.has_xdp_frags = (kind.flags & section_flags::kXdpFrags) != 0;
    }
    return program;
  }

  const ObjectContext& context_;
  CollectionSpec spec_;
  std::string license_;
  std::uint32_t kernel_version_ = 0;
};

Result<void> CheckIsBpfObject(const ElfFile& file) {
  // Compilers before the machine had a number left it zero.
  const bool is_bpf = file.machine() == EM_BPF || file.machine() == EM_NONE;
  if (file.type() != ET_REL || !is_bpf) {
    return Malformed(fmt::format("{}: is no BPF object (ELF type {}, machine {}); compile it with -target bpf -c",
                                 file.where(), file.type(), file.machine()));
  }
  if (!file.is_64_bit())
    return Malformed(fmt::format("{}: is a 32-bit file, and BPF objects are 64-bit", file.where()));
  return {};
}

}  // namespace

Result<CollectionSpec> ReadCollectionSpec(std::span<const std::byte> bytes, const ReadOptions& options) {
  const std::string name = options.name.empty() ? NameFromPath(options.path) : options.name;
  const std::string where = !options.path.empty() ? options.path : name.empty() ? "object" : name;
  const ElfFile file = STRATA_TRY(ElfFile::FromMemory(bytes, where));
  STRATA_TRY(CheckIsBpfObject(file));
  const ObjectContext context = STRATA_TRY(OpenObject(file));
  return ObjectReader(context, name).Read();
}

}  // namespace strata::elf
