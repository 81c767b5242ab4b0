#include "code_section.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "strata/base/byte_reader.h"
#include "strata/isa/opcode.h"

namespace strata::elf {
namespace {

using isa::Instruction;

constexpr std::uint32_t kInstructionSize = sizeof(Instruction);

// Relocation types (Documentation/bpf/llvm_reloc.rst).
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

// Old compilers gave functions no type; their jump labels are local symbols without type.
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

}  // namespace

Result<CodeTable> CodeTable::Find(const ObjectContext& context) {
  CodeTable table;
  for (const ElfSection& section : context.file.sections()) {
    if (context.IsCode(section.index) && section.size_bytes > 0) STRATA_TRY(table.FindInSection(context, section));
  }
  std::set<std::string, std::less<>> taken;
  for (CodeFunction& function : table.functions_) {
    function.key = function.spec.name;
    if (!taken.insert(function.key).second) {
      function.key = fmt::format("{}@{}+{}", function.spec.name, function.spec.section_name, function.offset);
      taken.insert(function.key);
    }
  }
  return table;
}

Result<void> CodeTable::FindInSection(const ObjectContext& context, const ElfSection& section) {
  const std::string place = context.Place(section);
  const auto malformed = [&](std::string text) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: {}", place, text));
  };
  if (section.size_bytes % kInstructionSize != 0) {
    return malformed(fmt::format("{} bytes are no whole instructions", section.size_bytes));
  }
  std::vector<const ElfSymbol*> symbols;
  for (const ElfSymbol& symbol : context.symbols) {
    if (symbol.section == section.index && IsFunctionSymbol(symbol)) symbols.push_back(&symbol);
  }
  std::stable_sort(symbols.begin(), symbols.end(),
                   [](const ElfSymbol* a, const ElfSymbol* b) { return a->value < b->value; });
  std::uint64_t covered = 0;  // up to here instructions belong to a function
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const ElfSymbol& symbol = *symbols[i];
    std::uint64_t size = symbol.size_bytes;
    if (size == 0 && symbol.type == STT_NOTYPE && symbol.value <= section.size_bytes) {
      size = (i + 1 < symbols.size() ? symbols[i + 1]->value : section.size_bytes) - symbol.value;
    }
    if (symbol.value > section.size_bytes || size > section.size_bytes - symbol.value) {
      return malformed(fmt::format("symbol {}: [{}, +{}) is outside of the section's {} bytes", symbol.name,
                                   symbol.value, size, section.size_bytes));
    }
    if (size == 0 || size % kInstructionSize != 0 || symbol.value % kInstructionSize != 0) {
      return malformed(fmt::format("symbol {}: [{}, +{}) are no whole instructions", symbol.name, symbol.value, size));
    }
    if (symbol.value < covered) {
      return malformed(fmt::format("symbol {}: overlaps {}", symbol.name, symbols[i - 1]->name));
    }
    if (symbol.value > covered) {
      return malformed(fmt::format("offset {}: instructions belong to no function symbol", covered));
    }
    covered = symbol.value + size;
    CodeFunction function;
    function.section = section.index;
    function.offset = symbol.value;
    function.size_bytes = size;
    function.spec.name = symbol.name;
    function.spec.section_name = section.name;
    function.spec.is_static = symbol.binding == STB_LOCAL;
    functions_.push_back(std::move(function));
  }
  if (covered != section.size_bytes) {
    return malformed(fmt::format("offset {}: instructions belong to no function symbol", covered));
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

CodeFunction* CodeTable::Containing(std::uint32_t section, std::uint64_t offset) {
  const auto functions = InSection(section);
  const auto behind =
      std::upper_bound(functions.begin(), functions.end(), offset,
                       [](std::uint64_t wanted, const CodeFunction& function) { return wanted < function.offset; });
  if (behind == functions.begin()) return nullptr;
  CodeFunction& function = *std::prev(behind);
  return offset - function.offset < function.size_bytes ? &function : nullptr;
}

// Fills the functions of one section.
class SectionCodeReader {
 public:
  SectionCodeReader(const ObjectContext& context, const ElfSection& section, CodeTable& table)
      : context_(context), section_(section), table_(table) {}

  Result<void> Read() {
    STRATA_TRY(ReadInstructions());
    STRATA_TRY(CheckWideLoads());
    STRATA_TRY(ApplyRelocations());
    STRATA_TRY(ResolveLocalCalls());
    AssignExtInfo();
    return {};
  }

 private:
  template <typename Each>
  Result<void> ForEachFunction(Each each) {
    for (CodeFunction& function : table_.InSection(section_.index)) STRATA_TRY(each(function));
    return {};
  }

  Error Malformed(std::uint64_t offset, std::string_view message) const {
    return Error(ErrorCode::kMalformed, fmt::format("{}: offset {}: {}", context_.Place(section_), offset, message));
  }

  Result<void> ReadInstructions() {
    const auto bytes = STRATA_TRY(context_.file.Contents(section_));
    const ByteReader section(bytes, context_.Place(section_), context_.file.byte_order());
    return ForEachFunction([&](CodeFunction& function) -> Result<void> {
      ByteReader reader = STRATA_TRY(section.Slice(function.offset, function.size_bytes, function.spec.name));
      while (reader.remaining() > 0) function.spec.instructions.push_back(STRATA_TRY(ReadInstruction(reader)));
      return {};
    });
  }

  // The second slot of a 64-bit load holds nothing but the upper half of its constant.
  Result<void> CheckWideLoads() {
    return ForEachFunction([&](CodeFunction& function) -> Result<void> {
      const auto& code = function.spec.instructions;
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
      auto& references = function.spec.references;
      std::stable_sort(references.begin(), references.end(),
                       [](const Reference& a, const Reference& b) { return a.index < b.index; });
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
    CodeFunction* function = table_.Containing(section_.index, relocation.offset);
    if (function == nullptr || relocation.offset % kInstructionSize != 0) {
      return Malformed(relocation.offset, "a relocation of what is no instruction");
    }
    const std::uint64_t index = (relocation.offset - function->offset) / kInstructionSize;
    Instruction& instruction = function->spec.instructions[index];
    const bool fits = (relocation.type == kRelocateLoadImm64 && IsLoadImm64(instruction)) ||
                      (relocation.type == kRelocateCall && IsCall(instruction));
    if (!fits) {
      return Malformed(relocation.offset, fmt::format("relocation type {} does not fit opcode {:#04x}", relocation.type,
                                                      instruction.opcode));
    }
    const ElfSymbol& symbol = context_.symbols[relocation.symbol];
    Reference reference = STRATA_TRY(Refer(relocation, symbol, instruction));
    reference.index.value = static_cast<std::uint32_t>(index);
    reference.is_weak = symbol.binding == STB_WEAK && symbol.section == SHN_UNDEF;
    Neutralise(reference, function->spec.instructions, index);
    function->spec.references.push_back(std::move(reference));
    return {};
  }

  // What a reference describes is not said a second time in the code: equal meaning, equal instructions.
  static void Neutralise(const Reference& reference, std::vector<Instruction>& code, std::uint64_t index) {
    Instruction& instruction = code[index];
    if (reference.kind == ReferenceKind::kFunctionCall) {
      instruction.src = static_cast<std::uint8_t>(isa::PseudoCall::kFunction);
      instruction.imm = -1;
      return;
    }
    const auto pseudo = reference.kind == ReferenceKind::kMap        ? isa::PseudoLoad::kMapFd
                        : reference.kind == ReferenceKind::kMapValue ? isa::PseudoLoad::kMapValue
                                                                     : isa::PseudoLoad::kFunction;
    instruction.src = static_cast<std::uint8_t>(pseudo);
    instruction.imm = 0;
    code[index + 1].imm = 0;
  }

  Result<Reference> Refer(const ElfRelocation& relocation, const ElfSymbol& symbol,
                          const Instruction& instruction) const {
    if (symbol.section == SHN_UNDEF) return ReferToUndefined(relocation, symbol, instruction);
    if (symbol.section == SHN_COMMON) {
      return Malformed(relocation.offset,
                       fmt::format("refers to the common symbol {}; compile with -fno-common", symbol.name));
    }
    if (context_.IsCode(symbol.section)) return ReferToFunction(relocation, symbol, instruction);
    if (!IsLoadImm64(instruction)) {
      return Malformed(relocation.offset, fmt::format("calls {}, which is no function", SymbolText(symbol)));
    }
    if (context_.IsData(symbol.section)) return ReferToData(relocation, symbol, instruction);
    if (context_.RoleOf(symbol.section) == SectionRole::kMaps) return ReferToMap(relocation, symbol, instruction);
    return Error(ErrorCode::kNotSupported,
                 fmt::format("{}: offset {}: refers to {}, which is no map, variable or function",
                             context_.Place(section_), relocation.offset, SymbolText(symbol)));
  }

  std::string SymbolText(const ElfSymbol& symbol) const {
    const bool has_section = symbol.section < context_.file.sections().size();
    const std::string section = has_section ? context_.NameOf(symbol.section) : std::string("absolute");
    return symbol.name.empty() ? fmt::format("section {}", section)
                               : fmt::format("{} of section {}", symbol.name, section);
  }

  Result<Reference> ReferToUndefined(const ElfRelocation& relocation, const ElfSymbol& symbol,
                                     const Instruction& instruction) const {
    if (symbol.name.empty() || !IsCall(instruction)) {
      return Malformed(relocation.offset, symbol.name.empty()
                                              ? std::string("refers to a symbol without name and section")
                                              : fmt::format("refers to {}, which no section defines", symbol.name));
    }
    return Reference{.index = {}, .kind = ReferenceKind::kFunctionCall, .symbol = symbol.name};
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
      return Malformed(relocation.offset, fmt::format("refers to offset {} of section {}, where no function starts",
                                                      target, context_.NameOf(symbol.section)));
    }
    const auto kind = IsCall(instruction) ? ReferenceKind::kFunctionCall : ReferenceKind::kFunctionAddress;
    return Reference{.index = {}, .kind = kind, .symbol = callee->key};
  }

  Result<Reference> ReferToMap(const ElfRelocation& relocation, const ElfSymbol& symbol,
                               const Instruction& instruction) const {
    if (symbol.name.empty() || symbol.binding == STB_LOCAL) {
      return Error(
          ErrorCode::kNotSupported,
          fmt::format("{}: offset {}: refers to a static map{}{}; a map is a global variable: remove \"static\"",
                      context_.Place(section_), relocation.offset, symbol.name.empty() ? "" : " ", symbol.name));
    }
    if (AddendOf(relocation, instruction) != 0) {
      return Malformed(relocation.offset, fmt::format("refers into map {}, not to it", symbol.name));
    }
    return Reference{.index = {}, .kind = ReferenceKind::kMap, .symbol = symbol.name};
  }

  Result<Reference> ReferToData(const ElfRelocation& relocation, const ElfSymbol& symbol,
                                const Instruction& instruction) const {
    const ElfSection& data = context_.file.sections()[symbol.section];
    const std::uint64_t target = symbol.value + static_cast<std::uint64_t>(AddendOf(relocation, instruction));
    if (target > data.size_bytes) {
      return Malformed(relocation.offset, fmt::format("refers to offset {} of section {}, which has {} bytes",
                                                      static_cast<std::int64_t>(target), data.name, data.size_bytes));
    }
    return Reference{.index = {},
                     .kind = ReferenceKind::kMapValue,
                     .symbol = data.name,
                     .addend = static_cast<std::int64_t>(target)};
  }

  // Calls within one section need no relocation; the distance is in the code.
  Result<void> ResolveLocalCalls() {
    return ForEachFunction([&](CodeFunction& function) -> Result<void> {
      std::vector<Reference> found;
      auto& code = function.spec.instructions;
      for (std::uint32_t i = 0; i < code.size(); i += isa::SlotCount(code[i])) {
        if (!IsFunctionCall(code[i]) || function.spec.FindReference(isa::InsnIndex{i}) != nullptr) continue;
        const std::uint64_t offset = function.offset + std::uint64_t{i} * kInstructionSize;
        const std::uint64_t target =
            offset + static_cast<std::uint64_t>((std::int64_t{code[i].imm} + 1) * kInstructionSize);
        const CodeFunction* callee = table_.At(section_.index, target);
        if (callee == nullptr) {
          return Malformed(offset,
                           fmt::format("calls offset {}, where no function starts", static_cast<std::int64_t>(target)));
        }
        found.push_back(Reference{.index = {i}, .kind = ReferenceKind::kFunctionCall, .symbol = callee->key});
        Neutralise(found.back(), code, i);
      }
      MergeReferences(function.spec.references, std::move(found));
      return {};
    });
  }

  static void MergeReferences(std::vector<Reference>& references, std::vector<Reference> more) {
    const auto middle = static_cast<std::ptrdiff_t>(references.size());
    references.insert(references.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    std::inplace_merge(references.begin(), references.begin() + middle, references.end(),
                       [](const Reference& a, const Reference& b) { return a.index < b.index; });
  }

  // Takes the entries of [start, end) from a list sorted by index, counted from the function's start.
  template <typename Info>
  static std::vector<Info> Within(const std::vector<Info>& list, std::uint32_t start, std::uint32_t end) {
    const auto is_before = [](const Info& info, std::uint32_t index) { return info.index.value < index; };
    const auto first = std::lower_bound(list.begin(), list.end(), start, is_before);
    std::vector<Info> part(first, std::lower_bound(first, list.end(), end, is_before));
    for (Info& info : part) info.index.value -= start;
    return part;
  }

  void AssignExtInfo() {
    const auto found = context_.ext_info.find(section_.name);
    if (found == context_.ext_info.end()) return;
    for (CodeFunction& function : table_.InSection(section_.index)) {
      const auto start = static_cast<std::uint32_t>(function.offset / kInstructionSize);
      const auto end = start + static_cast<std::uint32_t>(function.spec.instructions.size());
      const auto at_start = Within(found->second.functions, start, start + 1);
      if (!at_start.empty()) function.spec.type = at_start.front().type;
      function.spec.line_infos = Within(found->second.lines, start, end);
      function.spec.core_relocations = Within(found->second.core_relocations, start, end);
    }
  }

  const ObjectContext& context_;
  const ElfSection& section_;
  CodeTable& table_;
};

Result<void> CodeTable::ReadCode(const ObjectContext& context) {
  for (const ElfSection& section : context.file.sections()) {
    if (context.IsCode(section.index) && section.size_bytes > 0) {
      STRATA_TRY(SectionCodeReader(context, section, *this).Read());
    }
  }
  return {};
}

}  // namespace strata::elf
