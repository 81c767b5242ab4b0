// The table behind the hash kinds: chained buckets over preallocated elements, in a map's file. Private to maps/.
//
// Lookups take no lock. Each bucket's lock guards its chain, each free list's lock its list; a bucket's lock is taken
// first. A removed element stays with its bucket as the spare for the next insertion there, so that most changes take
// one lock; a second one goes to the free list that it belongs to for ever (its home).
//
// An element's stamp says whose it is (bucket + 1, or 0 in a free list) and, by an odd generation, that no chain has
// it. A holder may be killed at any instruction. `pending` (bucket) and `journal` (free list) name the one element that
// may be in no chain and no list, and the stamp says which of both has to keep it:
//   - claim:  journal, list, pending, stamp (the bucket's now), journal cleared
//   - insert: fill, next, stamp (even), link it into the chain (one store), pending cleared
//   - remove: pending, unlink (one store), stamp (odd); it stays pending: the spare
//   - free:   journal, next, stamp (the list's now), list, journal cleared, pending cleared
//   - steal:  the other bucket's spare: pending here, stamp (this bucket's now), pending there cleared
// A reader may stand on an element that is removed and used again meanwhile: the stamp changes before anything else
// does and again behind it, so who finds it changed starts again.
#pragma once

#include <cstdint>

#include "key_hash.h"
#include "ops.h"
#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime {

// Links are an element's index + 1; 0 ends a chain, so that a zeroed file is an empty table.
using ElementLink = std::uint32_t;

struct HashBucket {
  OwnerWord lock;
  ElementLink head;
  ElementLink pending;  // being put in or taken out; with the lock free: the spare
};
static_assert(sizeof(HashBucket) == 16);

// Bits 0..31: bucket + 1, or 0 while in a free list; bits 32..63: the generation, even while a chain has the element.
using ElementStamp = std::uint64_t;

struct HashElement {
  ElementStamp stamp;
  ElementLink next;  // in the chain or the free list
  std::uint16_t hash;
  std::uint8_t referenced;  // LRU kinds: looked up since the clock's hand passed
  std::uint8_t reserved;
  // key, rounded up to 8; then the value of each slot
};
static_assert(sizeof(HashElement) == 16);

struct alignas(kCacheLine) FreeList {
  OwnerWord lock;
  ElementLink head;
  std::uint32_t fresh;  // elements of the list's range that have been handed out at least once
  ElementLink journal;
};
static_assert(sizeof(FreeList) == kCacheLine);

struct HashShape {
  std::uint64_t bucket_count;
  std::uint64_t element_size;
  std::uint32_t home_shift;  // element index >> home_shift: its free list
  std::uint32_t list_count;
  std::uint64_t
      hints_offset;  // into the table: a byte for each 1 << kHintShift buckets, 0 when none of them has a spare
  std::uint64_t buckets_offset;
  std::uint64_t elements_offset;
  std::uint64_t table_size;
};

inline constexpr std::uint32_t kHintShift = 6;
inline constexpr std::uint8_t kHasSpare = 1;  // a bucket was left one; above: somebody is looking whether one still is

// In MapHeader::kind_state.
inline constexpr std::uint32_t kLruHand = 0;    // LRU kinds: the next element to be looked at
inline constexpr std::uint32_t kExhausted = 1;  // 1 while neither free lists nor spares are believed to be there

// htab_map_alloc_check and the layout.
long HashGeometry(const MapAttributes& attributes, std::uint32_t slot_count, MapGeometry* out) noexcept;
long OpenHash(MapView& map) noexcept;

// MapView::derived of hash kinds.
enum HashDerived : std::uint32_t {
  kBuckets,
  kElements,
  kBucketMask,
  kElementSize,
  kHomeShift,
  kListCount,
  kValueOffset,
  kHints
};

