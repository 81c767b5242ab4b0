#include "thread_identity.h"

#include <asm/errno.h>
#include <fcntl.h>

#include "strata/backend/userspace/runtime/reason.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::runtime {
namespace {

constexpr int kTagShift = 44;
constexpr std::uint64_t kThreadMask = (1U << 22) - 1;
constexpr int kStartField = 22;  // of /proc/<pid>/stat, counted from 1; the name in field 2 may hold spaces

struct IdentityCache {
  const Process* process;
  std::uint64_t generation;
  std::uint64_t start;
};
[[gnu::tls_model("initial-exec")]] __thread IdentityCache identity_cache;

std::uint64_t ThreadWord(const Process& process, std::uint64_t tid) {
  return std::uint64_t{process.namespace_tag} << kTagShift | (tid & kThreadMask);
}

// The start of a small file as text; empty when it cannot be read.
struct SmallFile {
  char text[512];
  long size = 0;
};

void ReadSmallFile(const char* path, SmallFile* out) {
  const int fd = sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  const long size = sys::Read(fd, out->text, sizeof(out->text) - 1);
  sys::Close(fd);
  out->size = size > 0 ? size : 0;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::uint64_t NumberAt(const SmallFile& file, long at) {
  std::uint64_t number = 0;
  for (; at < file.size && IsDigit(file.text[at]); ++at)
    number = number * 10 + static_cast<std::uint64_t>(file.text[at] - '0');
  return number;
}

std::uint64_t StartOf(std::uint64_t tid) {
  Reason path;  // a bounded text builder
  Append(&path, "/proc/");
  Append(&path, tid);
  Append(&path, "/stat");
  SmallFile file;
  ReadSmallFile(path.text, &file);
  long at = file.size;
  while (at > 0 && file.text[at - 1] != ')') --at;
  int field = 2;
  for (; at < file.size && field < kStartField; ++at) {
    if (file.text[at] == ' ') ++field;
  }
  return at == 0 ? 0 : NumberAt(file, at);
}

// "Pid:\t1234" in a pidfd's fdinfo: -1 once it has ended, and no such line for other descriptors.
long PidOf(const SmallFile& file) {
  static constexpr char kLine[] = "\nPid:\t";
  constexpr long kLength = sizeof(kLine) - 1;
  for (long at = 0; at + kLength < file.size; ++at) {
    if (memcmp(file.text + at, kLine, kLength) != 0) continue;
    const auto pid = static_cast<long>(NumberAt(file, at + kLength));
    return pid > 0 ? pid : -ENOENT;
  }
  return -EBADF;
}

}  // namespace

ThreadIdentity CurrentThreadIdentity(Process& process) noexcept {
  const std::uint64_t tid = CurrentIds(process).tid;
  const std::uint64_t generation = process.fork_page->generation;
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
  Reason path;
  Append(&path, "/proc/self/fdinfo/");
  Append(&path, static_cast<std::int64_t>(pidfd));
  SmallFile file;
  ReadSmallFile(path.text, &file);
  const long pid = PidOf(file);
  if (pid < 0) return pid;
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
