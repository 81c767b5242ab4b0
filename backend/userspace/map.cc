#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "objects.h"
#include "pins.h"
#include "strata/backend/map_errors.h"
#include "strata/backend/userspace/runtime/arena.h"
#include "strata/backend/userspace/runtime/mapped_files.h"
#include "strata/backend/userspace/runtime/resolved_objects.h"
#include "strata/backend/userspace/runtime/sys.h"
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
  ~Memory() override { runtime::UnmapShared(data_, mapped_); }
  std::span<std::byte> bytes() override { return {data_, size_}; }
  bool is_read_only() const override { return lock_.get() < 0; }

 private:
  std::shared_ptr<UserspaceMap> map_;
  std::byte* data_;
  std::size_t mapped_;
  std::size_t size_;
  UniqueFd lock_;
};

// As programs look elements up. A value that is being changed may be read half old, half new.
long CopyWithoutLock(runtime::MapView& map, const std::byte* key, std::span<std::byte> value) {
  const bool is_per_cpu = (map.ops->traits & runtime::map_traits::kPerCpu) != 0;
  const std::uint32_t slots = is_per_cpu ? map.slot_count : 1;
  for (std::uint32_t slot = 0; slot < slots; ++slot) {
    const void* found = map.ops->lookup(map, key, slot);
    if (found == nullptr) return -ENOENT;
    const std::span<std::byte> out = value.subspan(std::size_t{slot} * map.value_stride);
    std::memcpy(out.data(), found, map.value_size);
    if (is_per_cpu) std::memset(out.data() + map.value_size, 0, map.value_stride - map.value_size);
    if (map.spin_lock_offset != runtime::kNoField)
      std::memset(out.data() + map.spin_lock_offset, 0, runtime::kSpinLockSize);
    if (map.timer_offset != runtime::kNoField) std::memset(out.data() + map.timer_offset, 0, runtime::kTimerSize);
  }
  return 0;
}