inline HashBucket& BucketAt(const MapView& map, std::uint32_t index) noexcept {
  return reinterpret_cast<HashBucket*>(map.derived[kBuckets])[index];
}
inline HashElement& ElementAt(const MapView& map, std::uint32_t index) noexcept {
  return *reinterpret_cast<HashElement*>(map.derived[kElements] + index * map.derived[kElementSize]);
}
inline std::uint8_t& HintOf(const MapView& map, std::uint32_t bucket) noexcept {
  return reinterpret_cast<std::uint8_t*>(map.derived[kHints])[bucket >> kHintShift];
}
inline std::byte* KeyOf(HashElement& element) noexcept { return reinterpret_cast<std::byte*>(&element + 1); }
inline std::byte* ValueOf(const MapView& map, HashElement& element) noexcept {
  return reinterpret_cast<std::byte*>(&element) + map.derived[kValueOffset];
}

// --- Stamps ----------------------------------------------------------------------------------------------------------
inline constexpr ElementStamp kGeneration = ElementStamp{1} << 32;

inline std::uint32_t OwnerOf(ElementStamp stamp) noexcept { return static_cast<std::uint32_t>(stamp); }
inline bool IsVisible(ElementStamp stamp) noexcept { return (stamp & kGeneration) == 0; }
// The stamp of an element that leaves its chain, belonging to `owner` (bucket + 1, or 0) from now on.
inline ElementStamp Hidden(ElementStamp stamp, std::uint32_t owner) noexcept {
  return ((stamp | kGeneration) & ~ElementStamp{0xffffffff}) | owner;
}
inline ElementStamp Visible(ElementStamp hidden) noexcept { return hidden + kGeneration; }

// --- Keys ------------------------------------------------------------------------------------------------------------
// The functions below are made for keys of 4 and 8 bytes, and for any size (0), which they take from the map.
inline constexpr std::uint32_t kAnySize = 0;

template <typename Word>
[[gnu::always_inline]] inline bool WordEqual(const void* left, const void* right) noexcept {
  Word words[2];
  __builtin_memcpy(&words[0], left, sizeof(Word));
  __builtin_memcpy(&words[1], right, sizeof(Word));
  return words[0] == words[1];
}

// A key's place.
struct HashPosition {
  std::uint32_t bucket;
  std::uint16_t hash;
};

template <std::uint32_t kKeySize = kAnySize>
[[gnu::always_inline]] inline HashPosition PositionOf(const MapView& map, const void* key) noexcept {
  const std::uint64_t hash = HashKey(key, kKeySize == kAnySize ? map.key_size : kKeySize, map.hash_seed);
  return {static_cast<std::uint32_t>(hash & map.derived[kBucketMask]), static_cast<std::uint16_t>(hash >> 48)};
}

template <std::uint32_t kKeySize>
[[gnu::always_inline]] inline bool Matches(const MapView& map, HashElement& element, HashPosition position,
                                           const void* key) noexcept {
  if constexpr (kKeySize == 8) return WordEqual<std::uint64_t>(KeyOf(element), key);
  if constexpr (kKeySize == 4) return WordEqual<std::uint32_t>(KeyOf(element), key);
  return __atomic_load_n(&element.hash, __ATOMIC_RELAXED) == position.hash &&
         memcmp(KeyOf(element), key, map.key_size) == 0;
}

// A link from the file is never trusted to be in range.
[[gnu::always_inline]] inline bool IsLink(const MapView& map, ElementLink link) noexcept {
  return link - 1 < map.max_entries;
}

