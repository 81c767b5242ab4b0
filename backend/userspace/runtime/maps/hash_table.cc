#include "hash_table.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kSmallestListShift = 6;
constexpr std::uint32_t kMaxLists = 16;
constexpr std::uint32_t kSweepState = 0;  // index into MapHeader::kind_state: where the next sweep begins

std::uint64_t PowerOfTwoAtLeast(std::uint64_t value) {
  std::uint64_t power = 1;
  while (power < value) power *= 2;
  return power;
}

HashShape ShapeOf(std::uint32_t key_size, std::uint64_t value_bytes, std::uint32_t max_entries) {
  HashShape shape;
  shape.bucket_count = PowerOfTwoAtLeast(max_entries);
  shape.element_size = sizeof(HashElement) + RoundUp(key_size, 8) + value_bytes;
  shape.home_shift = kSmallestListShift;
  while (((max_entries - 1) >> shape.home_shift) >= kMaxLists) ++shape.home_shift;
  shape.list_count = ((max_entries - 1) >> shape.home_shift) + 1;
  shape.buckets_offset = shape.list_count * sizeof(FreeList);
  shape.elements_offset = RoundUp(shape.buckets_offset + shape.bucket_count * sizeof(HashBucket), kCacheLine);
  shape.table_size = RoundUp(shape.elements_offset + shape.element_size * max_entries, kPageSize);
  return shape;
}

FreeList& ListAt(const MapView& map, std::uint32_t index) { return reinterpret_cast<FreeList*>(map.table)[index]; }

std::uint32_t HomeOf(const MapView& map, std::uint32_t index) { return index >> map.derived[kHomeShift]; }

template <typename T>
void Store(T& word, T value) {
  __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}

// Elements in the list's range: all lists but the last have a full one.
std::uint32_t RangeSize(const MapView& map, std::uint32_t list) {
  const std::uint32_t first = list << map.derived[kHomeShift];
  const std::uint32_t full = 1U << map.derived[kHomeShift];
  return map.max_entries - first < full ? map.max_entries - first : full;
}

bool IsListEmpty(const MapView& map, std::uint32_t index) {
  const FreeList& list = ListAt(map, index);
  return __atomic_load_n(&list.head, __ATOMIC_RELAXED) == 0 &&
         __atomic_load_n(&list.fresh, __ATOMIC_RELAXED) >= RangeSize(map, index);
}

// The journal names an element that was on its way in or out of the list. If it is not claimed by a bucket, it belongs
// into the list.
void RepairList(MapView& map, std::uint32_t index) {
  FreeList& list = ListAt(map, index);
  const ElementLink link = list.journal;
  if (IsLink(map, link) && HomeOf(map, link - 1) == index) {
    HashElement& element = ElementAt(map, link - 1);
    const std::uint32_t offset = link - 1 - (index << map.derived[kHomeShift]);
    if (element.state == 0 && list.head != link && offset < list.fresh) {
      Store(element.free_next, list.head);
      Store(list.head, link);
    }
  }
  Store(list.journal, ElementLink{0});
}

bool LockList(MapView& map, std::uint32_t index, OwnerWord self) {
  const Taken taken = Take(*map.process, &ListAt(map, index).lock, self);
  if (taken == Taken::kFromDead) RepairList(map, index);
  return taken != Taken::kNot;
}

// The list is locked; 0 when it is empty.
ElementLink PopElement(MapView& map, std::uint32_t index, std::uint32_t bucket) {
  FreeList& list = ListAt(map, index);
  ElementLink link = list.head;
  if (IsLink(map, link)) {
    Store(list.journal, link);
    Store(list.head, ElementAt(map, link - 1).free_next);
  } else if (list.fresh < RangeSize(map, index)) {
    link = (index << map.derived[kHomeShift]) + list.fresh + 1;
    Store(list.journal, link);
    Store(list.fresh, list.fresh + 1);
  } else {
    return 0;
  }
  Store(BucketAt(map, bucket).pending, link);
  Store(ElementAt(map, link - 1).state, bucket + 1);
  Store(list.journal, ElementLink{0});
  return link;
}

// The element's home is locked, and no chain has it.
void PushElement(MapView& map, HashElement& element, ElementLink link) {
  FreeList& list = ListAt(map, HomeOf(map, link - 1));
  Store(list.journal, link);
  Store(element.free_next, list.head);
  Store(element.state, 0U);
  Store(list.head, link);
  Store(list.journal, ElementLink{0});
}

