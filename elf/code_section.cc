#include "code_section.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "data_sections.h"
#include "externs.h"
#include "strata/base/byte_reader.h"
#include "strata/isa/opcode.h"

namespace strata::elf {
namespace {

using isa::Instruction;

constexpr std::uint32_t kInstructionSize = sizeof(Instruction);
constexpr std::uint64_t kMaxAliasesOfSection = 8;  // times its size

// Relocation types (Documentation/bpf/llvm_reloc.rst).
constexpr std::uint32_t kRelocateNothing = 0;    // R_BPF_NONE
constexpr std::uint32_t kRelocateLoadImm64 = 1;  // R_BPF_64_64
constexpr std::uint32_t kRelocateCall = 10;      // R_BPF_64_32

bool IsCall(const Instruction& instruction) {
  return instruction.opcode == static_cast<std::uint8_t>(isa::Opcode::kCall);
}
bool IsLoadImm64(const Instruction& instruction) {
  return instruction.opcode == static_cast<std::uint8_t>(isa::Opcode::kLoadImm64);
}
bool IsFunctionCall(const Instruction& instruction) {
  return IsCall(instruction) && instruction.src == static_cast<std::uint8_t>(isa::PseudoCall::kFunction);
}

// Old compilers gave functions no type; jump labels are local symbols without type.
bool IsFunctionSymbol(const ElfSymbol& symbol) {
  if (symbol.name.empty()) return false;
  return symbol.type == STT_FUNC || (symbol.type == STT_NOTYPE && symbol.binding != STB_LOCAL);
}

struct BySection {
  bool operator()(const CodeFunction& function, std::uint32_t section) const { return function.section < section; }
  bool operator()(std::uint32_t section, const CodeFunction& function) const { return section < function.section; }
};

Result<Instruction> ReadInstruction(ByteReader& reader) {
  Instruction instruction;
  instruction.opcode = STRATA_TRY(reader.Read<std::uint8_t>("opcode"));
  const auto registers = STRATA_TRY(reader.Read<std::uint8_t>("registers"));
  // The two halves of this byte change places with the byte order (RFC 9669 section 3.1).
  const bool is_little = reader.order() == std::endian::little;
  instruction.dst = (is_little ? registers : registers >> 4) & 0xf;
  instruction.src = (is_little ? registers >> 4 : registers) & 0xf;
  instruction.offset = STRATA_TRY(reader.Read<std::int16_t>("offset"));
  instruction.imm = STRATA_TRY(reader.Read<std::int32_t>("imm"));
  return instruction;
}

// Of symbols at one place, the first names the function: what other files may call, then what only this one may.
int RankOf(const ElfSymbol& symbol) {
  if (symbol.type == STT_NOTYPE) return 3;
  return symbol.binding == STB_GLOBAL ? 0 : symbol.binding == STB_WEAK ? 1 : 2;
}

// The function symbols of a section by place and rank.
std::vector<ElfSymbol> FunctionSymbolsOf(const ObjectContext& context, const ElfSection& section) {
  std::vector<ElfSymbol> symbols;
  for (const std::uint32_t index : context.SymbolsOf(section.index)) {
    const ElfSymbol symbol = context.symbols[index];
    if (IsFunctionSymbol(symbol)) symbols.push_back(symbol);
  }
  std::stable_sort(symbols.begin(), symbols.end(), [](const ElfSymbol& a, const ElfSymbol& b) {
    return std::pair(a.value, RankOf(a)) < std::pair(b.value, RankOf(b));
  });
  return symbols;
}

// A symbol without type and size reaches to the next function.
std::uint64_t SizeOf(std::span<const ElfSymbol> symbols, std::size_t index, const ElfSection& section) {
  const ElfSymbol& symbol = symbols[index];
  if (symbol.size_bytes != 0 || symbol.type != STT_NOTYPE || symbol.value > section.size_bytes) {
    return symbol.size_bytes;
  }
  while (index < symbols.size() && symbols[index].value == symbol.value) ++index;
  return (index < symbols.size() ? symbols[index].value : section.size_bytes) - symbol.value;
}

}  // namespace

Result<CodeTable> CodeTable::Find(const ObjectContext& context) {
  CodeTable table;
  std::optional<ElfSection> code;
  for (const ElfSection section : context.file.sections()) {
    if (!context.IsCode(section.index) || section.size_bytes == 0) continue;
    code = section;
    STRATA_TRY(table.FindInSection(context, section));
  }
  if (code && table.functions_.empty()) {
    return Error(
        ErrorCode::kMalformed,
        fmt::format("{}: has code, and no symbol says which functions (was the file stripped?)", context.Place(*code)));
  }
  table.functions_.shrink_to_fit();
  return table;
}

// Code between functions is allowed: linkers leave weak functions that another file overrides.
Result<void> CodeTable::FindInSection(const ObjectContext& context, const ElfSection& section) {
  const auto malformed = [&](std::string text) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: {}", context.Place(section), text));
  };
  if (section.size_bytes % kInstructionSize != 0) {
    return malformed(fmt::format("{} bytes are no whole instructions", section.size_bytes));
  }
  const std::vector<ElfSymbol> symbols = FunctionSymbolsOf(context, section);
  std::uint64_t covered = 0;  // up to here instructions belong to a function
  // Each alias is a copy of the code.
  std::uint64_t room_for_aliases = kMaxAliasesOfSection * section.size_bytes;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const ElfSymbol& symbol = symbols[i];
    const std::uint64_t size = SizeOf(symbols, i, section);
    if (symbol.value > section.size_bytes || size > section.size_bytes - symbol.value) {
      return malformed(fmt::format("symbol {}: [{}, +{}) is outside of the section's {} bytes", symbol.name,
                                   symbol.value, size, section.size_bytes));
    }
    const bool is_inside = symbol.value < covered;
    if (is_inside && symbol.type == STT_NOTYPE && symbol.value != functions_.back().offset) continue;  // a label
    if (size == 0 || size % kInstructionSize != 0 || symbol.value % kInstructionSize != 0) {
      return malformed(fmt::format("symbol {}: [{}, +{}) are no whole instructions", symbol.name, symbol.value, size));
    }
    if (is_inside) {
      const CodeFunction& function = functions_.back();
      const bool is_alias =
          symbol.value == function.offset && (size == function.size_bytes || symbol.type == STT_NOTYPE);
      if (!is_alias) return malformed(fmt::format("symbol {}: overlaps {}", symbol.name, function.name));
      if (function.size_bytes > room_for_aliases)
        return malformed(fmt::format("symbol {}: one alias too many", symbol.name));
      room_for_aliases -= function.size_bytes;
      aliases_.push_back(FunctionAlias{functions_.size() - 1, symbol.name, symbol.binding == STB_LOCAL});
      continue;
    }
    covered = symbol.value + size;
    functions_.push_back(CodeFunction{.name = symbol.name,
                                      .is_static = symbol.binding == STB_LOCAL,
                                      .section = section.index,
                                      .offset = symbol.value,
                                      .size_bytes = size});
  }
  return {};
}

