// Any slots give text.
#include <cstring>
#include <vector>

#include "fuzz/fuzz_input.h"
#include "strata/isa/decode.h"
#include "strata/isa/disassemble.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<strata::isa::Instruction> code(size / sizeof(strata::isa::Instruction));
  if (code.empty()) return 0;
  std::memcpy(code.data(), data, code.size() * sizeof(code[0]));
  const std::string text = strata::isa::DisassembleProgram(code);
  strata::test::Require(!text.empty(), "instructions without text");
  for (std::uint32_t i = 0; i < code.size(); ++i) {
    static_cast<void>(strata::isa::DecodeInstruction(code, strata::isa::InsnIndex{i}));
  }
  return 0;
}
