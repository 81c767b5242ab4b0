// Maps in the memory of user space: what may be mapped, where an arena is, and the freezing that mappings prevent.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

#include "objects.h"
#include "strata/backend/userspace/runtime/arena.h"
#include "strata/backend/userspace/runtime/mapped_files.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::userspace {
namespace {

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

// In `room_size` bytes: at an address whose upper half is the same for all of it, and low in its 4 GiB where there is
// room, which compiled code reaches with fewer instructions. Not at 0 of them, the null of 32-bit pointers.
std::uintptr_t ArenaPlaceIn(std::uintptr_t begin, std::size_t room_size, std::size_t size) {
  constexpr std::uintptr_t kLowHalf = 0xffffffff;
  constexpr std::uintptr_t kLowest = 1 << 16;
  const std::uintptr_t next = (begin + kLowHalf) & ~kLowHalf;
  if (size <= kLowHalf - kLowest && next + kLowest + size <= begin + room_size) return next + kLowest;
  const bool crosses = begin >> 32 != (begin + size - 1) >> 32;
  return crosses ? next : begin;
}

// MAP_FAILED, with errno, when that is not possible.
void* MapArenaAnywhere(std::size_t size, int fd, int protection) {
  constexpr std::size_t kSpan = (std::size_t{1} << 32) + (1 << 16);
  constexpr int kReserved = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  std::size_t room_size = size + kSpan;
  void* room = ::mmap(nullptr, room_size, PROT_NONE, kReserved, -1, 0);
  if (room == MAP_FAILED) {  // perhaps by a limit of the process
    room_size = 2 * size;
    room = ::mmap(nullptr, room_size, PROT_NONE, kReserved, -1, 0);
  }
  if (room == MAP_FAILED) return room;
  const auto begin = reinterpret_cast<std::uintptr_t>(room);
  const std::uintptr_t address = ArenaPlaceIn(begin, room_size, size);
  if (address != begin) ::munmap(room, address - begin);
  ::munmap(reinterpret_cast<void*>(address + size), begin + room_size - size - address);
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

// Values with fields are changed by programs alone: no freeze, no mapping (kernel/bpf/syscall.c, map->record).
bool HasFields(const runtime::MapView& map) {
  return map.timer_offset != runtime::kNoField || map.spin_lock_offset != runtime::kNoField;
}

}  // namespace

// kernel/bpf/syscall.c map_freeze: not while somebody may write through a mapping.
Result<void> UserspaceMap::Freeze() {
  if (access_ == MapAccess::kReadOnly) return ClosedTo("freeze", "this handle may only read it");
  if (HasFields(*view_)) return Failed(-kNotSupportedErrno, "freeze");
  STRATA_TRY(CheckWritable("freeze"));
  if (LockForFreezing(object_->file.fd.get(), F_WRLCK) != 0) return Failed(-EBUSY, "freeze");
  const bool was_frozen = __atomic_exchange_n(&view_->header->frozen, 1U, __ATOMIC_SEQ_CST) != 0;
  LockForFreezing(object_->file.fd.get(), F_UNLCK);
  if (was_frozen) return Failed(-EBUSY, "freeze");
  return {};
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
  if (IsFrozen()) return UniqueFd();
  const std::string name = runtime::kMapPrefix + std::to_string(info_.id);
  UniqueFd lock(::openat(object_->shared->session->folder_fd(), name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (lock.get() < 0) return Failed(-errno, "mapping it into memory");
  if (const int error = LockForFreezing(lock.get(), F_RDLCK); error != 0)
    return Failed(-error, "mapping it into memory");
  if (IsFrozen()) return UniqueFd();  // meanwhile
  return lock;
}

}  // namespace strata::userspace
