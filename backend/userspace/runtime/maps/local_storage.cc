// Storage by owner (kernel/bpf/bpf_local_storage.c). A table of fixed size in the map's file; an owner's element is
// looked for from a place that follows from its id on.
//
// Looking takes no lock. The map's lock guards making and removing: an element is complete before its owner is stored,
// and free as soon as that is taken away, so a holder may be killed anywhere. Elements of owners that are gone are
// taken when the table is full.
#include "local_storage.h"

#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kTableBytes = 1 << 20;
constexpr std::uint64_t kFewestElements = 64;
constexpr std::uint64_t kMostElements = 4096;
constexpr std::uint32_t kCloneFlag = 1U << 9;     // BPF_F_CLONE
constexpr std::uint32_t kMaxValue = 0xffff - 96;  // about BPF_LOCAL_STORAGE_MAX_VALUE_SIZE
constexpr std::uint64_t kRemoved = 1;             // as an owner: free, but others may lie behind it
constexpr std::size_t kLockWord = 0;              // of MapHeader::kind_state

enum Derived : std::uint32_t { kElementSize, kElementMask };

struct Element {
  std::uint64_t owner;  // 0: never used, kRemoved, or StorageOwner::id
  std::uint64_t start;

  std::byte* value() { return reinterpret_cast<std::byte*>(this + 1); }
};

std::uint64_t SizeOf(std::uint32_t value_size) { return sizeof(Element) + RoundUp(value_size, 8); }

std::uint64_t CountOf(std::uint32_t value_size) {
  std::uint64_t count = kFewestElements;
  while (count < kMostElements && 2 * count * SizeOf(value_size) <= kTableBytes) count *= 2;
  return count;
}

Element& ElementAt(const MapView& map, std::uint64_t index) {
  return *reinterpret_cast<Element*>(map.table + (index & map.derived[kElementMask]) * map.derived[kElementSize]);
}

std::uint64_t PlaceOf(const StorageOwner& owner) { return (owner.id * 0x9e3779b97f4a7c15ULL) >> 40; }

std::uint64_t OwnerAt(const Element& element) { return __atomic_load_n(&element.owner, __ATOMIC_ACQUIRE); }

void SetOwner(Element& element, std::uint64_t id) { __atomic_store_n(&element.owner, id, __ATOMIC_RELEASE); }

// The element of that id, which may be that of an earlier owner.
Element* FindById(const MapView& map, const StorageOwner& owner, std::uint64_t* index) {
  const std::uint64_t place = PlaceOf(owner);
  for (std::uint64_t i = 0; i <= map.derived[kElementMask]; ++i) {
    Element& element = ElementAt(map, place + i);
    const std::uint64_t id = OwnerAt(element);
    if (id == owner.id) {
      *index = place + i;
      return &element;
    }
    if (id == 0) return nullptr;
  }
  return nullptr;
}

Element* Find(const MapView& map, const StorageOwner& owner) {
  std::uint64_t index = 0;
  Element* element = FindById(map, owner, &index);
  return element != nullptr && element->start == owner.start ? element : nullptr;
}

// Under the lock. Where no used element lies behind it, searches end here, and at the removed ones before it.
void Remove(MapView& map, std::uint64_t index) {
  SetOwner(ElementAt(map, index), kRemoved);
  if (OwnerAt(ElementAt(map, index + 1)) != 0) return;
  const std::uint64_t count = map.derived[kElementMask] + 1;
  for (std::uint64_t i = 0; i < count && OwnerAt(ElementAt(map, index + count - i)) == kRemoved; ++i) {
    SetOwner(ElementAt(map, index + count - i), 0);
  }
}

Element* FindFree(const MapView& map, const StorageOwner& owner) {
  const std::uint64_t place = PlaceOf(owner);
  for (std::uint64_t i = 0; i <= map.derived[kElementMask]; ++i) {
    Element& element = ElementAt(map, place + i);
    if (OwnerAt(element) <= kRemoved) return &element;
  }
  return nullptr;
}

// Under the lock; the owner has none. Null when every owner that has one is still there.
Element* Make(MapView& map, const StorageOwners& owners, const StorageOwner& owner, const void* value) {
  std::uint64_t stale = 0;
  if (FindById(map, owner, &stale) != nullptr) Remove(map, stale);
  Element* element = FindFree(map, owner);
  if (element == nullptr) {
    owners.remove_gone(map);
    element = FindFree(map, owner);
  }
  if (element == nullptr) return nullptr;
  element->start = owner.start;
  if (value != nullptr) {
    memcpy(element->value(), value, map.value_size);
  } else {
    memset(element->value(), 0, map.value_size);
  }
  SetOwner(*element, owner.id);
  return element;
}

OwnerWord* LockOf(MapView& map) { return &map.header->kind_state[kLockWord]; }