// Walks a chain that others may be changing. A disturbed walk starts again, a bounded number of times: a table that its
// owner corrupted must not hold anybody.
template <std::uint32_t kKeySize = kAnySize>
[[gnu::always_inline]] inline HashElement* FindElement(const MapView& map, HashPosition position,
                                                       const void* key) noexcept {
  constexpr int kRestarts = 256;
  const HashBucket& bucket = BucketAt(map, position.bucket);
  for (int restart = 0; restart < kRestarts; ++restart) {
    ElementLink link = Observe(bucket.head);
    std::uint32_t steps = 0;
    while (IsLink(map, link)) {
      if (steps++ > map.max_entries) return nullptr;
      HashElement& element = ElementAt(map, link - 1);
      const ElementStamp stamp = Observe(element.stamp);
      if (OwnerOf(stamp) != position.bucket + 1 || !IsVisible(stamp)) [[unlikely]]
        break;
      const bool matches = Matches<kKeySize>(map, element, position, key);
      const ElementLink next = Observe(element.next);
      __atomic_thread_fence(__ATOMIC_ACQUIRE);
      if (Observe(element.stamp) != stamp) [[unlikely]]
        break;
      if (matches) return &element;
      link = next;
    }
    if (!IsLink(map, link)) return nullptr;
  }
  return nullptr;
}

