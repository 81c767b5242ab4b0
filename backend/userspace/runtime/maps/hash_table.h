// The table behind the hash kinds: chained buckets over preallocated elements, in a map's file. Private to maps/.
//
// Lookups take no lock. Each bucket's lock guards its chain, each free list's lock its list; a bucket's lock is taken
// first. An element belongs to one free list for ever (its home). A holder may be killed at any instruction: the stores
// below are ordered so that each state in between is either harmless or recorded in `pending` (bucket) or `journal`
// (free list), from which the next holder repairs it:
//   - take a free element: journal, list, pending, state, journal cleared; then fill, link it into the chain (one
//   store), pending cleared;
//   - remove: pending, unlink (one store), journal, state, list, journal cleared, pending cleared.
// A reader may stand on an element that is removed and used again meanwhile: `state` changes before `next` does, so who
// reads next and then finds another state starts again.
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
  ElementLink pending;  // being put in or taken out
};
static_assert(sizeof(HashBucket) == 16);

struct HashElement {
  ElementLink next;
  std::uint32_t hash;
  std::uint32_t state;  // 0 while free, else bucket + 1
  ElementLink free_next;
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
  std::uint64_t buckets_offset;  // into the table
  std::uint64_t elements_offset;
  std::uint64_t table_size;
};

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
  kValueOffset
};

inline HashBucket& BucketAt(const MapView& map, std::uint32_t index) noexcept {
  return reinterpret_cast<HashBucket*>(map.derived[kBuckets])[index];
}
inline HashElement& ElementAt(const MapView& map, std::uint32_t index) noexcept {
  return *reinterpret_cast<HashElement*>(map.derived[kElements] + index * map.derived[kElementSize]);
}
inline std::byte* KeyOf(HashElement& element) noexcept { return reinterpret_cast<std::byte*>(&element + 1); }
inline std::byte* ValueOf(const MapView& map, HashElement& element) noexcept {
  return reinterpret_cast<std::byte*>(&element) + map.derived[kValueOffset];
}

template <typename Word>
[[gnu::always_inline]] inline bool WordEqual(const void* left, const void* right) noexcept {
  Word words[2];
  __builtin_memcpy(&words[0], left, sizeof(Word));
  __builtin_memcpy(&words[1], right, sizeof(Word));
  return words[0] == words[1];
}

[[gnu::always_inline]] inline bool KeyEqual(const MapView& map, HashElement& element, const void* key) noexcept {
  if (map.key_size == 8) return WordEqual<std::uint64_t>(KeyOf(element), key);
  if (map.key_size == 4) return WordEqual<std::uint32_t>(KeyOf(element), key);
  return memcmp(KeyOf(element), key, map.key_size) == 0;
}

// A key's place.
struct HashPosition {
  std::uint32_t bucket;
  std::uint32_t hash;
};

[[gnu::always_inline]] inline HashPosition PositionOf(const MapView& map, const void* key) noexcept {
  const std::uint64_t hash = HashKey(key, map.key_size, map.hash_seed);
  return {static_cast<std::uint32_t>(hash & map.derived[kBucketMask]), static_cast<std::uint32_t>(hash >> 32)};
}

// A link from the file is never trusted to be in range.
[[gnu::always_inline]] inline bool IsLink(const MapView& map, ElementLink link) noexcept {
  return link - 1 < map.max_entries;
}

// Walks a chain that others may be changing. A disturbed walk starts again, a bounded number of times: a table that its
// owner corrupted must not hold anybody.
[[gnu::always_inline]] inline HashElement* FindElement(const MapView& map, HashPosition position,
                                                       const void* key) noexcept {
  constexpr int kRestarts = 256;
  const HashBucket& bucket = BucketAt(map, position.bucket);
  for (int restart = 0; restart < kRestarts; ++restart) {
    ElementLink link = __atomic_load_n(&bucket.head, __ATOMIC_ACQUIRE);
    std::uint32_t steps = 0;
    while (IsLink(map, link)) {
      if (steps++ > map.max_entries) return nullptr;
      HashElement& element = ElementAt(map, link - 1);
      const bool matches = element.hash == position.hash && KeyEqual(map, element, key);
      const ElementLink next = __atomic_load_n(&element.next, __ATOMIC_ACQUIRE);
      if (__atomic_load_n(&element.state, __ATOMIC_ACQUIRE) != position.bucket + 1) [[unlikely]]
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
bool LockBucket(MapView& map, std::uint32_t bucket, OwnerWord self) noexcept;
inline void UnlockBucket(MapView& map, std::uint32_t bucket) noexcept { Drop(&BucketAt(map, bucket).lock); }

// A free element, claimed for the bucket and pending there; -E2BIG when none is left, -EBUSY when a holder sleeps.
long ClaimElement(MapView& map, std::uint32_t bucket, OwnerWord self, HashElement** out) noexcept;
// Puts the element that is pending, filled by now, at the head of the chain.
void LinkElement(MapView& map, std::uint32_t bucket, HashElement& element) noexcept;
// Unlinks the element and frees it. -EBUSY, and nothing done, when its free list is busy.
long RemoveElement(MapView& map, std::uint32_t bucket, HashElement& element, OwnerWord self) noexcept;

// Finds or makes the element of `key` under the lock and lets `write(element, is_new)` store the value before it
// becomes visible.
template <typename Write>
[[gnu::always_inline]] inline long UpdateElement(MapView& map, const void* key, std::uint64_t flags,
                                                 Write write) noexcept {
  const long error = CheckUpdateFlags(flags);
  if (error != 0) [[unlikely]]
    return error;
  const HashPosition position = PositionOf(map, key);
  const OwnerWord self = CurrentOwner(*map.process);
  if (!LockBucket(map, position.bucket, self)) [[unlikely]]
    return -EBUSY;
  long result = 0;
  if (HashElement* found = FindElement(map, position, key); found != nullptr) {
    if (flags == static_cast<std::uint64_t>(UpdateMode::kNoExist)) {
      result = -EEXIST;
    } else {
      write(*found, false);
    }
  } else if (flags == static_cast<std::uint64_t>(UpdateMode::kExist)) {
    result = -ENOENT;
  } else {
    HashElement* claimed = nullptr;
    result = ClaimElement(map, position.bucket, self, &claimed);
    if (result == 0) {
      claimed->hash = position.hash;
      memcpy(KeyOf(*claimed), key, map.key_size);
      write(*claimed, true);
      LinkElement(map, position.bucket, *claimed);
    }
  }
  UnlockBucket(map, position.bucket);
  return result;
}

// Removes the element of `key`; `see(element)` is called before, under the lock.
template <typename See>
[[gnu::always_inline]] inline long EraseElement(MapView& map, const void* key, See see) noexcept {
  const HashPosition position = PositionOf(map, key);
  const OwnerWord self = CurrentOwner(*map.process);
  if (!LockBucket(map, position.bucket, self)) [[unlikely]]
    return -EBUSY;
  HashElement* found = FindElement(map, position, key);
  long result = -ENOENT;
  if (found != nullptr) {
    see(*found);
    result = RemoveElement(map, position.bucket, *found, self);
  }
  UnlockBucket(map, position.bucket);
  return result;
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

// --- Walks, without a lock
// ---------------------------------------------------------------------------------------------
long NextHashKey(MapView& map, const void* key, void* next) noexcept;
// visit(element) until it returns non-zero.
long ForEachElement(MapView& map, long (*visit)(MapView& map, HashElement& element, void* argument) noexcept,
                    void* argument) noexcept;

}  // namespace strata::runtime
