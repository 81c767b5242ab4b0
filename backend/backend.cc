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

Result<std::shared_ptr<BackendMap>> Backend::OpenMap(std::uint32_t id) {
  return Error(ErrorCode::kNotSupported, fmt::format("map {}: not to be opened on the {} backend", id, name()));
}
Result<std::shared_ptr<BackendMap>> Backend::OpenPinnedMap(const std::string& path, MapAccess) {
  return Error(ErrorCode::kNotSupported, fmt::format("{}: no pinned maps on the {} backend", path, name()));
}
Result<std::shared_ptr<BackendMap>> Backend::MapFromDescriptor(int descriptor) {
  return Error(ErrorCode::kNotSupported,
               fmt::format("descriptor {}: maps are no descriptors on the {} backend", descriptor, name()));
}

namespace {

Error NotForLink(const BackendLink& link, std::string_view operation) {
  return Error(ErrorCode::kNotSupported, fmt::format("link {}: {} is not possible for it", link.id(), operation));
}

}  // namespace

Result<LinkInfo> BackendLink::Info() { return NotForLink(*this, "asking for details"); }
Result<void> BackendLink::Update(const std::shared_ptr<BackendProgram>&, const std::shared_ptr<BackendProgram>&) {
  return NotForLink(*this, "putting another program in place");
}
Result<void> BackendLink::Pin(const std::string&) { return NotForLink(*this, "pinning"); }
Result<UniqueFd> BackendLink::OpenIterator() { return NotForLink(*this, "reading an iterator"); }

Result<std::unique_ptr<BackendLink>> Backend::OpenLink(std::uint32_t id) {
  return Error(ErrorCode::kNotSupported, fmt::format("link {}: not to be opened on the {} backend", id, name()));
}
Result<std::unique_ptr<BackendLink>> Backend::OpenPinnedLink(const std::string& path) {
  return Error(ErrorCode::kNotSupported, fmt::format("{}: no pinned links on the {} backend", path, name()));
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
