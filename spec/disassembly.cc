#include "strata/spec/disassembly.h"

#include <fmt/format.h>

#include <iterator>
#include <map>
#include <span>
#include <string_view>
#include <utility>

#include "strata/btf/core.h"
#include "strata/isa/decode.h"
#include "strata/isa/disassemble.h"

namespace strata {
namespace {

using isa::InsnIndex;
using isa::Instruction;

// The parts that a function and a flat program have in common.
struct Code {
  std::span<const Instruction> instructions;
  std::span<const Reference> references;
  btf::LineInfos line_infos;
  std::span<const btf::CoreRelocation> core_relocations;
  std::span<const FunctionStart> functions;
};

std::string_view Trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string WithOffset(std::string_view name, std::int64_t offset) {
  return offset == 0 ? std::string(name) : fmt::format("{}{:+}", name, offset);
}

class Disassembler {
 public:
  Disassembler(const CollectionSpec& collection, const Code& code) : collection_(collection), code_(code) {
    names_.helper = isa::HelperName;
    names_.function = [this](InsnIndex first) { return FunctionAt(first); };
    names_.label = [this](std::int64_t target) { return LabelAt(target); };
  }

  std::vector<DisassembledLine> Run() {
    IndexNames();
    NumberLabels();
    AddLines();
    AddReferences();
    AddSourceLines();
    AddRelocations();
    return std::move(lines_);
  }

 private:
  template <typename Each>
  void ForEachInstruction(Each each) const {
    for (InsnIndex at; at.value < code_.instructions.size(); at.value += isa::SlotCount(code_.instructions[at.value])) {
      each(at, code_.instructions[at.value]);
    }
  }

  void IndexNames() {
    std::size_t line = 0;
    ForEachInstruction([&](InsnIndex at, const Instruction&) { line_of_.emplace(at, line++); });
    for (const FunctionStart& function : code_.functions) functions_.emplace(function.index, function.name);
    for (const auto& [name, variable] : collection_.variables) {
      variables_.emplace(VariablePlace{variable.map_name, variable.offset_bytes}, &variable);
    }
  }

  // Labels are numbered in the order of the code. What lies outside of it, or in the middle of a 64-bit load, has no
  // line to carry one.
  void NumberLabels() {
    ForEachInstruction([&](InsnIndex at, const Instruction& instruction) {
      const isa::OpcodeInfo* info = isa::FindOpcode(instruction.opcode);
      if (info == nullptr || !isa::IsJump(info->form)) return;
      const std::int64_t target = isa::TargetOf(instruction, at, info->form);
      if (target < 0 || target >= static_cast<std::int64_t>(code_.instructions.size())) return;
      if (line_of_.contains(InsnIndex{static_cast<std::uint32_t>(target)})) labels_.emplace(target, 0);
    });
    int next = 0;
    for (auto& [target, number] : labels_) number = ++next;
  }

  std::string LabelAt(std::int64_t target) const {
    const auto found = labels_.find(target);
    return found == labels_.end() ? std::string() : fmt::format("L{}", found->second);
  }

  std::string FunctionAt(InsnIndex index) const {
    const auto found = functions_.find(index);
    return found == functions_.end() ? std::string() : std::string(found->second);
  }

  void AddLines() {
    ForEachInstruction([&](InsnIndex at, const Instruction& instruction) {
      DisassembledLine line;
      line.index = at;
      line.instruction = instruction;
      line.function = FunctionAt(at);
      line.label = LabelAt(at.value);
      line.text = isa::Disassemble(code_.instructions, at, names_);
      lines_.push_back(std::move(line));
    });
  }

  DisassembledLine* LineAt(InsnIndex index) {
    const auto found = line_of_.find(index);
    return found == line_of_.end() ? nullptr : &lines_[found->second];
  }

  void AddReferences() {
    for (const Reference& reference : code_.references) {
      DisassembledLine* line = LineAt(reference.index);
      if (line == nullptr) continue;
      line->text = TextOf(reference, line->instruction);
      if (reference.kind == ReferenceKind::kMapValue) line->variable = VariableAt(reference);
    }
  }

  static std::string TextOf(const Reference& reference, const Instruction& instruction) {
    const std::string_view weak = reference.is_weak ? " (weak)" : "";
    switch (reference.kind) {
      case ReferenceKind::kMap:
        return fmt::format("r{} = map[{}]", +instruction.dst, reference.symbol);
      case ReferenceKind::kMapValue:
        return fmt::format("r{} = map[{}][0]{:+}", +instruction.dst, reference.symbol, reference.addend);
      case ReferenceKind::kFunctionAddress:
        return fmt::format("r{} = subprog[{}]", +instruction.dst, reference.symbol);
      case ReferenceKind::kKsym:
        return fmt::format("r{} = ksym[{}]{}", +instruction.dst, reference.symbol, weak);
      case ReferenceKind::kFunctionCall:
      case ReferenceKind::kKfunc:
        return fmt::format("call {}{}", reference.symbol, weak);
    }
    return {};
  }