// bpf_local_storage_update
long Update(MapView& map, const StorageOwners& owners, const StorageOwner& owner, const void* value,
            std::uint64_t flags) {
  if (const long error = CheckUpdateFlags(flags); error != 0) return error;
  if (Take(*map.process, LockOf(map), CurrentOwner(*map.process)) == Taken::kNot) return -EBUSY;
  Element* element = Find(map, owner);
  long result = 0;
  if (element != nullptr && flags == static_cast<std::uint64_t>(UpdateMode::kNoExist)) {
    result = -EEXIST;
  } else if (element == nullptr && flags == static_cast<std::uint64_t>(UpdateMode::kExist)) {
    result = -ENOENT;
  } else if (element != nullptr) {
    CopyValue(element->value(), value, map.value_size);
  } else if (Make(map, owners, owner, value) == nullptr) {
    result = -ENOMEM;
  }
  Drop(LockOf(map));
  return result;
}

long Identify(const MapView& map, const StorageOwners& owners, const void* key, StorageOwner* out) {
  std::int32_t fd;
  __builtin_memcpy(&fd, key, sizeof(fd));
  return owners.identify(*map.process, fd, out);
}

}  // namespace

void* StorageOf(MapView& map, const StorageOwners& owners, const StorageOwner& owner, const void* initial,
                StorageMode mode) noexcept {
  if (Element* element = Find(map, owner); element != nullptr) return element->value();
  if (mode == StorageMode::kFind) return nullptr;
  if (Take(*map.process, LockOf(map), CurrentOwner(*map.process)) == Taken::kNot) return nullptr;
  Element* element = Find(map, owner);
  if (element == nullptr) element = Make(map, owners, owner, initial);
  Drop(LockOf(map));
  return element == nullptr ? nullptr : element->value();
}

long RemoveStorage(MapView& map, const StorageOwner& owner) noexcept {
  if (Take(*map.process, LockOf(map), CurrentOwner(*map.process)) == Taken::kNot) return -EBUSY;
  std::uint64_t index = 0;
  const Element* element = FindById(map, owner, &index);
  const bool is_there = element != nullptr && element->start == owner.start;
  if (is_there) Remove(map, index);
  Drop(LockOf(map));
  return is_there ? 0 : -ENOENT;
}

void RemoveStorageIf(MapView& map, bool (*is_gone)(const StorageOwner& owner, void* argument),
                     void* argument) noexcept {
  for (std::uint64_t i = 0; i <= map.derived[kElementMask]; ++i) {
    const Element& element = ElementAt(map, i);
    const std::uint64_t id = OwnerAt(element);
    if (id > kRemoved && is_gone({id, element.start}, argument)) Remove(map, i);
  }
}

// bpf_local_storage_map_alloc_check
long LocalStorageGeometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  const std::uint32_t flags = attributes.flags;
  if ((flags & ~(map_flags::kNoPrealloc | kCloneFlag)) != 0 || (flags & map_flags::kNoPrealloc) == 0) return -EINVAL;
  if (attributes.max_entries != 0 || attributes.key_size != 4 || attributes.value_size == 0) return -EINVAL;
  if (attributes.value_size > kMaxValue) return -E2BIG;
  out->value_stride = static_cast<std::uint32_t>(RoundUp(attributes.value_size, 8));
  out->table_size = RoundUp(SizeOf(attributes.value_size) * CountOf(attributes.value_size), kPageSize);
  return 0;
}

long OpenLocalStorage(MapView& map) noexcept {
  map.derived[kElementSize] = SizeOf(map.value_size);
  map.derived[kElementMask] = CountOf(map.value_size) - 1;
  return 0;
}

// --- user space
long CopyStorageOut(MapView& map, const StorageOwners& owners, const void* key, void* value) noexcept {
  StorageOwner owner{};
  if (const long error = Identify(map, owners, key, &owner); error != 0) return error;
  Element* element = Find(map, owner);
  if (element == nullptr) return -ENOENT;
  CopyValue(value, element->value(), map.value_size);
  return 0;
}

long CopyStorageIn(MapView& map, const StorageOwners& owners, const void* key, const void* value,
                   std::uint64_t flags) noexcept {
  StorageOwner owner{};
  const long error = Identify(map, owners, key, &owner);
  return error != 0 ? error : Update(map, owners, owner, value, flags);
}

long EraseStorage(MapView& map, const StorageOwners& owners, const void* key) noexcept {
  StorageOwner owner{};
  const long error = Identify(map, owners, key, &owner);
  return error != 0 ? error : RemoveStorage(map, owner);
}

// --- not there: programs have helpers of their own
void* LookupNoStorage(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }
long RefuseStorageUpdate(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/,
                         std::uint32_t /*slot*/) noexcept {
  return -EINVAL;
}
long RefuseStorageWalk(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/,
                       void* /*argument*/) noexcept {
  return kNotSupportedErrno;
}
long RefuseNextStorageKey(MapView& /*map*/, const void* /*key*/, void* /*next*/) noexcept { return kNotSupportedErrno; }

}  // namespace strata::runtime
