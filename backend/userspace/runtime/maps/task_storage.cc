// Task storage (kernel/bpf/bpf_local_storage.c, bpf_task_storage.c): a value per thread. A table of fixed size in the
// map's file; a thread's element is looked for from a place that follows from its id on.
//
// Looking takes no lock. The map's lock guards making and removing: an element is complete before its thread is stored,
// and free as soon as that is taken away, so a holder may be killed anywhere. Elements of threads that ended are taken
// when the table is full.
#include "task_storage.h"

#include "../thread_identity.h"
#include "ops.h"
#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kTableBytes = 1 << 20;
constexpr std::uint64_t kFewestElements = 64;
constexpr std::uint64_t kMostElements = 4096;
constexpr std::uint32_t kCloneFlag = 1U << 9;     // BPF_F_CLONE
constexpr std::uint32_t kMaxValue = 0xffff - 96;  // about BPF_LOCAL_STORAGE_MAX_VALUE_SIZE
constexpr std::uint64_t kRemoved = 1;             // as a thread: free, but others may lie behind it
constexpr std::size_t kLockWord = 0;              // of MapHeader::kind_state

enum Derived : std::uint32_t { kElementSize, kElementMask };

struct Element {
  std::uint64_t thread;  // 0: never used, kRemoved, or ThreadIdentity::thread
  std::uint64_t start;

  std::byte* value() { return reinterpret_cast<std::byte*>(this + 1); }
};

std::uint64_t SizeOf(std::uint32_t value_size) { return sizeof(Element) + RoundUp(value_size, 8); }

std::uint64_t CountOf(std::uint32_t value_size) {
  std::uint64_t count = kFewestElements;
  while (count < kMostElements && 2 * count * SizeOf(value_size) <= kTableBytes) count *= 2;
  return count;
}

// bpf_local_storage_map_alloc_check
long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  const std::uint32_t flags = attributes.flags;
  if ((flags & ~(map_flags::kNoPrealloc | kCloneFlag)) != 0 || (flags & map_flags::kNoPrealloc) == 0) return -EINVAL;
  if (attributes.max_entries != 0 || attributes.key_size != 4 || attributes.value_size == 0) return -EINVAL;
  if (attributes.value_size > kMaxValue) return -E2BIG;
  out->value_stride = static_cast<std::uint32_t>(RoundUp(attributes.value_size, 8));
  out->table_size = RoundUp(SizeOf(attributes.value_size) * CountOf(attributes.value_size), kPageSize);
  return 0;
}

long Open(MapView& map) noexcept {
  map.derived[kElementSize] = SizeOf(map.value_size);
  map.derived[kElementMask] = CountOf(map.value_size) - 1;
  return 0;
}

Element& ElementAt(const MapView& map, std::uint64_t index) {
  return *reinterpret_cast<Element*>(map.table + (index & map.derived[kElementMask]) * map.derived[kElementSize]);
}

std::uint64_t PlaceOf(const ThreadIdentity& identity) { return (identity.thread * 0x9e3779b97f4a7c15ULL) >> 40; }

std::uint64_t ThreadAt(const Element& element) { return __atomic_load_n(&element.thread, __ATOMIC_ACQUIRE); }

void SetThread(Element& element, std::uint64_t thread) { __atomic_store_n(&element.thread, thread, __ATOMIC_RELEASE); }

// The element of that thread id, which may be one of an earlier thread.
Element* FindById(const MapView& map, const ThreadIdentity& identity, std::uint64_t* index) {
  const std::uint64_t place = PlaceOf(identity);
  for (std::uint64_t i = 0; i <= map.derived[kElementMask]; ++i) {
    Element& element = ElementAt(map, place + i);
    const std::uint64_t thread = ThreadAt(element);
    if (thread == identity.thread) {
      *index = place + i;
      return &element;
    }
    if (thread == 0) return nullptr;
  }
  return nullptr;
}

Element* Find(const MapView& map, const ThreadIdentity& identity) {
  std::uint64_t index = 0;
  Element* element = FindById(map, identity, &index);
  return element != nullptr && element->start == identity.start ? element : nullptr;
}

// Under the lock. Where no used element lies behind it, searches end here, and at the removed ones before it.
void Remove(MapView& map, std::uint64_t index) {
  SetThread(ElementAt(map, index), kRemoved);
  if (ThreadAt(ElementAt(map, index + 1)) != 0) return;
  const std::uint64_t count = map.derived[kElementMask] + 1;
  for (std::uint64_t i = 0; i < count && ThreadAt(ElementAt(map, index + count - i)) == kRemoved; ++i) {
    SetThread(ElementAt(map, index + count - i), 0);
  }
}

void RemoveGone(MapView& map) {
  for (std::uint64_t i = 0; i <= map.derived[kElementMask]; ++i) {
    const Element& element = ElementAt(map, i);
    const std::uint64_t thread = ThreadAt(element);
    if (thread > kRemoved && IsGone(*map.process, {thread, element.start})) Remove(map, i);
  }
}

