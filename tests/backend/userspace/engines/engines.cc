#include "engines.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "strata/backend/userspace/runtime/interpreter/interpreter.h"
#include "strata/isa/decode.h"

// Calls entry(context, run) with known values in the registers that a callee must keep, and stores what they are
// afterwards.
extern "C" std::uint64_t StrataCallAndReportKeptRegisters(strata::runtime::ImageEntry entry, void* context,
                                                          strata::runtime::RunContext* run, std::uint64_t* kept);
asm(R"(
.text
.type StrataCallAndReportKeptRegisters, @function
StrataCallAndReportKeptRegisters:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  push %rcx
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov $0x1001, %ebx
  mov $0x1002, %ebp
  mov $0x1003, %r12d
  mov $0x1004, %r13d
  mov $0x1005, %r14d
  mov $0x1006, %r15d
  call *%rax
  pop %rcx
  mov %rbx, 0(%rcx)
  mov %rbp, 8(%rcx)
  mov %r12, 16(%rcx)
  mov %r13, 24(%rcx)
  mov %r14, 32(%rcx)
  mov %r15, 40(%rcx)
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
.size StrataCallAndReportKeptRegisters, .-StrataCallAndReportKeptRegisters
)");

namespace strata::test {
namespace {

using runtime::Helper;
using runtime::ImageRelocation;
using runtime::ImageRelocationKind;
using runtime::RunContext;

std::uint64_t Address(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

std::uint64_t MapLookup(std::uint64_t map_address, std::uint64_t key_address, std::uint64_t, std::uint64_t,
                        std::uint64_t, RunContext* run) noexcept {
  auto& map = *reinterpret_cast<TestMap*>(map_address);
  std::uint32_t key;
  std::memcpy(&key, reinterpret_cast<const void*>(key_address), sizeof(key));
  if (key >= map.geometry.max_entries) return 0;
  const std::uint64_t slot = map.geometry.type == MapType::kPerCpuArray ? run->slot : 0;
  return Address(map.data.data()) + std::uint64_t{key} * map.geometry.value_stride + slot * map.geometry.slot_stride;
}

std::uint64_t ProcessorId(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                          RunContext* run) noexcept {
  return run->slot;
}

std::uint64_t Loop(std::uint64_t count, std::uint64_t function, std::uint64_t context, std::uint64_t, std::uint64_t,
                   RunContext* run) noexcept {
  for (std::uint64_t i = 0; i < count; ++i) {
    if (run->callback(i, context, 0, 0, function, run) != 0) return i + 1;
  }
  return count;
}

std::uint64_t Mix(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4, std::uint64_t r5,
                  RunContext* run) noexcept {
  // A C function may expect rsp + 8 to be a multiple of 16 when it begins (psABI 3.2.2).
  if (reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) % 16 != 0) {
    std::fprintf(stderr, "helper called with a stack that is not aligned\n");
    std::abort();
  }
  std::uint64_t mixed = run->cookie;
  for (const std::uint64_t value : {r1, r2, r3, r4, r5})
    mixed = (mixed ^ value) * 0x9e3779b97f4a7c15ULL + (mixed >> 29);
  return mixed;
}

std::uint64_t* KnownIds(TestMap& map) {
  return reinterpret_cast<std::uint64_t*>(map.data.data() + runtime::KnownIdsOffset(map.geometry.max_entries));
}
const TailTarget** KnownTargets(TestMap& map) {
  return reinterpret_cast<const TailTarget**>(map.data.data() + runtime::KnownObjectsOffset(map.geometry.max_entries));
}

// As helpers/tail_call.cc: a target that is met for the first time is remembered.
std::uint64_t TailCall(std::uint64_t, std::uint64_t map_address, std::uint64_t index, std::uint64_t, std::uint64_t,
                       RunContext* run) noexcept {
  auto& map = *reinterpret_cast<TestMap*>(map_address);
  const auto place = static_cast<std::uint32_t>(index);
  if (place >= map.geometry.max_entries || run->tail_calls_left == 0) return 0;
  std::uint32_t id = 0;
  std::memcpy(&id, map.data.data() + place * sizeof(id), sizeof(id));
  if (id == 0) return 0;
  const TailTarget* target = &map.targets[id - 1];
  KnownIds(map)[place] = id;
  KnownTargets(map)[place] = target;
  --run->tail_calls_left;
  run->program = reinterpret_cast<const runtime::ProgramInstance*>(target);
  return Address(target);
}

std::uint64_t InterpretTarget(void* context, RunContext* run) {
  const auto* target = reinterpret_cast<const TailTarget*>(run->program);
  return runtime::Interpret(*static_cast<const runtime::InterpretedProgram*>(target->engine_state), context, run);
}

std::uint64_t LeaseSlot(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                        RunContext* run) noexcept {
  if (run->cookie == kNoSlotCookie) {
    run->budget = -1;
    return 0;
  }
  run->slot = 0;
  return 1;
}

struct TestHelper {
  std::uint32_t id;
  Helper function;
};
constexpr TestHelper kHelpers[] = {{kMapLookup, MapLookup},
                                   {kProcessorId, ProcessorId},
                                   {kTailCall, TailCall},
                                   {kLoop, Loop},
                                   {kMix, Mix},
                                   {runtime::kLeaseSlotHelper, LeaseSlot}};

Helper FindHelper(std::uint32_t id) noexcept {
  for (const TestHelper& helper : kHelpers) {
    if (helper.id == id) return helper.function;
  }
  return nullptr;
}

// The interpreter's form: addresses in place of positions.
std::vector<isa::Instruction> ResolveMaps(std::span<const isa::Instruction> code, std::span<TestMap> maps) {
  std::vector<isa::Instruction> resolved(code.begin(), code.end());
  for (std::size_t i = 0; i < resolved.size(); i += isa::SlotCount(resolved[i])) {
    if (isa::SlotCount(resolved[i]) != 2) continue;
    const auto kind = static_cast<isa::PseudoLoad>(resolved[i].src);
    const bool is_map = kind == isa::PseudoLoad::kMapIndex;
    if (!is_map && kind != isa::PseudoLoad::kMapIndexValue) continue;
    TestMap& map = maps[static_cast<std::size_t>(resolved[i].imm)];
    const std::uint64_t value_offset = static_cast<std::uint32_t>(resolved[i + 1].imm);
    const std::uint64_t address = is_map ? Address(&map) : Address(map.data.data()) + value_offset;
    resolved[i].src = 0;
    resolved[i].imm = static_cast<std::int32_t>(address);
    resolved[i + 1].imm = static_cast<std::int32_t>(address >> 32);
  }
  return resolved;
}

std::uint64_t Resolve(const ImageRelocation& relocation, std::span<TestMap> maps) {
  switch (relocation.kind) {
    case ImageRelocationKind::kMapView:
      return Address(&maps[relocation.index]);
    case ImageRelocationKind::kMapTable:
    case ImageRelocationKind::kMapData:
      return Address(maps[relocation.index].data.data()) + static_cast<std::uint64_t>(relocation.addend);
    case ImageRelocationKind::kHelper:
      return Address(reinterpret_cast<void*>(FindHelper(relocation.index)));
    default:
      std::fprintf(stderr, "unexpected relocation kind %d\n", static_cast<int>(relocation.kind));
      std::abort();
  }
}

RunContext MakeRun(void* context, const RunSettings& settings) {
  RunContext run;
  run.budget = settings.budget;
  run.slot = settings.slot;
  run.cookie = settings.cookie;
  run.context = context;
  return run;
}

// Nothing is known of them yet, and their numbers mean these.
void SetTargets(std::span<TestMap> maps, std::span<const TailTarget> targets) {
  constexpr std::uint64_t kNothing = std::uint64_t{1} << 32;
  for (TestMap& map : maps) {
    map.targets = targets;
    if (map.geometry.type == MapType::kProgArray) std::fill_n(KnownIds(map), map.geometry.max_entries, kNothing);
  }
}

Outcome OutcomeOf(std::uint64_t result, const RunContext& run) {
  return {result, run.budget, runtime::kMaxTailCalls - run.tail_calls_left};
}

// With a look at the registers that belong to the caller.
std::uint64_t Enter(runtime::ImageEntry entry, void* context, RunContext* run) {
  std::uint64_t kept[6] = {};
  const std::uint64_t result = StrataCallAndReportKeptRegisters(entry, context, run, kept);
  for (std::uint64_t i = 0; i < 6; ++i) {
    if (kept[i] == 0x1001 + i) continue;
    std::fprintf(stderr, "compiled code lost register %d of rbx rbp r12 r13 r14 r15\n", static_cast<int>(i));
    std::abort();
  }
  return result;
}

}  // namespace

bool HelperKnown(std::uint32_t id) { return FindHelper(id) != nullptr; }

TestMap MakeArray(std::uint32_t max_entries, std::uint32_t value_size, std::uint32_t cpus) {
  TestMap map{};
  const std::uint32_t stride = (value_size + 7) / 8 * 8;
  map.geometry.type = cpus == 0 ? MapType::kArray : MapType::kPerCpuArray;
  map.geometry.key_size = 4;
  map.geometry.value_size = value_size;
  map.geometry.max_entries = max_entries;
  map.geometry.value_stride = stride;
  map.geometry.slot_count = cpus == 0 ? 1 : cpus;
  map.geometry.slot_stride = cpus == 0 ? 0 : std::uint64_t{stride} * max_entries;
  map.data.resize(std::uint64_t{stride} * max_entries * map.geometry.slot_count);
  return map;
}

TestMap MakeProgArray(std::span<const std::uint32_t> programs) {
  TestMap map{};
  map.geometry.type = MapType::kProgArray;
  map.geometry.key_size = map.geometry.value_size = map.geometry.value_stride = sizeof(std::uint32_t);
  map.geometry.max_entries = static_cast<std::uint32_t>(programs.size());
  map.geometry.slot_count = 1;
  map.data.resize(runtime::KnownObjectsOffset(map.geometry.max_entries) + programs.size() * sizeof(const TailTarget*));
  std::memcpy(map.data.data(), programs.data(), programs.size_bytes());
  return map;
}

Outcome RunInterpreted(std::span<const isa::Instruction> code, std::span<TestMap> maps, void* context,
                       const RunSettings& settings) {
  const std::vector<isa::Instruction> resolved = ResolveMaps(code, maps);
  RunContext run = MakeRun(context, settings);
  const runtime::InterpretedProgram program{resolved.data(), static_cast<std::uint32_t>(resolved.size()), FindHelper};
  const std::uint64_t result = runtime::Interpret(program, context, &run);
  return OutcomeOf(result, run);
}

Result<CompiledProgram> CompiledProgram::Make(std::span<const isa::Instruction> code, std::span<TestMap> maps,
                                              SlotUse slot_use) {
  std::vector<runtime::ProgramMap> geometry;
  for (const TestMap& map : maps) geometry.push_back(map.geometry);
  compile::CompiledImage image = STRATA_TRY(
      compile::CompileImage({.instructions = code, .maps = geometry, .uses_slot = slot_use == SlotUse::kDeclared}));

  constexpr std::size_t kPage = 4096;
  const std::size_t size = (image.code.size() + kPage - 1) / kPage * kPage;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return Error::FromErrno(errno, "mmap");
  auto* bytes = static_cast<std::byte*>(memory);
  std::memcpy(bytes, image.code.data(), image.code.size());
  for (const ImageRelocation& relocation : image.relocations) {
    const std::uint64_t value = Resolve(relocation, maps);
    std::memcpy(bytes + relocation.offset, &value, sizeof(value));
  }
  ::mprotect(memory, size, PROT_READ | PROT_EXEC);
  return CompiledProgram(std::move(image), bytes, size);
}

CompiledProgram::CompiledProgram(CompiledProgram&& other) noexcept
    : image_(std::move(other.image_)), memory_(std::exchange(other.memory_, nullptr)), size_(other.size_) {}

CompiledProgram::~CompiledProgram() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

Outcome CompiledProgram::Run(void* context, const RunSettings& settings) const {
  RunContext run = MakeRun(context, settings);
  if (image_.callback_offset != 0) {
    run.callback = reinterpret_cast<runtime::CallbackThunk>(memory_ + image_.callback_offset);
  }
  const std::uint64_t result = Enter(entry(), context, &run);
  return OutcomeOf(result, run);
}

Outcome RunGroupInterpreted(std::span<const std::vector<isa::Instruction>> programs, std::span<TestMap> maps,
                            void* context, const RunSettings& settings) {
  std::vector<std::vector<isa::Instruction>> codes;
  std::vector<runtime::InterpretedProgram> interpreted;
  std::vector<TailTarget> targets;
  for (const auto& program : programs) codes.push_back(ResolveMaps(program, maps));
  for (const auto& code : codes)
    interpreted.push_back({code.data(), static_cast<std::uint32_t>(code.size()), FindHelper});
  for (const auto& program : interpreted) targets.push_back({InterpretTarget, nullptr, &program});
  SetTargets(maps, targets);
  RunContext run = MakeRun(context, settings);
  run.program = reinterpret_cast<const runtime::ProgramInstance*>(targets.data());
  const std::uint64_t result = targets[0].entry(context, &run);
  return OutcomeOf(result, run);
}

Outcome RunGroup(std::span<const CompiledProgram> programs, std::span<TestMap> maps, void* context,
                 const RunSettings& settings) {
  std::vector<TailTarget> targets;
  for (const CompiledProgram& program : programs) targets.push_back({program.entry(), program.tail_entry(), nullptr});
  SetTargets(maps, targets);
  RunContext run = MakeRun(context, settings);
  run.program = reinterpret_cast<const runtime::ProgramInstance*>(targets.data());
  const std::uint64_t result = Enter(targets[0].entry, context, &run);
  return OutcomeOf(result, run);
}

}  // namespace strata::test