std::span<CodeFunction> CodeTable::InSection(std::uint32_t section) {
  const auto range = std::equal_range(functions_.begin(), functions_.end(), section, BySection());
  return std::span(range.first, range.second);
}

std::span<const CodeFunction> CodeTable::InSection(std::uint32_t section) const {
  const auto range = std::equal_range(functions_.begin(), functions_.end(), section, BySection());
  return std::span(range.first, range.second);
}

const CodeFunction* CodeTable::At(std::uint32_t section, std::uint64_t offset) const {
  const auto functions = InSection(section);
  const auto found =
      std::lower_bound(functions.begin(), functions.end(), offset,
                       [](const CodeFunction& function, std::uint64_t wanted) { return function.offset < wanted; });
  return found != functions.end() && found->offset == offset ? &*found : nullptr;
}

namespace {

// Few names serve many references.
class NamePool {
 public:
  const SharedString& Share(std::string_view name) {
    const auto found = names_.find(name);
    return found != names_.end() ? *found : *names_.emplace(name).first;
  }

 private:
  std::set<SharedString, std::less<>> names_;
};

}  // namespace

// Fills the functions of one section.
class SectionCodeReader {
 public:
  SectionCodeReader(const ObjectContext& context, const CollectionSpec& spec, const ElfSection& section,
                    btf::ExtInfoReader* records, NamePool& names, CodeTable& table)
      : context_(context),
        spec_(spec),
        section_(section),
        records_(records),
        names_(names),
        place_(context.Place(section)),
        table_(table),
        functions_(table.InSection(section.index)) {}

  Result<void> Read() {
    STRATA_TRY(ReadInstructions());
    STRATA_TRY(CheckWideLoads());
    STRATA_TRY(ApplyRelocations());
    STRATA_TRY(ResolveLocalCalls());
    return AssignExtInfo();
  }

