#include "strata/object/prepare/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include "attach_pass.h"
#include "core_pass.h"
#include "externs_pass.h"
#include "strata/isa/opcode.h"
#include "strata/spec/flatten.h"

namespace strata {
namespace {

// What the passes hand on to one another.
struct Preparation {
  const CollectionSpec& collection;
  const KernelFacts& kernel;
  const PrepareOptions& options;
  const ProgramSpec& program;
  const MapResolver& resolve_map;
  CorePass& core;
  ExternsPass& externs;
  FlatProgram flat;
  LinkedProgram linked;
};

Error AtInstruction(ErrorCode code, isa::InsnIndex index, std::string_view text) {
  return Error(code, fmt::format("instruction {}: {}", index.value, text));
}

Result<void> CheckType(Preparation& work) {
  if (work.program.type_of_program != ProgramType::kUnspec) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("its section, \"{}\", names no program type", work.program.section_name));
}

Result<void> CopyHeader(Preparation& work) {
  work.linked.name = work.program.name;
  work.linked.type = work.program.type_of_program;
  work.linked.attach_type = work.program.attach_type;
  work.linked.license = work.program.license;
  work.linked.kernel_version = work.program.kernel_version;
  work.linked.is_sleepable = work.program.is_sleepable;
  work.linked.has_xdp_frags = work.program.has_xdp_frags;
  work.linked.is_attach_type_optional = work.program.is_attach_type_optional;
  return {};
}

Result<void> FlattenCode(Preparation& work) {
  work.flat = STRATA_TRY(Flatten(work.collection, work.program));
  work.linked.instructions = std::move(work.flat.instructions);
  return {};
}

Result<void> RelocateTypes(Preparation& work) {
  work.linked.poisoned = STRATA_TRY(work.core.Relocate(work.flat.core_relocations, work.linked.instructions));
  return {};
}

Result<void> BindExterns(Preparation& work) {
  auto poisoned =
      STRATA_TRY(work.externs.Bind(work.flat.references, work.linked.instructions, &work.linked.function_calls));
  auto& all = work.linked.poisoned;
  all.insert(all.end(), std::make_move_iterator(poisoned.begin()), std::make_move_iterator(poisoned.end()));
  return {};
}

Result<void> SortPoisoned(Preparation& work) {
  auto& all = work.linked.poisoned;
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  return {};
}

// Only a kernel has hooks of its own.
Result<void> FindHook(Preparation& work) {
  if (!work.program.hooks_btf_function || !work.options.runs_in_kernel) return {};
  const auto hooked = work.options.attach_programs.find(work.program.name);
  if (hooked != work.options.attach_programs.end()) {
    work.linked.attach_program = hooked->second;
    work.linked.attach_function = work.program.attach_to;
    return {};
  }
  work.linked.attach_btf_id = STRATA_TRY(FindHookedType(work.program, work.kernel));
  return {};
}

// Before Linux 5.0 a kprobe program had to be made for the version that it runs on.
Result<void> FillVersion(Preparation& work) {
  if (work.linked.type != ProgramType::kKprobe || work.linked.kernel_version != 0) return {};
  work.linked.kernel_version = work.kernel.Version().value_or(0U);
  return {};
}

// The imm of calls that stand for the address of a map that is not made, plus the map's position by name: no helper has
// such a number (libbpf uses the same).
constexpr std::int32_t kMissingMapBase = 2'001'000'000;

// A map whose autocreate is off; its position by name.
std::optional<std::int32_t> PositionOfMissingMap(const CollectionSpec& collection, std::string_view name) {
  const auto map = collection.maps.find(name);
  if (map == collection.maps.end() || map->second.autocreate) return std::nullopt;
  return static_cast<std::int32_t>(std::distance(collection.maps.begin(), map));
}

void PoisonMap(Preparation& work, const Reference& reference, std::int32_t position) {
  const isa::Instruction call{.opcode = static_cast<std::uint8_t>(isa::Opcode::kCall),
                              .imm = kMissingMapBase + position};
  work.linked.instructions[reference.index.value] = call;
  work.linked.instructions[reference.index.value + 1] = call;
  work.linked.poisoned.push_back(
      {reference.index, fmt::format("map {}: was not created (its autocreate is off)", reference.symbol)});
}

Result<void> ResolveMaps(Preparation& work) {
  work.linked.map_references.reserve(work.flat.references.size());
  for (const Reference& reference : work.flat.references) {
    if (reference.kind != ReferenceKind::kMap && reference.kind != ReferenceKind::kMapValue) continue;
    const bool is_value = reference.kind == ReferenceKind::kMapValue;
    if (reference.addend < 0 || reference.addend > UINT32_MAX) {
      return AtInstruction(ErrorCode::kInvalidArgument, reference.index,
                           fmt::format("offset {} into map {} is out of range", reference.addend, reference.symbol));
    }
    isa::Instruction& low = work.linked.instructions[reference.index.value];
    if (isa::SlotCount(low) != 2 || reference.index.value + 1 >= work.linked.instructions.size()) {
      return AtInstruction(ErrorCode::kInvalidArgument, reference.index,
                           fmt::format("refers to map {} and is no 64-bit load", reference.symbol));
    }
    if (const auto position = PositionOfMissingMap(work.collection, reference.symbol)) {
      PoisonMap(work, reference, *position);
      continue;
    }
    auto map = work.resolve_map(reference.symbol);
    if (!map) return std::move(map).error().WithContext(fmt::format("instruction {}", reference.index.value));
    low.src = 0;
    low.imm = 0;
    work.linked.instructions[reference.index.value + 1].imm = 0;
    work.linked.map_references.push_back(MapReference{reference.index, *std::move(map), is_value,
                                                      is_value ? static_cast<std::uint32_t>(reference.addend) : 0});
  }
  return {};
}

// `entries` in the kernel's layout, words without gaps.
template <std::size_t Words, typename Entry, typename WordsOf>
std::vector<std::byte> Records(const std::vector<Entry>& entries, WordsOf words_of) {
  using Record = std::array<std::uint32_t, Words>;
  std::vector<std::byte> bytes(entries.size() * sizeof(Record));
  std::byte* place = bytes.data();
  for (const Entry& entry : entries) {
    const Record record = words_of(entry);
    std::memcpy(place, record.data(), sizeof(record));
    place += sizeof(record);
  }
  return bytes;
}

btf::TypeId TypeInFuncInfo(const Preparation& work, btf::TypeId function) {
  for (const ContextFunction& context : work.options.context_functions) {
    const bool is_it = context.program_type == work.program.type_of_program && context.function == function;
    if (is_it) return context.replacement;
  }
  return function;
}

// Both kinds of record as the kernel wants them. It wants func_info for every function or for none, and line_info only
// together with func_info.
Result<void> WriteDebugRecords(Preparation& work) {
  for (const FunctionStart& function : work.flat.functions) {
    if (!function.type) return {};
  }
  work.linked.func_info = Records<2>(work.flat.functions, [&](const FunctionStart& function) {
    return std::array{function.index.value, TypeInFuncInfo(work, function.type).value};
  });
  for (const FunctionStart& function : work.flat.functions) {
    const auto& lines = work.flat.line_infos;
    const auto line =
        std::lower_bound(lines.begin(), lines.end(), function.index,
                         [](const btf::LineInfo& info, isa::InsnIndex index) { return info.index < index; });
    const bool has_line = line != lines.end() && line->index == function.index;
    if (!has_line) return {};
  }
  work.linked.line_info = Records<4>(work.flat.line_infos, [](const btf::LineInfo& info) {
    return std::array{info.index.value, info.file_name_offset, info.line_offset, info.line_column};
  });
  return {};
}

using Pass = Result<void> (*)(Preparation& work);

constexpr std::array<Pass, 10> kPasses = {
    CheckType,     CopyHeader,  FillVersion, FindHook,     FlattenCode,
    RelocateTypes, BindExterns, ResolveMaps, SortPoisoned, WriteDebugRecords,
};

}  // namespace

struct ProgramPreparer::State {
  const CollectionSpec& collection;
  const KernelFacts& kernel;
  PrepareOptions options;
  CorePass core{collection, kernel, options};
  ExternsPass externs{collection, kernel, options};
};

ProgramPreparer::ProgramPreparer(const CollectionSpec& collection, const KernelFacts& kernel, PrepareOptions options)
    : state_(new State{collection, kernel, std::move(options)}) {}

ProgramPreparer::~ProgramPreparer() = default;

Result<LinkedProgram> ProgramPreparer::Prepare(const ProgramSpec& program, const MapResolver& resolve_map) {
  Preparation work{
      state_->collection, state_->kernel, state_->options, program, resolve_map, state_->core, state_->externs, {}, {}};
  for (const Pass pass : kPasses) {
    if (auto passed = pass(work); !passed) return std::move(passed).error().WithContext("program " + program.name);
  }
  return std::move(work.linked);
}

}  // namespace strata
