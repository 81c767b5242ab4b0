// Queue and stack (kernel/bpf/queue_stack_maps.c): values in a ring of max_entries + 1 places, of which the one at the
// head is always free.
//
// Both ends lie in one word, and each operation ends with one store of it: who dies before has changed nothing that can
// be seen, so a lock taken over from the dead needs no repair. That includes a push that makes room: the value goes
// into the free place, then both ends move at once.
#include "ops.h"
#include "strata/backend/userspace/runtime/owner_lock.h"

namespace strata::runtime {
namespace {

// Indices into MapHeader::kind_state.
constexpr std::uint32_t kLockState = 0;
constexpr std::uint32_t kEndsState = 1;

// Places, each at most max_entries: the next to write, and the oldest value.
struct Ends {
  std::uint32_t head;
  std::uint32_t tail;
  bool operator==(const Ends&) const = default;
};

std::uint32_t After(const MapView& map, std::uint32_t place) { return place >= map.max_entries ? 0 : place + 1; }
std::uint32_t Before(const MapView& map, std::uint32_t place) { return place == 0 ? map.max_entries : place - 1; }

std::byte* PlaceOf(const MapView& map, std::uint32_t place) {
  return map.table + std::uint64_t{place} * map.value_stride;
}

// What the file says is never trusted to be in range.
Ends LoadEnds(const MapView& map) {
  const std::uint64_t word = __atomic_load_n(&map.header->kind_state[kEndsState], __ATOMIC_RELAXED);
  const auto head = static_cast<std::uint32_t>(word);
  const auto tail = static_cast<std::uint32_t>(word >> 32);
  return {head > map.max_entries ? 0 : head, tail > map.max_entries ? 0 : tail};
}

void StoreEnds(MapView& map, Ends ends) {
  const std::uint64_t word = (std::uint64_t{ends.tail} << 32) | ends.head;
  __atomic_store_n(&map.header->kind_state[kEndsState], word, __ATOMIC_RELEASE);
}

class Guard {
 public:
  explicit Guard(MapView& map) noexcept
      : lock_(&map.header->kind_state[kLockState]),
        is_held_(Take(*map.process, lock_, CurrentOwner(*map.process)) != Taken::kNot) {}
  ~Guard() {
    if (is_held_) Drop(lock_);
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  bool is_held() const noexcept { return is_held_; }

 private:
  OwnerWord* lock_;
  bool is_held_;
};

// queue_stack_map_alloc_check.
long Geometry(const MapAttributes& attributes, MapGeometry* out) noexcept {
  if (attributes.max_entries == 0 || attributes.key_size != 0 || attributes.value_size == 0 ||
      !AreFlagsValid(attributes.flags, map_flags::kNumaNode | map_flags::kAccess))
    return -EINVAL;
  if (attributes.value_size > kMaxAllocation) return -E2BIG;
  out->value_stride = static_cast<std::uint32_t>(RoundUp(attributes.value_size, 8));
  out->table_size = RoundUp((std::uint64_t{attributes.max_entries} + 1) * out->value_stride, kPageSize);
  return 0;
}

long Push(MapView& map, const void* value, std::uint64_t flags) noexcept {
  constexpr auto kReplace = static_cast<std::uint64_t>(UpdateMode::kExist);
  if (flags != 0 && flags != kReplace) return -EINVAL;
  const Guard guard(map);
  if (!guard.is_held()) return -EBUSY;
  Ends ends = LoadEnds(map);
  const std::uint32_t following = After(map, ends.head);
  if (following == ends.tail) {
    if (flags != kReplace) return -E2BIG;
    ends.tail = After(map, ends.tail);
  }
  CopyValue(PlaceOf(map, ends.head), value, map.value_size);
  StoreEnds(map, {following, ends.tail});
  return 0;
}

enum class Side : std::uint8_t { kOldest, kNewest };

// A miss fills the value with zeros, as the kernel's does.
long Read(MapView& map, void* value, Side side, bool is_taken) {
  const Guard guard(map);
  if (!guard.is_held()) return -EBUSY;
  const Ends ends = LoadEnds(map);
  if (ends.head == ends.tail) {
    memset(value, 0, map.value_size);
    return -ENOENT;
  }
  const std::uint32_t newest = Before(map, ends.head);
  CopyValue(value, PlaceOf(map, side == Side::kOldest ? ends.tail : newest), map.value_size);
  if (!is_taken) return 0;
  StoreEnds(map, side == Side::kOldest ? Ends{ends.head, After(map, ends.tail)} : Ends{newest, ends.tail});
  return 0;
}

template <Side kSide>
long Pop(MapView& map, void* value) noexcept {
  return Read(map, value, kSide, true);
}
template <Side kSide>
long Peek(MapView& map, void* value) noexcept {
  return Read(map, value, kSide, false);
}
template <Side kSide>
long CopyOut(MapView& map, const void* /*key*/, void* value, std::uint64_t /*flags*/) noexcept {
  return Read(map, value, kSide, false);
}
template <Side kSide>
long TakeOut(MapView& map, const void* /*key*/, void* value, std::uint64_t flags) noexcept {
  return flags != 0 ? -EINVAL : Read(map, value, kSide, true);
}

long CopyIn(MapView& map, const void* /*key*/, const void* value, std::uint64_t flags) noexcept {
  return Push(map, value, flags);
}

// There are no keys.
void* Lookup(MapView& /*map*/, const void* /*key*/, std::uint32_t /*slot*/) noexcept { return nullptr; }
long Update(MapView& /*map*/, const void* /*key*/, const void* /*value*/, std::uint64_t /*flags*/,
            std::uint32_t /*slot*/) noexcept {
  return -EINVAL;
}
long Erase(MapView& /*map*/, const void* /*key*/) noexcept { return -EINVAL; }
long ForEach(MapView& /*map*/, std::uint32_t /*slot*/, ElementVisitor /*visit*/, void* /*argument*/) noexcept {
  return -EINVAL;
}
long NextKey(MapView& /*map*/, const void* /*key*/, void* /*next*/) noexcept { return -EINVAL; }

template <Side kSide>
constexpr MapOps OpsOf() {
  return {
      .traits = 0,
      .geometry = Geometry,
      .lookup = Lookup,
      .update = Update,
      .erase = Erase,
      .for_each = ForEach,
      .push = Push,
      .pop = Pop<kSide>,
      .peek = Peek<kSide>,
      .copy_out = CopyOut<kSide>,
      .copy_in = CopyIn,
      .take = TakeOut<kSide>,
      .next_key = NextKey,
  };
}

}  // namespace

constexpr MapOps kQueueOps = OpsOf<Side::kOldest>();
constexpr MapOps kStackOps = OpsOf<Side::kNewest>();

}  // namespace strata::runtime
