#include "strata/backend/backend.h"

#include <fmt/format.h>

#include <cerrno>

#include "strata/spec/attach_kind.h"
#include "strata/spec/type_names.h"

namespace strata {

Result<void> BackendMap::UpdateProgram(std::span<const std::byte>, const std::shared_ptr<BackendProgram>&) {
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: holds no programs", info().name));
}

Result<void> BackendMap::UpdateMap(std::span<const std::byte>, const std::shared_ptr<BackendMap>&) {
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: holds no maps", info().name));
}

Result<void> BackendMap::UpdateStructOps(std::span<const std::byte>, std::span<const ProgramPointer>) {
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: is no struct_ops map", info().name));
}

Result<bool> BackendMap::LookupLocked(std::span<const std::byte>, std::span<std::byte>) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: its values have no spin lock", info().name), EINVAL);
}

Result<bool> BackendMap::LookupAndDeleteLocked(std::span<const std::byte> key, std::span<std::byte> value) {
  return BackendMap::LookupLocked(key, value);
}

Result<MapState> BackendMap::State() {
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: its state is not known", info().name));
}

Result<void> BackendMap::Pin(const std::string& path) {
  return Error(ErrorCode::kNotSupported,
               fmt::format("map {}: pinning it at {} is not possible on this backend", info().name, path));
}

Result<bool> Backend::HasFunction(const std::string&, const btf::Btf&, btf::TypeId) { return false; }

Result<std::unique_ptr<HostFunctionGuard>> Backend::ServeFunction(const HostFunction& function) {
  return Error(ErrorCode::kNotSupported,
               fmt::format("function {}: programs on the {} backend cannot reach this process", function.name, name()));
}

Result<void> Backend::SetProgramEnabled(std::uint32_t id, bool is_enabled) {
  return Error(ErrorCode::kNotSupported, fmt::format("program {}: programs are not to be {} on the {} backend; their "
                                                     "links are",
                                                     id, is_enabled ? "enabled" : "disabled", name()));
}

Result<std::shared_ptr<BackendMap>> Backend::OpenMap(std::uint32_t id) {
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: not to be opened on the {} backend", id, name()));
}
Result<std::shared_ptr<BackendMap>> Backend::OpenPinnedMap(const std::string& path, MapAccess) {
  return Error(ErrorCode::kNotSupported, fmt::format("{}: no pinned maps on the {} backend", path, name()));
}
Result<std::string> Backend::PinPath(const std::string& path) const { return path; }
Result<std::shared_ptr<BackendMap>> Backend::MapFromDescriptor(int descriptor) {
  return Error(ErrorCode::kNotSupported,
               fmt::format("descriptor {}: maps are no descriptors on the {} backend", descriptor, name()));
}

namespace {

Error NotForProgram(const BackendProgram& program, std::string_view operation) {
  return Error(ErrorCode::kNotSupported,
               fmt::format("program {}: {} is not possible on its backend", program.info().name, operation));
}

Error NotForMap(const BackendMap& map, std::string_view what) {
  return Error(ErrorCode::kNotSupported,
               fmt::format("map {}: is no {}, or not on a backend that has them", map.info().name, what));
}

}  // namespace

Result<std::unique_ptr<UserRingMemory>> BackendMap::UserRing() { return NotForMap(*this, "user ring buffer"); }
Result<std::vector<std::uint32_t>> BackendMap::PerfCpus() { return NotForMap(*this, "perf event array"); }
Result<std::unique_ptr<PerfMemory>> BackendMap::PerfBuffer(std::uint32_t, const PerfBufferOptions&) {
  return NotForMap(*this, "perf event array");
}

namespace {

Error NotForLink(const BackendLink& link, std::string_view operation) {
  return Error(ErrorCode::kNotSupported, fmt::format("link {}: {} is not possible for it", link.id(), operation));
}

}  // namespace

Result<ProgramCode> BackendProgram::Code() { return NotForProgram(*this, "reading its code"); }
Result<std::uint64_t> BackendProgram::MemoryBytes() { return NotForProgram(*this, "asking for its memory"); }
Result<TestRunResult> BackendProgram::TestRun(const TestRunOptions&) {
  return NotForProgram(*this, "running it without an event");
}
Result<void> BackendProgram::Pin(const std::string&) { return NotForProgram(*this, "pinning"); }

Result<LinkInfo> BackendLink::Info() { return NotForLink(*this, "asking for details"); }
Result<void> BackendLink::Update(const std::shared_ptr<BackendProgram>&, const std::shared_ptr<BackendProgram>&) {
  return NotForLink(*this, "putting another program in place");
}
Result<void> BackendLink::Pin(const std::string&) { return NotForLink(*this, "pinning"); }
Result<void> BackendLink::UpdateStructOps(const std::shared_ptr<BackendMap>&, const std::shared_ptr<BackendMap>&) {
  return NotForLink(*this, "putting another struct_ops map in place");
}
Result<UniqueFd> BackendLink::OpenIterator() { return NotForLink(*this, "reading an iterator"); }

Result<std::shared_ptr<BackendProgram>> Backend::OpenProgram(std::uint32_t id) {
  return Error(ErrorCode::kNotSupported, fmt::format("program {}: not to be opened on the {} backend", id, name()));
}
Result<std::shared_ptr<BackendProgram>> Backend::OpenPinnedProgram(const std::string& path) {
  return Error(ErrorCode::kNotSupported, fmt::format("{}: no pinned programs on the {} backend", path, name()));
}
FeatureAnswer Backend::Probe(const Feature&) { return {}; }

Result<std::unique_ptr<BackendLink>> Backend::OpenLink(std::uint32_t id) {
  return Error(ErrorCode::kNotSupported, fmt::format("link {}: not to be opened on the {} backend", id, name()));
}
Result<std::unique_ptr<BackendLink>> Backend::OpenPinnedLink(const std::string& path) {
  return Error(ErrorCode::kNotSupported, fmt::format("{}: no pinned links on the {} backend", path, name()));
}

Result<std::shared_ptr<const btf::Btf>> Backend::ReadTypes(std::uint32_t id) {
  return Error(ErrorCode::kNotSupported, fmt::format("BTF {}: the {} backend keeps no types", id, name()));
}

Result<std::unique_ptr<BackendLink>> Backend::AttachStructOps(const std::shared_ptr<BackendMap>& map) {
  return Error(ErrorCode::kNotSupported,
               fmt::format("map {}: struct_ops are not on the {} backend", map->info().name, name()));
}
Result<AttachedPrograms> Backend::Query(const QueryTarget&, AttachType attach_type) {
  return Error(ErrorCode::kNotSupported, fmt::format("{}: asking for attached programs is not on the {} backend",
                                                     AttachTypeName(attach_type), name()));
}

Result<void> CheckAttachKind(const AttachTarget& target, const ProgramInfo& program) {
  const AttachKind* kind = FindAttachKind(BuiltinAttachKinds(), target.kind);
  if (kind == nullptr) return {};
  if (kind->program_type != ProgramType::kUnspec && kind->program_type != program.type) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("attach kind {}: program {} is of type {}, expected {}", target.kind, program.name,
                             ProgramTypeName(program.type), ProgramTypeName(kind->program_type)),
                 EINVAL);
  }
  return {};
}

}  // namespace strata