 private:
  template <typename Each>
  Result<void> ForEachFunction(Each each) {
    for (CodeFunction& function : functions_) STRATA_TRY(each(function));
    return {};
  }

  CodeFunction* Containing(std::uint64_t offset) {
    const auto covers = [offset](const CodeFunction& function) {
      return offset >= function.offset && offset - function.offset < function.size_bytes;
    };
    if (containing_ != nullptr && covers(*containing_)) return containing_;
    const auto behind = std::ranges::upper_bound(functions_, offset, {}, &CodeFunction::offset);
    containing_ = behind == functions_.begin() ? nullptr : &*std::prev(behind);
    return containing_ != nullptr && covers(*containing_) ? containing_ : nullptr;
  }

  Error Malformed(std::uint64_t offset, std::string_view message) const {
    return Error(ErrorCode::kMalformed, fmt::format("{}: offset {}: {}", place_, offset, message));
  }

  // What only the function that has it suffers from.
  Error Unusable(std::uint64_t offset, std::string_view message) const {
    return Error(ErrorCode::kNotSupported, fmt::format("{}: offset {}: {}", place_, offset, message));
  }

  static void MarkUnusable(CodeFunction& function, const Error& reason) {
    if (function.spec->unusable.empty()) function.spec->unusable = reason.message();
  }

  Result<void> ReadInstructions() {
    const auto bytes = STRATA_TRY(context_.file.Contents(section_));
    return ForEachFunction([&](CodeFunction& function) -> Result<void> {
      const auto code = bytes.subspan(function.offset, function.size_bytes);
      auto& instructions = function.spec->instructions;
      if (const auto in_place = InPlace(code)) {
        instructions = SharedList<Instruction>(context_.options.owner, *in_place);
        return {};
      }
      std::vector<Instruction> copy(code.size() / kInstructionSize);
      if (context_.file.byte_order() == std::endian::native) {
        std::memcpy(copy.data(), code.data(), code.size());
      } else {
        ByteReader reader(code, place_, context_.file.byte_order());
        for (Instruction& instruction : copy) instruction = STRATA_TRY(ReadInstruction(reader));
      }
      instructions = std::move(copy);
      return {};
    });
  }

  // The code as it lies in bytes that live as long as the spec. Nothing where it has to be copied.
  std::optional<std::span<const Instruction>> InPlace(std::span<const std::byte> code) const {
    const bool is_aligned = reinterpret_cast<std::uintptr_t>(code.data()) % alignof(Instruction) == 0;
    if (context_.options.owner == nullptr || !is_aligned || context_.file.byte_order() != std::endian::native) {
      return std::nullopt;
    }
    return std::span(reinterpret_cast<const Instruction*>(code.data()), code.size() / kInstructionSize);
  }

  // The second slot of a 64-bit load holds nothing but the upper half of its constant.
  Result<void> CheckWideLoads() {
    return ForEachFunction([&](CodeFunction& function) -> Result<void> {
      const auto& code = function.spec->instructions;
      for (std::size_t i = 0; i < code.size(); ++i) {
        if (!IsLoadImm64(code[i])) continue;
        const std::uint64_t offset = function.offset + i * kInstructionSize;
        if (++i == code.size()) return Malformed(offset, "a 64-bit load without its second half");
        const Instruction& half = code[i];
        if (half.opcode != 0 || half.dst != 0 || half.src != 0 || half.offset != 0) {
          return Malformed(offset, "the second half of a 64-bit load has fields that must be zero");
        }
      }
      return {};
    });
  }

  Result<void> ApplyRelocations() {
    for (const ElfRelocation& relocation : STRATA_TRY(context_.RelocationsOf(section_))) {
      STRATA_TRY(ApplyRelocation(relocation));
    }
    return ForEachFunction([&](CodeFunction& function) -> Result<void> {
      auto& references = function.spec->references;
      const auto is_before = [](const Reference& a, const Reference& b) { return a.index < b.index; };
      if (!std::is_sorted(references.begin(), references.end(), is_before)) {
        std::stable_sort(references.begin(), references.end(), is_before);
      }
      for (std::size_t i = 1; i < references.size(); ++i) {
        if (references[i].index == references[i - 1].index) {
          return Malformed(function.offset + std::uint64_t{references[i].index.value} * kInstructionSize,
                           "two relocations of one instruction");
        }
      }
      return {};
    });
  }

