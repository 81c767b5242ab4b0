#include "strata/backend/userspace/runtime/map_view.h"

#include <asm/errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "maps/ops.h"
#include "object_tables.h"
#include "strata/backend/userspace/runtime/mapped_files.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "strata/backend/userspace/runtime/timers.h"
#include "text.h"

namespace strata::runtime {
namespace {

// No file system holds more, and sums of sizes below it cannot overflow.
constexpr std::uint64_t kMaxFileSize = std::uint64_t{1} << 46;

MapAttributes AttributesOf(const MapHeader& header, std::uint32_t possible_cpus) {
  return {header.type,      header.key_size, header.value_size,       header.max_entries,  header.flags,
          header.map_extra, possible_cpus,   header.spin_lock_offset, header.timer_offset, header.inner};
}

bool HasGeometry(const MapHeader& header, const MapGeometry& geometry) {
  return (geometry.max_entries == 0 || header.max_entries == geometry.max_entries) &&
         header.value_stride == geometry.value_stride && header.slot_count == geometry.slot_count &&
         header.slot_stride == geometry.slot_stride && header.data_size == geometry.data_size &&
         header.table_offset == geometry.table_offset && header.table_size == geometry.table_size &&
         header.file_size == geometry.file_size;
}

bool HoldsField(const MapHeader& header, std::uint32_t offset, std::uint32_t size) {
  return offset == kNoField || (offset % 4 == 0 && size <= header.value_size && offset <= header.value_size - size);
}

// The header's page alone, to copy it before anything else is believed.
long ReadHeader(int fd, MapHeader* out, std::uint64_t* file_size, Reason* reason) {
  sys::FileStatus status;
  const long error = sys::Fstat(fd, &status);
  if (error != 0) return Refuse(reason, error, "map: cannot be examined");
  *file_size = static_cast<std::uint64_t>(status.size_bytes);
  if (*file_size < kPageSize || *file_size % kPageSize != 0) return Refuse(reason, -EBADMSG, "map: truncated");
  const long page = MapShared(nullptr, kPageSize, PROT_READ, fd, *file_size - kPageSize);
  if (sys::IsError(page)) return Refuse(reason, page, "map: cannot be mapped");
  memcpy(out, reinterpret_cast<const void*>(page), sizeof(MapHeader));
  UnmapShared(reinterpret_cast<void*>(page), kPageSize);
  return 0;
}

long CheckHeader(const Process& process, const MapHeader& header, std::uint64_t file_size, MapGeometry* geometry,
                 Reason* reason) {
  if (header.magic != static_cast<std::uint32_t>(FileMagic::kMap)) return Refuse(reason, -EBADMSG, "map: bad magic");
  if (header.version != kLayoutVersion)
    return Refuse(reason, -EPROTO, "map ", header.id, ": layout version ", header.version);
  const long error = ComputeGeometry(AttributesOf(header, process.slot_count), geometry);
  if (error != 0) return Refuse(reason, -EBADMSG, "map ", header.id, ": impossible attributes");
  if (!HoldsField(header, header.spin_lock_offset, kSpinLockSize) ||
      !HoldsField(header, header.timer_offset, kTimerSize))
    return Refuse(reason, -EBADMSG, "map ", header.id, ": a field lies outside of its values");
  if (!HasGeometry(header, *geometry) || file_size != geometry->file_size ||
      !IsTerminated(header.name, sizeof(header.name))) {
    return Refuse(reason, -EBADMSG, "map ", header.id, ": sizes in its header contradict its attributes");
  }
  return 0;
}

long MapPart(MapView& map, std::byte* at, std::uint64_t size, int fd, std::uint64_t offset) {
  const int protection = map.is_read_only ? PROT_READ : PROT_READ | PROT_WRITE;
  const long result = MapShared(at, size, protection, fd, offset);
  if (result == -EACCES && !map.is_read_only) {
    map.is_read_only = true;
    return MapPart(map, at, size, fd, offset);
  }
  return sys::IsError(result) ? result : 0;
}

// Memory of this process alone, for what it knows of the objects in the map.
long OpenKnownObjects(MapView& map, std::byte* memory, std::uint64_t size) {
  if (size == 0) return 0;
  map.known_ids = reinterpret_cast<std::uint64_t*>(memory);
  map.known_objects = reinterpret_cast<void**>(map.known_ids + map.geometry.known_count);
  return sys::Mprotect(memory, size, PROT_READ | PROT_WRITE);
}

// The whole file; a ring's data a second time right behind itself, then the header; then what is not the file's.
long MapFile(MapView& map, int fd) {
  const bool is_ring = (map.ops->traits & map_traits::kMappedTwice) != 0;
  const std::uint64_t size = map.geometry.file_size + (is_ring ? map.max_entries : 0);
  const std::uint64_t known_size =
      RoundUp(std::uint64_t{map.geometry.known_count} * (sizeof(std::uint64_t) + sizeof(void*)), kPageSize);
  const long base = sys::Mmap(nullptr, size + known_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  if (sys::IsError(base)) return base;
  map.mapping = reinterpret_cast<std::byte*>(base);
  map.mapping_size = size + known_size;
  if (const long error = OpenKnownObjects(map, map.mapping + size, known_size); error != 0) return error;
  map.data = map.mapping;
  map.table = map.mapping + map.geometry.table_offset;
  map.header = reinterpret_cast<MapHeader*>(map.mapping + size - kPageSize);
  if (!is_ring) return MapPart(map, map.mapping, size, fd, 0);
  const std::uint64_t positions = std::uint64_t{2} * kPageSize;
  long error = MapPart(map, map.mapping, map.geometry.data_size, fd, 0);
  if (error == 0) error = MapPart(map, map.mapping + map.geometry.data_size, map.max_entries, fd, positions);
  if (error == 0)
    error = MapPart(map, map.mapping + size - kPageSize, kPageSize, fd, map.geometry.file_size - kPageSize);
  return error;
}

// Kinds whose lookups and walks store nothing, not even a lock.
bool CanBeReadOnly(MapType type) {
  return type == MapType::kArray || type == MapType::kHash || type == MapType::kPerCpuArray ||
         type == MapType::kPerCpuHash;
}

void FillView(MapView& map, Process& process, const MapHeader& header, const MapGeometry& geometry) {
  map.ops = header.timer_offset == kNoField ? FindMapKind(header.type)->ops : TimedOps(header.type);
  map.type = header.type;
  map.id = header.id;
  map.key_size = header.key_size;
  map.value_size = header.value_size;
  map.max_entries = header.max_entries;
  map.flags = header.flags;
  map.value_stride = geometry.value_stride;
  map.slot_count = geometry.slot_count;
  map.slot_stride = geometry.slot_stride;
  map.spin_lock_offset = header.spin_lock_offset;
  map.timer_offset = header.timer_offset;
  memcpy(&map.inner, &header.inner, sizeof(map.inner));
  map.hash_seed = header.hash_seed;
  map.process = &process;
  memcpy(&map.geometry, &geometry, sizeof(geometry));
  map.references = 1;
}

void Destroy(MapView* map) {
  Process& process = *map->process;
  if (map->mapping != nullptr) UnmapShared(map->mapping, map->mapping_size);
  Free(process.arena, map, sizeof(MapView));
}

MapView* FindOpen(const Process& process, std::uint32_t id) {
  for (MapView* map = process.maps; map != nullptr; map = map->next) {
    if (map->id == id) return map;
  }
  return nullptr;
}

void Remember(Process& process, MapView* map) {
  map->next = process.maps;
  process.maps = map;
}

void Forget(Process& process, MapView* map) {
  MapView** place = &process.maps;
  while (*place != map) place = &(*place)->next;
  *place = map->next;
}

}  // namespace

std::uint64_t ElementSize(const MapView& map) noexcept {
  return (map.ops->traits & map_traits::kPerCpu) != 0 ? PerCpuElementSize(map) : map.value_size;
}

long ComputeGeometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  const MapKind* kind = FindMapKind(attributes.type);
  if (kind == nullptr) return kNotSupportedErrno;
  // Of the other kinds only arenas have one (map_create in kernel/bpf/syscall.c).
  if (attributes.map_extra != 0 && attributes.type != MapType::kBloomFilter && attributes.type != MapType::kArena)
    return -EINVAL;
  *out = MapGeometry{};
  const bool has_timer = attributes.timer_offset != kNoField;
  long error = has_timer ? CheckTimerMap(attributes) : 0;
  if (error == 0) error = kind->ops->geometry(attributes, out);
  if (error != 0) return error;
  if (has_timer) out->table_size += TimersSize(out->max_entries != 0 ? out->max_entries : attributes.max_entries);
  if (out->data_size > kMaxFileSize || out->table_size > kMaxFileSize) return -E2BIG;
  out->table_offset = out->data_size;
  out->file_size = out->table_offset + out->table_size + kPageSize;
  return 0;
}

long CreateMap(Process& process, int fd, const MapAttributes& attributes, const MapGeometry& geometry,
               const MapIdentity& identity, MapView** out, Reason* reason) noexcept {
  MapHeader header;
  memset(&header, 0, sizeof(header));
  header.magic = static_cast<std::uint32_t>(FileMagic::kMap);
  header.version = kLayoutVersion;
  header.id = identity.id;
  header.type = attributes.type;
  header.key_size = attributes.key_size;
  header.value_size = attributes.value_size;
  header.max_entries = geometry.max_entries != 0 ? geometry.max_entries : attributes.max_entries;
  header.flags = attributes.flags;
  header.map_extra = attributes.map_extra;
  header.value_stride = geometry.value_stride;
  header.slot_count = geometry.slot_count;
  header.slot_stride = geometry.slot_stride;
  header.data_size = geometry.data_size;
  header.table_offset = geometry.table_offset;
  header.table_size = geometry.table_size;
  header.file_size = geometry.file_size;
  header.hash_seed = identity.hash_seed;
  header.key_type_id = identity.key_type_id;
  header.value_type_id = identity.value_type_id;
  header.btf_id = identity.btf_id;
  header.spin_lock_offset = attributes.spin_lock_offset;
  header.timer_offset = attributes.timer_offset;
  memcpy(&header.inner, &attributes.inner, sizeof(header.inner));
  memcpy(header.name, identity.name, sizeof(header.name));
  header.name[sizeof(header.name) - 1] = 0;
  const long written = sys::WriteAt(fd, &header, sizeof(header), geometry.file_size - kPageSize);
  if (written != static_cast<long>(sizeof(header)))
    return Refuse(reason, written < 0 ? written : -ENOSPC, "map: cannot be written");
  const long error = OpenMap(process, fd, out, reason);
  if (error == 0) (*out)->ops->initialize(**out);
  return error;
}

namespace {

long OpenLocked(Process& process, int fd, MapView** out, Reason* reason) {
  MapHeader header;
  MapGeometry geometry;
  std::uint64_t file_size = 0;
  long error = ReadHeader(fd, &header, &file_size, reason);
  if (error == 0) error = CheckHeader(process, header, file_size, &geometry, reason);
  if (error != 0) return error;
  if (MapView* open = FindOpen(process, header.id); open != nullptr) {
    ++open->references;
    *out = open;
    return 0;
  }
  auto* map = static_cast<MapView*>(Allocate(process.arena, sizeof(MapView)));
  if (map == nullptr) return Refuse(reason, -ENOMEM, "map ", header.id, ": no memory");
  FillView(*map, process, header, geometry);
  error = MapFile(*map, fd);
  if (error == 0 && map->is_read_only && !CanBeReadOnly(map->type)) error = -EACCES;
  if (error == 0) error = map->ops->open(*map);
  if (error != 0) {
    Destroy(map);
    return Refuse(reason, error, "map ", header.id, ": cannot be mapped");
  }
  Remember(process, map);
  *out = map;
  return 0;
}

}  // namespace

long OpenMap(Process& process, int fd, MapView** out, Reason* reason) noexcept {
  if (!LockObjects(process)) return Refuse(reason, -EBUSY, "map: the process's tables stay locked");
  const long error = OpenLocked(process, fd, out, reason);
  UnlockObjects(process);
  return error;
}

long OpenMapById(Process& process, int folder_fd, std::uint32_t id, MapView** out, Reason* reason) noexcept {
  if (!LockObjects(process)) return Refuse(reason, -EBUSY, "map ", id, ": the process's tables stay locked");
  const long error = OpenMapByIdLocked(process, folder_fd, id, out, reason);
  UnlockObjects(process);
  return error;
}

long OpenMapByIdLocked(Process& process, int folder_fd, std::uint32_t id, MapView** out, Reason* reason) noexcept {
  if (MapView* open = FindOpen(process, id); open != nullptr) {
    ++open->references;
    *out = open;
    return 0;
  }
  char name[kObjectNameSize];
  FormatObjectName(name, kMapPrefix, id);
  int fd = sys::OpenAt(folder_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd == -EACCES) fd = sys::OpenAt(folder_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return Refuse(reason, fd, "map ", id, ": cannot be opened");
  long error = OpenLocked(process, fd, out, reason);
  if (error == 0 && (*out)->id != id) {
    ReleaseMapLocked(*out);
    error = Refuse(reason, -EBADMSG, "map ", id, ": its header has another id");
  }
  sys::Close(fd);
  return error;
}

void ReleaseMap(MapView* map) noexcept {
  Process& process = *map->process;
  if (!LockObjects(process)) return;  // it then stays open
  ReleaseMapLocked(map);
  UnlockObjects(process);
}

void ReleaseMapLocked(MapView* map) noexcept {
  if (--map->references != 0) return;
  Forget(*map->process, map);
  Destroy(map);
}

}  // namespace strata::runtime
