#include <fmt/format.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "objects.h"
#include "pins.h"
#include "strata/backend/userspace/compile/compiler.h"
#include "strata/backend/userspace/runtime/arena.h"
#include "strata/backend/userspace/runtime/functions/table.h"
#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/runtime/interpreter/interpreter.h"
#include "strata/backend/userspace/task_layout.h"
#include "strata/backend/userspace/verifier/arena_accesses.h"
#include "strata/backend/userspace/verifier/dead_calls.h"
#include "strata/backend/userspace/verifier/guarded_loads.h"
#include "strata/backend/userspace/verifier/structural_check.h"
#include "strata/isa/opcode.h"
#include "strata/spec/type_names.h"

namespace strata::userspace {
namespace {

using isa::Instruction;
using isa::PseudoLoad;
using runtime::ProgramHeader;
using runtime::ProgramMap;

// include/linux/license.h
constexpr std::array<std::string_view, 6> kGplLicences = {"GPL",          "GPL v2",       "GPL and additional rights",
                                                          "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};

// A program whose map references are positions in its own map table.
struct TabledProgram {
  std::vector<Instruction> instructions;
  std::vector<std::shared_ptr<BackendMap>> maps;
  std::vector<ProgramMap> table;
  std::vector<runtime::ProgramImport> imports = {};
  std::vector<std::uint8_t> guarded_loads = {};
  std::optional<std::uint32_t> arena = {};  // its position
  std::uint64_t arena_address = 0;
  std::vector<std::uint8_t> arena_accesses = {};
};

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

bool IsCallByName(const Instruction& instruction) {
  return instruction.opcode == static_cast<std::uint8_t>(isa::Opcode::kCall) &&
         instruction.src == static_cast<std::uint8_t>(isa::PseudoCall::kKfunc);
}

// Calls by name become positions in the program's table of names.
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
}

// `code` has lost the calls that no run reaches; a poisoned instruction that is left would be run.
Result<void> CheckPoison(const LinkedProgram& linked, std::span<const Instruction> code) {
  for (const PoisonedInstruction& poison : linked.poisoned) {
    const std::size_t index = poison.index.value;
    if (index >= code.size() || code[index] != linked.instructions[index]) continue;
    return Error(ErrorCode::kVerifierRejected, fmt::format("instruction {}: {}", index, poison.reason), EINVAL);
  }
  return {};
}

constexpr std::uint32_t kOverrideReturn = 58;
constexpr std::uint32_t kTimerSetCallback = 170;

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

bool UsesSlot(const TabledProgram& program, const verifier::StructuralFacts& facts) {
  const bool has_per_cpu_map = std::any_of(program.table.begin(), program.table.end(), [](const ProgramMap& map) {
    return (runtime::FindMapKind(map.type)->ops->traits & runtime::map_traits::kPerCpu) != 0;
  });
  return has_per_cpu_map || std::any_of(facts.helpers.begin(), facts.helpers.end(), [](std::uint32_t id) {
           return (runtime::FindHelperRow(id)->flags & runtime::helper_flags::kUsesSlot) != 0;
         });
}

// What the file must tell of the kernel's tasks; nothing for a program that does not ask for its own.
Result<std::vector<std::byte>> TaskLayoutFor(const verifier::StructuralFacts& facts, const KernelFacts& kernel) {
  const auto asks = [](std::uint32_t id) {
    return (runtime::FindHelperRow(id)->flags & runtime::helper_flags::kUsesTask) != 0;
  };
  const auto helper = std::find_if(facts.helpers.begin(), facts.helpers.end(), asks);
  if (helper == facts.helpers.end()) return std::vector<std::byte>{};
  const std::string what =
      fmt::format("bpf_{} lays out a task by the kernel's BTF", runtime::FindHelperRow(*helper)->name);
  const auto types = STRATA_TRY(kernel.Types().Context(what));
  const runtime::TaskLayout layout = STRATA_TRY(MakeTaskLayout(*types).Context(what));
  const auto bytes = std::as_bytes(std::span(&layout, 1));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

template <typename T>
std::span<const std::byte> BytesOf(const std::vector<T>& items) {
  return std::as_bytes(std::span(items));
}

// The file: header, then each table at a multiple of 8.
class FileBuilder {
 public:
  FileBuilder() : bytes_(sizeof(ProgramHeader)) {}
  std::uint32_t Add(std::span<const std::byte> table) {
    bytes_.resize((bytes_.size() + 7) / 8 * 8);
    const auto offset = static_cast<std::uint32_t>(bytes_.size());
    bytes_.insert(bytes_.end(), table.begin(), table.end());
    return offset;
  }
  std::vector<std::byte> Finish(ProgramHeader header) && {
    header.file_size = bytes_.size();
    std::memcpy(bytes_.data(), &header, sizeof(header));
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
};

void CopyName(char (&to)[runtime::kNameSize], std::string_view from) {
  std::memcpy(to, from.data(), std::min(from.size(), sizeof(to) - 1));
}

std::uint64_t BootTimeNs() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// Compiled, or empty where the compiler does not know an instruction: the interpreter then runs it.
Result<compile::CompiledImage> Compile(const Shared& shared, const TabledProgram& program,
                                       const verifier::StructuralFacts& facts) {
  if (shared.options.engine == UserspaceEngine::kInterpreted) return compile::CompiledImage{};
  auto image = compile::CompileImage({.instructions = program.instructions,
                                      .maps = program.table,
                                      .guarded_loads = program.guarded_loads,
                                      .uses_slot = UsesSlot(program, facts),
                                      .function_count = static_cast<std::uint32_t>(program.imports.size()),
                                      .arena = program.arena.value_or(0),
                                      .arena_address = program.arena_address,
                                      .arena_accesses = program.arena_accesses});
  if (!image && image.error().code() == ErrorCode::kNotSupported) return compile::CompiledImage{};
  return image;
}

// Where callbacks start that may run in another process; none for programs without callbacks.
std::vector<runtime::ProgramFunction> CallbackTable(const verifier::StructuralFacts& facts,
                                                    const compile::CompiledImage& image) {
  if (!facts.uses_callbacks || !image.code.empty()) {
    return facts.uses_callbacks ? image.functions : std::vector<runtime::ProgramFunction>();
  }
  std::vector<runtime::ProgramFunction> functions;
  for (const verifier::FunctionFacts& function : facts.functions) functions.push_back({function.begin.value, 0});
  return functions;
}

// Some helpers are those of kprobe programs alone, in the words of the kernel's verifier.
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
void MarkAccesses(TabledProgram* program) {
  for (std::size_t i = 0; i < program->guarded_loads.size(); ++i) {
    if (program->guarded_loads[i] != 0) program->instructions[i].imm = runtime::kGuardedMark;
  }
  for (std::size_t i = 0; i < program->arena_accesses.size(); ++i) {
    if (program->arena_accesses[i] != 0) MarkArenaAccess(&program->instructions[i]);
  }
}

// What an agent would refuse.
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

std::vector<std::byte> MakeProgramFile(std::uint32_t id, const LinkedProgram& linked, const isa::Tag& tag,
                                       const TabledProgram& program, const compile::CompiledImage& image,
                                       const verifier::StructuralFacts& facts, std::span<const std::byte> task_layout) {
  ProgramHeader header{};
  header.magic = static_cast<std::uint32_t>(runtime::FileMagic::kProgram);
  header.version = runtime::kLayoutVersion;
  header.image_abi = runtime::kImageAbi;
  header.id = id;
  header.type = linked.type;
  header.attach_type = linked.attach_type;
  header.flags = runtime::program_flags::kUnverified;
  if (Calls(facts, kOverrideReturn)) header.flags |= runtime::program_flags::kOverridesReturn;
  if (Calls(facts, kTimerSetCallback)) header.flags |= runtime::program_flags::kSetsTimers;
  if (UsesSlot(program, facts)) header.flags |= runtime::program_flags::kUsesSlot;
  if (image.code.empty()) header.flags |= runtime::program_flags::kInterpreted;
  header.load_time_ns = BootTimeNs();
  header.created_by_uid = ::geteuid();
  if (const auto* types = dynamic_cast<const UserspaceTypes*>(linked.types.get())) header.btf_id = types->id();
  header.instruction_count = static_cast<std::uint32_t>(program.instructions.size());
  header.image_size = static_cast<std::uint32_t>(image.code.size());
  header.entry_offset = image.entry_offset;
  header.tail_entry_offset = image.tail_entry_offset;
  header.callback_offset = image.callback_offset;
  header.relocation_count = static_cast<std::uint32_t>(image.relocations.size());
  header.map_count = static_cast<std::uint32_t>(program.table.size());
  const std::vector<runtime::ProgramFunction> functions = CallbackTable(facts, image);
  header.function_count = static_cast<std::uint32_t>(functions.size());
  header.import_count = static_cast<std::uint32_t>(program.imports.size());
  CopyName(header.name, linked.name);
  std::copy(tag.begin(), tag.end(), header.tag);
  CopyName(header.license, linked.license);
  FileBuilder file;
  header.instructions_offset = file.Add(BytesOf(program.instructions));
  header.image_offset = file.Add(image.code);
  header.relocations_offset = file.Add(BytesOf(image.relocations));
  header.maps_offset = file.Add(BytesOf(program.table));
  header.func_info_offset = file.Add(linked.func_info);
  header.func_info_count = static_cast<std::uint32_t>(linked.func_info.size() / sizeof(runtime::FunctionRecord));
  header.line_info_offset = file.Add(linked.line_info);
  header.line_info_count = static_cast<std::uint32_t>(linked.line_info.size() / sizeof(runtime::LineRecord));
  header.task_layout_offset = file.Add(task_layout);
  header.task_layout_size = static_cast<std::uint32_t>(task_layout.size());
  header.functions_offset = file.Add(BytesOf(functions));
  header.imports_offset = file.Add(BytesOf(program.imports));
  return std::move(file).Finish(header);
}

Result<void> WriteAll(int fd, std::span<const std::byte> bytes, const std::string& what) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::FromErrno(errno, what + ": writing its file");
    done += static_cast<std::size_t>(count);
  }
  return {};
}

void Add(runtime::LinkCounters* sum, const runtime::LinkCounters& line) {
  sum->run_count += __atomic_load_n(&line.run_count, __ATOMIC_RELAXED);
  sum->run_ticks += __atomic_load_n(&line.run_ticks, __ATOMIC_RELAXED);
  sum->missed_count += __atomic_load_n(&line.missed_count, __ATOMIC_RELAXED);
}

void Add(runtime::LinkCounters* sum, const runtime::LinkView& link) {
  for (std::uint32_t i = 0; i < link.header.counters_count; ++i) Add(sum, link.counters[i]);
}

bool IsSummed(const runtime::LinkView& link) { return __atomic_load_n(&link.shared->is_summed, __ATOMIC_ACQUIRE) != 0; }

// How fast the counter runs, measured once over 10 ms against the clock.
double MeasureTickNanoseconds() {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_RAW, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
  };
  const double start_ns = now();
  const std::uint64_t start_ticks = __rdtsc();
  ::usleep(10'000);
  const double elapsed_ns = now() - start_ns;
  return elapsed_ns / static_cast<double>(__rdtsc() - start_ticks);
}

}  // namespace

std::uint64_t TicksToNanoseconds(std::uint64_t ticks) {
  if (ticks == 0) return 0;
  static const double kTickNs = MeasureTickNanoseconds();
  return static_cast<std::uint64_t>(static_cast<double>(ticks) * kTickNs);
}

bool IsGplCompatible(std::string_view licence) {
  return std::find(kGplLicences.begin(), kGplLicences.end(), licence) != kGplLicences.end();
}

Result<ProgramInfo> ReadProgramInfo(int fd, std::uint32_t id) {
  ProgramHeader header;
  if (::pread(fd, &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header)) ||
      header.magic != static_cast<std::uint32_t>(runtime::FileMagic::kProgram) ||
      header.version != runtime::kLayoutVersion || header.id != id) {
    return Error(ErrorCode::kMalformed, fmt::format("program {}: its file is damaged", id), EBADMSG);
  }
  ProgramInfo info;
  info.id = header.id;
  info.name.assign(header.name, ::strnlen(header.name, sizeof(header.name)));
  info.type = header.type;
  info.instruction_count = header.instruction_count;
  std::copy(std::begin(header.tag), std::end(header.tag), info.tag.begin());
  info.is_verified = (header.flags & runtime::program_flags::kUnverified) == 0;
  info.is_enabled = header.disabled == 0;
  info.jited_bytes = header.image_size;
  info.load_time_ns = header.load_time_ns;
  info.created_by_uid = header.created_by_uid;
  info.is_gpl_compatible = IsGplCompatible({header.license, ::strnlen(header.license, sizeof(header.license))});
  info.btf_id = header.btf_id;
  for (std::uint32_t i = 0; i < std::min(header.map_count, runtime::kMaxProgramMaps); ++i) {
    ProgramMap map;
    const auto offset = static_cast<off_t>(header.maps_offset + i * std::uint64_t{sizeof(map)});
    if (::pread(fd, &map, sizeof(map), offset) != static_cast<ssize_t>(sizeof(map))) break;
    info.map_ids.push_back(map.id);
  }
  return info;
}