  Result<void> ApplyRelocation(const ElfRelocation& relocation) {
    if (relocation.offset % kInstructionSize != 0 || relocation.offset >= section_.size_bytes) {
      return Malformed(relocation.offset, "a relocation of what is no instruction");
    }
    CodeFunction* function = Containing(relocation.offset);
    if (function == nullptr || relocation.type == kRelocateNothing) return {};
    auto reference = Refer(relocation, *function);
    if (reference) {
      function->spec->references.push_back(std::move(*reference));
      return {};
    }
    if (reference.error().code() != ErrorCode::kNotSupported) return reference.error();
    MarkUnusable(*function, reference.error());
    return {};
  }

  Result<Reference> Refer(const ElfRelocation& relocation, const CodeFunction& function) const {
    const std::uint64_t index = (relocation.offset - function.offset) / kInstructionSize;
    const Instruction& instruction = function.spec->instructions[index];
    const bool fits = (relocation.type == kRelocateLoadImm64 && IsLoadImm64(instruction)) ||
                      (relocation.type == kRelocateCall && IsCall(instruction));
    if (!fits) {
      return Unusable(relocation.offset, fmt::format("relocation type {} does not fit opcode {:#04x}", relocation.type,
                                                     instruction.opcode));
    }
    const ElfSymbol symbol = context_.symbols[relocation.symbol];
    Reference reference = STRATA_TRY(ReferToSymbol(relocation, symbol, instruction));
    reference.index.value = static_cast<std::uint32_t>(index);
    reference.is_weak = symbol.binding == STB_WEAK && symbol.section == SHN_UNDEF;
    return reference;
  }

  Result<Reference> ReferToSymbol(const ElfRelocation& relocation, const ElfSymbol& symbol,
                                  const Instruction& instruction) const {
    if (symbol.section == SHN_UNDEF) return ReferToUndefined(relocation, symbol, instruction);
    if (symbol.section == SHN_COMMON) {
      return Unusable(relocation.offset,
                      fmt::format("refers to the common symbol {}; compile with -fno-common", symbol.name));
    }
    if (context_.IsCode(symbol.section)) return ReferToFunction(relocation, symbol, instruction);
    if (!IsLoadImm64(instruction)) {
      return Unusable(relocation.offset, fmt::format("calls {}, which is no function", SymbolText(symbol)));
    }
    const SectionRole role = context_.RoleOf(symbol.section);
    if (context_.IsData(symbol.section)) {
      return ReferToData(relocation, symbol, instruction, context_.NameOf(symbol.section));
    }
    if (role == SectionRole::kArenaData) return ReferToArena(relocation, symbol, instruction);
    if (role == SectionRole::kMaps || role == SectionRole::kLegacyMaps) {
      return ReferToMap(relocation, symbol, instruction);
    }
    if (role == SectionRole::kJumpTables) {
      return Unusable(relocation.offset,
                      "jumps through a table (gotox), which is not supported; compile with "
                      "-fno-jump-tables");
    }
    return Unusable(relocation.offset,
                    fmt::format("refers to {}, which is no map, variable or function", SymbolText(symbol)));
  }

  std::string SymbolText(const ElfSymbol& symbol) const {
    const bool has_section = symbol.section < context_.file.sections().size();
    const std::string_view section = has_section ? context_.NameOf(symbol.section) : "absolute";
    return symbol.name.empty() ? fmt::format("section {}", section)
                               : fmt::format("{} of section {}", symbol.name, section);
  }

  Result<Reference> ReferToUndefined(const ElfRelocation& relocation, const ElfSymbol& symbol,
                                     const Instruction& instruction) const {
    if (symbol.name.empty()) return Unusable(relocation.offset, "refers to a symbol without name and section");
    const auto external = context_.externs.find(symbol.name);
    if (external != context_.externs.end()) return ReferToExtern(relocation, external->second, instruction);
    // Whoever loads the object may add the function.
    if (IsCall(instruction)) return Make(ReferenceKind::kFunctionCall, symbol.name);
    if (context_.declared_functions.contains(symbol.name)) return Make(ReferenceKind::kFunctionAddress, symbol.name);
    return Unusable(relocation.offset, fmt::format("refers to {}, which no section defines", symbol.name));
  }

