#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "objects.h"
#include "strata/backend/map_errors.h"
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
  attributes.inner = {inner.type, inner.key_size, inner.value_size, inner.max_entries, inner.flags};
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

// Who maps a map writable holds a read lock on a byte behind its file, by an open of its own: it goes with the last
// process that has it, as mappings do.
constexpr off_t kFreezeByte = off_t{1} << 60;

int LockForFreezing(int fd, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = kFreezeByte;
  lock.l_len = 1;
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

class Memory : public MapMemory {
 public:
  // `lock` is empty for memory that is read only.
  Memory(std::shared_ptr<UserspaceMap> map, std::byte* data, std::size_t mapped, std::size_t size, UniqueFd lock)
      : map_(std::move(map)), data_(data), mapped_(mapped), size_(size), lock_(std::move(lock)) {}
  ~Memory() override { ::munmap(data_, mapped_); }
  std::span<std::byte> bytes() override { return {data_, size_}; }
  bool is_read_only() const override { return lock_.get() < 0; }

 private:
  std::shared_ptr<UserspaceMap> map_;
  std::byte* data_;
  std::size_t mapped_;
  std::size_t size_;
  UniqueFd lock_;
};

bool IsFrozen(const runtime::MapView& map) { return __atomic_load_n(&map.header->frozen, __ATOMIC_ACQUIRE) != 0; }

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
  if (types != nullptr && spec.value_type.value != 0) {
    const ValueFields fields = STRATA_TRY(FindValueFields(*types, spec.value_type).Context("map " + spec.name));
    STRATA_TRY(CheckFields(spec, fields));
    attributes.spin_lock_offset = fields.spin_lock_offset;
    attributes.timer_offset = fields.timer_offset;
  }
  runtime::MapGeometry geometry;
  if (const long error = runtime::ComputeGeometry(attributes, &geometry); error != 0) {
    return CreationError(spec, shared->possible_cpus, static_cast<int>(-error));
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
  return std::shared_ptr<BackendMap>(new UserspaceMap(std::move(shared), *std::move(file), view));
}

UserspaceMap::UserspaceMap(SharedPtr shared, ObjectFile file, runtime::MapView* view)
    : shared_(std::move(shared)), file_(std::move(file)), view_(view), info_(MakeMapInfo(*view->header)) {}

UserspaceMap::~UserspaceMap() {
  {
    const std::lock_guard lock(shared_->session->mutex());
    runtime::ReleaseMap(view_);
  }
  shared_->session->Close(std::move(file_));
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
  return LookupWith(key, value, LookupMode::kPlain);
}

Result<bool> UserspaceMap::LookupLocked(std::span<const std::byte> key, std::span<std::byte> value) {
  return LookupWith(key, value, LookupMode::kLock);
}

Result<bool> UserspaceMap::LookupWith(std::span<const std::byte> key, std::span<std::byte> value, LookupMode mode) {
  STRATA_TRY(CheckSizes(key, value.size(), "lookup"));
  STRATA_TRY(CheckReadable("lookup"));
  if (mode == LookupMode::kLock && view_->spin_lock_offset == runtime::kNoField) return Failed(-EINVAL, "lookup");
  const long error = view_->ops->copy_out(*view_, key.data(), value.data(), static_cast<std::uint64_t>(mode));
  if (error == 0) return true;
  if (error == -ENOENT) return false;
  return Failed(error, "lookup");
}

Result<void> UserspaceMap::Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) {
  STRATA_TRY(CheckSizes(key, value.size(), "update"));
  STRATA_TRY(CheckWritable("update"));
  const auto flags = static_cast<std::uint64_t>(mode);
  if ((flags & kUpdateWithLock) != 0 && view_->spin_lock_offset == runtime::kNoField) return Failed(-EINVAL, "update");
  const long error = view_->ops->copy_in(*view_, key.data(), value.data(), flags);
  if (error == 0) return {};
  return Failed(error, "update");
}

