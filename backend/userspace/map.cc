#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "objects.h"
#include "strata/backend/map_errors.h"
#include "strata/backend/userspace/runtime/resolved_objects.h"
#include "strata/spec/type_names.h"
#include "value_fields.h"

namespace strata::userspace {
namespace {

constexpr int kNotSupportedErrno = 524;  // ENOTSUPP, the kernel's own

runtime::MapAttributes AttributesOf(const MapSpec& spec, std::uint32_t possible_cpus) {
  runtime::MapAttributes attributes{spec.type,  spec.key_size,  spec.value_size, spec.max_entries,
                                    spec.flags, spec.map_extra, possible_cpus};
  if (spec.inner.empty()) return attributes;
  const MapSpec& inner = spec.inner.front();
  attributes.inner = {inner.type,  inner.key_size,    inner.value_size, inner.max_entries,
                      inner.flags, runtime::kNoField, runtime::kNoField};
  return attributes;
}

runtime::MapIdentity IdentityOf(const MapSpec& spec, std::uint32_t id) {
  runtime::MapIdentity identity;
  identity.id = id;
  const std::size_t length = std::min<std::size_t>(spec.name.size(), sizeof(identity.name) - 1);
  std::memcpy(identity.name, spec.name.data(), length);
  identity.key_type_id = spec.key_type.value;
  identity.value_type_id = spec.value_type.value;
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
      {"map_flags", &MapSpec::flags, {0}},
  };
  for (const Field& field : fields) {
    for (const std::uint32_t value : field.harmless) {
      MapSpec changed = spec;
      changed.*field.member = value;
      if (is_accepted(changed)) return fmt::format("{}: {}", field.name, spec.*field.member);
    }
  }
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

class Memory : public MapMemory {
 public:
  Memory(std::shared_ptr<UserspaceMap> map, std::byte* data, std::size_t mapped, std::size_t size, bool read_only)
      : map_(std::move(map)), data_(data), mapped_(mapped), size_(size), read_only_(read_only) {}
  ~Memory() override {
    ::munmap(data_, mapped_);
    if (!read_only_) map_->ReleaseWritableMemory();
  }
  std::span<std::byte> bytes() override { return {data_, size_}; }
  bool is_read_only() const override { return read_only_; }

 private:
  std::shared_ptr<UserspaceMap> map_;
  std::byte* data_;
  std::size_t mapped_;
  std::size_t size_;
  bool read_only_;
};

// Into a map's attributes, or those of the maps in it.
template <typename Attributes>
Result<void> AddFields(const MapSpec& spec, const btf::Btf* types, Attributes* attributes) {
  if (types == nullptr || spec.value_type.value == 0) return {};
  const ValueFields fields = STRATA_TRY(FindValueFields(*types, spec.value_type).Context("map " + spec.name));
  attributes->spin_lock_offset = fields.spin_lock_offset;
  attributes->timer_offset = fields.timer_offset;
  return {};
}

// Bytes are no descriptor here: UpdateProgram() and UpdateMap() put objects in.
constexpr std::array<std::byte, sizeof(std::uint32_t)> kNoObject{};

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

bool IsFrozen(const runtime::MapView& map) { return __atomic_load_n(&map.header->frozen, __ATOMIC_ACQUIRE) != 0; }

}  // namespace

MapInfo MakeMapInfo(const runtime::MapHeader& header) {
  MapInfo info;
  info.id = header.id;
  info.name.assign(header.name, ::strnlen(header.name, sizeof(header.name)));
  info.type = header.type;
  info.key_size = header.key_size;
  info.value_size = header.value_size;
  info.max_entries = header.max_entries;
  info.flags = header.flags;
  const runtime::MapKind* kind = runtime::FindMapKind(header.type);
  const bool is_per_cpu = kind != nullptr && (kind->ops->traits & runtime::map_traits::kPerCpu) != 0;
  info.element_size = is_per_cpu ? header.value_stride * header.slot_count : header.value_size;
  return info;
}

Result<std::shared_ptr<BackendMap>> UserspaceMap::Create(SharedPtr shared, const MapSpec& spec, const btf::Btf* types) {
  runtime::MapAttributes attributes = AttributesOf(spec, shared->possible_cpus);
  STRATA_TRY(AddFields(spec, types, &attributes));
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
  }
  Session& session = *shared->session;
  const std::string what = "map " + spec.name;
  UniqueFd fd = STRATA_TRY(session.MakeFile(geometry.file_size, what));
  const std::uint32_t id = session.NewId();
  runtime::MapView* view = nullptr;
  runtime::Reason reason;
  long error = 0;
  {
    const std::lock_guard lock(session.mutex());
    error = runtime::CreateMap(session.process(), fd.get(), attributes, geometry, IdentityOf(spec, id), &view, &reason);
  }
  if (error != 0) return Error::FromErrno(static_cast<int>(-error), fmt::format("{}: {}", what, reason.text));
  auto file = session.Publish(std::move(fd), runtime::kMapPrefix + std::to_string(id), what);
  if (!file) {
    const std::lock_guard lock(session.mutex());
    runtime::ReleaseMap(view);
    return std::move(file).error();
  }
  return std::shared_ptr<BackendMap>(
      new UserspaceMap(std::make_shared<MapObject>(std::move(shared), *std::move(file), view)));
}

MapObject::~MapObject() {
  {
    const std::lock_guard lock(shared->session->mutex());
    runtime::ReleaseMap(view);
  }
  shared->session->Close(std::move(file));
}

UserspaceMap::UserspaceMap(std::shared_ptr<MapObject> object)
    : object_(std::move(object)), view_(object_->view), info_(MakeMapInfo(*view_->header)) {}

