// Maps that are made: from a spec to a file in the session, or the reason why the kernel would refuse it.
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "objects.h"
#include "strata/backend/userspace/runtime/resolved_objects.h"
#include "strata/spec/type_names.h"
#include "value_fields.h"

namespace strata::userspace {
namespace {

runtime::MapAttributes AttributesOf(const MapSpec& spec, std::uint32_t possible_cpus) {
  runtime::MapAttributes attributes{spec.type,  spec.key_size,  spec.value_size, spec.max_entries,
                                    spec.flags, spec.map_extra, possible_cpus};
  if (spec.inner.empty()) return attributes;
  const MapSpec& inner = spec.inner.front();
  attributes.inner = {inner.type,  inner.key_size,    inner.value_size, inner.max_entries,
                      inner.flags, runtime::kNoField, runtime::kNoField};
  return attributes;
}

runtime::MapIdentity IdentityOf(const MapSpec& spec, std::uint32_t id, const UserspaceTypes* types) {
  runtime::MapIdentity identity;
  identity.id = id;
  const std::size_t length = std::min<std::size_t>(spec.name.size(), sizeof(identity.name) - 1);
  std::memcpy(identity.name, spec.name.data(), length);
  if (types != nullptr && (spec.key_type || spec.value_type)) {
    identity.btf_id = types->id();
    identity.key_type_id = spec.key_type.value;
    identity.value_type_id = spec.value_type.value;
  }
  if ((spec.flags & map_flags::kZeroSeed) == 0) {
    // Without entropy (early boot) the seed is weak, not the map broken.
    if (::getrandom(&identity.hash_seed, sizeof(identity.hash_seed), GRND_NONBLOCK) < 0) identity.hash_seed = id;
  }
  return identity;
}

// Which field is at fault: creation with that field set to something harmless is accepted.
std::string FaultyField(const MapSpec& spec, std::uint32_t possible_cpus) {
  const auto is_accepted = [&](const MapSpec& changed) {
    runtime::MapGeometry geometry;
    return runtime::ComputeGeometry(AttributesOf(changed, possible_cpus), &geometry) == 0;
  };
  struct Field {
    const char* name;
    std::uint32_t MapSpec::*member;
    std::vector<std::uint32_t> harmless;
  };
  const Field fields[] = {
      {"max_entries", &MapSpec::max_entries, {4096}},
      {"key_size", &MapSpec::key_size, {4, 0}},
      {"value_size", &MapSpec::value_size, {8, 0}},
      {"map_flags", &MapSpec::flags, {0, map_flags::kMmapable}},
  };
  for (const Field& field : fields) {
    for (const std::uint32_t value : field.harmless) {
      MapSpec changed = spec;
      changed.*field.member = value;
      if (is_accepted(changed)) return fmt::format("{}: {}", field.name, spec.*field.member);
    }
  }
  MapSpec without_extra = spec;
  without_extra.map_extra = 0;
  if (is_accepted(without_extra)) return fmt::format("map_extra: {:#x}", spec.map_extra);
  return fmt::format("key_size {}, value_size {}, max_entries {}, map_flags {:#x}", spec.key_size, spec.value_size,
                     spec.max_entries, spec.flags);
}

Error CreationError(const MapSpec& spec, std::uint32_t possible_cpus, int error) {
  if (error == kNotSupportedErrno) {
    return Error(
        ErrorCode::kNotSupported,
        fmt::format("map {}: type {} is not supported on the userspace backend", spec.name, MapTypeName(spec.type)),
        error);
  }
  const std::string message =
      fmt::format("map {}: {} is not possible for a map of type {}: {}", spec.name, FaultyField(spec, possible_cpus),
                  MapTypeName(spec.type), std::strerror(error));
  // E2BIG otherwise says that no element fits any more; here the map itself does not.
  return Error(error == E2BIG ? ErrorCode::kNoSpace : ErrorCodeFromErrno(error), message, error);
}

// Into a map's attributes, or those of the maps in it.
template <typename Attributes>
Result<void> AddFields(const MapSpec& spec, const UserspaceTypes* types, Attributes* attributes) {
  if (types == nullptr || spec.value_type.value == 0) return {};
  const ValueFields fields = STRATA_TRY(FindValueFields(types->types(), spec.value_type).Context("map " + spec.name));
  attributes->spin_lock_offset = fields.spin_lock_offset;
  attributes->timer_offset = fields.timer_offset;
  return {};
}

bool HoldsMaps(MapType type) { return type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps; }

// What bpf_map_meta_alloc refuses, and what creating the template would be refused for.
Result<void> CheckTemplate(const MapSpec& spec, std::uint32_t possible_cpus) {
  if (spec.inner.empty()) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: has no template for the maps in it", spec.name),
                 EBADF);
  }
  const MapSpec& inner = spec.inner.front();
  if (const long error = runtime::CheckInnerType(inner.type); error != 0) {
    const auto code = error == -EINVAL ? ErrorCode::kInvalidArgument : ErrorCode::kNotSupported;
    return Error(code, fmt::format("map {}: maps of type {} can be in no map", spec.name, MapTypeName(inner.type)),
                 static_cast<int>(-error));
  }
  runtime::MapGeometry geometry;
  const long error = runtime::ComputeGeometry(AttributesOf(inner, possible_cpus), &geometry);
  if (error == 0) return {};
  return CreationError(inner, possible_cpus, static_cast<int>(-error)).WithContext("map " + spec.name + ": inner map");
}

