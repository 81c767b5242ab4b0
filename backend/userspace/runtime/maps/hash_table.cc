#include "hash_table.h"

#include "lru.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kSmallestListShift = 6;
constexpr std::uint32_t kMaxLists = 16;

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
  shape.hints_offset = shape.list_count * sizeof(FreeList);
  shape.buckets_offset = RoundUp(shape.hints_offset + (shape.bucket_count >> kHintShift) + 1, kCacheLine);
  shape.elements_offset = RoundUp(shape.buckets_offset + shape.bucket_count * sizeof(HashBucket), kCacheLine);
  shape.table_size = RoundUp(shape.elements_offset + shape.element_size * max_entries, kPageSize);
  return shape;
}

FreeList& ListAt(const MapView& map, std::uint32_t index) { return reinterpret_cast<FreeList*>(map.table)[index]; }

std::uint32_t HomeOf(const MapView& map, std::uint32_t index) { return index >> map.derived[kHomeShift]; }

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

// The journal names an element that was on its way in or out of the list. If no bucket has it, it belongs into the
// list.
void RepairList(MapView& map, std::uint32_t index) {
  FreeList& list = ListAt(map, index);
  const ElementLink link = list.journal;
  if (IsLink(map, link) && HomeOf(map, link - 1) == index) {
    HashElement& element = ElementAt(map, link - 1);
    const std::uint32_t offset = link - 1 - (index << map.derived[kHomeShift]);
    if (OwnerOf(element.stamp) == 0 && list.head != link && offset < list.fresh) {
      Publish(element.next, list.head);
      Publish(list.head, link);
    }
  }
  Publish(list.journal, ElementLink{0});
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
    Publish(list.journal, link);
    Publish(list.head, ElementAt(map, link - 1).next);
  } else if (list.fresh < RangeSize(map, index)) {
    link = (index << map.derived[kHomeShift]) + list.fresh + 1;
    Publish(list.journal, link);
    Publish(list.fresh, list.fresh + 1);
  } else {
    return 0;
  }
  HashElement& element = ElementAt(map, link - 1);
  EnsureHint(map, bucket);  // should the holder die here, and nobody come to this bucket again
  Publish(BucketAt(map, bucket).pending, link);
  Publish(element.stamp, Hidden(element.stamp, bucket + 1));
  Publish(list.journal, ElementLink{0});
  return link;
}

// The place that holds the link to `element`: the bucket's head or an element's next. Null when the chain has it not.
ElementLink* FindLink(MapView& map, std::uint32_t bucket, const HashElement& element) {
  ElementLink* place = &BucketAt(map, bucket).head;
  for (std::uint32_t steps = 0; IsLink(map, *place) && steps <= map.max_entries; ++steps) {
    HashElement& candidate = ElementAt(map, *place - 1);
    if (&candidate == &element) return place;
    place = &candidate.next;
  }
  return nullptr;
}

// What a dead holder had begun: an element of this bucket that is in no chain was new and not yet visible, or removed.
// It is the spare.
void RepairBucket(MapView& map, std::uint32_t bucket) {
  HashBucket& entry = BucketAt(map, bucket);
  const ElementLink link = entry.pending;
  if (IsLink(map, link)) {
    HashElement& element = ElementAt(map, link - 1);
    if (OwnerOf(element.stamp) == bucket + 1 && FindLink(map, bucket, element) == nullptr) {
      Publish(element.stamp, Hidden(element.stamp, bucket + 1));
      EnsureHint(map, bucket);
      return;
    }
  }
  Publish(entry.pending, ElementLink{0});
}

// Both buckets are locked.
HashElement* MoveSpare(MapView& map, std::uint32_t from, std::uint32_t to) {
  HashElement* element = SpareOf(map, from);
  if (element == nullptr) return nullptr;
  Publish(BucketAt(map, to).pending, BucketAt(map, from).pending);
  Publish(element->stamp, Hidden(element->stamp, to + 1));
  Publish(BucketAt(map, from).pending, ElementLink{0});
  return element;
}

bool TryLockBucket(MapView& map, std::uint32_t bucket, OwnerWord self) {
  OwnerWord free = 0;
  return __atomic_compare_exchange_n(&BucketAt(map, bucket).lock, &free, self, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED);
}

// Takes other buckets' spares for one that found the free lists empty.
class SpareSearch {
 public:
  SpareSearch(MapView& map, std::uint32_t bucket, OwnerWord self) : map_(map), bucket_(bucket), self_(self) {}

