#include "program_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "strata/backend/userspace/runtime/functions/table.h"
#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/verifier/map_access.h"
#include "strata/spec/type_names.h"

namespace strata::userspace {
namespace {

// include/linux/license.h
constexpr std::array<std::string_view, 6> kGplLicences = {"GPL",          "GPL v2",       "GPL and additional rights",
                                                          "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};

}  // namespace

bool Calls(const verifier::StructuralFacts& facts, std::uint32_t helper) {
  return std::binary_search(facts.helpers.begin(), facts.helpers.end(), helper);
}

TailCallTraits TailCallTraitsOf(const LinkedProgram& linked, const verifier::StructuralFacts& facts) {
  return {linked.type, linked.attach_type, Calls(facts, kOverrideReturn)};
}

// bpf_check_tail_call
Result<void> ClaimProgArrays(const TabledProgram& program, const TailCallTraits& traits) {
  for (const std::shared_ptr<BackendMap>& map : program.maps) {
    runtime::MapView& view = static_cast<UserspaceMap&>(*map).view();
    if (view.type != MapType::kProgArray || ClaimProgArray(view, traits)) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("map {}: takes programs of another type or attach type than this one ({})",
                             map->info().name, ProgramTypeName(traits.type)),
                 EINVAL);
  }
  return {};
}

// kernel/bpf/verifier.c: map values are reached directly in arrays alone, inside of the first element... here, of the
// data.
Result<void> CheckValueOffsets(const LinkedProgram& linked) {
  for (const MapReference& reference : linked.map_references) {
    if (!reference.is_value) continue;
    const runtime::MapView& map = static_cast<const UserspaceMap&>(*reference.map).view();
    const bool is_inside = map.type == MapType::kArray
                               ? reference.value_offset < std::uint64_t{map.value_stride} * map.max_entries
                               : map.type == MapType::kArena && reference.value_offset <= map.geometry.data_size;
    if (!is_inside) {
      return Error(ErrorCode::kVerifierRejected,
                   fmt::format("instruction {}: {} bytes into map {} is outside of its values", reference.index.value,
                               reference.value_offset, reference.map->info().name));
    }
  }
  return {};
}

Result<void> CheckPoison(const LinkedProgram& linked, std::span<const isa::Instruction> code) {
  for (const PoisonedInstruction& poison : linked.poisoned) {
    const std::size_t index = poison.index.value;
    if (index >= code.size() || code[index] != linked.instructions[index]) continue;
    return Error(ErrorCode::kVerifierRejected, fmt::format("instruction {}: {}", index, poison.reason), EINVAL);
  }
  return {};
}

Result<void> CheckLimits(const TabledProgram& program, const verifier::StructuralFacts& facts) {
  struct Limit {
    const char* what;
    std::size_t count;
    std::size_t most;
  };
  for (const Limit& limit : {Limit{"maps", program.table.size(), runtime::kMaxProgramMaps},
                             Limit{"functions called by name", program.imports.size(), runtime::kMaxProgramImports},
                             Limit{"functions beside callbacks", facts.uses_callbacks ? facts.functions.size() : 0,
                                   runtime::kMaxProgramFunctions}}) {
    if (limit.count <= limit.most) continue;
    return Error(ErrorCode::kVerifierRejected,
                 fmt::format("{} {}, more than the limit of {}", limit.count, limit.what, limit.most), E2BIG);
  }
  return {};
}

bool IsGplCompatible(std::string_view licence) {
  return std::find(kGplLicences.begin(), kGplLicences.end(), licence) != kGplLicences.end();
}

Result<void> CheckAccess(const TabledProgram& program, const verifier::StructuralFacts& facts) {
  std::vector<std::uint32_t> flags;
  for (const runtime::ProgramMap& map : program.table) flags.push_back(map.flags);
  return verifier::CheckMapAccess(program.instructions, facts.functions, flags);
}

Result<void> CheckLicence(const LinkedProgram& linked, const verifier::StructuralFacts& facts) {
  const std::string_view licence = linked.license;
  if (IsGplCompatible(licence)) return {};
  for (const FunctionCall& call : linked.function_calls) {
    if (runtime::FindFunctionRow(call.name.c_str()) == nullptr) continue;  // of the host, whose licence is its own
    return Error(
        ErrorCode::kVerifierRejected,
        fmt::format("cannot call kernel function {} from a program under the licence \"{}\"", call.name, licence),
        EINVAL);
  }
  for (const std::uint32_t id : facts.helpers) {
    const runtime::HelperRow* row = runtime::FindHelperRow(id);
    if (row == nullptr || (row->flags & runtime::helper_flags::kGplOnly) == 0) continue;
    return Error(ErrorCode::kVerifierRejected,
                 fmt::format("cannot call GPL-restricted function bpf_{} from a program under the licence \"{}\"",
                             row->name, licence),
                 EINVAL);
  }
  return {};
}

Result<void> CheckType(const LinkedProgram& linked, const verifier::StructuralFacts& facts) {
  if (linked.type == ProgramType::kKprobe) return {};
  for (const std::uint32_t id : facts.helpers) {
    const runtime::HelperRow* row = runtime::FindHelperRow(id);
    if (row == nullptr || (row->flags & runtime::helper_flags::kOfProbes) == 0) continue;
    return Error(ErrorCode::kVerifierRejected, fmt::format("program of this type cannot use helper bpf_{}", row->name),
                 EINVAL);
  }
  return {};
}

}  // namespace strata::userspace