// The place that holds the link to `element`: the bucket's head or an element's next. Null when the chain has it not.
ElementLink* FindPlace(MapView& map, std::uint32_t bucket, const HashElement& element) {
  ElementLink* place = &BucketAt(map, bucket).head;
  for (std::uint32_t steps = 0; IsLink(map, *place) && steps <= map.max_entries; ++steps) {
    HashElement& candidate = ElementAt(map, *place - 1);
    if (&candidate == &element) return place;
    place = &candidate.next;
  }
  return nullptr;
}

// What a dead holder had begun: an element claimed for this bucket that is in no chain is freed; it was new and not yet
// visible, or removed. False, with `pending` as it was, while the list is busy.
bool RepairBucket(MapView& map, std::uint32_t bucket, OwnerWord self) {
  HashBucket& entry = BucketAt(map, bucket);
  const ElementLink link = entry.pending;
  if (IsLink(map, link)) {
    HashElement& element = ElementAt(map, link - 1);
    if (element.state == bucket + 1 && FindPlace(map, bucket, element) == nullptr) {
      if (!LockList(map, HomeOf(map, link - 1), self)) return false;
      PushElement(map, element, link);
      Drop(&ListAt(map, HomeOf(map, link - 1)).lock);
    }
  }
  Store(entry.pending, ElementLink{0});
  return true;
}

// The first element of the buckets from `bucket` on.
HashElement* FirstFrom(const MapView& map, std::uint64_t bucket) {
  for (; bucket <= map.derived[kBucketMask]; ++bucket) {
    const ElementLink link = __atomic_load_n(&BucketAt(map, static_cast<std::uint32_t>(bucket)).head, __ATOMIC_ACQUIRE);
    if (IsLink(map, link)) return &ElementAt(map, link - 1);
  }
  return nullptr;
}

}  // namespace

long HashGeometry(const MapAttributes& attributes, std::uint32_t slot_count, MapGeometry* out) noexcept {
  const std::uint32_t allowed =
      map_flags::kNoPrealloc | map_flags::kNumaNode | map_flags::kAccess | map_flags::kZeroSeed;
  if (!AreFlagsValid(attributes.flags, allowed)) return -EINVAL;
  if (attributes.max_entries == 0 || attributes.key_size == 0 || attributes.value_size == 0) return -EINVAL;
  if (std::uint64_t{attributes.key_size} + attributes.value_size >= kMaxAllocation - 64) return -E2BIG;
  if (attributes.max_entries > 1U << 30) return -E2BIG;
  out->value_stride = static_cast<std::uint32_t>(RoundUp(attributes.value_size, 8));
  out->slot_count = slot_count;
  const HashShape shape =
      ShapeOf(attributes.key_size, std::uint64_t{out->value_stride} * slot_count, attributes.max_entries);
  out->table_size = shape.table_size;
  return 0;
}

long OpenHash(MapView& map) noexcept {
  const HashShape shape = ShapeOf(map.key_size, std::uint64_t{map.value_stride} * map.slot_count, map.max_entries);
  map.derived[kBuckets] = reinterpret_cast<std::uint64_t>(map.table + shape.buckets_offset);
  map.derived[kElements] = reinterpret_cast<std::uint64_t>(map.table + shape.elements_offset);
  map.derived[kBucketMask] = shape.bucket_count - 1;
  map.derived[kElementSize] = shape.element_size;
  map.derived[kHomeShift] = shape.home_shift;
  map.derived[kListCount] = shape.list_count;
  map.derived[kValueOffset] = sizeof(HashElement) + RoundUp(map.key_size, 8);
  return 0;
}

bool LockBucket(MapView& map, std::uint32_t bucket, OwnerWord self) noexcept {
  if (Take(*map.process, &BucketAt(map, bucket).lock, self) == Taken::kNot) [[unlikely]]
    return false;
  // Of a dead holder, or of one that could not repair it.
  if (BucketAt(map, bucket).pending == 0 || RepairBucket(map, bucket, self)) [[likely]]
    return true;
  UnlockBucket(map, bucket);
  return false;
}

// An element of any list; as ClaimElement.
static long ClaimFromLists(MapView& map, std::uint32_t bucket, OwnerWord self, HashElement** out) noexcept {
  bool is_any_busy = false;
  const auto list_count = static_cast<std::uint32_t>(map.derived[kListCount]);
  for (std::uint32_t i = 0; i < list_count; ++i) {
    const std::uint32_t index = (bucket + i) % list_count;
    // A dead holder's list may look empty and own the element in its journal.
    if (IsListEmpty(map, index) && __atomic_load_n(&ListAt(map, index).journal, __ATOMIC_RELAXED) == 0) continue;
    if (!LockList(map, index, self)) {
      is_any_busy = true;
      continue;
    }
    const ElementLink link = PopElement(map, index, bucket);
    Drop(&ListAt(map, index).lock);
    if (link == 0) continue;
    *out = &ElementAt(map, link - 1);
    return 0;
  }
  return is_any_busy ? -EBUSY : -E2BIG;
}