  // The last variable that starts at or before the place, if it reaches there.
  std::string VariableAt(const Reference& reference) const {
    if (reference.addend < 0 || reference.addend > UINT32_MAX) return {};
    const auto place = static_cast<std::uint32_t>(reference.addend);
    const auto behind = variables_.upper_bound(VariablePlace{reference.symbol, place});
    if (behind == variables_.begin()) return {};
    const VariableSpec& variable = *std::prev(behind)->second;
    const std::uint32_t offset = place - variable.offset_bytes;
    if (variable.map_name != reference.symbol || offset >= variable.value.size()) return {};
    return WithOffset(variable.name, offset);
  }

  void AddSourceLines() {
    if (collection_.types == nullptr) return;
    for (const btf::LineInfo info : code_.line_infos) {
      DisassembledLine* line = LineAt(info.index);
      const auto file = collection_.types->StringAt(info.file_name_offset);
      const auto text = collection_.types->StringAt(info.line_offset);
      if (line == nullptr || !file || !text) continue;
      line->source_file = *file;
      line->source_line = info.line();
      line->source_text = Trimmed(*text);
    }
  }

  void AddRelocations() {
    if (collection_.types == nullptr || code_.core_relocations.empty()) return;
    const btf::CoreRelocator relocator(collection_.types, btf::CoreTargets());
    for (const btf::CoreRelocation& relocation : code_.core_relocations) {
      if (DisassembledLine* line = LineAt(relocation.index)) {
        line->relocations.push_back(relocator.Describe(relocation));
      }
    }
  }

  const CollectionSpec& collection_;
  Code code_;
  isa::DisassemblyNames names_;
  using VariablePlace = std::pair<std::string_view, std::uint32_t>;  // data section, offset in bytes
  std::map<VariablePlace, const VariableSpec*> variables_;
  std::map<InsnIndex, std::string_view> functions_;
  std::map<std::int64_t, int> labels_;  // by target slot
  std::map<InsnIndex, std::size_t> line_of_;
  std::vector<DisassembledLine> lines_;
};

std::string_view FileName(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// Comments of an instruction stand in one column where its text leaves room.
constexpr int kCommentColumn = 44;

void FormatLine(const DisassembledLine& line, std::string& text) {
  const auto out = std::back_inserter(text);
  for (const std::string& relocation : line.relocations) fmt::format_to(out, "; CO-RE: {}\n", relocation);
  const std::string code = fmt::format("{:4}: ({:02x}) {}", line.index.value, line.instruction.opcode, line.text);
  if (line.variable.empty()) {
    fmt::format_to(out, "{}\n", code);
  } else {
    fmt::format_to(out, "{:<{}}; {}\n", code, kCommentColumn, line.variable);
  }
}

// Also without the text, which a compiler that does not find the file leaves out.
void FormatSource(const DisassembledLine& line, std::string& text) {
  fmt::format_to(std::back_inserter(text), "; {}:{}{}{}\n", FileName(line.source_file), line.source_line,
                 line.source_text.empty() ? "" : ": ", line.source_text);
}

}  // namespace

std::vector<DisassembledLine> DisassembleLines(const CollectionSpec& collection, const FunctionSpec& function) {
  return Disassembler(collection, Code{.instructions = function.instructions,
                                       .references = function.references,
                                       .line_infos = function.line_infos,
                                       .core_relocations = function.core_relocations,
                                       .functions = {}})
      .Run();
}

std::vector<DisassembledLine> DisassembleLines(const CollectionSpec& collection, const FlatProgram& program) {
  return Disassembler(collection, Code{.instructions = program.instructions,
                                       .references = program.references,
                                       .line_infos = program.line_infos,
                                       .core_relocations = program.core_relocations,
                                       .functions = program.functions})
      .Run();
}

std::string FormatDisassembly(const std::vector<DisassembledLine>& lines) {
  std::string text;
  const DisassembledLine* last_source = nullptr;
  for (const DisassembledLine& line : lines) {
    if (!line.function.empty()) text += line.function + ":\n";
    if (!line.label.empty()) text += line.label + ":\n";
    // One source line has several records where its columns matter; in a listing it stands once.
    const bool is_repeated = last_source != nullptr && last_source->source_line == line.source_line &&
                             last_source->source_file == line.source_file;
    if (line.source_line != 0 && !is_repeated) FormatSource(line, text);
    if (line.source_line != 0) last_source = &line;
    FormatLine(line, text);
  }
  return text;
}

}  // namespace strata
