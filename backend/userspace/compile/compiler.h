// The first compiling tier: eBPF to x86-64 machine code from templates, in microseconds. Its images are
// position-independent: what differs from process to process (addresses of maps and helpers) is written by whoever
// loads one, as its relocations say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/isa/instruction.h"

namespace strata::compile {

// A program that CheckStructure() accepted. Maps are referred to by ldimm64 with src kMapIndex or kMapIndexValue
// (isa::PseudoLoad), imm being the position in `maps`; of kMapIndexValue the second slot's imm is the offset in bytes
// from the map's data. All spans are read during the call only.
struct CompileInput {
  std::span<const isa::Instruction> instructions;
  std::span<const runtime::ProgramMap> maps;
  std::span<const std::uint8_t> guarded_loads = {};  // verifier::FindGuardedLoads; may be empty
  bool uses_slot = false;            // runs of the program have a slot (runtime::program_flags::kUsesSlot)
  std::uint32_t function_count = 0;  // calls with src kKfunc are positions in a table of so many functions
  std::uint32_t arena = 0;           // of programs with casts of address spaces: its position in `maps`, ...
  std::uint64_t arena_address = 0;   // ... where user space sees it, ...
  std::span<const std::uint8_t> arena_accesses = {};  // ... and verifier::FindArenaAccesses; none of them guarded
};

// Written to the program's file as it is. `code` may lie at any address that is a multiple of 8, once the relocations
// are applied.
struct CompiledImage {
  std::vector<std::byte> code;
  std::uint32_t entry_offset = 0;       // bytes from the start of `code`: a runtime::ImageEntry
  std::uint32_t tail_entry_offset = 0;  // bytes: a runtime::TailEntry
  std::uint32_t callback_offset = 0;    // bytes: a runtime::CallbackThunk; 0 when the program has no callbacks
  std::vector<runtime::ImageRelocation> relocations;
  std::vector<runtime::ProgramFunction> functions;  // all of the program, in the order of its instructions
};

// kNotSupported for instructions that this tier does not translate (packet loads, fetching and, or and xor in
// arenas), kVerifierRejected for code that CheckStructure() would refuse; both name the instruction. Thread-safe, no
// state.
STRATA_EXPORT Result<CompiledImage> CompileImage(const CompileInput& input);

}  // namespace strata::compile
