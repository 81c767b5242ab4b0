#include "program_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "strata/backend/userspace/runtime/arena.h"
#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/runtime/interpreter/interpreter.h"
#include "strata/backend/userspace/verifier/arena_accesses.h"
#include "strata/isa/opcode.h"

namespace strata::userspace {
namespace {

using isa::Instruction;
using isa::PseudoLoad;
using runtime::ProgramMap;

ProgramMap AsCompiled(const runtime::MapView& map) {
  return {map.id,    map.type,         map.key_size,   map.value_size, map.max_entries,
          map.flags, map.value_stride, map.slot_count, map.slot_stride};
}

Result<std::uint32_t> TablePosition(const Shared* shared, const MapReference& reference, TabledProgram* program) {
  const auto* map = dynamic_cast<const UserspaceMap*>(reference.map.get());
  if (map == nullptr || map->shared() != shared) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("instruction {}: its map belongs to another backend", reference.index.value));
  }
  const auto found = std::find(program->maps.begin(), program->maps.end(), reference.map);
  if (found != program->maps.end()) return static_cast<std::uint32_t>(found - program->maps.begin());
  program->maps.push_back(reference.map);
  program->table.push_back(AsCompiled(map->view()));
  return static_cast<std::uint32_t>(program->maps.size() - 1);
}

bool IsCallByName(const Instruction& instruction) {
  return instruction.opcode == static_cast<std::uint8_t>(isa::Opcode::kCall) &&
         instruction.src == static_cast<std::uint8_t>(isa::PseudoCall::kKfunc);
}

void MarkArenaAccess(Instruction* access) {
  switch (isa::FindOpcode(access->opcode)->form) {
    case isa::OperandForm::kAtomic:
      access->imm |= runtime::kArenaAtomicMark;
      return;
    case isa::OperandForm::kStoreImm:
      access->src = runtime::kArenaMark;
      return;
    default:
      access->imm = runtime::kArenaMark;
  }
}

// For the interpreter.
}  // namespace

Result<TabledProgram> MakeTable(const Shared* shared, const LinkedProgram& linked) {
  TabledProgram program;
  program.instructions = linked.instructions;
  for (const MapReference& reference : linked.map_references) {
    const std::size_t index = reference.index.value;
    if (index >= program.instructions.size() || program.instructions.size() - index < 2) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("instruction {}: a map reference past the end", index));
    }
    const std::uint32_t position = STRATA_TRY(TablePosition(shared, reference, &program));
    Instruction* load = &program.instructions[index];
    load[0].src = static_cast<std::uint8_t>(reference.is_value ? PseudoLoad::kMapIndexValue : PseudoLoad::kMapIndex);
    load[0].imm = static_cast<std::int32_t>(position);
    load[1].imm = reference.is_value ? static_cast<std::int32_t>(reference.value_offset) : 0;
  }
  return program;
}

Result<void> MakeImports(const LinkedProgram& linked, TabledProgram* program) {
  std::vector<std::string> names;
  for (const FunctionCall& call : linked.function_calls) {
    const bool is_inside = call.index.value < program->instructions.size();
    if (!is_inside || !IsCallByName(program->instructions[call.index.value]) ||
        call.name.size() >= runtime::kNameSize) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("instruction {}: a bad call by name", call.index.value));
    }
    const auto known = std::find(names.begin(), names.end(), call.name);
    program->instructions[call.index.value].imm = static_cast<std::int32_t>(known - names.begin());
    if (known == names.end()) names.push_back(call.name);
  }
  for (const std::string& name : names) {
    std::memcpy(program->imports.emplace_back().name, name.c_str(), name.size() + 1);
  }
  return {};
}

// kernel/bpf/verifier.c, check_map_prog_compatibility().
Result<void> FindArena(TabledProgram* program) {
  for (std::uint32_t i = 0; i < program->table.size(); ++i) {
    if (program->table[i].type != MapType::kArena) continue;
    if (program->arena) return Error(ErrorCode::kVerifierRejected, "Only one arena per program", EBUSY);
    program->arena = i;
    program->arena_address = runtime::ArenaAddress(static_cast<const UserspaceMap&>(*program->maps[i]).view());
    if (program->arena_address == 0) {
      return Error(ErrorCode::kVerifierRejected, "arena's user address must be set via map_extra or mmap()", EINVAL);
    }
  }
  return {};
}

void FindArenaAccesses(const verifier::StructuralFacts& facts, TabledProgram* program) {
  if (!program->arena) return;
  const bool keeps_user_pointers = (program->table[*program->arena].flags & map_flags::kNoUserConversion) == 0;
  program->arena_accesses = verifier::FindArenaAccesses(program->instructions, facts.functions, keeps_user_pointers);
  // A pointer into the arena is known to be one; what may be any pointer is only suspected.
  for (std::size_t i = 0; i < program->guarded_loads.size(); ++i) {
    if (program->arena_accesses[i] != 0) program->guarded_loads[i] = 0;
  }
}

void FindSlotUse(const verifier::StructuralFacts& facts, TabledProgram* program) {
  const bool has_per_cpu_map = std::any_of(program->table.begin(), program->table.end(), [](const ProgramMap& map) {
    return (runtime::FindMapKind(map.type)->ops->traits & runtime::map_traits::kPerCpu) != 0;
  });
  program->uses_slot = has_per_cpu_map || std::any_of(facts.helpers.begin(), facts.helpers.end(), [](std::uint32_t id) {
                         return (runtime::FindHelperRow(id)->flags & runtime::helper_flags::kUsesSlot) != 0;
                       });
}

void MarkAccesses(TabledProgram* program) {
  for (std::size_t i = 0; i < program->guarded_loads.size(); ++i) {
    if (program->guarded_loads[i] != 0) program->instructions[i].imm = runtime::kGuardedMark;
  }
  for (std::size_t i = 0; i < program->arena_accesses.size(); ++i) {
    if (program->arena_accesses[i] != 0) MarkArenaAccess(&program->instructions[i]);
  }
}

}  // namespace strata::userspace