// kernel/bpf/syscall.c, map_check_btf: which kinds' values may have them.
Result<void> CheckFields(const MapSpec& spec, const ValueFields& fields) {
  struct Field {
    const char* type;
    std::uint32_t offset;
    std::uint32_t trait;
  };
  const runtime::MapKind* kind = runtime::FindMapKind(spec.type);
  for (const Field& field : {Field{"bpf_spin_lock", fields.spin_lock_offset, runtime::map_traits::kSpinLocks},
                             Field{"bpf_timer", fields.timer_offset, runtime::map_traits::kTimers}}) {
    if (field.offset == runtime::kNoField || kind == nullptr) continue;
    const std::string what = fmt::format("map {}: struct {} in its values", spec.name, field.type);
    if ((spec.flags & (map_flags::kReadOnlyProgram | map_flags::kWriteOnlyProgram)) != 0)
      return Error(ErrorCode::kPermissionDenied, what + ": programs must be able to read and write it", EACCES);
    if ((kind->ops->traits & field.trait) == 0)
      return Error(ErrorCode::kNotSupported, fmt::format("{}: not of type {}", what, MapTypeName(spec.type)),
                   EOPNOTSUPP);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<BackendMap>> UserspaceMap::Create(SharedPtr shared, const MapSpec& spec,
                                                         const UserspaceTypes* types) {
  runtime::MapAttributes attributes = AttributesOf(spec, shared->possible_cpus);
  STRATA_TRY(AddFields(spec, types, &attributes));
  STRATA_TRY(CheckFields(spec, {attributes.spin_lock_offset, attributes.timer_offset}));
  runtime::MapGeometry geometry;
  if (const long error = runtime::ComputeGeometry(attributes, &geometry); error != 0) {
    return CreationError(spec, shared->possible_cpus, static_cast<int>(-error));
  }
  // Of local storage the kernel wants the types (bpf_local_storage_map_alloc_check).
  const bool is_storage = (runtime::FindMapKind(spec.type)->ops->traits & runtime::map_traits::kLocalStorage) != 0;
  if (is_storage && (types == nullptr || spec.key_type.value == 0 || spec.value_type.value == 0)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("map {}: needs the types of its keys and values (BTF)", spec.name), EINVAL);
  }
  if (HoldsMaps(spec.type)) {
    STRATA_TRY(CheckTemplate(spec, shared->possible_cpus));
    STRATA_TRY(AddFields(spec.inner.front(), types, &attributes.inner));
    if (attributes.inner.timer_offset != runtime::kNoField)
      return Error(ErrorCode::kNotSupported,
                   fmt::format("map {}: timers in the values of maps in it: not on the userspace backend", spec.name),
                   EOPNOTSUPP);
  }
  Session& session = *shared->session;
  const std::string what = "map " + spec.name;
  const std::uint64_t table_end = geometry.table_offset + geometry.table_size;
  const std::uint64_t hole = geometry.has_sparse_data ? 0 : table_end - geometry.sparse_size;
  UniqueFd fd = STRATA_TRY(
      session.MakeFile(geometry.file_size, what, session.RightsToMap(spec.flags), {hole, geometry.sparse_size}));
  const std::uint32_t id = session.NewId();
  runtime::MapView* view = nullptr;
  runtime::Reason reason;
  long error = 0;
  {
    const std::lock_guard lock(session.mutex());
    error = runtime::CreateMap(session.process(), fd.get(), attributes, geometry, IdentityOf(spec, id, types), &view,
                               &reason);
  }
  if (error != 0) return Error::FromErrno(static_cast<int>(-error), fmt::format("{}: {}", what, reason.text));
  auto file = session.Publish(std::move(fd), runtime::kMapPrefix + std::to_string(id), what);
  if (!file) {
    const std::lock_guard lock(session.mutex());
    runtime::ReleaseMap(view);
    return std::move(file).error();
  }
  auto object = std::make_shared<MapObject>(std::move(shared), *std::move(file), view);
  std::shared_ptr<UserspaceMap> map(new UserspaceMap(std::move(object), MapAccess::kReadWrite));
  if (view->timer_offset != runtime::kNoField) {
    map->timers_ = STRATA_TRY(TimerServer::Start(session, map->object_->shared->runs, *view).Context(what));
  }
  return std::shared_ptr<BackendMap>(std::move(map));
}

}  // namespace strata::userspace