// A full table looks at some buckets, others each time, for what a dead holder left there: nobody else may come to
// them.
static bool RepairSomeBuckets(MapView& map, OwnerWord self) noexcept {
  constexpr std::uint64_t kAtATime = 64;
  const std::uint64_t first = __atomic_fetch_add(&map.header->kind_state[kSweepState], kAtATime, __ATOMIC_RELAXED);
  bool is_any_repaired = false;
  for (std::uint64_t i = 0; i < kAtATime && i <= map.derived[kBucketMask]; ++i) {
    const auto index = static_cast<std::uint32_t>((first + i) & map.derived[kBucketMask]);
    const HashBucket& entry = BucketAt(map, index);
    if (__atomic_load_n(&entry.pending, __ATOMIC_RELAXED) == 0) [[likely]]
      continue;
    const OwnerWord holder = __atomic_load_n(&entry.lock, __ATOMIC_RELAXED);
    if (holder == self || (holder != 0 && !IsOwnerDead(*map.process, holder)) || !LockBucket(map, index, self))
      continue;
    UnlockBucket(map, index);
    is_any_repaired = true;
  }
  return is_any_repaired;
}

long ClaimElement(MapView& map, std::uint32_t bucket, OwnerWord self, HashElement** out) noexcept {
  const long error = ClaimFromLists(map, bucket, self, out);
  if (error != -E2BIG || !RepairSomeBuckets(map, self)) return error;
  return ClaimFromLists(map, bucket, self, out);
}

void LinkElement(MapView& map, std::uint32_t bucket, HashElement& element) noexcept {
  HashBucket& entry = BucketAt(map, bucket);
  Store(element.next, entry.head);
  Store(entry.head, entry.pending);
  Store(entry.pending, ElementLink{0});
}

long RemoveElement(MapView& map, std::uint32_t bucket, HashElement& element, OwnerWord self) noexcept {
  ElementLink* place = FindPlace(map, bucket, element);
  if (place == nullptr) return -ENOENT;
  const ElementLink link = *place;
  const std::uint32_t home = HomeOf(map, link - 1);
  if (!LockList(map, home, self)) return -EBUSY;
  Store(BucketAt(map, bucket).pending, link);
  Store(*place, element.next);
  PushElement(map, element, link);
  Drop(&ListAt(map, home).lock);
  Store(BucketAt(map, bucket).pending, ElementLink{0});
  return 0;
}

// htab_map_get_next_key: after an unknown key comes the first one.
long NextHashKey(MapView& map, const void* key, void* next) noexcept {
  HashElement* following = nullptr;
  HashElement* current = nullptr;
  HashPosition position{0, 0};
  if (key != nullptr) {
    position = PositionOf(map, key);
    current = FindElement(map, position, key);
  }
  if (current == nullptr) {
    following = FirstFrom(map, 0);
  } else {
    const ElementLink link = __atomic_load_n(&current->next, __ATOMIC_ACQUIRE);
    const bool is_undisturbed = __atomic_load_n(&current->state, __ATOMIC_ACQUIRE) == position.bucket + 1;
    following = is_undisturbed && IsLink(map, link) ? &ElementAt(map, link - 1)
                                                    : FirstFrom(map, std::uint64_t{position.bucket} + 1);
  }
  if (following == nullptr) return -ENOENT;
  memcpy(next, KeyOf(*following), map.key_size);
  return 0;
}

long ForEachElement(MapView& map, long (*visit)(MapView& map, HashElement& element, void* argument) noexcept,
                    void* argument) noexcept {
  for (std::uint64_t bucket = 0; bucket <= map.derived[kBucketMask]; ++bucket) {
    const auto index = static_cast<std::uint32_t>(bucket);
    ElementLink link = __atomic_load_n(&BucketAt(map, index).head, __ATOMIC_ACQUIRE);
    for (std::uint32_t steps = 0; IsLink(map, link) && steps <= map.max_entries; ++steps) {
      HashElement& element = ElementAt(map, link - 1);
      // Read before the visit, which may delete this very element.
      link = __atomic_load_n(&element.next, __ATOMIC_ACQUIRE);
      if (__atomic_load_n(&element.state, __ATOMIC_ACQUIRE) != index + 1) break;
      if (const long result = visit(map, element, argument); result != 0) return result;
    }
  }
  return 0;
}

}  // namespace strata::runtime
