#include "index_keys.h"
#include "key_hash.h"
#include "ops.h"
#include "strata/backend/userspace/runtime/owner_lock.h"
#include "strata/backend/userspace/runtime/stack_trace_map.h"

namespace strata::runtime {
namespace {

// One place, with its addresses behind it. Whoever writes it holds its lock and makes `sequence` odd meanwhile, so
// that others compare without the lock. A writer that died leaves an odd sequence: then the place is empty.
struct StackBucket {
  OwnerWord lock;
  std::uint32_t sequence;
  std::uint32_t count;  // addresses; 0: empty
  std::uint64_t hash;
};
static_assert(sizeof(StackBucket) == 24);

// Indices into MapView::derived.
enum StackDerived : std::uint32_t { kBucketCount, kBucketSize };

std::uint64_t BucketCount(std::uint32_t max_entries) {
  std::uint64_t power = 1;
  while (power < max_entries) power *= 2;
  return power;
}
std::uint64_t BucketSize(std::uint32_t value_size) { return sizeof(StackBucket) + value_size; }

StackBucket& BucketAt(const MapView& map, std::uint64_t id) {
  return *reinterpret_cast<StackBucket*>(map.table + id * map.derived[kBucketSize]);
}
std::uint64_t* FramesOf(StackBucket& bucket) { return reinterpret_cast<std::uint64_t*>(&bucket + 1); }
std::uint32_t MostFrames(const MapView& map) { return map.value_size / 8; }

// Odd: being written.
void BeginWrite(StackBucket& bucket) {
  __atomic_store_n(&bucket.sequence, bucket.sequence | 1, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_RELEASE);
}
void EndWrite(StackBucket& bucket) { Publish(bucket.sequence, (bucket.sequence | 1) + 1); }

bool Lock(const MapView& map, StackBucket& bucket) {
  const Taken taken = Take(*map.process, &bucket.lock, CurrentOwner(*map.process));
  if (taken == Taken::kFromDead && bucket.sequence % 2 != 0) {
    Publish(bucket.count, 0U);
    EndWrite(bucket);
  }
  return taken != Taken::kNot;
}

struct Stack {
  const std::uint64_t* frames;
  std::uint32_t count;
  std::uint64_t hash;
};

enum class Content : std::uint8_t { kEmpty, kSame, kSameHash, kOther };

Content Compare(StackBucket& bucket, const Stack& stack) {
  const std::uint32_t count = Observe(bucket.count);
  if (count == 0) return Content::kEmpty;
  if (Observe(bucket.hash) != stack.hash) return Content::kOther;
  const bool is_same =
      count == stack.count && memcmp(FramesOf(bucket), stack.frames, count * sizeof(std::uint64_t)) == 0;
  return is_same ? Content::kSame : Content::kSameHash;
}

// False while it is being written, or when it was changed meanwhile.
bool CompareUnlocked(StackBucket& bucket, const Stack& stack, Content* out) {
  const std::uint32_t before = Observe(bucket.sequence);
  *out = Compare(bucket, stack);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return before % 2 == 0 && __atomic_load_n(&bucket.sequence, __ATOMIC_RELAXED) == before;
}

bool IsFound(Content content, std::uint64_t flags) {
  return content == Content::kSame || (content == Content::kSameHash && (flags & kStackFastCompare) != 0);
}
bool IsTaken(Content content, std::uint64_t flags) {
  return content != Content::kEmpty && (flags & kStackReuseId) == 0;
}

void Write(StackBucket& bucket, const Stack& stack) {
  BeginWrite(bucket);
  Publish(bucket.count, 0U);
  Publish(bucket.hash, stack.hash);
  memcpy(FramesOf(bucket), stack.frames, stack.count * sizeof(std::uint64_t));
  Publish(bucket.count, stack.count);
  EndWrite(bucket);
}

void Clear(StackBucket& bucket) {
  BeginWrite(bucket);
  Publish(bucket.count, 0U);
  EndWrite(bucket);
}

long StoreLocked(MapView& map, StackBucket& bucket, std::uint64_t id, const Stack& stack, std::uint64_t flags) {
  if (!Lock(map, bucket)) return -EBUSY;
  const Content content = Compare(bucket, stack);
  long result = static_cast<long>(id);
  if (!IsFound(content, flags)) {
    if (IsTaken(content, flags)) {
      result = -EEXIST;
    } else {
      Write(bucket, stack);
    }
  }
  Drop(&bucket.lock);
  return result;
}

// stack_map_alloc. Stacks are addresses alone: build ids (BPF_F_STACK_BUILD_ID) are refused.
long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  constexpr std::uint32_t kUserAccess = map_flags::kReadOnly | map_flags::kWriteOnly;
  if (!AreFlagsValid(attributes.flags, map_flags::kNumaNode | kUserAccess)) return -EINVAL;
  if (attributes.max_entries == 0 || attributes.key_size != 4 || attributes.value_size < 8 ||
      attributes.value_size % 8 != 0 || attributes.value_size / 8 > kMaxStackFrames)
    return -EINVAL;
  if (attributes.max_entries > 1U << 31) return -E2BIG;
  out->value_stride = attributes.value_size;
  out->table_size = RoundUp(BucketCount(attributes.max_entries) * BucketSize(attributes.value_size), kPageSize);
  return 0;
}

long Open(MapView& map) noexcept {
  map.derived[kBucketCount] = BucketCount(map.max_entries);
  map.derived[kBucketSize] = BucketSize(map.value_size);
  return 0;
}

long Extract(MapView& map, const void* key, void* value, bool is_taken) {
  const std::uint32_t id = IndexOf(key);
  if (id >= map.derived[kBucketCount]) return -ENOENT;
  StackBucket& bucket = BucketAt(map, id);
  if (!Lock(map, bucket)) return -EBUSY;
  const std::uint32_t count = bucket.count <= MostFrames(map) ? bucket.count : MostFrames(map);
  if (count != 0) {
    memcpy(value, FramesOf(bucket), count * sizeof(std::uint64_t));
    memset(static_cast<std::uint64_t*>(value) + count, 0, map.value_size - count * sizeof(std::uint64_t));
    if (is_taken) Clear(bucket);
  }
  Drop(&bucket.lock);
  return count != 0 ? 0 : -ENOENT;
}

long CopyOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  return Extract(map, key, value, false);
}
long TakeOut(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  return Extract(map, key, value, true);
}