Error ClosedTo(const MapInfo& info, std::string_view operation, std::string_view why) {
  return Error(ErrorCode::kPermissionDenied, fmt::format("map {}: {}: {}", info.name, operation, why), EPERM);
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

// At an address whose upper half is the same for all of it. MAP_FAILED, with errno, when that is not possible.
void* MapArenaAnywhere(std::size_t size, int fd, int protection) {
  constexpr std::uintptr_t kLowHalf = 0xffffffff;
  void* room = ::mmap(nullptr, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return room;
  const auto begin = reinterpret_cast<std::uintptr_t>(room);
  const bool crosses = begin >> 32 != (begin + size - 1) >> 32;
  const std::uintptr_t address = crosses ? (begin + kLowHalf) & ~kLowHalf : begin;
  if (address != begin) ::munmap(room, address - begin);
  ::munmap(reinterpret_cast<void*>(address + size), begin + size - address);
  void* memory = ::mmap(reinterpret_cast<void*>(address), size, protection, MAP_SHARED | MAP_FIXED, fd, 0);
  if (memory == MAP_FAILED) ::munmap(reinterpret_cast<void*>(address), size);
  return memory;
}

// Where it is mapped already, or shall be: at one address in all processes (kernel/bpf/arena.c, arena_map_mmap).
void* MapArena(runtime::MapView& map, int fd, int protection) {
  const std::size_t size = map.geometry.data_size;
  auto* place = reinterpret_cast<void*>(runtime::ArenaAddress(map));
  void* memory = place == nullptr ? MapArenaAnywhere(size, fd, protection)
                                  : ::mmap(place, size, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
  if (memory == MAP_FAILED) return memory;
  if (!runtime::FixArenaAddress(map, reinterpret_cast<std::uintptr_t>(memory))) {  // another one was first
    ::munmap(memory, size);
    errno = EBUSY;
    return MAP_FAILED;
  }
  ::madvise(memory, size, MADV_NOHUGEPAGE);
  return memory;
}

void* MapData(std::size_t size, int fd, int protection) {
  const long memory = runtime::MapShared(nullptr, size, protection, fd);
  if (!runtime::sys::IsError(memory)) return reinterpret_cast<void*>(memory);
  errno = static_cast<int>(-memory);
  return MAP_FAILED;
}

bool IsFrozen(const runtime::MapView& map) { return __atomic_load_n(&map.header->frozen, __ATOMIC_ACQUIRE) != 0; }

// Values with fields are changed by programs alone: no freeze, no mapping (kernel/bpf/syscall.c, map->record).
bool HasFields(const runtime::MapView& map) {
  return map.timer_offset != runtime::kNoField || map.spin_lock_offset != runtime::kNoField;
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

MapInfo MakeMapInfo(const runtime::MapHeader& header) {
  MapInfo info;
  info.id = header.id;
  info.name.assign(header.name, ::strnlen(header.name, sizeof(header.name)));
  info.type = header.type;
  info.key_size = header.key_size;
  info.value_size = header.value_size;
  info.max_entries = header.max_entries;
  info.flags = header.flags;
  info.map_extra = header.map_extra;
  info.btf_id = header.btf_id;
  info.key_type_id = header.key_type_id;
  info.value_type_id = header.value_type_id;
  const runtime::MapKind* kind = runtime::FindMapKind(header.type);
  const bool is_per_cpu = kind != nullptr && (kind->ops->traits & runtime::map_traits::kPerCpu) != 0;
  info.element_size = is_per_cpu ? header.value_stride * header.slot_count : header.value_size;
  return info;
}

namespace {

// The header lies in shared memory: what sizes depend on comes from the view, which is a checked copy.
MapInfo InfoOf(const runtime::MapView& view) {
  runtime::MapHeader header;
  std::memcpy(&header, view.header, sizeof(header));
  header.id = view.id;
  header.type = view.type;
  header.key_size = view.key_size;
  header.value_size = view.value_size;
  header.max_entries = view.max_entries;
  header.flags = view.flags;
  header.value_stride = view.value_stride;
  header.slot_count = view.slot_count;
  return MakeMapInfo(header);
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

Result<std::shared_ptr<BackendMap>> UserspaceMap::Open(SharedPtr shared, ObjectFile file, MapAccess access) {
  Session& session = *shared->session;
  runtime::MapView* view = nullptr;
  runtime::Reason reason;
  long error = 0;
  {
    const std::lock_guard lock(session.mutex());
    error = runtime::OpenMap(session.process(), file.fd.get(), &view, &reason);
  }
  if (error != 0) return Error::FromErrno(static_cast<int>(-error), static_cast<const char*>(reason.text));
  if (view->is_read_only) access = MapAccess::kReadOnly;  // shared with us so
  auto object = std::make_shared<MapObject>(std::move(shared), std::move(file), view);
  return std::shared_ptr<BackendMap>(new UserspaceMap(std::move(object), access));
}

MapObject::~MapObject() {
  {
    const std::lock_guard lock(shared->session->mutex());
    runtime::ReleaseMap(view);
  }
  shared->session->Close(std::move(file));
}

UserspaceMap::UserspaceMap(std::shared_ptr<MapObject> object, MapAccess access)
    : object_(std::move(object)), view_(object_->view), access_(access), info_(InfoOf(*view_)) {
  if ((view_->ops->traits & runtime::map_traits::kHoldsPrograms) != 0) object_->TakeHandle();
}

UserspaceMap::~UserspaceMap() {
  timers_.reset();
  if ((view_->ops->traits & runtime::map_traits::kHoldsPrograms) != 0) EmptyPrograms();
  if ((view_->ops->traits & runtime::map_traits::kHoldsObjects) != 0) LetResolvedGo();
}

Result<std::shared_ptr<BackendMap>> MapFromDescriptor(SharedPtr shared, int descriptor) {
  const Session& session = *shared->session;
  const std::string what = fmt::format("descriptor {}", descriptor);
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0) return Error::FromErrno(errno, what);
  // An open of its own: the lock belongs to it, and the descriptor may be one that cannot be read.
  const UniqueFd own(::open(fmt::format("/proc/self/fd/{}", descriptor).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const auto identity = own ? IdentityAs(own.get(), ObjectKind::kMap) : std::nullopt;
  if (!identity || !IsFileOf(session.folder_fd(), own.get(), identity->object))
    return Error(ErrorCode::kInvalidArgument, what + ": is no map of this session", EINVAL);
  ObjectFile file = STRATA_TRY(session.OpenHeld(FileNameOf(identity->object), what, O_RDWR));
  const int mode = flags & O_ACCMODE;
  const MapAccess access = mode == O_RDONLY   ? MapAccess::kReadOnly
                           : mode == O_WRONLY ? MapAccess::kWriteOnly
                                              : MapAccess::kReadWrite;
  return UserspaceMap::Open(std::move(shared), std::move(file), access).Context(what);
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
  if (access_ == MapAccess::kWriteOnly) return ClosedTo(info_, operation, "this handle may only write it");
  if ((info_.flags & map_flags::kWriteOnly) != 0) return Failed(-EPERM, operation);
  return {};
}

Result<void> UserspaceMap::CheckWritable(std::string_view operation) const {
  if (access_ == MapAccess::kReadOnly) return ClosedTo(info_, operation, "this handle may only read it");
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
  const long error = view_->is_read_only
                         ? CopyWithoutLock(*view_, key.data(), value)
                         : view_->ops->copy_out(*view_, key.data(), value.data(), static_cast<std::uint64_t>(mode));
  if (error == 0) return true;
  if (error == -ENOENT) return false;
  return Failed(error, "lookup");
}

Result<void> UserspaceMap::Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode mode) {
  STRATA_TRY(CheckSizes(key, value.size(), "update"));
  STRATA_TRY(CheckWritable("update"));
  if ((view_->ops->traits & runtime::map_traits::kHoldsObjects) != 0) value = kNoObject;
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
  if (error == 0) Drop(key);
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
  if (access_ == MapAccess::kReadOnly) return ClosedTo(info_, "freeze", "this handle may only read it");
  if (HasFields(*view_)) return Failed(-kNotSupportedErrno, "freeze");
  STRATA_TRY(CheckWritable("freeze"));
  if (LockForFreezing(object_->file.fd.get(), F_WRLCK) != 0) return Failed(-EBUSY, "freeze");
  const bool was_frozen = __atomic_exchange_n(&view_->header->frozen, 1U, __ATOMIC_SEQ_CST) != 0;
  LockForFreezing(object_->file.fd.get(), F_UNLCK);
  if (was_frozen) return Failed(-EBUSY, "freeze");
  return {};
}

Result<void> UserspaceMap::Pin(const std::string& path) {
  return PinObject(*object_->shared->session, object_->file.fd.get(), path, "map " + info_.name);
}

Result<MapState> UserspaceMap::State() {
  return MapState{IsFrozen(*view_), view_->geometry.file_size - view_->geometry.sparse_size};
}

Result<std::unique_ptr<MapMemory>> UserspaceMap::Memory() {
  constexpr std::uint32_t kPlainData = runtime::map_traits::kIndexed | runtime::map_traits::kMmapable;
  const bool is_arena = info_.type == MapType::kArena;
  const bool is_mmapable =
      is_arena || ((view_->ops->traits & kPlainData) == kPlainData && (info_.flags & map_flags::kMmapable) != 0);
  if (!is_mmapable) {
    return Error(ErrorCode::kNotSupported, fmt::format("map {}: is not created with BPF_F_MMAPABLE", info_.name));
  }
  if (HasFields(*view_)) return Failed(-kNotSupportedErrno, "mapping it into memory");
  if (access_ != MapAccess::kReadWrite) {  // as of the kernel's, whose shared mappings need a descriptor for both
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("map {}: mapping it into memory: this handle may not read and write it", info_.name),
                 EACCES);
  }
  UniqueFd lock = STRATA_TRY(LockForWriting());
  const std::size_t mapped = view_->geometry.data_size;
  const int protection = lock.get() < 0 ? PROT_READ : PROT_READ | PROT_WRITE;
  const int fd = object_->file.fd.get();
  void* memory = is_arena ? MapArena(*view_, fd, protection) : MapData(mapped, fd, protection);
  if (memory == MAP_FAILED) return Failed(-errno, "mapping it into memory");
  const std::size_t size = is_arena ? mapped : std::size_t{view_->value_stride} * info_.max_entries;
  return std::unique_ptr<MapMemory>(std::make_unique<userspace::Memory>(
      shared_from_this(), static_cast<std::byte*>(memory), mapped, size, std::move(lock)));
}

// Empty for a map that is frozen.
Result<UniqueFd> UserspaceMap::LockForWriting() const {
  if (IsFrozen(*view_)) return UniqueFd();
  const std::string name = runtime::kMapPrefix + std::to_string(info_.id);
  UniqueFd lock(::openat(object_->shared->session->folder_fd(), name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
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
  if (access_ != MapAccess::kReadWrite)
    return ClosedTo(info_, "reading records", "a reader says in the map how far it is, and this handle may not write");
  return MakeRingMemory(shared_from_this(), *view_);
}

Result<std::unique_ptr<UserRingMemory>> UserspaceMap::UserRing() {
  if ((view_->ops->traits & runtime::map_traits::kUserRing) == 0) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: is no user ring buffer", info_.name));
  }
  if (access_ != MapAccess::kReadWrite) return ClosedTo(info_, "writing", "this handle may not read and write it");
  return MakeUserRingMemory(shared_from_this(), *view_);
}

}  // namespace strata::userspace