  // -E2BIG when nobody has one, -EBUSY when somebody may.
  long Run(HashElement** out) {
    constexpr int kRounds = 4;
    for (int round = 1; round <= kRounds; ++round) {
      is_patient_ = round == kRounds;
      is_unsure_ = false;
      if (SearchAll(out)) return 0;
      if (!is_unsure_) return -E2BIG;
    }
    return -EBUSY;
  }

 private:
  static constexpr std::uint32_t kWordShift = kHintShift + 3;

  // All groups of buckets that share a hint, eight at a time, the own first.
  bool SearchAll(HashElement** out) {
    const auto* hints = reinterpret_cast<const std::uint64_t*>(map_.derived[kHints]);
    const std::uint64_t words = (map_.derived[kBucketMask] >> kWordShift) + 1;
    const std::uint64_t own = bucket_ >> kWordShift;
    for (std::uint64_t i = 0; i < words; ++i) {
      const std::uint64_t word = own + i < words ? own + i : own + i - words;
      if (__atomic_load_n(&hints[word], __ATOMIC_RELAXED) != 0 && SearchWord(word << kWordShift, out)) return true;
    }
    return false;
  }

  bool SearchWord(std::uint64_t first, HashElement** out) {
    for (std::uint64_t i = first; i < first + (1U << kWordShift) && i <= map_.derived[kBucketMask];
         i += 1U << kHintShift) {
      if (SearchGroup(static_cast<std::uint32_t>(i), out)) return true;
    }
    return false;
  }

