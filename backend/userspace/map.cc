// A map's handle: opened, asked about, and its elements read and changed as bpf(2) does it.
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "objects.h"
#include "pins.h"
#include "strata/backend/map_errors.h"

namespace strata::userspace {
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

// Bytes are no descriptor here: UpdateProgram() and UpdateMap() put objects in.
constexpr std::array<std::byte, sizeof(std::uint32_t)> kNoObject{};

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

Error UserspaceMap::ClosedTo(std::string_view operation, std::string_view why) const {
  return Error(ErrorCode::kPermissionDenied, fmt::format("map {}: {}: {}", info_.name, operation, why), EPERM);
}

bool UserspaceMap::IsFrozen() const { return __atomic_load_n(&view_->header->frozen, __ATOMIC_ACQUIRE) != 0; }

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
  if (access_ == MapAccess::kWriteOnly) return ClosedTo(operation, "this handle may only write it");
  if ((info_.flags & map_flags::kWriteOnly) != 0) return Failed(-EPERM, operation);
  return {};
}

Result<void> UserspaceMap::CheckWritable(std::string_view operation) const {
  if (access_ == MapAccess::kReadOnly) return ClosedTo(operation, "this handle may only read it");
  if ((info_.flags & map_flags::kReadOnly) != 0 || IsFrozen()) return Failed(-EPERM, operation);
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

Result<void> UserspaceMap::Pin(const std::string& path) {
  return PinObject(*object_->shared->session, object_->file.fd.get(), path, "map " + info_.name);
}

Result<MapState> UserspaceMap::State() {
  return MapState{IsFrozen(), view_->geometry.file_size - view_->geometry.sparse_size};
}

}  // namespace strata::userspace
