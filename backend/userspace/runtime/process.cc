#include "strata/backend/userspace/runtime/process.h"

#include <asm/errno.h>
#include <cpuid.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>

#include "auxiliary.h"
#include "object_tables.h"
#include "strata/backend/userspace/runtime/fault_table.h"
#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/mapped_files.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "strata/backend/userspace/runtime/task_memory.h"
#include "text.h"
#include "unwind_modules.h"
#include "vdso.h"

namespace strata::runtime {
namespace {

constexpr std::size_t kArenaChunk = std::size_t{64} * 1024;
constexpr std::size_t kSmallestBlock = 64;
constexpr std::size_t kLargestBlock = 4096;
constexpr std::uint32_t kIdBits = 22;  // PID_MAX_LIMIT is 2^22
constexpr std::uint32_t kIdMask = (1U << kIdBits) - 1;
constexpr std::uint32_t kTagMask = (1U << 20) - 1;

void* MapAnonymous(std::size_t size) {
  const long result = sys::Mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  return sys::IsError(result) ? nullptr : reinterpret_cast<void*>(result);
}

// Index of the smallest power of two that holds `size`.
std::uint32_t SizeClass(std::size_t size) {
  std::uint32_t index = 0;
  for (std::size_t block = kSmallestBlock; block < size; block *= 2) ++index;
  return index;
}

// PID namespaces are told apart by their inode. Without /proc the tag is 0: owners of two namespaces could then be
// taken for one another, as if both had no /proc.
void IdentifyNamespace(Process& process) {
  sys::FileStatus status;
  if (sys::StatAt(AT_FDCWD, "/proc/self/ns/pid", &status) != 0) return;
  process.namespace_device = status.device;
  process.namespace_inode = status.inode;
  process.namespace_tag = static_cast<std::uint32_t>(status.inode) & kTagMask;
}

std::uint64_t TickNs() {
  sys::Timespec tick{};
  sys::ClockResolution(CLOCK_MONOTONIC_COARSE, &tick);
  return tick.nanoseconds > 0 ? static_cast<std::uint64_t>(tick.nanoseconds) : 4'000'000;
}

bool HasRdpid() {
  constexpr unsigned kRdpid = 1U << 22;  // CPUID leaf 7, ECX
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ecx & kRdpid) != 0;
}

ForkPage* MakeForkPage() {
  auto* page = static_cast<ForkPage*>(MapAnonymous(kPageSize));
  if (page == nullptr) return nullptr;
  if (sys::Madvise(page, kPageSize, MADV_WIPEONFORK) == 0) return page;
  sys::Munmap(page, kPageSize);
  return nullptr;
}

OwnerWord MakeOwner(std::uint32_t tag, std::uint32_t pid, std::uint32_t tid) {
  return (OwnerWord{tag} << (2 * kIdBits)) | (OwnerWord{pid & kIdMask} << kIdBits) | (tid & kIdMask);
}

long CheckRoot(const RootHeader& root, std::uint64_t size, Reason* reason) {
  if (root.magic != static_cast<std::uint32_t>(FileMagic::kRoot)) return Refuse(reason, -EBADMSG, "root: bad magic");
  if (root.version != kLayoutVersion) {
    return Refuse(reason, -EPROTO, "root: layout version ", root.version, ", this is ", kLayoutVersion);
  }
  const std::uint64_t slots_size = std::uint64_t{root.slot_count} * sizeof(SlotWord);
  if (root.slot_count == 0 || root.file_size != size || root.slots_offset % kCacheLine != 0 ||
      root.slots_offset > size || slots_size > size - root.slots_offset) {
    return Refuse(reason, -EBADMSG, "root: bad slot table");
  }
  return 0;
}

long MapRoot(Process& process, int folder_fd, Reason* reason) {
  const int fd = sys::OpenAt(folder_fd, kRootFile, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return Refuse(reason, fd, "root: cannot be opened");
  sys::FileStatus status;
  long error = CheckOwner(fd, reason);  // who shares a session may write its root, as its maps
  if (error == 0) error = sys::Fstat(fd, &status);
  if (error == 0 && status.size_bytes < kPageSize) error = Refuse(reason, -EBADMSG, "root: truncated");
  long memory = -ENOENT;
  if (error == 0) {
    memory = MapShared(nullptr, static_cast<std::size_t>(status.size_bytes), PROT_READ | PROT_WRITE, fd);
    if (sys::IsError(memory)) error = Refuse(reason, memory, "root: cannot be mapped");
  }
  sys::Close(fd);
  if (error != 0) return error;
  process.root = reinterpret_cast<RootHeader*>(memory);
  process.root_size = static_cast<std::uint64_t>(status.size_bytes);
  RootHeader copy;
  memcpy(&copy, process.root, sizeof(copy));
  error = CheckRoot(copy, process.root_size, reason);
  if (error != 0) return error;
  process.slots = reinterpret_cast<SlotWord*>(reinterpret_cast<std::byte*>(process.root) + copy.slots_offset);
  process.slot_count = copy.slot_count;
  return 0;
}

// A session may have a log; without one bpf_printk writes nowhere.
void OpenLog(Process& process, int folder_fd) {
  const int fd = sys::OpenAt(folder_fd, kLogFile, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return;
  if (OpenMap(process, fd, &process.log, nullptr) != 0) process.log = nullptr;
  sys::Close(fd);
}

long OpenInto(Process& process, Reason* reason) {
  const int folder_fd = OpenSessionFolder(process.session_path, reason);
  if (folder_fd < 0) return folder_fd;
  const long error = MapRoot(process, folder_fd, reason);
  if (error == 0) OpenLog(process, folder_fd);
  sys::Close(folder_fd);
  return error;
}

}  // namespace

[[gnu::tls_model("initial-exec")]] __thread ThreadCache thread_cache;

void* Allocate(Arena& arena, std::size_t size_bytes) noexcept {
  if (size_bytes > kLargestBlock) return MapAnonymous(size_bytes);
  const std::uint32_t size_class = SizeClass(size_bytes);
  const std::size_t block_size = kSmallestBlock << size_class;
  if (void* block = arena.free_blocks[size_class]; block != nullptr) {
    arena.free_blocks[size_class] = *static_cast<void**>(block);
    memset(block, 0, block_size);
    return block;
  }
  if (static_cast<std::size_t>(arena.end - arena.next) < block_size) {
    auto* chunk = static_cast<std::byte*>(MapAnonymous(kArenaChunk));
    if (chunk == nullptr) return nullptr;
    *reinterpret_cast<std::byte**>(chunk) = arena.chunks;
    arena.chunks = chunk;
    arena.next = chunk + kSmallestBlock;
    arena.end = chunk + kArenaChunk;
  }
  void* block = arena.next;
  arena.next += block_size;
  return block;
}

void Free(Arena& arena, void* block, std::size_t size_bytes) noexcept {
  if (size_bytes > kLargestBlock) {
    sys::Munmap(block, size_bytes);
    return;
  }
  const std::uint32_t size_class = SizeClass(size_bytes);
  *static_cast<void**>(block) = arena.free_blocks[size_class];
  arena.free_blocks[size_class] = block;
}

long OpenProcess(const char* session_path, Process** out, Reason* reason) noexcept {
  const std::size_t length = TextLength(session_path);
  if (length >= sizeof(Process::session_path)) return Refuse(reason, -ENAMETOOLONG, "session: path too long");
  auto* process = static_cast<Process*>(MapAnonymous(sizeof(Process)));
  if (process == nullptr) return Refuse(reason, -ENOMEM, "session: no memory");
  memcpy(process->session_path, session_path, length + 1);
  IdentifyNamespace(*process);
  process->has_rdpid = HasRdpid();
  process->tick_ns = TickNs();
  process->fork_page = MakeForkPage();
  if (process->fork_page == nullptr) {
    CloseProcess(process);
    return Refuse(reason, -ENOMEM, "session: no memory that fork wipes (needs Linux 4.14)");
  }
  // Differs from that of a Process that lay at the same address before.
  process->last_generation = __builtin_ia32_rdtsc();
  const AuxiliaryVector auxiliary = ReadAuxiliaryVector();
  process->main_segments = auxiliary.program_headers;
  process->main_segment_count = auxiliary.program_header_count;
  process->vdso = auxiliary.vdso;
  process->clock = FindVdsoClock(auxiliary.vdso);
  const long error = OpenInto(*process, reason);
  if (error != 0) {
    CloseProcess(process);
    return error;
  }
  *out = process;
  return 0;
}

void CloseProcess(Process* process) noexcept {
  LeaveFaultTable(*process);
  while (process->programs != nullptr) {
    process->programs->references = 1;
    ReleaseProgramLocked(process->programs);
  }
  while (process->maps != nullptr) {
    process->maps->references = 1;
    ReleaseMapLocked(process->maps);
  }
  CloseTasks(*process);
  CloseUnwindCache(*process);
  if (process->root != nullptr) UnmapShared(process->root, process->root_size);
  if (process->fork_page != nullptr) sys::Munmap(process->fork_page, kPageSize);
  for (std::byte* chunk = process->arena.chunks; chunk != nullptr;) {
    std::byte* next = *reinterpret_cast<std::byte**>(chunk);
    sys::Munmap(chunk, kArenaChunk);
    chunk = next;
  }
  sys::Munmap(process, sizeof(Process));
}

OwnerWord RefreshOwner(Process& process) noexcept {
  const OwnerWord owner = MakeOwner(process.namespace_tag, sys::Getpid(), sys::Gettid());
  std::uint64_t generation = ForkGeneration(process);
  if (generation == 0) {
    generation = __atomic_add_fetch(&process.last_generation, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&process.fork_page->generation, generation, __ATOMIC_RELAXED);
  }
  // A signal handler may come between these stores and refresh too: it then writes the same values.
  thread_cache.process = nullptr;
  __asm__ volatile("" ::: "memory");
  thread_cache.owner = owner;
  thread_cache.generation = generation;
  __asm__ volatile("" ::: "memory");
  thread_cache.process = &process;
  return owner;
}

ThreadIds CurrentIds(Process& process) noexcept {
  const OwnerWord owner = CurrentOwner(process);
  return {static_cast<std::uint32_t>(owner >> kIdBits) & kIdMask, static_cast<std::uint32_t>(owner) & kIdMask};
}

bool IsThreadDead(std::uint32_t tid) noexcept {
  const long error = sys::Tkill(tid, 0);
  if (error == -ESRCH || error == -EINVAL) return true;
  // A process that nobody has waited for yet still takes signals; its pidfd knows that it ended. Other threads have
  // none, and are gone at once when they end.
  sys::PollEntry entry{sys::PidfdOpen(tid), POLLIN, 0};
  if (entry.fd < 0) return entry.fd == -ESRCH;
  const bool has_ended = sys::PollNow(&entry) == 1;
  sys::Close(entry.fd);
  return has_ended;
}

bool IsOwnerDead(const Process& process, OwnerWord owner) noexcept {
  if (owner >> (2 * kIdBits) != process.namespace_tag) return false;
  const std::uint32_t pid = static_cast<std::uint32_t>(owner >> kIdBits) & kIdMask;
  const std::uint32_t tid = static_cast<std::uint32_t>(owner) & kIdMask;
  return sys::Tgkill(pid, tid, 0) == -ESRCH || IsThreadDead(tid);
}

bool IsShortOwnerDead(const Process& process, ShortOwner owner) noexcept {
  return ShortOwnerOf(process, owner) == owner && IsThreadDead(owner & ((1U << kShortOwnerBits) - 1));
}

std::uint64_t ClockNow(const Process& process, int clock) noexcept {
  sys::Timespec now{};
  if (process.clock.clock_gettime == nullptr || process.clock.clock_gettime(clock, &now) != 0)
    sys::ClockGettime(clock, &now);
  return static_cast<std::uint64_t>(now.seconds) * 1'000'000'000 + static_cast<std::uint64_t>(now.nanoseconds);
}

}  // namespace strata::runtime