  Result<Reference> ReferToExtern(const ElfRelocation& relocation, const ExternSpec& external,
                                  const Instruction& instruction) const {
    if (external.kind == ExternKind::kFunction && IsCall(instruction)) {
      return Make(ReferenceKind::kKfunc, external.name);
    }
    if (IsCall(instruction)) {
      return Unusable(relocation.offset, fmt::format("calls {}, which is declared as a variable", external.name));
    }
    if (external.kind == ExternKind::kKconfig) {
      return Make(ReferenceKind::kMapValue, kKconfigSection, external.offset_bytes + AddendOf(relocation, instruction));
    }
    return Make(ReferenceKind::kKsym, external.name, AddendOf(relocation, instruction));
  }

  Reference Make(ReferenceKind kind, std::string_view symbol, std::int64_t addend = 0) const {
    return Reference{.index = {}, .kind = kind, .symbol = names_.Share(symbol), .addend = addend};
  }

  // Where the relocation has no addend of its own, it is in the instruction: bytes in a 64-bit load, instructions from
  // the next one in a call.
  static std::int64_t AddendOf(const ElfRelocation& relocation, const Instruction& instruction) {
    if (relocation.has_addend) return relocation.addend;
    if (IsCall(instruction)) return (std::int64_t{instruction.imm} + 1) * kInstructionSize;
    return instruction.imm;
  }

  Result<Reference> ReferToFunction(const ElfRelocation& relocation, const ElfSymbol& symbol,
                                    const Instruction& instruction) const {
    const std::uint64_t target = symbol.value + static_cast<std::uint64_t>(AddendOf(relocation, instruction));
    const CodeFunction* callee = table_.At(symbol.section, target);
    if (callee == nullptr) {
      return Unusable(relocation.offset,
                      fmt::format("refers to offset {} of section {}, where no function starts",
                                  static_cast<std::int64_t>(target), context_.NameOf(symbol.section)));
    }
    return Make(IsCall(instruction) ? ReferenceKind::kFunctionCall : ReferenceKind::kFunctionAddress, *callee->key);
  }

  Result<Reference> ReferToMap(const ElfRelocation& relocation, const ElfSymbol& symbol,
                               const Instruction& instruction) const {
    if (symbol.name.empty() || symbol.binding == STB_LOCAL) {
      return Unusable(relocation.offset,
                      fmt::format("refers to a static map{}{}; a map is a global variable: remove \"static\"",
                                  symbol.name.empty() ? "" : " ", symbol.name));
    }
    if (AddendOf(relocation, instruction) != 0) {
      return Unusable(relocation.offset, fmt::format("refers into map {}, not to it", symbol.name));
    }
    if (context_.types == nullptr && context_.RoleOf(symbol.section) == SectionRole::kMaps) {
      return Unusable(
          relocation.offset,
          fmt::format("refers to map {}, which types define, and there is no .BTF (compile with -g)", symbol.name));
    }
    if (!spec_.maps.contains(symbol.name)) {
      return Unusable(relocation.offset, fmt::format("refers to {}, which is no map", SymbolText(symbol)));
    }
    return Make(ReferenceKind::kMap, symbol.name);
  }

  // Globals of an arena lie in the one arena of the object.
  Result<Reference> ReferToArena(const ElfRelocation& relocation, const ElfSymbol& symbol,
                                 const Instruction& instruction) const {
    const std::string* arena = FindArena(spec_);
    if (arena == nullptr) {
      return Unusable(relocation.offset, fmt::format("refers to {}, and the object has no arena", SymbolText(symbol)));
    }
    return ReferToData(relocation, symbol, instruction, *arena);
  }

  Result<Reference> ReferToData(const ElfRelocation& relocation, const ElfSymbol& symbol,
                                const Instruction& instruction, std::string_view map) const {
    const ElfSection data = context_.file.sections()[symbol.section];
    const std::uint64_t target = symbol.value + static_cast<std::uint64_t>(AddendOf(relocation, instruction));
    if (target > data.size_bytes) {
      return Malformed(relocation.offset, fmt::format("refers to offset {} of section {}, which has {} bytes",
                                                      static_cast<std::int64_t>(target), data.name, data.size_bytes));
    }
    if (data.size_bytes == 0) {
      return Unusable(relocation.offset, fmt::format("refers to section {}, which is empty", data.name));
    }
    return Make(ReferenceKind::kMapValue, map, static_cast<std::int64_t>(target));
  }