Result<std::shared_ptr<BackendProgram>> UserspaceProgram::Load(SharedPtr shared, const LinkedProgram& linked,
                                                               isa::TagHash tag_hash, const KernelFacts& kernel) {
  const std::string what = "program " + linked.name;
  TabledProgram program = STRATA_TRY(MakeTable(shared.get(), linked).Context(what));
  STRATA_TRY(MakeImports(linked, &program).Context(what));
  STRATA_TRY(CheckValueOffsets(linked).Context(what));
  STRATA_TRY(verifier::RemoveDeadCalls(program.instructions, runtime::IsHelperKnown).Context(what));
  STRATA_TRY(CheckPoison(linked, program.instructions).Context(what));
  STRATA_TRY(FindArena(&program).Context(what));
  const auto facts =
      STRATA_TRY(verifier::CheckStructure(program.instructions, linked.type, runtime::IsHelperKnown,
                                          program.table.size(), program.imports.size(), program.arena.has_value())
                     .Context(what));
  STRATA_TRY(CheckLimits(program, facts).Context(what));
  STRATA_TRY(CheckLicence(linked, facts).Context(what));
  STRATA_TRY(CheckType(linked, facts).Context(what));
  const std::vector<std::byte> task_layout = STRATA_TRY(TaskLayoutFor(facts, kernel).Context(what));
  const TailCallTraits traits = TailCallTraitsOf(linked, facts);
  program.guarded_loads =
      verifier::FindGuardedLoads(program.instructions, facts.functions, runtime::ReturnsKernelPointer);
  FindArenaAccesses(facts, &program);
  const compile::CompiledImage image = STRATA_TRY(Compile(*shared, program, facts).Context(what));
  if (image.code.empty()) MarkAccesses(&program);

  Session& session = *shared->session;
  const std::uint32_t id = session.NewId();
  const std::vector<std::byte> bytes =
      MakeProgramFile(id, linked, TagOf(linked, tag_hash), program, image, facts, task_layout);
  UniqueFd fd = STRATA_TRY(session.MakeFile(bytes.size(), what));
  STRATA_TRY(WriteAll(fd.get(), bytes, what));
  STRATA_TRY(ClaimProgArrays(program, traits).Context(what));
  ObjectFile file = STRATA_TRY(session.Publish(std::move(fd), runtime::kProgramPrefix + std::to_string(id), what));
  ProgramInfo info = STRATA_TRY(ReadProgramInfo(file.fd.get(), id));
  std::vector<std::shared_ptr<MapObject>> used;
  for (const auto& map : program.maps) used.push_back(static_cast<const UserspaceMap&>(*map).object());
  auto object = std::make_shared<ProgramObject>(std::move(shared), std::move(file), std::move(used));
  object->id = id;
  return std::shared_ptr<BackendProgram>(
      new UserspaceProgram(std::move(object), std::move(info), std::move(program.maps), traits));
}