  // The hint becomes a mark of this search first. It is cleared if it still is one when nothing was found: a spare left
  // behind the search's back, or another search, has changed it.
  bool SearchGroup(std::uint32_t first, HashElement** out) {
    std::uint8_t& hint = HintOf(map_, first);
    if (__atomic_load_n(&hint, __ATOMIC_RELAXED) == 0) return false;
    auto mark = static_cast<std::uint8_t>(__builtin_ia32_rdtsc() | (kHasSpare + 1));
    __atomic_exchange_n(&hint, mark, __ATOMIC_SEQ_CST);
    bool is_sure = true;
    for (std::uint32_t i = 0; i < 1U << kHintShift && first + i <= map_.derived[kBucketMask]; ++i) {
      if (first + i == bucket_) continue;
      const bool is_known = TakeFrom(first + i, out);
      if (*out != nullptr) {
        Publish(hint, kHasSpare);  // there may be more
        return true;
      }
      is_sure = is_sure && is_known;
    }
    if (is_sure) __atomic_compare_exchange_n(&hint, &mark, std::uint8_t{0}, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    is_unsure_ = is_unsure_ || !is_sure;
    return false;
  }

  // False when the bucket's holder may be about to leave a spare.
  bool TakeFrom(std::uint32_t bucket, HashElement** out) {
    const HashBucket& entry = BucketAt(map_, bucket);
    if (Observe(entry.lock) == 0 && Observe(entry.pending) == 0) return true;
    if (!(is_patient_ ? LockBucket(map_, bucket, self_) : TryLockBucket(map_, bucket, self_))) return false;
    *out = MoveSpare(map_, bucket, bucket_);
    UnlockBucket(map_, bucket);
    return true;
  }

  MapView& map_;
  std::uint32_t bucket_;
  OwnerWord self_;
  bool is_patient_ = false;  // waits for a bucket's lock, within its bound, and takes it from the dead
  bool is_unsure_ = false;
};

// Of any free list, the bucket's first.
long PopFromLists(MapView& map, std::uint32_t bucket, OwnerWord self, HashElement** out) {
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

// Something that was freed while the lists or the spares were looked at.
bool MayHaveUnused(const MapView& map) {
  for (std::uint32_t i = 0; i < map.derived[kListCount]; ++i) {
    if (!IsListEmpty(map, i)) return true;
  }
  for (std::uint64_t i = 0; i <= map.derived[kBucketMask]; i += 1U << kHintShift) {
    if (__atomic_load_n(&HintOf(map, static_cast<std::uint32_t>(i)), __ATOMIC_RELAXED) != 0) return true;
  }
  return false;
}

// From a free list or another bucket. What others free and take meanwhile may hide from one look at all of them.
long ClaimUnused(MapView& map, std::uint32_t bucket, OwnerWord self, HashElement** out) {
  constexpr int kRounds = 8;
  long error = -E2BIG;
  for (int round = 0; round < kRounds && error == -E2BIG; ++round) {
    error = PopFromLists(map, bucket, self, out);
    if (error == -E2BIG) error = SpareSearch(map, bucket, self).Run(out);
    if (error == -E2BIG && !MayHaveUnused(map)) break;
  }
  return error;
}

// The first element of the buckets from `bucket` on.
HashElement* FirstFrom(const MapView& map, std::uint64_t bucket) {
  for (; bucket <= map.derived[kBucketMask]; ++bucket) {
    const ElementLink link = Observe(BucketAt(map, static_cast<std::uint32_t>(bucket)).head);
    if (IsLink(map, link)) return &ElementAt(map, link - 1);
  }
  return nullptr;
}

bool IsIn(const HashElement& element, std::uint32_t bucket) {
  const ElementStamp stamp = Observe(element.stamp);
  return OwnerOf(stamp) == bucket + 1 && IsVisible(stamp);
}

// --- LRU: a clock's hand over all elements (lru.h) -------------------------------------------------------------------
// One candidate of the hand. Null when it stays.
HashElement* EvictAt(MapView& map, std::uint32_t index, std::uint32_t bucket, OwnerWord self, bool spares_referenced) {
  HashElement& element = ElementAt(map, index);
  const ElementStamp stamp = Observe(element.stamp);
  const std::uint32_t from = OwnerOf(stamp) - 1;
  if (from > map.derived[kBucketMask]) return nullptr;
  if (IsVisible(stamp) && spares_referenced && __atomic_load_n(&element.referenced, __ATOMIC_RELAXED) != 0) {
    __atomic_store_n(&element.referenced, std::uint8_t{0}, __ATOMIC_RELAXED);
    return nullptr;
  }
  const bool is_own = from == bucket;
  if (!is_own && !TryLockBucket(map, from, self)) return nullptr;
  HashElement* freed = is_own ? nullptr : MoveSpare(map, from, bucket);
  if (freed == nullptr && IsIn(element, from)) {
    ElementLink* place = FindLink(map, from, element);
    if (place != nullptr && RemoveElement(map, from, {&element, place}, self) == 0)
      freed = is_own ? &element : MoveSpare(map, from, bucket);
  }
  if (!is_own) UnlockBucket(map, from);
  return freed;
}

long Evict(MapView& map, std::uint32_t bucket, OwnerWord self, HashElement** out) {
  std::uint64_t& hand = map.header->kind_state[kLruHand];
  for (std::uint32_t step = 0; step < kLruSteps; ++step) {
    const std::uint64_t index = __atomic_load_n(&hand, __ATOMIC_RELAXED);
    __atomic_store_n(&hand, index + 1 < map.max_entries ? index + 1 : 0, __ATOMIC_RELAXED);
    if (index >= map.max_entries) continue;
    *out = EvictAt(map, static_cast<std::uint32_t>(index), bucket, self, step < kLruStepsThatSpare);
    if (*out != nullptr) return 0;
  }
  return -ENOMEM;
}

long ClaimFromLru(MapView& map, std::uint32_t bucket, OwnerWord self, HashElement** out) {
  std::uint64_t& exhausted = map.header->kind_state[kExhausted];
  if (__atomic_load_n(&exhausted, __ATOMIC_RELAXED) == 0) {
    const long error = ClaimUnused(map, bucket, self, out);
    if (error == 0) return 0;
    if (error == -E2BIG) {
      __atomic_store_n(&exhausted, std::uint64_t{1}, __ATOMIC_SEQ_CST);
      if (MayHaveUnused(map)) __atomic_store_n(&exhausted, std::uint64_t{0}, __ATOMIC_RELAXED);
    }
  }
  return Evict(map, bucket, self, out);
}

bool IsPerCpuHash(MapType type) { return type == MapType::kPerCpuHash || type == MapType::kLruPerCpuHash; }

// htab_map_alloc_check, in its order.
long CheckHashAttributes(const MapAttributes& attributes) {
  constexpr std::uint32_t kAllowed = map_flags::kNoPrealloc | map_flags::kNoCommonLru | map_flags::kNumaNode |
                                     map_flags::kAccess | map_flags::kZeroSeed;
  const auto has = [&](std::uint32_t flag) { return (attributes.flags & flag) != 0; };
  const bool is_lru = IsLru(attributes.type);
  if (!AreFlagsValid(attributes.flags, kAllowed)) return -EINVAL;
  if (!is_lru && has(map_flags::kNoCommonLru)) return -EINVAL;
  if (attributes.max_entries == 0 || attributes.key_size == 0 || attributes.value_size == 0) return -EINVAL;
  if (is_lru && has(map_flags::kNoPrealloc)) return kNotSupportedErrno;
  if (has(map_flags::kNumaNode) && (IsPerCpuHash(attributes.type) || has(map_flags::kNoCommonLru))) return -EINVAL;
  return 0;
}

// htab_map_alloc: lists of CPUs are of one size.
std::uint32_t RoundToCpus(const MapAttributes& attributes) {
  if ((attributes.flags & map_flags::kNoCommonLru) == 0) return attributes.max_entries;
  const std::uint32_t down = attributes.max_entries / attributes.possible_cpus * attributes.possible_cpus;
  const std::uint64_t up = std::uint64_t{down} + attributes.possible_cpus;
  return down == attributes.max_entries ? down : static_cast<std::uint32_t>(up);
}

}  // namespace

long HashGeometry(const MapAttributes& attributes, std::uint32_t slot_count, MapGeometry* out) noexcept {
  if (const long error = CheckHashAttributes(attributes); error != 0) return error;
  if (std::uint64_t{attributes.key_size} + attributes.value_size >= kMaxAllocation - 64) return -E2BIG;
  if (IsPerCpuHash(attributes.type) && RoundUp(attributes.value_size, 8) > kMaxPerCpuValue) return -E2BIG;
  if (attributes.max_entries > 1U << 30) return -E2BIG;
  out->max_entries = RoundToCpus(attributes);
  out->value_stride = static_cast<std::uint32_t>(RoundUp(attributes.value_size, 8));
  out->slot_count = slot_count;
  const HashShape shape = ShapeOf(attributes.key_size, std::uint64_t{out->value_stride} * slot_count, out->max_entries);
  out->table_size = shape.table_size;
  return 0;
}

long OpenHash(MapView& map) noexcept {
  const HashShape shape = ShapeOf(map.key_size, std::uint64_t{map.value_stride} * map.slot_count, map.max_entries);
  map.derived[kHints] = reinterpret_cast<std::uint64_t>(map.table + shape.hints_offset);
  map.derived[kBuckets] = reinterpret_cast<std::uint64_t>(map.table + shape.buckets_offset);
  map.derived[kElements] = reinterpret_cast<std::uint64_t>(map.table + shape.elements_offset);
  map.derived[kBucketMask] = shape.bucket_count - 1;
  map.derived[kElementSize] = shape.element_size;
  map.derived[kHomeShift] = shape.home_shift;
  map.derived[kListCount] = shape.list_count;
  map.derived[kValueOffset] = sizeof(HashElement) + RoundUp(map.key_size, 8);
  return 0;
}

bool LockBucketAfterWait(MapView& map, std::uint32_t bucket, OwnerWord self) noexcept {
  const Taken taken = TakeContended(*map.process, &BucketAt(map, bucket).lock, self);
  if (taken == Taken::kFromDead) RepairBucket(map, bucket);
  return taken != Taken::kNot;
}

long ClaimElement(MapView& map, std::uint32_t bucket, OwnerWord self, HashElement** out) noexcept {
  *out = nullptr;
  return IsLru(map.type) ? ClaimFromLru(map, bucket, self, out) : ClaimUnused(map, bucket, self, out);
}

bool FreeSpare(MapView& map, std::uint32_t bucket, OwnerWord self) noexcept {
  HashBucket& entry = BucketAt(map, bucket);
  HashElement* element = SpareOf(map, bucket);
  if (element != nullptr) {
    const ElementLink link = entry.pending;
    const std::uint32_t home = HomeOf(map, link - 1);
    if (!LockList(map, home, self)) return false;
    FreeList& list = ListAt(map, home);
    Publish(list.journal, link);
    Publish(element->next, list.head);
    Publish(element->stamp, Hidden(element->stamp, 0));
    Publish(list.head, link);
    Publish(list.journal, ElementLink{0});
    __atomic_store_n(&map.header->kind_state[kExhausted], std::uint64_t{0}, __ATOMIC_RELAXED);
    Drop(&list.lock);
  }
  Publish(entry.pending, ElementLink{0});
  return true;
}

long EraseKeySlowly(MapView& map, const void* key) noexcept {
  return EraseElement(map, key, [](HashElement&) {});
}

long ReplaceSpareAndUnlock(MapView& map, std::uint32_t bucket, ChainPlace place, OwnerWord self) noexcept {
  const long result = RemoveElement(map, bucket, place, self);
  UnlockBucket(map, bucket);
  return result;
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
    const ElementLink link = Observe(current->next);
    following = IsIn(*current, position.bucket) && IsLink(map, link)
                    ? &ElementAt(map, link - 1)
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
    ElementLink link = Observe(BucketAt(map, index).head);
    for (std::uint32_t steps = 0; IsLink(map, link) && steps <= map.max_entries; ++steps) {
      HashElement& element = ElementAt(map, link - 1);
      // Read before the visit, which may delete this very element.
      link = Observe(element.next);
      if (!IsIn(element, index)) break;
      if (const long result = visit(map, element, argument); result != 0) return result;
    }
  }
  return 0;
}

}  // namespace strata::runtime
