// Text of instructions, as the kernel's verifier log and `bpftool prog dump xlated` print them (kernel/bpf/disasm.c).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "strata/base/export.h"
#include "strata/isa/instruction.h"
#include "strata/isa/opcode.h"

namespace strata::isa {

// Names that the instructions alone do not have. An empty function, or one that returns an empty string, gives the
// kernel's text without names.
struct DisassemblyNames {
  std::function<std::string(std::uint32_t helper)> helper;  // "bpf_map_lookup_elem"; without: "unknown"
  std::function<std::string(InsnIndex ldimm64)> map;        // "counts"; without: "[fd:7]", "[idx:2]"
  std::function<std::string(InsnIndex first)> function;     // of a bpf-to-bpf call or callback; without: "pc+4"
  std::function<std::string(std::uint32_t btf_id)> kernel_function;
  std::function<std::string(std::int64_t target)> label;  // of a jump's target slot: "L3"; without: "pc+4"
};

// One instruction without its number: "r1 = *(u64 *)(r10 -8)", "r1 = map[counts]". An undefined opcode gives "invalid
// opcode 0xff". `index` must lie within `code`.
STRATA_EXPORT std::string Disassemble(std::span<const Instruction> code, InsnIndex index,
                                      const DisassemblyNames& names = {});

// The name of a helper, "bpf_map_lookup_elem"; empty for a number that no version of the kernel gives one.
STRATA_EXPORT std::string HelperName(std::uint32_t helper);

// One line per instruction, "   4: (07) r2 += -8\n".
STRATA_EXPORT std::string DisassembleProgram(std::span<const Instruction> code, const DisassemblyNames& names = {});

}  // namespace strata::isa