Result<bool> UserspaceMap::Delete(std::span<const std::byte> key) {
  STRATA_TRY(CheckSizes(key, info_.element_size, "delete"));
  STRATA_TRY(CheckWritable("delete"));
  const long error = view_->ops->erase(*view_, key.data());
  if (error == 0) return true;
  if (error == -ENOENT) return false;
  return Failed(error, "delete");
}

Result<bool> UserspaceMap::LookupAndDelete(std::span<const std::byte> key, std::span<std::byte> value) {
  return TakeWith(key, value, LookupMode::kPlain);
}

Result<bool> UserspaceMap::LookupAndDeleteLocked(std::span<const std::byte> key, std::span<std::byte> value) {
  return TakeWith(key, value, LookupMode::kLock);
}

Result<bool> UserspaceMap::TakeWith(std::span<const std::byte> key, std::span<std::byte> value, LookupMode mode) {
  STRATA_TRY(CheckSizes(key, value.size(), "lookup and delete"));
  STRATA_TRY(CheckReadable("lookup and delete"));
  STRATA_TRY(CheckWritable("lookup and delete"));
  if (mode == LookupMode::kLock && view_->spin_lock_offset == runtime::kNoField)
    return Failed(-EINVAL, "lookup and delete");
  const long error = view_->ops->take(*view_, key.data(), value.data(), static_cast<std::uint64_t>(mode));
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
  const bool has_fields = (view_->spin_lock_offset & view_->timer_offset) != runtime::kNoField;
  if (has_fields) return Failed(-kNotSupportedErrno, "freeze");
  STRATA_TRY(CheckWritable("freeze"));
  if (LockForFreezing(file_.fd.get(), F_WRLCK) != 0) return Failed(-EBUSY, "freeze");
  const bool was_frozen = __atomic_exchange_n(&view_->header->frozen, 1U, __ATOMIC_SEQ_CST) != 0;
  LockForFreezing(file_.fd.get(), F_UNLCK);
  if (was_frozen) return Failed(-EBUSY, "freeze");
  return {};
}

Result<MapState> UserspaceMap::State() { return MapState{IsFrozen(*view_), view_->geometry.file_size}; }

Result<std::unique_ptr<MapMemory>> UserspaceMap::Memory() {
  const bool is_mmapable =
      (view_->ops->traits & runtime::map_traits::kIndexed) != 0 && (info_.flags & map_flags::kMmapable) != 0;
  if (!is_mmapable) {
    return Error(ErrorCode::kNotSupported, fmt::format("map {}: is not created with BPF_F_MMAPABLE", info_.name));
  }
  UniqueFd lock = STRATA_TRY(LockForWriting());
  const std::size_t mapped = view_->geometry.data_size;
  const int protection = lock.get() < 0 ? PROT_READ : PROT_READ | PROT_WRITE;
  void* memory = ::mmap(nullptr, mapped, protection, MAP_SHARED, file_.fd.get(), 0);
  if (memory == MAP_FAILED) return Failed(-errno, "mapping it into memory");
  const std::size_t size = std::size_t{view_->value_stride} * info_.max_entries;
  return std::unique_ptr<MapMemory>(std::make_unique<userspace::Memory>(
      shared_from_this(), static_cast<std::byte*>(memory), mapped, size, std::move(lock)));
}

// Empty for a map that is frozen.
Result<UniqueFd> UserspaceMap::LockForWriting() const {
  if (IsFrozen(*view_)) return UniqueFd();
  const std::string name = runtime::kMapPrefix + std::to_string(info_.id);
  UniqueFd lock(::openat(shared_->session->folder_fd(), name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (lock.get() < 0) return Failed(-errno, "mapping it into memory");
  if (const int error = LockForFreezing(lock.get(), F_RDLCK); error != 0)
    return Failed(-error, "mapping it into memory");
  if (IsFrozen(*view_)) return UniqueFd();  // meanwhile
  return lock;
}

Result<std::unique_ptr<RingMemory>> UserspaceMap::Ring() {
  if ((view_->ops->traits & runtime::map_traits::kRing) == 0) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: is no ring buffer", info_.name));
  }
  return MakeRingMemory(shared_from_this(), *view_);
}

}  // namespace strata::userspace
