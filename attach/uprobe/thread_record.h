// What the engine knows of each thread: whether it is in a hook. Stops recursion, and tells when code that is no longer
// hooked has been left.
#pragma once

#include <cstddef>
#include <cstdint>

#include "return_table.h"

namespace strata::attach {

inline constexpr std::size_t kCacheLine = 64;

struct alignas(kCacheLine) ThreadRecord {
  std::uint32_t tid;              // atomic; 0: free
  std::uint32_t returns_at_once;  // its thread only: a handler asked for it
  std::uint64_t stack_place;      // atomic: of the hook that this thread is in, an address on its stack; 0: in none
  std::uint64_t run_count;        // atomic, written by its thread only
  AreaCache returns;              // its thread's only
};

// The calling thread's, made at its first event. Null when more threads live than the table holds.
// initial-exec: no call of __tls_get_addr, which belongs to the host's libc.
extern __thread ThreadRecord* current_thread_record __attribute__((tls_model("initial-exec"), visibility("hidden")));
ThreadRecord* ClaimThreadRecord() noexcept;

[[gnu::always_inline]] inline ThreadRecord* CurrentThread() noexcept {
  ThreadRecord* record = current_thread_record;
  // The table is emptied in a forked child, whose threads then take new places.
  if (record == nullptr || record->tid == 0) [[unlikely]]
    return ClaimThreadRecord();
  return record;
}

// True for an event inside of a hook of the same thread, that is in a signal handler. A hook whose frame lies below
// `stack_place` was left by siglongjmp and is over.
[[gnu::always_inline]] inline bool IsInHook(const ThreadRecord& record, std::uint64_t stack_place) noexcept {
  return record.stack_place != 0 && stack_place < record.stack_place;
}

[[gnu::always_inline]] inline void EnterHook(ThreadRecord& record, std::uint64_t stack_place) noexcept {
  __atomic_store_n(&record.run_count, record.run_count + 1, __ATOMIC_RELAXED);
  __atomic_store_n(&record.stack_place, stack_place, __ATOMIC_RELEASE);
}

[[gnu::always_inline]] inline void LeaveHook(ThreadRecord& record) noexcept {
  __atomic_store_n(&record.stack_place, std::uint64_t{0}, __ATOMIC_RELEASE);
}

// Makes the table; 0 or a positive errno.
int PrepareThreadRecords() noexcept;

}  // namespace strata::attach
