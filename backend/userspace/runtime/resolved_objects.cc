#include "strata/backend/userspace/runtime/resolved_objects.h"

#include <asm/errno.h>

#include "maps/ops.h"
#include "object_tables.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kManyResolved = 256;

// Another run may see the old object or the new one, but never an id with an older object.
void Remember(MapView& holder, std::uint32_t place, std::uint32_t id, void* object) {
  std::uint64_t& known = holder.known_ids[place];
  __atomic_store_n(&known, kNoObjectId, __ATOMIC_RELEASE);
  if (object != nullptr) __atomic_store_n(&holder.known_objects[place], object, __ATOMIC_RELEASE);
  __atomic_store_n(&known, object != nullptr ? id : kFailedObjectId | id, __ATOMIC_RELEASE);
}

// One reference for all tables, kept until ReleaseForgotten().
template <typename Object>
void Keep(Process& process, Object* object, void (*release)(Object*) noexcept) {
  object->is_forgotten = false;
  if (object->is_resolved) return release(object);
  object->is_resolved = true;
  __atomic_fetch_add(&process.resolved_count, 1, __ATOMIC_RELAXED);
}

long OpenInner(MapView& holder, int folder, std::uint32_t id, MapView** out) {
  MapView* map = nullptr;
  if (const long error = OpenMapByIdLocked(*holder.process, folder, id, &map, nullptr); error != 0) return error;
  if (CheckInnerType(map->type) != 0 || !IsInnerMap(holder.inner, AsInnerMap(*map))) {
    ReleaseMapLocked(map);
    return -EINVAL;
  }
  Keep(*holder.process, map, ReleaseMapLocked);
  *out = map;
  return 0;
}

// It gets the context of its callers, so it must be of their type: the id comes from a file that others may write.
long OpenTarget(MapView& holder, int folder, std::uint32_t id, ProgramInstance** out) {
  ProgramInstance* program = nullptr;
  if (const long error = InstantiateProgramLocked(*holder.process, folder, id, &program, nullptr); error != 0)
    return error;
  if (program->type != holder.caller_type) {
    ReleaseProgramLocked(program);
    return -EINVAL;
  }
  Keep(*holder.process, program, ReleaseProgramLocked);
  *out = program;
  return 0;
}

// Of the process or machine, not of the object: another time it may go well.
bool IsTransient(long error) {
  return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EBUSY || error == -EINTR;
}

template <typename Object, typename Open>
Object* Resolve(MapView& holder, std::uint32_t place, std::uint32_t id, Open open) {
  if (__atomic_load_n(&holder.known_ids[place], __ATOMIC_ACQUIRE) == (kFailedObjectId | id)) return nullptr;
  if (!TryLockObjects(*holder.process)) return nullptr;
  const int folder = OpenSessionFolder(holder.process->session_path, nullptr);
  Object* object = nullptr;
  const long error = folder < 0 ? folder : open(folder, &object);
  if (folder >= 0) CloseDescriptor(folder);
  if (object == nullptr) __atomic_fetch_add(&holder.header->dropped, 1, __ATOMIC_RELAXED);
  if (!IsTransient(error)) Remember(holder, place, id, object);
  UnlockObjects(*holder.process);
  return object;
}

template <typename Object>
Object* FirstForgotten(Object* first) {
  while (first != nullptr && !first->is_forgotten) first = first->next;
  return first;
}

}  // namespace

void ForgetObjects(MapView& map) noexcept {
  for (std::uint32_t place = 0; place < map.geometry.known_count; ++place)
    __atomic_store_n(&map.known_ids[place], kNoObjectId, __ATOMIC_RELEASE);
}

MapView* ResolveMap(MapView& holder, std::uint32_t place, std::uint32_t id) noexcept {
  return Resolve<MapView>(holder, place, id,
                          [&](int folder, MapView** out) { return OpenInner(holder, folder, id, out); });
}

ProgramInstance* ResolveProgram(MapView& holder, std::uint32_t place, std::uint32_t id) noexcept {
  return Resolve<ProgramInstance>(
      holder, place, id, [&](int folder, ProgramInstance** out) { return OpenTarget(holder, folder, id, out); });
}

bool IsInnerMap(const InnerMap& wanted, const InnerMap& actual) noexcept {
  const bool may_differ_in_size = wanted.type != MapType::kArray || (wanted.flags & map_flags::kInnerMap) != 0;
  return wanted.type == actual.type && wanted.key_size == actual.key_size && wanted.value_size == actual.value_size &&
         wanted.flags == actual.flags && wanted.spin_lock_offset == actual.spin_lock_offset &&
         wanted.timer_offset == actual.timer_offset && (may_differ_in_size || wanted.max_entries == actual.max_entries);
}

InnerMap AsInnerMap(const MapView& map) noexcept {
  return {map.type, map.key_size, map.value_size, map.max_entries, map.flags, map.spin_lock_offset, map.timer_offset};
}

long CheckInnerType(MapType type) noexcept {
  switch (type) {
    case MapType::kArrayOfMaps:
    case MapType::kHashOfMaps:
      return -EINVAL;
    case MapType::kProgArray:
    case MapType::kPerfEventArray:
    case MapType::kCgroupArray:
    case MapType::kCgroupStorage:
    case MapType::kPerCpuCgroupStorage:
    case MapType::kStructOps:
      return kNotSupportedErrno;
    default:
      return 0;
  }
}

void ForgetResolved(Process& process) noexcept {
  if (!LockObjects(process)) return;
  for (MapView* map = process.maps; map != nullptr; map = map->next) {
    map->is_forgotten = map->is_resolved;
    ForgetObjects(*map);
  }
  for (ProgramInstance* program = process.programs; program != nullptr; program = program->next) {
    program->is_forgotten = program->is_resolved;
  }
  UnlockObjects(process);
}

void ReleaseForgotten(Process& process) noexcept {
  if (!LockObjects(process)) return;
  while (ProgramInstance* program = FirstForgotten(process.programs)) {
    program->is_forgotten = program->is_resolved = false;
    ReleaseProgramLocked(program);
  }
  while (MapView* map = FirstForgotten(process.maps)) {
    map->is_forgotten = map->is_resolved = false;
    ReleaseMapLocked(map);
  }
  __atomic_store_n(&process.resolved_count, 0U, __ATOMIC_RELAXED);
  UnlockObjects(process);
}

bool HasManyResolved(const Process& process) noexcept {
  return __atomic_load_n(&process.resolved_count, __ATOMIC_RELAXED) >= kManyResolved;
}

}  // namespace strata::runtime
