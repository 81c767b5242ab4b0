#include "thread_identity.h"

#include <asm/errno.h>

#include "proc_file.h"
#include "strata/backend/userspace/runtime/reason.h"

namespace strata::runtime {
namespace {

constexpr int kTagShift = 44;
constexpr std::uint64_t kThreadMask = (1U << 22) - 1;
constexpr std::uint32_t kStartField = 22;  // of /proc/<pid>/stat

struct IdentityCache {
  const Process* process;
  std::uint64_t generation;
  std::uint64_t start;
};
[[gnu::tls_model("initial-exec")]] __thread IdentityCache identity_cache;

std::uint64_t ThreadWord(const Process& process, std::uint64_t tid) {
  return std::uint64_t{process.namespace_tag} << kTagShift | (tid & kThreadMask);
}

// 0 for a thread that is gone.
std::uint64_t StartOf(std::uint64_t tid) {
  Reason folder;  // a bounded text builder
  Append(&folder, "/proc/");
  Append(&folder, tid);
  Append(&folder, "/");
  ProcStat stat;
  return ReadProcStat(folder.text, &stat) ? stat.fields[kStartField] : 0;
}

}  // namespace

ThreadIdentity CurrentThreadIdentity(Process& process) noexcept {
  const std::uint64_t tid = CurrentIds(process).tid;
  const std::uint64_t generation = ForkGeneration(process);
  IdentityCache& cache = identity_cache;
  if (cache.process != &process || cache.generation != generation) {
    const std::uint64_t start = StartOf(tid);
    // A signal handler may come in between and store the same.
    cache.process = nullptr;
    __asm__ volatile("" ::: "memory");
    cache.generation = generation;
    cache.start = start;
    __asm__ volatile("" ::: "memory");
    cache.process = &process;
  }
  return {ThreadWord(process, tid), cache.start};
}

long IdentifyPidfd(const Process& process, int pidfd, ThreadIdentity* out) noexcept {
  if (pidfd < 0) return -EBADF;
  Reason number;
  Append(&number, static_cast<std::int64_t>(pidfd));
  char text[512];
  if (ReadProcFile("/proc/self/fdinfo/", number.text, text, sizeof(text)) <= 0) return -EBADF;
  // -1 once it has ended, and no such line for other descriptors.
  const char* line = FindProcLine(text, "Pid:");
  if (line == nullptr) return -EBADF;
  const auto pid = static_cast<std::int64_t>(ParseProcNumber(line, 10));
  if (pid <= 0) return -ENOENT;
  const auto tid = static_cast<std::uint64_t>(pid);
  *out = {ThreadWord(process, tid), StartOf(tid)};
  return out->start != 0 ? 0 : -ENOENT;
}

bool IsGone(const Process& process, const ThreadIdentity& identity) noexcept {
  if (identity.thread >> kTagShift != process.namespace_tag) return false;
  const std::uint64_t tid = identity.thread & kThreadMask;
  if (IsThreadDead(static_cast<std::uint32_t>(tid))) return true;
  const std::uint64_t start = StartOf(tid);
  return start != 0 && start != identity.start;
}

}  // namespace strata::runtime