Element* FindFree(const MapView& map, const ThreadIdentity& identity) {
  const std::uint64_t place = PlaceOf(identity);
  for (std::uint64_t i = 0; i <= map.derived[kElementMask]; ++i) {
    Element& element = ElementAt(map, place + i);
    if (ThreadAt(element) <= kRemoved) return &element;
  }
  return nullptr;
}

// Under the lock; the thread has none. Null when every thread that has one lives.
Element* Make(MapView& map, const ThreadIdentity& identity, const void* value) {
  std::uint64_t stale = 0;
  if (FindById(map, identity, &stale) != nullptr) Remove(map, stale);
  Element* element = FindFree(map, identity);
  if (element == nullptr) {
    RemoveGone(map);
    element = FindFree(map, identity);
  }
  if (element == nullptr) return nullptr;
  element->start = identity.start;
  if (value != nullptr) {
    memcpy(element->value(), value, map.value_size);
  } else {
    memset(element->value(), 0, map.value_size);
  }
  SetThread(*element, identity.thread);
  return element;
}

OwnerWord* LockOf(MapView& map) { return &map.header->kind_state[kLockWord]; }

// bpf_local_storage_update
long UpdateFor(MapView& map, const ThreadIdentity& identity, const void* value, std::uint64_t flags) {
  if (const long error = CheckUpdateFlags(flags); error != 0) return error;
  if (Take(*map.process, LockOf(map), CurrentOwner(*map.process)) == Taken::kNot) return -EBUSY;
  Element* element = Find(map, identity);
  long result = 0;
  if (element != nullptr && flags == static_cast<std::uint64_t>(UpdateMode::kNoExist)) {
    result = -EEXIST;
  } else if (element == nullptr && flags == static_cast<std::uint64_t>(UpdateMode::kExist)) {
    result = -ENOENT;
  } else if (element != nullptr) {
    CopyValue(element->value(), value, map.value_size);
  } else if (Make(map, identity, value) == nullptr) {
    result = -ENOMEM;
  }
  Drop(LockOf(map));
  return result;
}

long EraseFor(MapView& map, const ThreadIdentity& identity) {
  if (Take(*map.process, LockOf(map), CurrentOwner(*map.process)) == Taken::kNot) return -EBUSY;
  std::uint64_t index = 0;
  Element* element = FindById(map, identity, &index);
  const bool is_there = element != nullptr && element->start == identity.start;
  if (is_there) Remove(map, index);
  Drop(LockOf(map));
  return is_there ? 0 : -ENOENT;
}

// --- user space: keys are pidfds
long IdentityOf(const MapView& map, const void* key, ThreadIdentity* out) {
  std::int32_t pidfd;
  __builtin_memcpy(&pidfd, key, sizeof(pidfd));
  return IdentifyPidfd(*map.process, pidfd, out);
}

long CopyOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  ThreadIdentity identity{};
  if (const long error = IdentityOf(map, key, &identity); error != 0) return error;
  Element* element = Find(map, identity);
  if (element == nullptr) return -ENOENT;
  CopyValue(value, element->value(), map.value_size);
  return 0;
}

long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
  ThreadIdentity identity{};
  const long error = IdentityOf(map, key, &identity);
  return error != 0 ? error : UpdateFor(map, identity, value, flags);
}

long Erase(MapView& map, const void* key) noexcept {
  ThreadIdentity identity{};
  const long error = IdentityOf(map, key, &identity);
  return error != 0 ? error : EraseFor(map, identity);
}

// --- not there: programs have helpers of their own
void* LookupNothing(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }
long RefuseUpdate(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/,
                  std::uint32_t /*slot*/) noexcept {
  return -EINVAL;
}
long RefuseWalk(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/, void* /*argument*/) noexcept {
  return kNotSupportedErrno;
}
long RefuseNextKey(MapView& /*map*/, const void* /*key*/, void* /*next*/) noexcept { return kNotSupportedErrno; }

}  // namespace

void* TaskStorageOf(MapView& map, const void* initial, TaskStorageMode mode) noexcept {
  const ThreadIdentity identity = CurrentThreadIdentity(*map.process);
  if (Element* element = Find(map, identity); element != nullptr) return element->value();
  if (mode == TaskStorageMode::kFind) return nullptr;
  if (Take(*map.process, LockOf(map), CurrentOwner(*map.process)) == Taken::kNot) return nullptr;
  Element* element = Find(map, identity);
  if (element == nullptr) element = Make(map, identity, initial);
  Drop(LockOf(map));
  return element == nullptr ? nullptr : element->value();
}

long RemoveTaskStorage(MapView& map) noexcept { return EraseFor(map, CurrentThreadIdentity(*map.process)); }

constexpr MapOps kTaskStorageOps = {
    .traits = map_traits::kLocalStorage,
    .geometry = Geometry,
    .open = Open,
    .lookup = LookupNothing,
    .update = RefuseUpdate,
    .erase = Erase,
    .for_each = RefuseWalk,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .next_key = RefuseNextKey,
};

}  // namespace strata::runtime