// Its maps live as long as it does: the collector follows them.
Result<std::shared_ptr<BackendProgram>> UserspaceProgram::Open(SharedPtr shared, ObjectFile file) {
  const std::uint32_t id = ObjectOfFile(file.name).value_or(ObjectId{}).id;
  ProgramInfo info = STRATA_TRY(ReadProgramInfo(file.fd.get(), id));
  ProgramHeader header;
  if (::pread(file.fd.get(), &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header)))
    return Error(ErrorCode::kMalformed, fmt::format("program {}: its file is damaged", id), EBADMSG);
  const TailCallTraits traits{header.type, header.attach_type,
                              (header.flags & runtime::program_flags::kOverridesReturn) != 0};
  auto object =
      std::make_shared<ProgramObject>(std::move(shared), std::move(file), std::vector<std::shared_ptr<MapObject>>());
  object->id = id;
  return std::shared_ptr<BackendProgram>(new UserspaceProgram(std::move(object), std::move(info), {}, traits));
}

ProgramObject::~ProgramObject() { shared->session->Close(std::move(file)); }

UserspaceProgram::UserspaceProgram(std::shared_ptr<ProgramObject> object, ProgramInfo info,
                                   std::vector<std::shared_ptr<BackendMap>> maps,
                                   const TailCallTraits& tail_call_traits)
    : object_(std::move(object)),
      shared_(object_->shared),
      info_(std::move(info)),
      maps_(std::move(maps)),
      tail_call_traits_(tail_call_traits) {}