UserspaceMap::~UserspaceMap() {
  if ((view_->ops->traits & runtime::map_traits::kHoldsPrograms) != 0) EmptyPrograms();
  if ((view_->ops->traits & runtime::map_traits::kHoldsObjects) != 0) LetResolvedGo();
}

Error UserspaceMap::Failed(long error, std::string_view operation) const {
  return ElementError(info_, static_cast<int>(-error), operation);
}

Result<void> UserspaceMap::CheckSizes(std::span<const std::byte> key, std::size_t value_size,
                                      std::string_view operation) const {
  if (key.size() != info_.key_size) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("map {}: {}: key has {} bytes, expected {}", info_.name, operation, key.size(), info_.key_size),
        EINVAL);
  }
  if (value_size != info_.element_size) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("map {}: {}: value has {} bytes, expected {}", info_.name, operation, value_size,
                             info_.element_size),
                 EINVAL);
  }
  return {};
}

// kernel/bpf/syscall.c: map_get_sys_perms and the modes of the map's descriptor.
Result<void> UserspaceMap::CheckReadable(std::string_view operation) const {
  if ((info_.flags & map_flags::kWriteOnly) != 0) return Failed(-EPERM, operation);
  return {};
}

Result<void> UserspaceMap::CheckWritable(std::string_view operation) const {
  if ((info_.flags & map_flags::kReadOnly) != 0 || IsFrozen(*view_)) return Failed(-EPERM, operation);
  return {};
}

Result<bool> UserspaceMap::Lookup(std::span<const std::byte> key, std::span<std::byte> value) {
  STRATA_TRY(CheckSizes(key, value.size(), "lookup"));
  STRATA_TRY(CheckReadable("lookup"));
  const long error = view_->ops->copy_out(*view_, key.data(), value.data(), 0);
  if (error == 0) return true;
  if (error == -ENOENT) return false;
  return Failed(error, "lookup");
}

Result<void> UserspaceMap::Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) {
  STRATA_TRY(CheckSizes(key, value.size(), "update"));
  STRATA_TRY(CheckWritable("update"));
  if ((view_->ops->traits & runtime::map_traits::kHoldsObjects) != 0) value = kNoObject;
  const long error = view_->ops->copy_in(*view_, key.data(), value.data(), static_cast<std::uint64_t>(mode));
  if (error == 0) return {};
  return Failed(error, "update");
}

Result<bool> UserspaceMap::Delete(std::span<const std::byte> key) {
  STRATA_TRY(CheckSizes(key, info_.element_size, "delete"));
  STRATA_TRY(CheckWritable("delete"));
  const long error = view_->ops->erase(*view_, key.data());
  if (error == 0) Drop(key);
  if (error == 0) return true;
  if (error == -ENOENT) return false;
  return Failed(error, "delete");
}

Result<bool> UserspaceMap::LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) {
  STRATA_TRY(CheckSizes(key, value.size(), "lookup and delete"));
  STRATA_TRY(CheckReadable("lookup and delete"));
  STRATA_TRY(CheckWritable("lookup and delete"));
  const long error = view_->ops->take(*view_, key.data(), value.data(), 0);
  if (error == 0) return true;
  if (error == -ENOENT) return false;
  return Failed(error, "lookup and delete");
}

Result<bool> UserspaceMap::NextKey(std::optional<std::span<const std::byte>> key, std::span<std::byte> next) {
  if (key) STRATA_TRY(CheckSizes(*key, info_.element_size, "next key"));
  STRATA_TRY(CheckSizes(next, info_.element_size, "next key"));
  STRATA_TRY(CheckReadable("next key"));
  const long error = view_->ops->next_key(*view_, key ? key->data() : nullptr, next.data());
  if (error == 0) return true;
  if (error == -ENOENT) return false;
  return Failed(error, "next key");
}

// kernel/bpf/syscall.c map_freeze: not while somebody may write through a mapping.
Result<void> UserspaceMap::Freeze() {
  if (writable_memories_.load() != 0) return Failed(-EBUSY, "freeze");
  if (__atomic_exchange_n(&view_->header->frozen, 1U, __ATOMIC_SEQ_CST) != 0) return Failed(-EBUSY, "freeze");
  return {};
}

Result<MapState> UserspaceMap::State() { return MapState{IsFrozen(*view_), view_->geometry.file_size}; }

Result<std::unique_ptr<MapMemory>> UserspaceMap::Memory() {
  const bool is_mmapable =
      (view_->ops->traits & runtime::map_traits::kIndexed) != 0 && (info_.flags & map_flags::kMmapable) != 0;
  if (!is_mmapable) {
    return Error(ErrorCode::kNotSupported, fmt::format("map {}: is not created with BPF_F_MMAPABLE", info_.name));
  }
  const bool read_only = IsFrozen(*view_);
  const std::size_t mapped = view_->geometry.data_size;
  void* memory =
      ::mmap(nullptr, mapped, read_only ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, object_->file.fd.get(), 0);
  if (memory == MAP_FAILED) return Failed(-errno, "mapping it into memory");
  if (!read_only) writable_memories_.fetch_add(1);
  const std::size_t size = std::size_t{view_->value_stride} * info_.max_entries;
  return std::unique_ptr<MapMemory>(std::make_unique<userspace::Memory>(
      shared_from_this(), static_cast<std::byte*>(memory), mapped, size, read_only));
}

Result<std::unique_ptr<RingMemory>> UserspaceMap::Ring() {
  if ((view_->ops->traits & runtime::map_traits::kRing) == 0) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: is no ring buffer", info_.name));
  }
  return MakeRingMemory(shared_from_this(), *view_);
}

}  // namespace strata::userspace
