#include "strata/backend/userspace/runtime/timers.h"

#include <asm/errno.h>
#include <linux/time.h>

#include "maps/ops.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr std::uint64_t kMaxClocks = 16;                    // MAX_CLOCKS
constexpr std::uint64_t kSettableInterval = 1'000'000'000;  // how often a clock that may be set is looked at

TimerEntry* EntriesOf(const MapView& map) { return reinterpret_cast<TimerEntry*>(&TimersOf(map) + 1); }

std::uint64_t Load(const std::uint64_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }
void Store(std::uint64_t& word, std::uint64_t value) { __atomic_store_n(&word, value, __ATOMIC_RELEASE); }

// What a value holds of its timer.
std::uint64_t HandleOf(std::uint32_t entry, std::uint32_t generation) {
  return std::uint64_t{generation} << 32 | (std::uint64_t{entry} + 1);
}

std::uint64_t& HandleIn(void* timer) { return *static_cast<std::uint64_t*>(timer); }

std::uint64_t PlaceOf(const MapView& map, const void* value) {
  return static_cast<std::uint64_t>(static_cast<const std::byte*>(value) - map.mapping);
}

void* ValueOfTimer(const MapView& map, void* timer) { return static_cast<std::byte*>(timer) - map.timer_offset; }

// The entry that a handle in the value at `place` names; null where they do not name each other.
TimerEntry* Resolve(const MapView& map, std::uint64_t handle, std::uint64_t place) {
  const std::uint32_t position = static_cast<std::uint32_t>(handle) - 1;
  if (position >= map.max_entries) return nullptr;
  TimerEntry& entry = EntriesOf(map)[position];
  const bool is_same = __atomic_load_n(&entry.generation, __ATOMIC_ACQUIRE) == handle >> 32;
  return is_same && Load(entry.value) == (place | kTimerTaken) ? &entry : nullptr;
}

TimerEntry* EntryOf(const MapView& map, void* timer) {
  return Resolve(map, Load(HandleIn(timer)), PlaceOf(map, ValueOfTimer(map, timer)));
}

void Release(const MapView& map, TimerEntry& entry) {
  Store(entry.callback, 0);
  Store(entry.expires_ns, 0);
  __atomic_fetch_add(&entry.generation, 1U, __ATOMIC_RELEASE);
  Store(entry.value, 0);
  __atomic_store_n(&TimersOf(map).next_free, static_cast<std::uint32_t>(&entry - EntriesOf(map)), __ATOMIC_RELAXED);
}

// Entries that may be in use.
std::uint32_t UsedEntries(const MapView& map) {
  const std::uint32_t used = __atomic_load_n(&TimersOf(map).used, __ATOMIC_ACQUIRE);
  return used < map.max_entries ? used : map.max_entries;
}

struct Element {
  std::uint32_t index;
  const void* key;
  std::byte* value;
};

// The element that an entry's value belongs to; its place is not trusted. Kinds with keys keep them right before
// values.
bool FindElementOf(const MapView& map, const TimerEntry& entry, Element* out) {
  const std::uint64_t place = Load(entry.value) & ~kTimerTaken;
  const bool is_indexed = (map.ops->traits & map_traits::kIndexed) != 0;
  const std::uint64_t key_bytes = is_indexed ? 0 : RoundUp(map.key_size, 8);
  const std::uint64_t first = is_indexed ? 0 : map.geometry.table_offset + key_bytes;
  const std::uint64_t end = PlaceOf(map, &TimersOf(map));
  if (place % 8 != 0 || place < first || place > end || end - place < map.value_size) return false;
  if (is_indexed && place % map.value_stride != 0) return false;
  out->value = map.mapping + place;
  out->key = out->value - key_bytes;
  out->index = is_indexed ? static_cast<std::uint32_t>(place / map.value_stride) : 0;
  return !is_indexed || out->index < map.max_entries;
}