// --- Under the bucket's lock ---------------------------------------------------------------------------------------
// Takes it, after repairing what a dead holder left. False when it is busy.
bool LockBucketAfterWait(MapView& map, std::uint32_t bucket, OwnerWord self) noexcept;
[[gnu::always_inline]] inline bool LockBucket(MapView& map, std::uint32_t bucket, OwnerWord self) noexcept {
  OwnerWord free = 0;
  if (__atomic_compare_exchange_n(&BucketAt(map, bucket).lock, &free, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      [[likely]]
    return true;
  return LockBucketAfterWait(map, bucket, self);
}
[[gnu::always_inline]] inline void UnlockBucket(MapView& map, std::uint32_t bucket) noexcept {
  Drop(&BucketAt(map, bucket).lock);
}

// An element in its chain, and the word that holds its link: the bucket's head or another element's `next`.
struct ChainPlace {
  HashElement* element;  // null when the chain has it not
  ElementLink* link;
};

template <std::uint32_t kKeySize = kAnySize>
[[gnu::always_inline]] inline ChainPlace FindPlace(const MapView& map, HashPosition position,
                                                   const void* key) noexcept {
  ElementLink* place = &BucketAt(map, position.bucket).head;
  for (std::uint32_t steps = 0; IsLink(map, *place) && steps <= map.max_entries; ++steps) {
    HashElement& element = ElementAt(map, *place - 1);
    if (Matches<kKeySize>(map, element, position, key)) return {&element, place};
    place = &element.next;
  }
  return {nullptr, nullptr};
}

// The bucket's spare; null without one.
[[gnu::always_inline]] inline HashElement* SpareOf(const MapView& map, std::uint32_t bucket) noexcept {
  const ElementLink link = BucketAt(map, bucket).pending;
  if (!IsLink(map, link)) return nullptr;
  HashElement& element = ElementAt(map, link - 1);
  return OwnerOf(element.stamp) == bucket + 1 && !IsVisible(element.stamp) ? &element : nullptr;
}

// Says that the bucket may have a spare. Who looks for spares changes the hint before it looks, and passes no locked
// bucket: none is overlooked.
inline void SetHint(MapView& map, std::uint32_t bucket) noexcept {
  Publish(HintOf(map, bucket), kHasSpare);
  __atomic_store_n(&map.header->kind_state[kExhausted], std::uint64_t{0}, __ATOMIC_RELAXED);
}
[[gnu::always_inline]] inline void EnsureHint(MapView& map, std::uint32_t bucket) noexcept {
  if (__atomic_load_n(&HintOf(map, bucket), __ATOMIC_RELAXED) != kHasSpare) [[unlikely]]
    SetHint(map, bucket);
}

// A free element that becomes the bucket's spare; of a full LRU map, one that was in use. -E2BIG when none is left,
// -EBUSY when a holder sleeps.
long ClaimElement(MapView& map, std::uint32_t bucket, OwnerWord self, HashElement** out) noexcept;
// Gives the bucket's spare back to its free list. False, and nothing done, when that is busy.
bool FreeSpare(MapView& map, std::uint32_t bucket, OwnerWord self) noexcept;

// Puts the spare, filled by now, at the head of the chain.
[[gnu::always_inline]] inline void LinkSpare(MapView& map, std::uint32_t bucket, HashElement& element) noexcept {
  HashBucket& entry = BucketAt(map, bucket);
  Publish(element.next, entry.head);
  Publish(element.stamp, Visible(element.stamp));
  Publish(entry.head, entry.pending);
  Publish(entry.pending, ElementLink{0});
}

// Unlinks the element; it becomes the spare of a bucket that has none.
[[gnu::always_inline]] inline void LeaveAsSpare(MapView& map, std::uint32_t bucket, ChainPlace place) noexcept {
  Publish(BucketAt(map, bucket).pending, *place.link);
  Publish(*place.link, place.element->next);
  Publish(place.element->stamp, Hidden(place.element->stamp, bucket + 1));
  EnsureHint(map, bucket);
}

// The same of any bucket. -EBUSY, and nothing done, when the last spare's free list is busy.
inline long RemoveElement(MapView& map, std::uint32_t bucket, ChainPlace place, OwnerWord self) noexcept {
  if (BucketAt(map, bucket).pending != 0 && !FreeSpare(map, bucket, self)) return -EBUSY;
  LeaveAsSpare(map, bucket, place);
  return 0;
}

[[gnu::always_inline]] inline void PrefetchHead(const MapView& map, std::uint32_t bucket) noexcept {
  const ElementLink link = __atomic_load_n(&BucketAt(map, bucket).head, __ATOMIC_RELAXED);
  if (IsLink(map, link)) __builtin_prefetch(&ElementAt(map, link - 1), 1);
}

// A key that the chain has not, under the lock.
template <std::uint32_t kKeySize, typename Write>
[[gnu::always_inline]] inline long InsertElement(MapView& map, HashPosition position, const void* key, OwnerWord self,
                                                 Write write) noexcept {
  HashElement* spare = SpareOf(map, position.bucket);
  if (spare == nullptr) {
    const long error = ClaimElement(map, position.bucket, self, &spare);
    if (error != 0) [[unlikely]]
      return error;
  }
  __atomic_store_n(&spare->hash, position.hash, __ATOMIC_RELAXED);  // a late reader may look at it
  spare->referenced = 0;
  if constexpr (kKeySize == kAnySize) {
    memcpy(KeyOf(*spare), key, map.key_size);
  } else {
    __builtin_memcpy(KeyOf(*spare), key, kKeySize);
  }
  write(*spare, true);
  LinkSpare(map, position.bucket, *spare);
  return 0;
}

// Finds or makes the element of `key` under the lock and lets `write(element, is_new)` store the value before it
// becomes visible. `mode` is a valid UpdateMode without kLock.
template <std::uint32_t kKeySize = kAnySize, typename Write>
[[gnu::always_inline]] inline long UpdateInMode(MapView& map, const void* key, UpdateMode mode, Write write) noexcept {
  const HashPosition position = PositionOf<kKeySize>(map, key);
  PrefetchHead(map, position.bucket);
  const OwnerWord self = CurrentOwner(*map.process);
  if (!LockBucket(map, position.bucket, self)) [[unlikely]]
    return -EBUSY;
  const ChainPlace found = FindPlace<kKeySize>(map, position, key);
  long result = 0;
  if (found.element != nullptr) {
    if (mode == UpdateMode::kNoExist) {
      result = -EEXIST;
    } else {
      write(*found.element, false);
    }
  } else if (mode == UpdateMode::kExist) {
    result = -ENOENT;
  } else {
    result = InsertElement<kKeySize>(map, position, key, self, write);
  }
  UnlockBucket(map, position.bucket);
  return result;
}

// The same for kinds that know no other flags (htab_map_update_elem and its kin).
template <std::uint32_t kKeySize = kAnySize, typename Write>
[[gnu::always_inline]] inline long UpdateElement(MapView& map, const void* key, std::uint64_t flags,
                                                 Write write) noexcept {
  const long error = CheckUpdateFlags(flags);
  if (error != 0) [[unlikely]]
    return error;
  return UpdateInMode<kKeySize>(map, key, static_cast<UpdateMode>(flags), write);
}

// Removes the element of `key`. `see(element)` is called before, under the lock; an error of it ends the removal.
template <std::uint32_t kKeySize = kAnySize, typename See>
[[gnu::always_inline]] inline long EraseElementIf(MapView& map, const void* key, See see) noexcept {
  const HashPosition position = PositionOf<kKeySize>(map, key);
  PrefetchHead(map, position.bucket);
  const OwnerWord self = CurrentOwner(*map.process);
  if (!LockBucket(map, position.bucket, self)) [[unlikely]]
    return -EBUSY;
  const ChainPlace found = FindPlace<kKeySize>(map, position, key);
  long result = -ENOENT;
  if (found.element != nullptr) [[likely]] {
    result = see(*found.element);
    if (result == 0) result = RemoveElement(map, position.bucket, found, self);
  }
  UnlockBucket(map, position.bucket);
  return result;
}

template <std::uint32_t kKeySize = kAnySize, typename See>
[[gnu::always_inline]] inline long EraseElement(MapView& map, const void* key, See see) noexcept {
  return EraseElementIf<kKeySize>(map, key, [&](HashElement& element) {
    see(element);
    return 0L;
  });
}

// What EraseKey() leaves to calls: an owner that is not known, a lock that is taken; a bucket that has a spare.
long EraseKeySlowly(MapView& map, const void* key) noexcept;
long ReplaceSpareAndUnlock(MapView& map, std::uint32_t bucket, ChainPlace place, OwnerWord self) noexcept;

// Removes the element of `key`. It ends in the calls that it makes, so that it saves no register: each store in front
// of the lock costs, since taking it waits for them.
template <std::uint32_t kKeySize = kAnySize>
[[gnu::always_inline]] inline long EraseKey(MapView& map, const void* key) noexcept {
  const OwnerWord self = CachedOwner(*map.process);
  const HashPosition position = PositionOf<kKeySize>(map, key);
  HashBucket& entry = BucketAt(map, position.bucket);
  OwnerWord free = 0;
  if (self == 0 || !__atomic_compare_exchange_n(&entry.lock, &free, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      [[unlikely]]
    return EraseKeySlowly(map, key);
  const ChainPlace found = FindPlace<kKeySize>(map, position, key);
  if (found.element == nullptr) {
    Drop(&entry.lock);
    return -ENOENT;
  }
  if (entry.pending != 0) return ReplaceSpareAndUnlock(map, position.bucket, found, self);
  LeaveAsSpare(map, position.bucket, found);
  Drop(&entry.lock);
  return 0;
}

// Copies out under the lock, so that a value that is being updated is not seen half-done; where the lock stays busy,
// without it.
template <typename See>
inline long ReadElement(MapView& map, const void* key, See see) noexcept {
  const HashPosition position = PositionOf(map, key);
  const bool is_locked = LockBucket(map, position.bucket, CurrentOwner(*map.process));
  HashElement* found = FindElement(map, position, key);
  if (found != nullptr) see(*found);
  if (is_locked) UnlockBucket(map, position.bucket);
  return found == nullptr ? -ENOENT : 0;
}

// --- Walks, without a lock -------------------------------------------------------------------------------------------
long NextHashKey(MapView& map, const void* key, void* next) noexcept;
// visit(element) until it returns non-zero.
long ForEachElement(MapView& map, long (*visit)(MapView& map, HashElement& element, void* argument) noexcept,
                    void* argument) noexcept;

}  // namespace strata::runtime
