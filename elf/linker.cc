#include "strata/elf/linker.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "linker_input.h"
#include "linker_output.h"
#include "linker_types.h"
#include "strata/isa/opcode.h"

namespace strata::elf {
namespace {

constexpr std::uint64_t kMaxSectionSize = 1ULL << 30;
constexpr std::uint64_t kMaxAlignment = 4096;
constexpr std::size_t kMaxSections = 0x7000;  // with their relocations below the numbers that ELF reserves
constexpr std::uint64_t kInstructionSize = 8;
constexpr std::uint64_t kImmOffset = 4;  // of imm in an instruction

// Strings are not merged, so that a section may not say that they can be.
constexpr std::uint64_t kKeptFlags = SHF_WRITE | SHF_ALLOC | SHF_EXECINSTR;

// Relocation types (Documentation/bpf/llvm_reloc.rst).
constexpr std::uint32_t kRelocateAbsolute64 = 2;

// Sections that say something about the whole object.
bool MustAgree(std::string_view section) { return section == "license" || section == "version"; }

// STV_INTERNAL 1, STV_HIDDEN 2, STV_PROTECTED 3: the smaller, the stricter; STV_DEFAULT 0 is the least strict.
std::uint8_t StricterVisibility(std::uint8_t a, std::uint8_t b) {
  if (a == STV_DEFAULT || b == STV_DEFAULT) return std::max(a, b);
  return std::min(a, b);
}

Error Disagree(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

class Linker {
 public:
  explicit Linker(std::span<const LinkInput> inputs) : inputs_(inputs) {}

  Result<std::vector<std::byte>> Run() {
    STRATA_TRY(OpenInputs());
    STRATA_TRY(AddSections());
    STRATA_TRY(ResolveGlobals());
    AddSymbols();
    STRATA_TRY(CheckDeclarations());
    STRATA_TRY(AddRelocations());
    STRATA_TRY(AddTypes());
    return WriteObject(output_);
  }

 private:
  // A global name: the symbol that stands for it, and who defines it.
  struct Global {
    std::size_t object = 0;  // whose symbol counts
    std::uint32_t number = 0;
    bool is_defined = false;
    bool is_weak = false;
    std::uint8_t visibility = STV_DEFAULT;
  };

  Result<void> OpenInputs() {
    if (inputs_.empty()) return Disagree("there is nothing to link");
    for (const LinkInput& input : inputs_) objects_.push_back(STRATA_TRY(OpenLinkObject(input)));
    output_.byte_order = objects_.front().file.byte_order();
    for (const LinkObject& object : objects_) {
      if (object.file.byte_order() == output_.byte_order) continue;
      return Disagree(fmt::format("{}: its byte order is not that of {}", object.name, objects_.front().name));
    }
    return {};
  }

  template <typename Each>
  Result<void> ForEachSection(Each each) {
    for (std::size_t object = 0; object < objects_.size(); ++object) {
      for (const ElfSection section : objects_[object].file.sections()) {
        if (IsCopiedByLinker(section)) STRATA_TRY(each(object, section));
      }
    }
    return {};
  }

  Result<void> AddSections() {
    for (const LinkObject& object : objects_) placements_.emplace_back(object.file.sections().size());
    return ForEachSection([&](std::size_t object, const ElfSection& section) -> Result<void> {
      return AddSection(object, section).Context(objects_[object].Place(section));
    });
  }

  Result<void> AddSection(std::size_t object, const ElfSection& section) {
    const std::uint64_t alignment = std::max<std::uint64_t>(section.alignment, 1);
    if (alignment > kMaxAlignment || (alignment & (alignment - 1)) != 0) {
      return Error(ErrorCode::kMalformed, fmt::format("alignment {}", alignment));
    }
    const auto content = STRATA_TRY(objects_[object].file.Contents(section));
    const auto [entry, is_new] = section_of_.emplace(section.name, static_cast<std::uint32_t>(output_.sections.size()));
    if (is_new) {
      if (output_.sections.size() == kMaxSections) return Disagree("there are too many sections");
      output_.sections.push_back({.name = std::string(section.name),
                                  .type = section.type,
                                  .flags = section.flags & kKeptFlags,
                                  .alignment = alignment,
                                  .size_bytes = 0,
                                  .content = {},
                                  .relocations = {}});
    }
    OutputSection& merged = output_.sections[entry->second];
    if (merged.type != section.type) {
      return Disagree(fmt::format("has ELF type {}, and {} in another object", section.type, merged.type));
    }
    if (!is_new && MustAgree(section.name)) {  // once is enough: this one is dropped
      if (std::equal(content.begin(), content.end(), merged.content.begin(), merged.content.end())) return {};
      return Disagree("its content is not the same in all objects");
    }
    return Append(merged, Placement{entry->second, 0}, section, alignment, content, placements_[object][section.index]);
  }

  static Result<void> Append(OutputSection& merged, Placement placement, const ElfSection& section,
                             std::uint64_t alignment, std::span<const std::byte> content,
                             std::optional<Placement>& placed) {
    placement.offset = (merged.size_bytes + alignment - 1) & ~(alignment - 1);
    if (section.size_bytes > kMaxSectionSize || placement.offset > kMaxSectionSize - section.size_bytes) {
      return Disagree(fmt::format("is larger than {} bytes", kMaxSectionSize));
    }
    merged.alignment = std::max(merged.alignment, alignment);
    merged.flags |= section.flags & kKeptFlags;
    merged.size_bytes = placement.offset + section.size_bytes;
    if (section.type != SHT_NOBITS) {
      merged.content.resize(placement.offset);
      merged.content.insert(merged.content.end(), content.begin(), content.end());
    }
    placed = placement;
    return {};
  }

  static bool IsGlobal(const ElfSymbol& symbol) { return symbol.binding != STB_LOCAL && !symbol.name.empty(); }

  // Belongs to a section that is not copied, or is an absolute value.
  bool IsDropped(std::size_t object, const ElfSymbol& symbol) const {
    return symbol.section != SHN_UNDEF && !PlacementOf(object, symbol.section);
  }

  // Which object's symbol counts for each global name.
  Result<void> ResolveGlobals() {
    for (std::size_t object = 0; object < objects_.size(); ++object) {
      const auto& symbols = objects_[object].symbols;
      for (std::uint32_t number = 1; number < symbols.size(); ++number) {
        if (symbols[number].section == SHN_COMMON) {
          return Error(ErrorCode::kNotSupported,
                       fmt::format("{}: symbol {}: is a common symbol; compile with -fno-common", objects_[object].name,
                                   symbols[number].name));
        }
        if (IsGlobal(symbols[number]) && !IsDropped(object, symbols[number])) {
          STRATA_TRY(ResolveGlobal(object, number));
        }
      }
    }
    return {};
  }

  Result<void> ResolveGlobal(std::size_t object, std::uint32_t number) {
    const ElfSymbol symbol = objects_[object].symbols[number];
    const Global candidate{.object = object,
                           .number = number,
                           .is_defined = symbol.section != SHN_UNDEF,
                           .is_weak = symbol.binding == STB_WEAK,
                           .visibility = symbol.visibility};
    const auto [entry, is_new] = globals_.emplace(std::string(symbol.name), candidate);
    if (is_new) return {};
    Global& global = entry->second;
    const std::uint8_t visibility = StricterVisibility(global.visibility, candidate.visibility);
    if (global.is_defined && candidate.is_defined && !global.is_weak && !candidate.is_weak) {
      return Disagree(fmt::format("symbol {}: is defined in {} and in {}", symbol.name, objects_[global.object].name,
                                  objects_[object].name));
    }
    const bool is_better = candidate.is_defined && (!global.is_defined || (global.is_weak && !candidate.is_weak));
    if (is_better) {
      global = candidate;
    } else if (!global.is_defined && !candidate.is_weak) {
      global.is_weak = false;  // somebody needs it
    }
    global.visibility = visibility;
    return {};
  }

  bool Counts(std::size_t object, std::uint32_t number) const {
    const auto found = globals_.find(objects_[object].symbols[number].name);
    return found != globals_.end() && found->second.object == object && found->second.number == number;
  }

  void AddSymbols() {
    for (std::uint32_t section = 0; section < output_.sections.size(); ++section) {
      OutputSymbol symbol;
      symbol.type = STT_SECTION;
      symbol.section = section;
      output_.symbols.push_back(std::move(symbol));
    }
    for (const LinkObject& object : objects_) symbol_numbers_.emplace_back(object.symbols.size());
    for (std::size_t object = 0; object < objects_.size(); ++object) {
      const auto& symbols = objects_[object].symbols;
      for (std::uint32_t number = 1; number < symbols.size(); ++number) AddSymbol(object, number);
    }
    // References to a name go to the symbol that counts.
    for (std::size_t object = 0; object < objects_.size(); ++object) {
      const auto& symbols = objects_[object].symbols;
      for (std::uint32_t number = 1; number < symbols.size(); ++number) {
        if (!IsGlobal(symbols[number]) || IsDropped(object, symbols[number])) continue;
        const Global& global = globals_.find(symbols[number].name)->second;
        symbol_numbers_[object][number] = symbol_numbers_[global.object][global.number];
      }
    }
  }

  void AddSymbol(std::size_t object, std::uint32_t number) {
    const ElfSymbol symbol = objects_[object].symbols[number];
    const auto placement = PlacementOf(object, symbol.section);
    if (symbol.type == STT_SECTION) {
      if (placement) symbol_numbers_[object][number] = placement->section;
      return;
    }
    if (IsDropped(object, symbol) || (symbol.section == SHN_UNDEF && !IsGlobal(symbol))) return;
    OutputSymbol added{.name = std::string(symbol.name),
                       .value = symbol.value + (placement ? placement->offset : 0),
                       .size_bytes = symbol.size_bytes,
                       .type = symbol.type,
                       .binding = symbol.binding,
                       .visibility = symbol.visibility,
                       .section = placement ? placement->section : kNoSection};
    if (IsGlobal(symbol)) {
      if (!Counts(object, number)) return;  // nobody can refer to a definition that lost
      const Global& global = globals_.find(symbol.name)->second;
      added.visibility = global.visibility;
      added.binding = global.is_weak ? STB_WEAK : STB_GLOBAL;
    }
    symbol_numbers_[object][number] = static_cast<std::uint32_t>(output_.symbols.size());
    output_.symbols.push_back(std::move(added));
  }

  std::optional<Placement> PlacementOf(std::size_t object, std::uint32_t section) const {
    const auto& placements = placements_[object];
    return section < placements.size() ? placements[section] : std::nullopt;
  }

  Result<void> CheckDeclarations() const {
    for (std::size_t object = 0; object < objects_.size(); ++object) {
      const auto& symbols = objects_[object].symbols;
      for (std::uint32_t number = 1; number < symbols.size(); ++number) {
        const bool is_checked = IsGlobal(symbols[number]) && !IsDropped(object, symbols[number]);
        if (!is_checked || Counts(object, number)) continue;
        STRATA_TRY(CheckDeclaration(object, number));
      }
    }
    return {};
  }

  // A declaration against what counts for its name.
  Result<void> CheckDeclaration(std::size_t object, std::uint32_t number) const {
    const LinkObject& declaring = objects_[object];
    const ElfSymbol symbol = declaring.symbols[number];
    const Global& global = globals_.find(symbol.name)->second;
    const LinkObject& defining = objects_[global.object];
    const ElfSymbol definition = defining.symbols[global.number];
    const auto disagree = [&](std::string_view what) {
      return Disagree(
          fmt::format("symbol {}: {} and {} disagree about its {}", symbol.name, declaring.name, defining.name, what));
    };
    const bool has_kinds = symbol.type != STT_NOTYPE && definition.type != STT_NOTYPE;
    if (has_kinds && symbol.type != definition.type) return disagree("kind");
    const auto declared_in = declaring.listed_in.find(symbol.name);
    const bool is_extern_elsewhere = symbol.section == SHN_UNDEF && declared_in != declaring.listed_in.end();
    if (is_extern_elsewhere && SectionOf(defining, definition) != declared_in->second) return disagree("section");
    const auto declared = declaring.global_types.find(symbol.name);
    const auto defined = defining.global_types.find(symbol.name);
    if (declared == declaring.global_types.end() || defined == defining.global_types.end()) return {};
    if (!DeclaresTheSame(*declaring.types, declared->second, *defining.types, defined->second)) {
      return disagree(
          fmt::format("type: {} and {}", TypeText(declaring, declared->second), TypeText(defining, defined->second)));
    }
    return {};
  }

  static std::string_view SectionOf(const LinkObject& object, const ElfSymbol& symbol) {
    if (symbol.section < object.file.sections().size() && symbol.section != SHN_UNDEF) {
      return object.file.sections()[symbol.section].name;
    }
    const auto listed = object.listed_in.find(symbol.name);
    return listed == object.listed_in.end() ? std::string_view() : listed->second;
  }

  // Of a variable its type, of a function its prototype.
  static std::string TypeText(const LinkObject& object, btf::TypeId id) {
    const auto variable = object.types->Get<btf::Var>(id);
    return object.types->Describe(variable ? variable->type : id);
  }

  Result<void> AddRelocations() {
    for (std::size_t object = 0; object < objects_.size(); ++object) {
      for (const ElfSection table : objects_[object].file.sections()) {
        if (table.type != SHT_REL && table.type != SHT_RELA) continue;
        const auto placement = PlacementOf(object, table.info);
        if (placement) STRATA_TRY(AddRelocationsOf(object, table, *placement).Context(objects_[object].Place(table)));
      }
    }
    return {};
  }

  Result<void> AddRelocationsOf(std::size_t object, const ElfSection& table, const Placement& placement) {
    const LinkObject& input = objects_[object];
    if (table.type == SHT_RELA) return Error(ErrorCode::kNotSupported, "relocations with addends");
    if (table.link != input.symbol_table) return Error(ErrorCode::kMalformed, "its symbol table is none");
    OutputSection& section = output_.sections[placement.section];
    const std::uint64_t size = input.file.sections()[table.info].size_bytes;
    for (const ElfRelocation& relocation : STRATA_TRY(input.file.Relocations(table, input.symbols.size()))) {
      const ElfSymbol symbol = input.symbols[relocation.symbol];
      const auto malformed = [&](std::string_view what) {
        return Error(ErrorCode::kMalformed, fmt::format("offset {}: {}", relocation.offset, what));
      };
      if (section.type == SHT_NOBITS || size < kInstructionSize || relocation.offset > size - kInstructionSize) {
        return malformed("is outside of the section that it relocates");
      }
      const std::optional<std::uint32_t> number = symbol_numbers_[object][relocation.symbol];
      if (!number) return malformed(fmt::format("refers to symbol {}, which is not linked", symbol.name));
      const std::uint64_t offset = placement.offset + relocation.offset;
      if (symbol.type == STT_SECTION) {
        STRATA_TRY(MoveAddend(section, offset, relocation, PlacementOf(object, symbol.section)->offset));
      }
      section.relocations.push_back({offset, *number, relocation.type});
    }
    return {};
  }

  // What is relative to a section's start moves with the section: a call counts instructions, a 64-bit load bytes, a
  // pointer in data is an address.
  Result<void> MoveAddend(OutputSection& section, std::uint64_t offset, const ElfRelocation& relocation,
                          std::uint64_t distance) const {
    std::byte* const place = section.content.data() + offset;
    if (relocation.type == kRelocateAbsolute64) {
      Add<std::uint64_t>(place, distance);
      return {};
    }
    if ((section.flags & SHF_EXECINSTR) == 0) {
      return Error(ErrorCode::kNotSupported,
                   fmt::format("offset {}: relocation type {} in a data section", relocation.offset, relocation.type));
    }
    const bool is_call = *place == static_cast<std::byte>(isa::Opcode::kCall);
    Add<std::uint32_t>(place + kImmOffset,
                       static_cast<std::uint32_t>(is_call ? distance / kInstructionSize : distance));
    return {};
  }

  template <typename Integer>
  void Add(std::byte* place, Integer distance) const {
    const bool is_native = output_.byte_order == std::endian::native;
    Integer value;
    std::memcpy(&value, place, sizeof(value));
    value = is_native ? value : SwapBytes(value);
    value += distance;
    value = is_native ? value : SwapBytes(value);
    std::memcpy(place, &value, sizeof(value));
  }

  Result<void> AddTypes() {
    LinkPlan plan{.objects = objects_, .placements = placements_, .owners = {}, .section_sizes = {}};
    for (const auto& [name, global] : globals_) plan.owners.emplace(name, global.object);
    for (const OutputSection& section : output_.sections) {
      plan.section_sizes.emplace(section.name, section.size_bytes);
    }
    LinkedTypes types = STRATA_TRY(LinkTypes(plan, output_.byte_order));
    AddTable(".BTF", std::move(types.types));
    AddTable(".BTF.ext", std::move(types.ext_info));
    return {};
  }

  void AddTable(std::string_view name, std::vector<std::byte> content) {
    if (content.empty()) return;
    output_.sections.push_back({.name = std::string(name),
                                .type = SHT_PROGBITS,
                                .flags = 0,
                                .alignment = sizeof(std::uint32_t),
                                .size_bytes = content.size(),
                                .content = {},
                                .relocations = {}});
    output_.sections.back().content = std::move(content);
  }

  std::span<const LinkInput> inputs_;
  std::vector<LinkObject> objects_;
  std::vector<std::vector<std::optional<Placement>>> placements_;          // by object and section number
  std::vector<std::vector<std::optional<std::uint32_t>>> symbol_numbers_;  // in output_, by object and symbol number
  std::map<std::string, std::uint32_t, std::less<>> section_of_;           // by name
  std::map<std::string, Global, std::less<>> globals_;
  OutputObject output_;
};

}  // namespace

Result<std::vector<std::byte>> LinkObjects(std::span<const LinkInput> inputs) { return Linker(inputs).Run(); }

}  // namespace strata::elf
