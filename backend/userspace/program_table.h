// A program on its way into a session's file: its instructions refer to maps and functions by positions in its tables.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "objects.h"
#include "strata/backend/linked_program.h"
#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/verifier/structural_check.h"
#include "strata/isa/instruction.h"

namespace strata::userspace {

// A program whose map references are positions in its own map table.
struct TabledProgram {
  std::vector<isa::Instruction> instructions;
  std::vector<std::shared_ptr<BackendMap>> maps;
  std::vector<runtime::ProgramMap> table;
  std::vector<runtime::ProgramImport> imports = {};
  std::vector<std::uint8_t> guarded_loads = {};
  std::optional<std::uint32_t> arena = {};  // its position
  std::uint64_t arena_address = 0;
  std::vector<std::uint8_t> arena_accesses = {};
  bool uses_slot = false;
};

// kInvalidArgument for a map of another backend than that of `shared`.
Result<TabledProgram> MakeTable(const Shared* shared, const LinkedProgram& linked);

// Calls by name become positions in the program's table of names.
Result<void> MakeImports(const LinkedProgram& linked, TabledProgram* program);

// kVerifierRejected for a second arena, or one that is nowhere in memory yet.
Result<void> FindArena(TabledProgram* program);
void FindArenaAccesses(const verifier::StructuralFacts& facts, TabledProgram* program);

// By its helpers and maps.
void FindSlotUse(const verifier::StructuralFacts& facts, TabledProgram* program);

// For the interpreter: accesses that may fault or reach an arena, told by what their instructions do not use.
void MarkAccesses(TabledProgram* program);

}  // namespace strata::userspace
