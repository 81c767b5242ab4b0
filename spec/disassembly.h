// Instructions as text, with everything that an object says about them: source lines, names, relocations, labels.
#pragma once

#include <string>
#include <vector>

#include "strata/base/export.h"
#include "strata/spec/collection_spec.h"
#include "strata/spec/flatten.h"

namespace strata {

// One instruction. What is empty is not known.
struct DisassembledLine {
  isa::InsnIndex index;
  isa::Instruction instruction;
  std::string function;  // the function that starts here, in a flat program
  std::string label;     // "L2": a jump leads here
  std::string text;      // "if r0 == 0x0 goto L2"
  std::string variable;  // that a reference means: "counter", "last+4"
  std::string source_file;
  std::uint32_t source_line = 0;         // 0 where no source line starts
  std::string source_text;               // that line, without the space around it
  std::vector<std::string> relocations;  // CO-RE, as btf::CoreRelocator::Describe says it

  bool operator==(const DisassembledLine&) const = default;
};

// A function as it stands in its section: what its references mean is printed by name. Needs no more of `collection`
// than its types and variables, so that an edited copy of a function may be printed. Never fails.
STRATA_EXPORT std::vector<DisassembledLine> DisassembleLines(const CollectionSpec& collection,
                                                             const FunctionSpec& function);

// A program with its subprograms, as the kernel gets it.
STRATA_EXPORT std::vector<DisassembledLine> DisassembleLines(const CollectionSpec& collection,
                                                             const FlatProgram& program);

// As lines for people:
//
//   ; count.bpf.c:12: __u32 key = target;
//      0: (18) r1 = map[.rodata][0]+0              ; target
//      2: (61) r1 = *(u32 *)(r1 +0)
//      3: (15) if r1 == 0x0 goto L1
//   L1:
//      4: (95) exit
STRATA_EXPORT std::string FormatDisassembly(const std::vector<DisassembledLine>& lines);

inline std::string Disassemble(const CollectionSpec& collection, const FunctionSpec& function) {
  return FormatDisassembly(DisassembleLines(collection, function));
}
inline std::string Disassemble(const CollectionSpec& collection, const FlatProgram& program) {
  return FormatDisassembly(DisassembleLines(collection, program));
}

}  // namespace strata
