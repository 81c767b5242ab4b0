#include "thread_record.h"

#include "strata/attach/uprobe/uprobe_engine.h"

#include "x86_64/system_calls.h"

namespace strata::attach {

__thread ThreadRecord* current_thread_record __attribute__((tls_model("initial-exec"))) = nullptr;

namespace {

constexpr std::size_t kMaxThreads = 8192;
constexpr std::size_t kTableSize = kMaxThreads * sizeof(ThreadRecord);
constexpr std::int64_t kMaxWaitNs = 10'000'000;
constexpr std::uint64_t kRegisterPrivateExpedited = 16;
constexpr std::uint64_t kPrivateExpedited = 8;

constinit ThreadRecord* records = nullptr;
constinit std::size_t used_records = 0;  // atomic: rows from here on were never taken

bool TryTake(ThreadRecord& record, std::uint32_t expected, std::uint32_t tid) {
  return __atomic_compare_exchange_n(&record.tid, &expected, tid, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

ThreadRecord* Take(ThreadRecord& record) {
  __atomic_store_n(&record.stack_place, std::uint64_t{0}, __ATOMIC_RELAXED);
  record.returns = {};
  current_thread_record = &record;
  return &record;
}

void RaiseUsed(std::size_t count) {
  std::size_t seen = __atomic_load_n(&used_records, __ATOMIC_RELAXED);
  while (seen < count &&
         !__atomic_compare_exchange_n(&used_records, &seen, count, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
  }
}

bool HasLeft(const ThreadRecord& record, std::uint64_t run_count) {
  if (__atomic_load_n(&record.stack_place, __ATOMIC_ACQUIRE) == 0) return true;
  return __atomic_load_n(&record.run_count, __ATOMIC_ACQUIRE) != run_count;
}

// Until the deadline at the latest.
bool WaitFor(const ThreadRecord& record, std::int64_t deadline_ns) {
  const std::uint64_t run_count = __atomic_load_n(&record.run_count, __ATOMIC_ACQUIRE);
  while (!HasLeft(record, run_count)) {
    if (sys::MonotonicNs() >= deadline_ns) {
      return sys::IsThreadGone(static_cast<int>(__atomic_load_n(&record.tid, __ATOMIC_RELAXED)));
    }
    sys::SchedYield();
  }
  return true;
}

}  // namespace

int PrepareThreadRecords() noexcept {
  if (records != nullptr) return 0;
  const long mapped = sys::Mmap(0, kTableSize, sys::kProtectRead | sys::kProtectWrite, sys::kMapNoReserve);
  if (sys::IsError(mapped)) return static_cast<int>(-mapped);
  sys::Raw(sys::Call::kMadvise, sys::Wide(mapped), kTableSize, sys::kWipeOnFork);
  records = reinterpret_cast<ThreadRecord*>(mapped);
  return 0;
}

ThreadRecord* ClaimThreadRecord() noexcept {
  const auto tid = static_cast<std::uint32_t>(sys::Gettid());
  for (std::size_t i = 0; i < kMaxThreads; ++i) {
    if (records[i].tid == 0 && TryTake(records[i], 0, tid)) {
      RaiseUsed(i + 1);
      return Take(records[i]);
    }
  }
  for (std::size_t i = 0; i < kMaxThreads; ++i) {
    const std::uint32_t holder = __atomic_load_n(&records[i].tid, __ATOMIC_RELAXED);
    if (holder != 0 && sys::IsThreadGone(static_cast<int>(holder)) && TryTake(records[i], holder, tid))
      return Take(records[i]);
  }
  return nullptr;
}

void LeaveHandler() noexcept {
  if (current_thread_record != nullptr) LeaveHook(*current_thread_record);
}

bool WaitUntilHooksAreLeft() noexcept {
  if (records == nullptr) return true;
  // Orders every thread's entry into a hook against what was unhooked before this call.
  if (sys::Raw(sys::Call::kMembarrier, kRegisterPrivateExpedited) != 0) return false;
  if (sys::Raw(sys::Call::kMembarrier, kPrivateExpedited) != 0) return false;
  const std::size_t used = __atomic_load_n(&used_records, __ATOMIC_ACQUIRE);
  const std::int64_t deadline_ns = sys::MonotonicNs() + kMaxWaitNs;
  bool all_left = true;
  for (std::size_t i = 0; i < used; ++i) {
    if (&records[i] != current_thread_record && !WaitFor(records[i], deadline_ns)) all_left = false;
  }
  return all_left;
}

}  // namespace strata::attach
