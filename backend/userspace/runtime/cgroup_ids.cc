#include "cgroup_ids.h"

#include <asm/errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "object_tables.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "text.h"

namespace strata::runtime {

struct CgroupIds {
  std::uint64_t generation;  // ForkGeneration() and the time when they were read
  std::uint64_t read_ns;
  std::uint64_t count;
  std::uint64_t own;
  std::uint64_t ids[kMaxCgroupDepth];
};

// Version i lies in ids[i % 2]. The next one is written, under the lock of the object tables, while readers have this.
struct CgroupCache {
  std::uint64_t version;
  CgroupIds ids[2];
};

namespace {

constexpr std::uint64_t kFreshNs = 1'000'000'000;
constexpr std::uint64_t kCgroupMagic = 0x63677270;  // CGROUP2_SUPER_MAGIC
constexpr std::int32_t kCgroupHandle = 0xfe;        // FILEID_KERNFS
constexpr std::uint64_t kTopmostId = 1;
constexpr int kReadAttempts = 100;
constexpr std::size_t kPathSize = 1024;
// Mounted there alone, or beside the hierarchies of version 1.
constexpr const char* kMounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

struct Path {
  char text[kPathSize];
  std::size_t length;

  bool Add(const char* more, std::size_t count) {
    if (count >= sizeof(text) - length) return false;
    memcpy(text + length, more, count);
    length += count;
    text[length] = 0;
    return true;
  }
};

// The line "0::/a/b" of /proc/self/cgroup, from the slash on.
bool ReadOwnPath(Path* out) {
  char text[2048];
  const int fd = sys::OpenAt(AT_FDCWD, "/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const long size = sys::Read(fd, text, sizeof(text));
  sys::Close(fd);
  for (long at = 0; at + 3 < size; ++at) {
    if ((at != 0 && text[at - 1] != '\n') || memcmp(text + at, "0::", 3) != 0) continue;
    long end = at + 3;
    while (end < size && text[end] != '\n') ++end;
    const auto length = static_cast<std::size_t>(end - at - 3);
    return !IsOutsideOfNamespace(text + at + 3, length) && out->Add(text + at + 3, length);
  }
  return false;
}

bool AddIdOf(const char* folder, CgroupIds* out) {
  sys::FileStatus status;
  if (out->count == kMaxCgroupDepth || sys::StatAt(AT_FDCWD, folder, &status) != 0) return false;
  out->ids[out->count++] = status.inode;
  return true;
}

bool IsMount(const char* folder) {
  Path probe{};
  sys::FileStatus status;
  static constexpr char kVersion2[] = "/cgroup.controllers";
  probe.Add(folder, TextLength(folder));
  probe.Add(kVersion2, sizeof(kVersion2) - 1);
  return sys::StatAt(AT_FDCWD, probe.text, &status) == 0;
}

// The mount and each folder on the way down.
void CollectIds(CgroupIds* out) {
  out->count = out->own = 0;
  Path own{};
  if (!ReadOwnPath(&own)) return;
  for (const char* mount : kMounts) {
    if (!IsMount(mount)) continue;
    Path folder{};
    folder.Add(mount, TextLength(mount));
    if (!AddIdOf(folder.text, out)) return;
    for (std::size_t at = 0; at + 1 < own.length;) {
      std::size_t end = at + 1;
      while (end < own.length && own.text[end] != '/') ++end;
      if (!folder.Add(own.text + at, end - at) || !AddIdOf(folder.text, out)) return;
      at = end;
    }
    out->own = out->ids[out->count - 1];
    return;
  }
}

// 0, or a negative errno: -ESTALE when there is none.
long OpenById(int mount, std::uint64_t id) {
  sys::FileHandle handle = {sizeof(handle.id), kCgroupHandle, id};
  const int fd = sys::OpenByHandle(mount, handle, O_PATH | O_CLOEXEC);
  if (fd < 0) return fd;
  sys::Close(fd);
  return 0;
}

std::uint64_t Load(const std::uint64_t& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); }
void Store(std::uint64_t& word, std::uint64_t value) { __atomic_store_n(&word, value, __ATOMIC_RELAXED); }

// In a forked child the generation is 0 until it is asked for, which nothing was read in.
bool AreOfThisProcess(const Process& process, const CgroupIds& known) {
  return Load(known.generation) == ForkGeneration(process);
}

bool AreFresh(const Process& process, const CgroupIds& known) {
  return AreOfThisProcess(process, known) && ClockNow(process, CLOCK_MONOTONIC_COARSE) - Load(known.read_ns) < kFreshNs;
}

[[gnu::noinline]] void Refresh(Process& process) {
  CgroupIds now;
  CollectIds(&now);
  if (!TryLockObjects(process)) return;
  CgroupCache* cache = process.cgroups;
  if (cache == nullptr) {
    cache = static_cast<CgroupCache*>(Allocate(process.arena, sizeof(CgroupCache)));
    if (cache == nullptr) return UnlockObjects(process);
  }
  const std::uint64_t next = cache->version + 1;
  CgroupIds& known = cache->ids[next % 2];
  Store(known.generation, ForkGeneration(process));
  Store(known.read_ns, ClockNow(process, CLOCK_MONOTONIC_COARSE));
  Store(known.count, now.count);
  Store(known.own, now.own);
  for (std::uint64_t level = 0; level < now.count; ++level) Store(known.ids[level], now.ids[level]);
  __atomic_store_n(&cache->version, next, __ATOMIC_SEQ_CST);
  __atomic_store_n(&process.cgroups, cache, __ATOMIC_RELEASE);
  UnlockObjects(process);
}

// What `question` makes of the ids; 0 where there are none.
template <typename Question>
std::uint64_t Ask(Process& process, Question question) {
  bool may_refresh = true;
  for (int i = 0; i < kReadAttempts; ++i) {
    const CgroupCache* cache = __atomic_load_n(&process.cgroups, __ATOMIC_ACQUIRE);
    const std::uint64_t version = cache == nullptr ? 0 : __atomic_load_n(&cache->version, __ATOMIC_ACQUIRE);
    if (may_refresh && (cache == nullptr || !AreFresh(process, cache->ids[version % 2]))) {
      Refresh(process);
      may_refresh = false;
      continue;
    }
    if (cache == nullptr) return 0;
    const CgroupIds& known = cache->ids[version % 2];
    const std::uint64_t answer = AreOfThisProcess(process, known) ? question(known) : 0;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (version == Load(cache->version)) return answer;
  }
  return 0;
}

}  // namespace

std::uint64_t OwnCgroupId(Process& process) noexcept {
  return Ask(process, [](const CgroupIds& known) { return Load(known.own); });
}

std::uint64_t AncestorCgroupId(Process& process, std::uint32_t level) noexcept {
  return Ask(process,
             [level](const CgroupIds& known) { return level < Load(known.count) ? Load(known.ids[level]) : 0; });
}

bool IsBelowCgroup(Process& process, std::uint64_t id) noexcept {
  const auto find = [id](const CgroupIds& known) -> std::uint64_t {
    for (std::uint64_t level = 0; level < Load(known.count); ++level) {
      if (Load(known.ids[level]) == id) return 1;
    }
    return 0;
  };
  return Ask(process, find) != 0;
}

long CgroupIdOf(int fd, std::uint64_t* out) noexcept {
  sys::FileStatus status;
  std::uint64_t magic = 0;
  if (sys::FileSystemOf(fd, &magic) != 0 || magic != kCgroupMagic) return -EBADF;
  if (sys::Fstat(fd, &status) != 0 || (status.mode & S_IFMT) != S_IFDIR) return -EBADF;
  *out = status.inode;
  // A removed one has its inode as long as it is open, but no files.
  return sys::StatAt(fd, "cgroup.procs", &status) == -ENOENT ? -ENOENT : 0;
}

// The topmost one is always there: who cannot find it cannot tell which others are.
CgroupFinder::CgroupFinder() noexcept {
  for (const char* mount : kMounts) {
    std::uint64_t magic = 0;
    mount_ = sys::OpenAt(AT_FDCWD, mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mount_ < 0) continue;
    if (sys::FileSystemOf(mount_, &magic) == 0 && magic == kCgroupMagic && OpenById(mount_, kTopmostId) == 0) return;
    sys::Close(mount_);
    mount_ = -1;
  }
}

CgroupFinder::~CgroupFinder() noexcept {
  if (mount_ >= 0) sys::Close(mount_);
}

bool CgroupFinder::IsGone(std::uint64_t id) const noexcept { return OpenById(mount_, id) == -ESTALE; }

}  // namespace strata::runtime