UserspaceProgram::~UserspaceProgram() { ReleaseInstance(); }

Result<ProgramStats> UserspaceProgram::Stats() {
  ProgramHeader header;
  if (::pread(object_->file.fd.get(), &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header)))
    return Error(ErrorCode::kMalformed, fmt::format("program {}: its file is damaged", info_.name), EBADMSG);
  const std::lock_guard lock(mutex_);
  runtime::LinkCounters sum{};
  sum.run_count = header.run_count;
  sum.run_ticks = header.run_ticks;
  sum.missed_count = header.missed_count;
  std::vector<std::uint32_t> own;
  for (const runtime::LinkView* link : links_) {
    own.push_back(link->header.id);
    if (!IsSummed(*link)) Add(&sum, *link);
  }
  Add(&sum, CountsOfLinks(shared_->session->folder_fd(), info_.id, own));
  return ProgramStats{sum.run_count, TicksToNanoseconds(sum.run_ticks), sum.missed_count};
}

Result<void> UserspaceProgram::Pin(const std::string& path) {
  return PinObject(*shared_->session, object_->file.fd.get(), path, "program " + info_.name);
}

void UserspaceProgram::AddLink(const runtime::LinkView* link) {
  const std::lock_guard lock(mutex_);
  links_.push_back(link);
}

void UserspaceProgram::RemoveLink(const runtime::LinkView* link, LinkFate fate) {
  const std::lock_guard lock(mutex_);
  if (fate == LinkFate::kGone) SumLink(link->shared, link->size_bytes, object_->file.fd.get());
  std::erase(links_, link);
}

}  // namespace strata::userspace
