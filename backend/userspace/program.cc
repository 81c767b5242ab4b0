// Programs of the userspace backend: checked, compiled and put into the session's files, or opened there.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "objects.h"
#include "pins.h"
#include "program_checks.h"
#include "program_file.h"
#include "program_table.h"
#include "strata/backend/userspace/compile/compiler.h"
#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/verifier/dead_calls.h"
#include "strata/backend/userspace/verifier/guarded_loads.h"
#include "strata/backend/userspace/verifier/structural_check.h"

namespace strata::userspace {
namespace {

using runtime::ProgramHeader;
using runtime::ProgramMap;

// Compiled, or empty where the compiler does not know an instruction: the interpreter then runs it.
Result<compile::CompiledImage> Compile(const Shared& shared, const TabledProgram& program) {
  if (shared.options.engine == UserspaceEngine::kInterpreted) return compile::CompiledImage{};
  auto image = compile::CompileImage({.instructions = program.instructions,
                                      .maps = program.table,
                                      .guarded_loads = program.guarded_loads,
                                      .uses_slot = program.uses_slot,
                                      .function_count = static_cast<std::uint32_t>(program.imports.size()),
                                      .arena = program.arena.value_or(0),
                                      .arena_address = program.arena_address,
                                      .arena_accesses = program.arena_accesses});
  if (!image && image.error().code() == ErrorCode::kNotSupported) return compile::CompiledImage{};
  return image;
}

}  // namespace

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
  STRATA_TRY(CheckAccess(program, facts).Context(what));
  STRATA_TRY(CheckLicence(linked, facts).Context(what));
  STRATA_TRY(CheckType(linked, facts).Context(what));
  const std::vector<std::byte> task_layout = STRATA_TRY(TaskLayoutFor(facts, kernel).Context(what));
  const TailCallTraits traits = TailCallTraitsOf(linked, facts);
  program.guarded_loads =
      verifier::FindGuardedLoads(program.instructions, facts.functions, runtime::ReturnsKernelPointer);
  FindArenaAccesses(facts, &program);
  FindSlotUse(facts, &program);
  const compile::CompiledImage image = STRATA_TRY(Compile(*shared, program).Context(what));
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

Result<void> UserspaceProgram::Pin(const std::string& path) {
  return PinObject(*shared_->session, object_->file.fd.get(), path, "program " + info_.name);
}

}  // namespace strata::userspace
