#include "strata/backend/linked_program.h"

namespace strata {

isa::Tag TagOf(const LinkedProgram& program, isa::TagHash hash) {
  std::vector<isa::Instruction> code = program.instructions;
  for (const MapReference& reference : program.map_references) {
    if (reference.index.value >= code.size()) continue;
    code[reference.index.value].src =
        static_cast<std::uint8_t>(reference.is_value ? isa::PseudoLoad::kMapValue : isa::PseudoLoad::kMapFd);
  }
  return isa::ProgramTag(code, hash);
}

}  // namespace strata
