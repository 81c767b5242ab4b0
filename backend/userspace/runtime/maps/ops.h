// The rows that maps/kinds.cc lists, and what kinds share.
#pragma once

#include <asm/errno.h>

#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::runtime {

inline constexpr long kNotSupportedErrno = -524;  // -ENOTSUPP, the kernel's own

extern const MapOps kArrayOps;
extern const MapOps kPerCpuArrayOps;
extern const MapOps kHashOps;
extern const MapOps kPerCpuHashOps;
extern const MapOps kLruHashOps;
extern const MapOps kLruPerCpuHashOps;
extern const MapOps kRingBufferOps;
extern const MapOps kQueueOps;
extern const MapOps kStackOps;
extern const MapOps kBloomFilterOps;
extern const MapOps kLpmTrieOps;
extern const MapOps kUserRingOps;
extern const MapOps kPerfEventArrayOps;
extern const MapOps kStackTraceOps;

// Of a map of that kind whose values hold a timer (maps/timed.cc); null where they may not.
const MapOps* TimedOps(MapType type) noexcept;
extern const MapOps kProgArrayOps;
extern const MapOps kArrayOfMapsOps;
extern const MapOps kHashOfMapsOps;
extern const MapOps kCgroupArrayOps;
extern const MapOps kTaskStorageOps;
extern const MapOps kCgroupStorageOps;
extern const MapOps kArenaOps;

inline std::uint64_t RoundUp(std::uint64_t value, std::uint64_t power_of_two) noexcept {
  return (value + power_of_two - 1) & ~(power_of_two - 1);
}

// The kernel's PCPU_MIN_UNIT_SIZE: the largest per-CPU value.
inline constexpr std::uint64_t kMaxPerCpuValue = 32 << 10;
// KMALLOC_MAX_SIZE: keys and values of hashes stay below it.
inline constexpr std::uint64_t kMaxAllocation = 4 << 20;

namespace map_flags {
using namespace strata::map_flags;  // NOLINT: the same names, seen from here
inline constexpr std::uint32_t kAccess = kReadOnly | kWriteOnly | kReadOnlyProgram | kWriteOnlyProgram;
}  // namespace map_flags

// Flags outside of `allowed`, or two that exclude each other (bpf_map_flags_access_ok, bpf_get_file_flag).
inline bool AreFlagsValid(std::uint32_t flags, std::uint32_t allowed) noexcept {
  constexpr std::uint32_t kUser = map_flags::kReadOnly | map_flags::kWriteOnly;
  constexpr std::uint32_t kProgram = map_flags::kReadOnlyProgram | map_flags::kWriteOnlyProgram;
  return (flags & ~allowed) == 0 && (flags & kUser) != kUser && (flags & kProgram) != kProgram;
}

// Of an element update of a kind whose values have no spin lock, in the kernel's order: unknown flags first.
inline long CheckUpdateFlags(std::uint64_t flags) noexcept {
  return flags > static_cast<std::uint64_t>(UpdateMode::kExist) ? -EINVAL : 0;
}

// Copies a value; the common sizes in one store, so that a reader sees the old value or the new one.
[[gnu::always_inline]] inline void CopyValue(void* to, const void* from, std::uint32_t size_bytes) noexcept {
  if (size_bytes == 8) {
    std::uint64_t word;
    __builtin_memcpy(&word, from, 8);
    __atomic_store_n(static_cast<std::uint64_t*>(to), word, __ATOMIC_RELAXED);
  } else if (size_bytes == 4) {
    std::uint32_t word;
    __builtin_memcpy(&word, from, 4);
    __atomic_store_n(static_cast<std::uint32_t*>(to), word, __ATOMIC_RELAXED);
  } else {
    memcpy(to, from, size_bytes);
  }
}

// Per-CPU elements as user space sees them: `slots` values of `stride` bytes in a row.
inline std::uint64_t PerCpuElementSize(const MapView& map) noexcept {
  return std::uint64_t{map.value_stride} * map.slot_count;
}

// Words of shared memory that others read without a lock.
template <typename T>
[[gnu::always_inline]] inline void Publish(T& word, T value) noexcept {
  __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}
template <typename T>
[[gnu::always_inline]] inline T Observe(const T& word) noexcept {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

}  // namespace strata::runtime
