#include "program_code.h"

#include <asm/errno.h>
#include <sys/mman.h>

#include "strata/backend/userspace/runtime/arena.h"
#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/runtime/host_functions.h"
#include "strata/backend/userspace/runtime/interpreter/interpreter.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "strata/isa/instruction.h"
#include "text.h"

// x86_64/tail_entry.S
extern "C" void strata_tail_entry() __attribute__((visibility("hidden")));

namespace strata::runtime {
namespace {

using isa::Instruction;
using isa::PseudoLoad;

constexpr std::uint8_t kLoad64Opcode = 0x18;  // ldimm64
constexpr std::uint8_t kCallOpcode = 0x85;

std::uint64_t RoundUpToPages(std::uint64_t size) { return (size + kPageSize - 1) & ~std::uint64_t{kPageSize - 1}; }

// Offsets of at most the area's size: the address one past its end is a valid one to compute.
bool IsInArea(std::int64_t addend, std::uint64_t size) {
  return addend >= 0 && static_cast<std::uint64_t>(addend) <= size;
}

// What programs call the address of a map's data: of an arena, the one that user space sees.
std::uint64_t DataAddress(const MapView& map) {
  return map.type == MapType::kArena ? ArenaAddress(map) : reinterpret_cast<std::uint64_t>(map.data);
}

MapView* ArenaOf(const ProgramInstance& program) {
  for (std::uint32_t i = 0; i < program.map_count; ++i) {
    if (program.maps[i]->type == MapType::kArena) return program.maps[i];
  }
  return nullptr;
}

std::uint64_t AddressOf(const MapOps& ops, std::int64_t operation) {
  switch (operation) {
    case static_cast<std::int64_t>(MapOperation::kLookup):
      return reinterpret_cast<std::uint64_t>(ops.lookup);
    case static_cast<std::int64_t>(MapOperation::kUpdate):
      return reinterpret_cast<std::uint64_t>(ops.update);
    case static_cast<std::int64_t>(MapOperation::kErase):
      return reinterpret_cast<std::uint64_t>(ops.erase);
    default:
      return 0;
  }
}

// Behind the image: what calls functions of the host.
std::uint64_t StubsOffset(const ProgramInstance& program) {
  return (program.image_size + kHostStubSize - 1) / kHostStubSize * kHostStubSize;
}

// What lies in memory for a compiled program.
std::uint64_t MappedSize(const ProgramInstance& program) {
  return RoundUpToPages(StubsOffset(program) + std::uint64_t{program.import_count} * kHostStubSize);
}

long RelocationValue(const ProgramInstance& program, const ImageRelocation& relocation, std::uint64_t* out) {
  const bool names_map =
      relocation.kind == ImageRelocationKind::kMapView || relocation.kind == ImageRelocationKind::kMapData ||
      relocation.kind == ImageRelocationKind::kMapTable || relocation.kind == ImageRelocationKind::kMapOperation;
  if (names_map && relocation.index >= program.map_count) return -EBADMSG;
  const MapView* map = names_map ? program.maps[relocation.index] : nullptr;
  const auto addend = static_cast<std::uint64_t>(relocation.addend);
  switch (relocation.kind) {
    case ImageRelocationKind::kMapView:
      *out = reinterpret_cast<std::uint64_t>(map);
      return 0;
    case ImageRelocationKind::kMapData:
      *out = DataAddress(*map) + addend;
      return IsInArea(relocation.addend, map->geometry.data_size) ? 0 : -EBADMSG;
    case ImageRelocationKind::kMapTable:
      *out = reinterpret_cast<std::uint64_t>(map->table) + addend;
      return IsInArea(relocation.addend, map->geometry.table_size) ? 0 : -EBADMSG;
    case ImageRelocationKind::kHelper:
      *out = reinterpret_cast<std::uint64_t>(FindHelper(relocation.index));
      return *out != 0 ? 0 : -ENOSYS;
    case ImageRelocationKind::kFunction: {
      if (relocation.index >= program.import_count) return -EBADMSG;
      const ImportedFunction& import = program.imports[relocation.index];
      const std::byte* stub = program.image + StubsOffset(program) + std::uint64_t{relocation.index} * kHostStubSize;
      *out = import.function != nullptr ? reinterpret_cast<std::uint64_t>(import.function)
                                        : reinterpret_cast<std::uint64_t>(stub);
      return 0;
    }
    case ImageRelocationKind::kImage:
      *out = reinterpret_cast<std::uint64_t>(program.image) + addend;
      return IsInArea(relocation.addend, program.image_size) ? 0 : -EBADMSG;
    case ImageRelocationKind::kMapOperation:
      *out = AddressOf(*map->ops, relocation.addend);
      return *out != 0 ? 0 : -EBADMSG;
  }
  return -EBADMSG;
}

long Relocate(const ProgramFile& file, ProgramInstance* program, Reason* reason) {
  const ProgramHeader& header = file.header();
  const auto* relocations = file.Table<ImageRelocation>(header.relocations_offset);
  for (std::uint32_t i = 0; i < header.relocation_count; ++i) {
    const ImageRelocation& relocation = relocations[i];
    std::uint64_t value = 0;
    const bool fits = relocation.offset <= header.image_size && header.image_size - relocation.offset >= sizeof(value);
    const long error = fits ? RelocationValue(*program, relocation, &value) : -EBADMSG;
    if (error == -ENOSYS)
      return Refuse(reason, error, "program ", header.id, ": helper ", relocation.index, " is unknown to this runtime");
    if (error != 0) return Refuse(reason, error, "program ", header.id, ": relocation ", i, " is bad");
    memcpy(program->image + relocation.offset, &value, sizeof(value));
  }
  return 0;
}

long LoadImage(const ProgramFile& file, ProgramInstance* program, Reason* reason) {
  const ProgramHeader& header = file.header();
  program->image_size = header.image_size;
  program->image = MapPrivate(MappedSize(*program));
  if (program->image == nullptr) return Refuse(reason, -ENOMEM, "program ", header.id, ": no memory");
  memcpy(program->image, file.bytes + header.image_offset, header.image_size);
  for (std::uint32_t i = 0; i < program->import_count; ++i) {
    WriteHostStub(program->image + StubsOffset(*program) + std::uint64_t{i} * kHostStubSize,
                  program->imports[i].address);
  }
  long error = Relocate(file, program, reason);
  if (error != 0) return error;
  error = sys::Mprotect(program->image, MappedSize(*program), PROT_READ | PROT_EXEC);
  if (error != 0) return Refuse(reason, error, "program ", header.id, ": its code cannot be made executable here");
  program->entry = reinterpret_cast<ImageEntry>(program->image + header.entry_offset);
  program->tail_entry = reinterpret_cast<TailEntry>(program->image + header.tail_entry_offset);
  if (header.callback_offset != 0)
    program->callback = reinterpret_cast<CallbackThunk>(program->image + header.callback_offset);
  return 0;
}

// --- Interpreted programs: the instructions with addresses in place of map positions, then the interpreter's record.
std::uint64_t RunInterpreted(void* context, RunContext* run) {
  if (!LeaseSlotForTarget(*run->program, *run)) return 0;
  return Interpret(*static_cast<const InterpretedProgram*>(run->program->engine_state), context, run);
}

long ResolveLoad(const ProgramInstance& program, Instruction* load) {
  const auto pseudo = static_cast<PseudoLoad>(load[0].src);
  if (pseudo != PseudoLoad::kMapIndex && pseudo != PseudoLoad::kMapIndexValue) return 0;
  const auto index = static_cast<std::uint32_t>(load[0].imm);
  if (index >= program.map_count) return -EBADMSG;
  const MapView* map = program.maps[index];
  auto address = reinterpret_cast<std::uint64_t>(map);
  if (pseudo == PseudoLoad::kMapIndexValue) {
    const auto offset = static_cast<std::uint32_t>(load[1].imm);
    if (offset > map->geometry.data_size) return -EBADMSG;
    address = DataAddress(*map) + offset;
  }
  load[0].src = 0;
  load[0].imm = static_cast<std::int32_t>(address);
  load[1].imm = static_cast<std::int32_t>(address >> 32);
  return 0;
}

long ResolveInstructions(const ProgramInstance& program, Instruction* instructions, std::uint32_t count,
                         Reason* reason) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const Instruction& instruction = instructions[i];
    if (instruction.opcode == kCallOpcode && instruction.src == 0 &&
        !IsHelperKnown(static_cast<std::uint32_t>(instruction.imm))) {
      return Refuse(reason, -ENOSYS, "program ", program.id, ": helper ", instruction.imm,
                    " is unknown to this runtime");
    }
    if (instruction.opcode != kLoad64Opcode) continue;
    if (i + 1 >= count || ResolveLoad(program, instructions + i) != 0) {
      return Refuse(reason, -EBADMSG, "program ", program.id, ": instruction ", i, " refers to no map");
    }
    ++i;
  }
  return 0;
}

