// Any slots give text; the text of valid ones gives them back.
#include <cstring>
#include <vector>

#include "fuzz/fuzz_input.h"
#include "strata/isa/decode.h"
#include "strata/isa/disassemble.h"
#include "strata/isa/parse.h"

namespace {

using strata::isa::InsnIndex;
using strata::isa::Instruction;
using strata::test::Require;

// What the text leaves out (parse.h).
bool IsSaidCompletely(const Instruction& instruction) {
  using strata::isa::Opcode;
  const bool is_kfunc = instruction.opcode == static_cast<std::uint8_t>(Opcode::kCall) && instruction.offset != 0;
  const bool is_btf_id = instruction.opcode == static_cast<std::uint8_t>(Opcode::kLoadImm64) &&
                         instruction.src == static_cast<std::uint8_t>(strata::isa::PseudoLoad::kBtfId);
  return !is_kfunc && !is_btf_id;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<Instruction> code(size / sizeof(Instruction));
  if (code.empty()) return 0;
  std::memcpy(code.data(), data, code.size() * sizeof(code[0]));
  const std::string text = strata::isa::DisassembleProgram(code);
  Require(!text.empty(), "instructions without text");
  bool is_valid = true;
  for (InsnIndex at; at.value < code.size(); at.value += strata::isa::SlotCount(code[at.value])) {
    is_valid = is_valid && strata::isa::DecodeInstruction(code, at) && IsSaidCompletely(code[at.value]);
  }
  const auto parsed = strata::isa::ParseProgram(text);
  if (is_valid) Require(parsed.has_value() && *parsed == code, "the text of valid code is not read back");
  const std::string_view any(reinterpret_cast<const char*>(data), size);
  if (const auto program = strata::isa::ParseProgram(any); program && !program->empty()) {
    static_cast<void>(strata::isa::DisassembleProgram(*program));
  }
  return 0;
}