long Erase(MapView& map, const void* key) noexcept {
  const std::uint32_t id = IndexOf(key);
  if (id >= map.derived[kBucketCount]) return -E2BIG;
  StackBucket& bucket = BucketAt(map, id);
  if (!Lock(map, bucket)) return -EBUSY;
  const bool is_there = bucket.count != 0;
  if (is_there) Clear(bucket);
  Drop(&bucket.lock);
  return is_there ? 0 : -ENOENT;
}

// stack_map_get_next_key: after an id that has no stack comes the first one.
long NextKey(MapView& map, const void* key, void* next) noexcept {
  std::uint64_t id = 0;
  if (key != nullptr) {
    const std::uint32_t last = IndexOf(key);
    if (last < map.derived[kBucketCount] && Observe(BucketAt(map, last).count) != 0) id = std::uint64_t{last} + 1;
  }
  while (id < map.derived[kBucketCount] && Observe(BucketAt(map, id).count) == 0) ++id;
  if (id >= map.derived[kBucketCount]) return -ENOENT;
  const auto found = static_cast<std::uint32_t>(id);
  __builtin_memcpy(next, &found, sizeof(found));
  return 0;
}

// Programs write stacks by bpf_get_stackid alone.
void* Lookup(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }
long Update(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/,
            std::uint32_t /*slot*/) noexcept {
  return -EINVAL;
}
long CopyIn(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/) noexcept {
  return -EINVAL;
}
long ForEach(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/, void* /*argument*/) noexcept {
  return -EINVAL;
}

}  // namespace

long StoreStack(MapView& map, const std::uint64_t* frames, std::uint32_t count, std::uint64_t flags) noexcept {
  if (count == 0 || count > MostFrames(map)) return -EFAULT;
  const Stack stack{frames, count, HashKey(frames, count * 8, 0)};
  const std::uint64_t id = stack.hash & (map.derived[kBucketCount] - 1);
  StackBucket& bucket = BucketAt(map, id);
  Content content = Content::kEmpty;
  if (CompareUnlocked(bucket, stack, &content)) {
    if (IsFound(content, flags)) return static_cast<long>(id);
    if (IsTaken(content, flags)) return -EEXIST;
  }
  return StoreLocked(map, bucket, id, stack, flags);
}

constexpr MapOps kStackTraceOps = {
    .traits = 0,
    .geometry = Geometry,
    .open = Open,
    .lookup = Lookup,
    .update = Update,
    .erase = Erase,
    .for_each = ForEach,
    .copy_out = CopyOut,
    .copy_in = CopyIn,
    .take = TakeOut,
    .next_key = NextKey,
};

}  // namespace strata::runtime
