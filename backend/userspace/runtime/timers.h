// Timers in values of maps (struct bpf_timer, kernel/bpf/helpers.c). No thread is added to traced programs: the process
// that made the map has one that waits for the earliest timer of the map and runs its callback.
//
// A map with timers has, as the last part of its tables, a TimerTable and an entry for each of its elements. The 16
// bytes in a value hold the entry's position + 1 and its generation; an entry names its value. Each step is one store
// or compare-and-exchange, and a timer counts only where both name each other and the element is still in its map: what
// a process that was killed leaves half-done is an entry that nobody refers to, which is taken again when entries run
// out.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::runtime {

struct ProgramInstance;

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

// BPF_F_TIMER_ABS and BPF_F_TIMER_CPU_PIN; there is one thread, so that the second changes nothing.
inline constexpr std::uint64_t kTimerAbsolute = 1;
inline constexpr std::uint64_t kTimerPinned = 2;

struct alignas(kCacheLine) TimerTable {
  OwnerWord server;         // atomic: the thread that runs callbacks; 0 once user space has let go of the map
  std::uint64_t wake_time;  // atomic: CLOCK_MONOTONIC at which it looks by itself; kNever for not
  std::uint32_t wake_word;  // atomic, a futex word: bumped to make it look
  std::uint32_t used;       // atomic: entries beyond were never taken
  std::uint32_t next_free;  // atomic: where to look for a free entry first
  std::uint8_t reserved[36];
};
static_assert(sizeof(TimerTable) == kCacheLine);

struct alignas(kCacheLine) TimerEntry {
  std::uint64_t value;       // atomic: bytes from the file's start to its value, with kTimerTaken; 0 while free
  std::uint64_t callback;    // atomic: program id in the upper half, position in its function table + 1; 0 for none
  std::uint64_t expires_ns;  // atomic: of the clock; 0 when not armed
  OwnerWord runner;          // atomic: the thread that runs the callback now
  std::uint32_t generation;  // atomic: changes each time the entry is freed
  std::uint32_t clock;       // CLOCK_MONOTONIC, CLOCK_REALTIME or CLOCK_BOOTTIME
  std::uint8_t reserved[24];
};
static_assert(sizeof(TimerEntry) == kCacheLine);

inline constexpr std::uint64_t kTimerTaken = std::uint64_t{1} << 63;

// Bytes of the tables' last part, a multiple of the page size.
std::uint64_t TimersSize(std::uint32_t max_entries) noexcept;
// -EOPNOTSUPP for a kind whose values may hold no timer, -EACCES for flags that exclude one.
long CheckTimerMap(const MapAttributes& attributes) noexcept;

// --- As programs call them ------------------------------------------------------------------------------------------
// The program's map whose value `timer` lies in; null for an address that is no timer of its maps, or no program.
MapView* FindTimedMap(const ProgramInstance* program, const void* timer) noexcept;
long InitializeTimer(MapView& map, void* timer, std::uint64_t flags) noexcept;
// `function`: position in the program's function table.
long SetTimerCallback(MapView& map, void* timer, std::uint32_t program_id, std::uint32_t function) noexcept;
long StartTimer(MapView& map, void* timer, std::uint64_t nanoseconds, std::uint64_t flags) noexcept;
// 1 when it was armed, 0 when not. Does not wait for a callback that runs on another thread.
long CancelTimer(MapView& map, void* timer) noexcept;

// --- As operations on elements call them ---------------------------------------------------------------------------
// What a value refers to; 0 for none.
std::uint64_t TimerOfValue(const MapView& map, const void* value) noexcept;
// Cancels and frees it, unless somebody else has.
void FreeTimer(MapView& map, std::uint64_t timer) noexcept;
// The value has been written over: it has no timer any more.
void ClearTimer(const MapView& map, void* value) noexcept;

// --- As the map's server calls them ---------------------------------------------------------------------------------
struct DueTimer {
  std::uint32_t entry;
  std::uint32_t program_id;
  std::uint32_t function;
  std::uint32_t index;  // an array's key
  const void* key;
  void* value;
};

void BeginServing(MapView& map) noexcept;
// Frees all timers; those that are set from now on are refused.
void EndServing(MapView& map) noexcept;
// Takes one timer that is due, as disarmed and running; the first one from entry `start` on, so that none that is
// always due comes before all others. False when none is: `wait_ns` is then how long the server may sleep while the
// wake word stays what it was before the call.
bool TakeDueTimer(MapView& map, std::uint32_t start, DueTimer* out, std::uint64_t* wait_ns) noexcept;
void FinishTimer(MapView& map, const DueTimer& due) noexcept;
// Arms it again, to be due at once: its callback could not run.
void RetryTimer(MapView& map, const DueTimer& due) noexcept;

inline TimerTable& TimersOf(const MapView& map) noexcept {
  return *reinterpret_cast<TimerTable*>(map.table + map.geometry.table_size - TimersSize(map.max_entries));
}

}  // namespace strata::runtime