  // Calls within one section need no relocation; the distance is in the code.
  Result<void> ResolveLocalCalls() {
    return ForEachFunction([&](CodeFunction& function) -> Result<void> {
      std::vector<Reference> found;
      const auto& code = function.spec->instructions;
      for (std::uint32_t i = 0; i < code.size(); i += isa::SlotCount(code[i])) {
        if (!IsFunctionCall(code[i]) || function.spec->FindReference(isa::InsnIndex{i}) != nullptr) continue;
        const std::uint64_t offset = function.offset + std::uint64_t{i} * kInstructionSize;
        const std::uint64_t target =
            offset + static_cast<std::uint64_t>((std::int64_t{code[i].imm} + 1) * kInstructionSize);
        const CodeFunction* callee = table_.At(section_.index, target);
        if (callee == nullptr) {
          MarkUnusable(function, Unusable(offset, fmt::format("calls offset {}, where no function starts",
                                                              static_cast<std::int64_t>(target))));
          continue;
        }
        found.push_back(Make(ReferenceKind::kFunctionCall, *callee->key));
        found.back().index.value = i;
      }
      MergeReferences(function.spec->references, std::move(found));
      return {};
    });
  }

  static void MergeReferences(std::vector<Reference>& references, std::vector<Reference> more) {
    const auto middle = static_cast<std::ptrdiff_t>(references.size());
    references.insert(references.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    std::inplace_merge(references.begin(), references.begin() + middle, references.end(),
                       [](const Reference& a, const Reference& b) { return a.index < b.index; });
  }

  // The entries of [start, end) of a list that is sorted by index.
  template <typename Info>
  static std::span<const Info> Part(const std::vector<Info>& list, std::uint32_t start, std::uint32_t end) {
    const auto is_before = [](const Info& info, std::uint32_t index) { return info.index.value < index; };
    const auto first = std::lower_bound(list.begin(), list.end(), start, is_before);
    return std::span(first, std::lower_bound(first, list.end(), end, is_before));
  }

  // The same, counted from `start`.
  template <typename Info>
  static std::vector<Info> Take(const std::vector<Info>& list, std::uint32_t start, std::uint32_t end) {
    const auto part = Part(list, start, end);
    std::vector<Info> taken(part.begin(), part.end());
    for (Info& info : taken) info.index.value -= start;
    return taken;
  }

  btf::LineInfos TakeLines(const btf::SectionExtInfo& records, std::uint32_t start, std::uint32_t end) const {
    if (context_.options.owner == nullptr || records.line_records.empty()) return Take(records.lines, start, end);
    constexpr std::size_t kSize = btf::LineInfos::kRecordSize;
    const auto part = Part(records.lines, start, end);
    const auto first = static_cast<std::size_t>(part.data() - records.lines.data());
    return {context_.options.owner, records.line_records.subspan(first * kSize, part.size() * kSize), {start}};
  }

  Result<void> AssignExtInfo() {
    if (records_ == nullptr) return {};
    const btf::SectionExtInfo records = STRATA_TRY(records_->Read(section_.name));
    for (CodeFunction& function : functions_) {
      const auto start = static_cast<std::uint32_t>(function.offset / kInstructionSize);
      const auto end = start + static_cast<std::uint32_t>(function.spec->instructions.size());
      const auto at_start = Part(records.functions, start, start + 1);
      if (!at_start.empty()) function.spec->type = at_start.front().type;
      if (const auto callback = context_.exception_callbacks.find(function.spec->type);
          callback != context_.exception_callbacks.end()) {
        MarkUnusable(function,
                     Unusable(function.offset,
                              fmt::format("has an exception callback, {}, which is not supported", callback->second)));
      }
      function.spec->line_infos = TakeLines(records, start, end);
      function.spec->core_relocations = Take(records.core_relocations, start, end);
    }
    return {};
  }

  const ObjectContext& context_;
  const CollectionSpec& spec_;
  const ElfSection& section_;
  btf::ExtInfoReader* const records_;  // null without .BTF.ext
  NamePool& names_;
  const std::string place_;
  CodeTable& table_;
  const std::span<CodeFunction> functions_;  // of the section
  CodeFunction* containing_ = nullptr;       // the last that was sought: relocations come in order
};

Result<void> CodeTable::ReadCode(const ObjectContext& context, const CollectionSpec& spec) {
  std::optional<btf::ExtInfoReader> records = STRATA_TRY(OpenExtRecords(context));
  NamePool names;
  for (const ElfSection section : context.file.sections()) {
    if (context.IsCode(section.index) && section.size_bytes > 0) {
      STRATA_TRY(SectionCodeReader(context, spec, section, records ? &*records : nullptr, names, *this).Read());
    }
  }
  return {};
}

}  // namespace strata::elf