// Whether the element is still in its map and refers to this entry.
bool IsAlive(MapView& map, std::uint32_t position, Element* out) {
  const TimerEntry& entry = EntriesOf(map)[position];
  if (!FindElementOf(map, entry, out)) return false;
  const std::uint64_t handle = HandleOf(position, __atomic_load_n(&entry.generation, __ATOMIC_ACQUIRE));
  if (Load(HandleIn(out->value + map.timer_offset)) != handle) return false;
  if ((map.ops->traits & map_traits::kIndexed) != 0) return true;
  return map.ops->lookup(map, out->key, 0) == out->value;
}

bool TryTake(MapView& map, std::uint32_t position, std::uint64_t place) {
  std::uint64_t free = 0;
  TimerEntry& entry = EntriesOf(map)[position];
  if (!__atomic_compare_exchange_n(&entry.value, &free, place | kTimerTaken, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    return false;
  std::uint32_t used = __atomic_load_n(&TimersOf(map).used, __ATOMIC_RELAXED);
  while (used <= position && !__atomic_compare_exchange_n(&TimersOf(map).used, &used, position + 1, false,
                                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
  }
  return true;
}

// Frees the entries whose elements are gone, by deletion through a peer that was killed or by eviction.
void CollectTimers(MapView& map) {
  for (std::uint32_t i = 0; i < UsedEntries(map); ++i) {
    TimerEntry& entry = EntriesOf(map)[i];
    Element element;
    if (Load(entry.value) != 0 && Load(entry.runner) == 0 && !IsAlive(map, i, &element)) Release(map, entry);
  }
}

// A free entry, taken for the value; its position, or max_entries when there is none.
std::uint32_t TakeEntry(MapView& map, std::uint64_t place) {
  for (int round = 0; round < 2; ++round) {
    const std::uint32_t start = __atomic_load_n(&TimersOf(map).next_free, __ATOMIC_RELAXED) % map.max_entries;
    for (std::uint32_t i = 0; i < map.max_entries; ++i) {
      const auto position = static_cast<std::uint32_t>((std::uint64_t{start} + i) % map.max_entries);
      if (!TryTake(map, position, place)) continue;
      __atomic_store_n(&TimersOf(map).next_free, position + 1, __ATOMIC_RELAXED);
      return position;
    }
    CollectTimers(map);
  }
  return map.max_entries;
}

bool IsServed(const MapView& map) {
  const OwnerWord server = __atomic_load_n(&TimersOf(map).server, __ATOMIC_ACQUIRE);
  return server != 0 && !IsOwnerDead(*map.process, server);
}

void WakeServer(MapView& map, std::uint64_t at_ns) {
  TimerTable& table = TimersOf(map);
  if (__atomic_load_n(&table.wake_time, __ATOMIC_SEQ_CST) <= at_ns) return;
  __atomic_fetch_add(&table.wake_word, 1U, __ATOMIC_SEQ_CST);
  sys::FutexWake(&table.wake_word, 1);
}

std::uint64_t AddSaturated(std::uint64_t left, std::uint64_t right) {
  return right > kNever - 1 - left ? kNever - 1 : left + right;
}

// How long until it is due, by its own clock.
std::uint64_t RemainingNs(const Process& process, const TimerEntry& entry, std::uint64_t expires_ns) {
  const std::uint64_t now = ClockNow(process, static_cast<int>(entry.clock));
  return expires_ns <= now ? 0 : expires_ns - now;
}

bool IsTimerClock(std::uint64_t clock) {
  return clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME;
}

// A due timer whose element is gone is freed instead.
bool TakeIfDue(MapView& map, std::uint32_t position, DueTimer* out) {
  TimerEntry& entry = EntriesOf(map)[position];
  std::uint64_t expires = Load(entry.expires_ns);
  const std::uint64_t callback = Load(entry.callback);
  if (!__atomic_compare_exchange_n(&entry.expires_ns, &expires, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    return false;
  Element element;
  if (!IsAlive(map, position, &element)) {
    Release(map, entry);
    return false;
  }
  const std::uint32_t function = static_cast<std::uint32_t>(callback);
  if (function == 0) return false;
  Store(entry.runner, CurrentOwner(*map.process));
  *out = {position,     static_cast<std::uint32_t>(callback >> 32), function - 1, element.index, element.key,
          element.value};
  if ((map.ops->traits & map_traits::kIndexed) != 0) out->key = nullptr;
  return true;
}

}  // namespace

std::uint64_t TimersSize(std::uint32_t max_entries) noexcept {
  return RoundUp(sizeof(TimerTable) + std::uint64_t{max_entries} * sizeof(TimerEntry), kPageSize);
}

// kernel/bpf/syscall.c, map_check_btf()
long CheckTimerMap(const MapAttributes& attributes) noexcept {
  if ((attributes.flags & (map_flags::kReadOnlyProgram | map_flags::kWriteOnlyProgram)) != 0) return -EACCES;
  return TimedOps(attributes.type) == nullptr ? -EOPNOTSUPP : 0;
}

MapView* FindTimedMap(const ProgramInstance* program, const void* timer) noexcept {
  const auto address = reinterpret_cast<std::uint64_t>(timer);
  const std::uint32_t count = program == nullptr ? 0 : program->map_count;
  for (std::uint32_t i = 0; i < count; ++i) {
    MapView& map = *program->maps[i];
    if (map.timer_offset == kNoField) continue;
    const std::uint64_t offset = address - reinterpret_cast<std::uint64_t>(map.mapping);
    const std::uint64_t end = PlaceOf(map, &TimersOf(map));
    if (offset >= map.timer_offset && offset < end && end - offset >= kTimerSize && address % 8 == 0) return &map;
  }
  return nullptr;
}

long InitializeTimer(MapView& map, void* timer, std::uint64_t flags) noexcept {
  if (flags >= kMaxClocks || !IsTimerClock(flags)) return -EINVAL;
  std::uint64_t before = Load(HandleIn(timer));
  const std::uint64_t place = PlaceOf(map, ValueOfTimer(map, timer));
  if (Resolve(map, before, place) != nullptr) return -EBUSY;
  const std::uint32_t position = TakeEntry(map, place);
  if (position == map.max_entries) return -ENOMEM;
  TimerEntry& entry = EntriesOf(map)[position];
  Store(entry.callback, 0);
  Store(entry.expires_ns, 0);
  Store(entry.runner, 0);
  __atomic_store_n(&entry.clock, static_cast<std::uint32_t>(flags), __ATOMIC_RELEASE);
  const std::uint64_t handle = HandleOf(position, __atomic_load_n(&entry.generation, __ATOMIC_ACQUIRE));
  if (!__atomic_compare_exchange_n(&HandleIn(timer), &before, handle, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    Release(map, entry);
    return -EBUSY;
  }
  // After the handle: EndServing() clears `server` first and then looks for entries.
  if (IsServed(map)) return 0;
  Store(HandleIn(timer), 0);
  Release(map, entry);
  return -EPERM;
}

long SetTimerCallback(MapView& map, void* timer, std::uint32_t program_id, std::uint32_t function) noexcept {
  TimerEntry* entry = EntryOf(map, timer);
  if (entry == nullptr) return -EINVAL;
  if (!IsServed(map)) return -EPERM;
  Store(entry->callback, std::uint64_t{program_id} << 32 | (std::uint64_t{function} + 1));
  return 0;
}

long StartTimer(MapView& map, void* timer, std::uint64_t nanoseconds, std::uint64_t flags) noexcept {
  if ((flags & ~(kTimerAbsolute | kTimerPinned)) != 0) return -EINVAL;
  TimerEntry* entry = EntryOf(map, timer);
  if (entry == nullptr || Load(entry->callback) == 0) return -EINVAL;
  const Process& process = *map.process;
  std::uint64_t expires = nanoseconds;
  if ((flags & kTimerAbsolute) == 0) expires = AddSaturated(ClockNow(process, static_cast<int>(entry->clock)), expires);
  if (expires == 0) expires = 1;
  __atomic_store_n(&entry->expires_ns, expires, __ATOMIC_SEQ_CST);
  WakeServer(map, AddSaturated(ClockNow(process, CLOCK_MONOTONIC), RemainingNs(process, *entry, expires)));
  return 0;
}

long CancelTimer(MapView& map, void* timer) noexcept {
  TimerEntry* entry = EntryOf(map, timer);
  if (entry == nullptr) return -EINVAL;
  if (Load(entry->runner) == CurrentOwner(*map.process)) return -EDEADLK;
  Store(entry->callback, 0);
  return __atomic_exchange_n(&entry->expires_ns, 0, __ATOMIC_ACQ_REL) != 0 ? 1 : 0;
}

std::uint64_t TimerOfValue(const MapView& map, const void* value) noexcept {
  if (value == nullptr) return 0;
  const std::uint64_t handle =
      Load(*reinterpret_cast<const std::uint64_t*>(static_cast<const std::byte*>(value) + map.timer_offset));
  return Resolve(map, handle, PlaceOf(map, value)) == nullptr ? 0 : handle;
}

void FreeTimer(MapView& map, std::uint64_t timer) noexcept {
  const std::uint32_t position = static_cast<std::uint32_t>(timer) - 1;
  if (position >= map.max_entries) return;
  TimerEntry& entry = EntriesOf(map)[position];
  if (__atomic_load_n(&entry.generation, __ATOMIC_ACQUIRE) == timer >> 32) Release(map, entry);
}

void ClearTimer(const MapView& map, void* value) noexcept {
  Store(HandleIn(static_cast<std::byte*>(value) + map.timer_offset), 0);
  Store(HandleIn(static_cast<std::byte*>(value) + map.timer_offset + 8), 0);
}

void BeginServing(MapView& map) noexcept {
  TimerTable& table = TimersOf(map);
  Store(table.wake_time, kNever);
  __atomic_store_n(&table.server, CurrentOwner(*map.process), __ATOMIC_SEQ_CST);
}

void EndServing(MapView& map) noexcept {
  __atomic_store_n(&TimersOf(map).server, OwnerWord{0}, __ATOMIC_SEQ_CST);
  for (std::uint32_t i = 0; i < UsedEntries(map); ++i) {
    if (Load(EntriesOf(map)[i].value) != 0) Release(map, EntriesOf(map)[i]);
  }
}

bool TakeDueTimer(MapView& map, std::uint32_t start, DueTimer* out, std::uint64_t* wait_ns) noexcept {
  TimerTable& table = TimersOf(map);
  const Process& process = *map.process;
  // Whoever arms a timer from here on wakes the server, or is seen by the walk.
  __atomic_store_n(&table.wake_time, kNever, __ATOMIC_SEQ_CST);
  std::uint64_t shortest = kNever;
  const std::uint32_t used = UsedEntries(map);
  for (std::uint32_t i = 0; i < used; ++i) {
    const auto position = static_cast<std::uint32_t>((std::uint64_t{start} + i) % used);
    const TimerEntry& entry = EntriesOf(map)[position];
    const std::uint64_t expires = Load(entry.expires_ns);
    if (expires == 0 || !IsTimerClock(entry.clock)) continue;
    std::uint64_t remaining = RemainingNs(process, entry, expires);
    if (remaining == 0 && TakeIfDue(map, position, out)) return true;
    if (entry.clock == CLOCK_REALTIME && remaining > kSettableInterval) remaining = kSettableInterval;
    if (remaining < shortest) shortest = remaining;
  }
  *wait_ns = shortest;
  if (shortest != kNever) Store(table.wake_time, AddSaturated(ClockNow(process, CLOCK_MONOTONIC), shortest));
  return false;
}

void FinishTimer(MapView& map, const DueTimer& due) noexcept { Store(EntriesOf(map)[due.entry].runner, 0); }

void RetryTimer(MapView& map, const DueTimer& due) noexcept {
  std::uint64_t disarmed = 0;
  __atomic_compare_exchange_n(&EntriesOf(map)[due.entry].expires_ns, &disarmed, 1, false, __ATOMIC_ACQ_REL,
                              __ATOMIC_RELAXED);
}

}  // namespace strata::runtime