long LoadInstructions(const ProgramFile& file, ProgramInstance* program, Reason* reason) {
  const ProgramHeader& header = file.header();
  const std::uint64_t code_size = std::uint64_t{header.instruction_count} * sizeof(Instruction);
  program->image_size = code_size + sizeof(InterpretedProgram);
  program->image = MapPrivate(MappedSize(*program));
  if (program->image == nullptr) return Refuse(reason, -ENOMEM, "program ", header.id, ": no memory");
  auto* instructions = reinterpret_cast<Instruction*>(program->image);
  memcpy(instructions, file.bytes + header.instructions_offset, code_size);
  const long error = ResolveInstructions(*program, instructions, header.instruction_count, reason);
  if (error != 0) return error;
  auto* interpreted = reinterpret_cast<InterpretedProgram*>(program->image + code_size);
  interpreted->instructions = instructions;
  interpreted->count = header.instruction_count;
  interpreted->find_helper = FindHelper;
  interpreted->imports = program->imports;
  interpreted->import_count = program->import_count;
  interpreted->call_host = strata_call_host;
  interpreted->arena = ArenaOf(*program);
  if (interpreted->arena != nullptr) interpreted->arena_address = ArenaAddress(*interpreted->arena);
  program->engine_state = interpreted;
  program->entry = RunInterpreted;
  program->tail_entry = strata_tail_entry;
  return 0;
}

}  // namespace

std::byte* MapPrivate(std::uint64_t size) noexcept {
  const long memory = sys::Mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  return sys::IsError(memory) ? nullptr : reinterpret_cast<std::byte*>(memory);
}

long LoadCode(const ProgramFile& file, ProgramInstance* program, Reason* reason) noexcept {
  const bool is_interpreted = (program->flags & program_flags::kInterpreted) != 0;
  return is_interpreted ? LoadInstructions(file, program, reason) : LoadImage(file, program, reason);
}

void UnmapCode(ProgramInstance* program) noexcept {
  if (program->image != nullptr) sys::Munmap(program->image, MappedSize(*program));
}

}  // namespace strata::runtime
