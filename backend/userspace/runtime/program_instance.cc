#include "strata/backend/userspace/runtime/program_instance.h"

#include <asm/errno.h>
#include <fcntl.h>

#include "object_tables.h"
#include "program_code.h"
#include "strata/backend/userspace/runtime/functions/table.h"
#include "strata/backend/userspace/runtime/host_functions.h"
#include "strata/backend/userspace/runtime/interpreter/interpreter.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "strata/backend/userspace/runtime/task_memory.h"
#include "strata/isa/instruction.h"
#include "text.h"

namespace strata::runtime {
namespace {

using isa::Instruction;

constexpr std::uint64_t kMaxProgramFile = 256 << 20;

long ReadAll(int fd, std::byte* to, std::uint64_t size) {
  std::uint64_t done = 0;
  while (done < size) {
    const long count = sys::Read(fd, to + done, size - done);
    if (count == -EINTR) continue;
    if (count < 0) return count;
    if (count == 0) return -EBADMSG;
    done += static_cast<std::uint64_t>(count);
  }
  return 0;
}

long ReadProgram(int fd, std::uint32_t id, ProgramFile* out, Reason* reason) {
  Reason why;
  long error = CheckTrusted(fd, &why);
  if (error != 0) return Refuse(reason, error, "program ", id, ": ", static_cast<const char*>(why.text));
  sys::FileStatus status;
  error = sys::Fstat(fd, &status);
  if (error != 0) return Refuse(reason, error, "program ", id, ": cannot be examined");
  out->size = static_cast<std::uint64_t>(status.size_bytes);
  if (out->size < sizeof(ProgramHeader) || out->size > kMaxProgramFile)
    return Refuse(reason, -EBADMSG, "program ", id, ": truncated");
  out->bytes = MapPrivate(out->size);
  if (out->bytes == nullptr) return Refuse(reason, -ENOMEM, "program ", id, ": no memory");
  error = ReadAll(fd, out->bytes, out->size);
  return error == 0 ? 0 : Refuse(reason, error, "program ", id, ": cannot be read");
}

bool HoldsTable(const ProgramFile& file, std::uint32_t offset, std::uint64_t count, std::uint64_t record_size) {
  return offset % 8 == 0 && offset <= file.size && count <= (file.size - offset) / record_size;
}

long CheckHeader(const ProgramFile& file, std::uint32_t id, Reason* reason) {
  const ProgramHeader& header = file.header();
  if (header.magic != static_cast<std::uint32_t>(FileMagic::kProgram))
    return Refuse(reason, -EBADMSG, "program ", id, ": bad magic");
  if (header.version != kLayoutVersion)
    return Refuse(reason, -EPROTO, "program ", id, ": layout version ", header.version);
  if (header.image_abi != kImageAbi) {
    return Refuse(reason, -EPROTO, "program ", id, ": compiled for runtime ABI ", header.image_abi, ", this one has ",
                  kImageAbi);
  }
  if (header.id != id || header.file_size != file.size || !IsTerminated(header.name, sizeof(header.name))) {
    return Refuse(reason, -EBADMSG, "program ", id, ": bad header");
  }
  if (!HoldsTable(file, header.instructions_offset, header.instruction_count, sizeof(Instruction)) ||
      !HoldsTable(file, header.image_offset, header.image_size, 1) ||
      !HoldsTable(file, header.relocations_offset, header.relocation_count, sizeof(ImageRelocation)) ||
      !HoldsTable(file, header.maps_offset, header.map_count, sizeof(ProgramMap)) ||
      header.map_count > kMaxProgramMaps || !HoldsTable(file, header.task_layout_offset, header.task_layout_size, 1) ||
      !HoldsTable(file, header.functions_offset, header.function_count, sizeof(ProgramFunction)) ||
      header.function_count > kMaxProgramFunctions ||
      !HoldsTable(file, header.imports_offset, header.import_count, sizeof(ProgramImport)) ||
      header.import_count > kMaxProgramImports) {
    return Refuse(reason, -EBADMSG, "program ", id, ": a table lies outside of the file");
  }
  const bool is_interpreted = (header.flags & program_flags::kInterpreted) != 0;
  if (is_interpreted ? header.instruction_count == 0
                     : header.entry_offset >= header.image_size || header.tail_entry_offset >= header.image_size ||
                           header.callback_offset >= header.image_size) {
    return Refuse(reason, -EBADMSG, "program ", id, ": no code");
  }
  return 0;
}

bool IsAsCompiled(const MapView& map, const ProgramMap& compiled) {
  return map.type == compiled.type && map.key_size == compiled.key_size && map.value_size == compiled.value_size &&
         map.max_entries == compiled.max_entries && map.flags == compiled.flags &&
         map.value_stride == compiled.value_stride && map.slot_count == compiled.slot_count &&
         map.slot_stride == compiled.slot_stride;
}

// Targets get the context of their caller: one type for each prog array, as long as it is open here. Loaders see to
// that too, but in the map's file, which others may write.
bool ClaimTailCalls(MapView& map, ProgramType type) {
  if (map.type != MapType::kProgArray) return true;
  if (map.caller_type == ProgramType::kUnspec) map.caller_type = type;
  return map.caller_type == type;
}

long OpenMaps(Process& process, int folder_fd, const ProgramFile& file, ProgramInstance* program, Reason* reason) {
  const ProgramHeader& header = file.header();
  if (header.map_count == 0) return 0;
  program->maps = static_cast<MapView**>(Allocate(process.arena, header.map_count * sizeof(MapView*)));
  if (program->maps == nullptr) return Refuse(reason, -ENOMEM, "program ", header.id, ": no memory");
  program->map_count = header.map_count;
  const auto* compiled = file.Table<ProgramMap>(header.maps_offset);
  for (std::uint32_t i = 0; i < header.map_count; ++i) {
    const long error = OpenMapByIdLocked(process, folder_fd, compiled[i].id, &program->maps[i], reason);
    if (error != 0) return error;
    if (!IsAsCompiled(*program->maps[i], compiled[i])) {
      return Refuse(reason, -EBADMSG, "program ", header.id, ": map ", compiled[i].id,
                    " is not what it was compiled for");
    }
    if (program->maps[i]->is_read_only && (program->maps[i]->flags & map_flags::kReadOnlyProgram) == 0) {
      return Refuse(reason, -EACCES, "program ", header.id, ": map ", compiled[i].id,
                    " may only be read here, and the program may write it");
    }
    if (!ClaimTailCalls(*program->maps[i], program->type)) {
      return Refuse(reason, -EINVAL, "program ", header.id, ": map ", compiled[i].id,
                    " is called through by programs of another type");
    }
  }
  return 0;
}

// Programs that ask for the current task bring the layout that it has.
long UseTaskLayout(Process& process, const ProgramFile& file, Reason* reason) {
  const ProgramHeader& header = file.header();
  if (header.task_layout_size == 0) return 0;
  if (header.task_layout_size != sizeof(TaskLayout))
    return Refuse(reason, -EPROTO, "program ", header.id, ": a layout of tasks of another version");
  Reason why;
  const long error = PrepareTasks(process, *file.Table<TaskLayout>(header.task_layout_offset), &why);
  return error == 0 ? 0 : Refuse(reason, error, "program ", header.id, ": ", static_cast<const char*>(why.text));
}

long CopyFunctions(Process& process, const ProgramFile& file, ProgramInstance* program, Reason* reason) {
  const ProgramHeader& header = file.header();
  if (header.function_count == 0) return 0;
  const std::uint64_t size = header.function_count * sizeof(ProgramFunction);
  auto* functions = static_cast<ProgramFunction*>(Allocate(process.arena, size));
  if (functions == nullptr) return Refuse(reason, -ENOMEM, "program ", header.id, ": no memory");
  memcpy(functions, file.Table<ProgramFunction>(header.functions_offset), size);
  program->functions = functions;
  program->function_count = header.function_count;
  const bool is_interpreted = (header.flags & program_flags::kInterpreted) != 0;
  for (std::uint32_t i = 0; i < header.function_count; ++i) {
    const bool is_inside = is_interpreted ? functions[i].instruction < header.instruction_count
                                          : functions[i].image_offset < header.image_size;
    if (!is_inside) return Refuse(reason, -EBADMSG, "program ", header.id, ": function ", i, " lies outside of it");
  }
  return 0;
}

long FindImports(Process& process, const ProgramFile& file, ProgramInstance* program, Reason* reason) {
  const ProgramHeader& header = file.header();
  if (header.import_count == 0) return 0;
  program->imports =
      static_cast<ImportedFunction*>(Allocate(process.arena, header.import_count * sizeof(ImportedFunction)));
  if (program->imports == nullptr) return Refuse(reason, -ENOMEM, "program ", header.id, ": no memory");
  program->import_count = header.import_count;
  const auto* wanted = file.Table<ProgramImport>(header.imports_offset);
  for (std::uint32_t i = 0; i < header.import_count; ++i) {
    const char* name = static_cast<const char*>(wanted[i].name);
    if (!IsTerminated(wanted[i].name, sizeof(wanted[i].name)))
      return Refuse(reason, -EBADMSG, "program ", header.id, ": import ", i, " is bad");
    if (const FunctionRow* row = FindFunctionRow(name); row != nullptr) {
      program->imports[i].function = row->function;
      continue;
    }
    program->imports[i].address = FindHostFunction(process.host_functions, name);
    if (program->imports[i].address == nullptr) {
      return Refuse(reason, -ENOSYS, "program ", header.id, ": function ", name, " is not served in this process");
    }
  }
  return 0;
}

void Destroy(ProgramInstance* program) {
  Process& process = *program->process;
  for (std::uint32_t i = 0; i < program->map_count; ++i) {
    if (program->maps[i] != nullptr) ReleaseMapLocked(program->maps[i]);
  }
  if (program->maps != nullptr) Free(process.arena, program->maps, program->map_count * sizeof(MapView*));
  if (program->imports != nullptr)
    Free(process.arena, program->imports, program->import_count * sizeof(ImportedFunction));
  if (program->functions != nullptr) {
    Free(process.arena, const_cast<ProgramFunction*>(program->functions),
         program->function_count * sizeof(ProgramFunction));
  }
  UnmapCode(program);
  Free(process.arena, program, sizeof(ProgramInstance));
}

long Build(Process& process, int folder_fd, const ProgramFile& file, ProgramInstance** out, Reason* reason) {
  const ProgramHeader& header = file.header();
  auto* program = static_cast<ProgramInstance*>(Allocate(process.arena, sizeof(ProgramInstance)));
  if (program == nullptr) return Refuse(reason, -ENOMEM, "program ", header.id, ": no memory");
  program->process = &process;
  program->flags = header.flags;
  program->id = header.id;
  program->type = header.type;
  program->references = 1;
  memcpy(program->name, header.name, sizeof(program->name));
  long error = UseTaskLayout(process, file, reason);
  if (error == 0) error = OpenMaps(process, folder_fd, file, program, reason);
  if (error == 0) error = CopyFunctions(process, file, program, reason);
  if (error == 0) error = FindImports(process, file, program, reason);
  if (error == 0) error = LoadCode(file, program, reason);
  if (error != 0) {
    Destroy(program);
    return error;
  }
  program->next = process.programs;
  process.programs = program;
  *out = program;
  return 0;
}

}  // namespace

long InstantiateProgram(Process& process, int folder_fd, std::uint32_t program_id, ProgramInstance** out,
                        Reason* reason) noexcept {
  if (!LockObjects(process))
    return Refuse(reason, -EBUSY, "program ", program_id, ": the process's tables stay locked");
  const long error = InstantiateProgramLocked(process, folder_fd, program_id, out, reason);
  UnlockObjects(process);
  return error;
}

long InstantiateProgramLocked(Process& process, int folder_fd, std::uint32_t program_id, ProgramInstance** out,
                              Reason* reason) noexcept {
  for (ProgramInstance* program = process.programs; program != nullptr; program = program->next) {
    if (program->id != program_id) continue;
    ++program->references;
    *out = program;
    return 0;
  }
  Reason why;
  long error = CheckTrusted(folder_fd, &why);
  if (error != 0) return Refuse(reason, error, "session folder: ", static_cast<const char*>(why.text));
  char name[kObjectNameSize];
  FormatObjectName(name, kProgramPrefix, program_id);
  const int fd = sys::OpenAt(folder_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return Refuse(reason, fd, "program ", program_id, ": cannot be opened");
  ProgramFile file;
  error = ReadProgram(fd, program_id, &file, reason);
  sys::Close(fd);
  if (error == 0) error = CheckHeader(file, program_id, reason);
  if (error == 0) error = Build(process, folder_fd, file, out, reason);
  if (file.bytes != nullptr) sys::Munmap(file.bytes, file.size);
  return error;
}

void ReleaseProgram(ProgramInstance* program) noexcept {
  Process& process = *program->process;
  if (!LockObjects(process)) return;  // it then stays
  ReleaseProgramLocked(program);
  UnlockObjects(process);
}

void ReleaseProgramLocked(ProgramInstance* program) noexcept {
  if (--program->references != 0) return;
  for (ProgramInstance** place = &program->process->programs; *place != nullptr; place = &(*place)->next) {
    if (*place != program) continue;
    *place = program->next;
    break;
  }
  Destroy(program);
}

long FindFunction(const ProgramInstance& program, std::uint64_t callback) noexcept {
  const bool is_interpreted = (program.flags & program_flags::kInterpreted) != 0;
  const std::uint64_t place = is_interpreted ? callback : callback - reinterpret_cast<std::uint64_t>(program.image);
  for (std::uint32_t i = 0; i < program.function_count; ++i) {
    const ProgramFunction& function = program.functions[i];
    if ((is_interpreted ? function.instruction : function.image_offset) == place) return i;
  }
  return -EINVAL;
}

std::uint64_t RunFunction(const ProgramInstance& program, std::uint32_t function, std::uint64_t r1, std::uint64_t r2,
                          std::uint64_t r3, RunContext& run) noexcept {
  run.process = program.process;
  run.program = &program;
  if ((program.flags & program_flags::kUsesSlot) != 0 && !LeaseSlotFor(run)) return 0;
  std::uint64_t result = 0;
  const ProgramFunction& entry = program.functions[function];
  if ((program.flags & program_flags::kInterpreted) != 0) {
    const auto& interpreted = *static_cast<const InterpretedProgram*>(program.engine_state);
    result = InterpretFunction(interpreted, entry.instruction, r1, r2, r3, &run);
  } else if (program.callback != nullptr) {
    run.callback = program.callback;
    const auto address = reinterpret_cast<std::uint64_t>(program.image) + entry.image_offset;
    result = program.callback(r1, r2, r3, 0, address, &run);
  }
  EndRun(run);
  return result;
}

}  // namespace strata::runtime
