// What the runtime keeps per process and session: the mapped root, the clocks, identities and the tables of maps and
// programs in use.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/reason.h"

namespace strata::runtime {

struct HostFunctions;
struct MapView;
struct CgroupCache;
struct ProgramInstance;
struct TaskTable;
struct UnwindCache;

// Memory from mmap alone, never from the host's heap. Freed blocks are kept for the same size class.
struct Arena {
  std::byte* next = nullptr;
  std::byte* end = nullptr;
  std::byte* chunks = nullptr;  // each begins with the address of the one before
  void* free_blocks[7] = {};    // powers of two from 64 bytes to 4096
};

// Zeroed memory, 64-byte aligned; null when the system has none. Not thread-safe.
void* Allocate(Arena& arena, std::size_t size_bytes) noexcept;
void Free(Arena& arena, void* block, std::size_t size_bytes) noexcept;

// Functions of the vDSO; null where it lacks them.
struct VdsoClock {
  int (*clock_gettime)(int clock, void* timespec) = nullptr;
};

// Emptied by the kernel in a child process (MADV_WIPEONFORK), which is how cached ids learn that they are stale.
struct ForkPage {
  std::uint64_t generation;
};

// Opened once per session by whoever runs programs in this process or works on a session's maps. Safe from any thread,
// but for CloseProcess().
struct Process {
  char session_path[256];  // the folder; absolute
  RootHeader* root;
  std::uint64_t root_size;
  SlotWord* slots;
  std::uint32_t slot_count;  // possible CPUs
  std::uint32_t namespace_tag;
  std::uint64_t namespace_device;  // st_dev and st_ino of the PID namespace; 0 without /proc
  std::uint64_t namespace_inode;
  bool has_rdpid;  // the processor's instruction for its own number
  // True where SIGSEGV and SIGBUS reach HandleFault on every thread that runs programs; set by whoever owns these
  // signals (fault_table.h). Guarded reads are plain copies then.
  bool has_fault_table;
  std::uint32_t owned_fault_signals;  // bits: whose handlers were installed for this process's sake
  bool has_remote_barriers;  // a waiting consumer makes this process's threads pass a full barrier (membarrier(2))
  std::uint64_t tick_ns;     // of the kernel's coarse clocks: a jiffy
  ForkPage* fork_page;
  std::uint64_t last_generation;
  VdsoClock clock;
  MapView* log;                 // null until the session has one
  MapView* maps;                // all open views, linked by MapView::next
  ProgramInstance* programs;    // linked by ProgramInstance::next
  TaskTable* tasks;             // null until a program asks for its task (task_memory.h)
  UnwindCache* unwind_cache;    // atomic; null until a stack is captured
  std::uint64_t main_segments;  // of the main program: its program headers, by the auxiliary vector
  std::uint64_t main_segment_count;
  std::uint64_t vdso;  // its ELF header; 0 without one
  std::uint64_t tasks_begin;
  std::uint64_t tasks_bytes;
  Arena arena;                          // guarded by objects_lock, as are the tables above
  OwnerWord objects_lock;               // object_tables.h
  std::uint32_t resolved_count;         // objects that were opened because a map holds their ids
  const HostFunctions* host_functions;  // of the embedder; null for none
  CgroupCache* cgroups;                 // null until a program asks for its cgroup (cgroup_ids.h)
};

// From the process's arena, under its lock.
void* Allocate(Process& process, std::size_t size_bytes) noexcept;

// Opens the session's folder (checked as OpenSessionFolder does), maps its root and prepares the rest. No descriptor
// stays open. Errors: -ENOENT without such a session, -EACCES for a folder that others may write, -EPROTO for a root of
// another layout version.
long OpenProcess(const char* session_path, Process** out, Reason* reason) noexcept;

// Unmaps everything. Nothing of this process may be running a program or holding an element of its maps.
void CloseProcess(Process* process) noexcept;

struct ThreadIds {
  std::uint32_t pid;
  std::uint32_t tid;
};

// The caller's ids, cached per thread and right after fork. In a vfork child, which shares its parent's memory, they
// are the parent's.
ThreadIds CurrentIds(Process& process) noexcept;

// What a thread knows of itself; valid while the generation is the fork page's.
struct ThreadCache {
  const Process* process;
  std::uint64_t generation;
  OwnerWord owner;
};
// Zero in a new thread.
// NOLINTBEGIN(bugprone-dynamic-static-initializers): __thread has none.
[[gnu::tls_model("initial-exec"), gnu::visibility("hidden")]] extern __thread ThreadCache thread_cache;
// NOLINTEND(bugprone-dynamic-static-initializers)
OwnerWord RefreshOwner(Process& process) noexcept;  // asks the kernel, and remembers

// 0 in a child process until its first caller refreshes it.
[[gnu::always_inline]] inline std::uint64_t ForkGeneration(const Process& process) noexcept {
  return __atomic_load_n(&process.fork_page->generation, __ATOMIC_RELAXED);
}

// The word by which the calling thread owns locks and slots; 0 when the kernel has to be asked.
[[gnu::always_inline]] inline OwnerWord CachedOwner(const Process& process) noexcept {
  if (thread_cache.process == &process && thread_cache.generation == ForkGeneration(process)) [[likely]]
    return thread_cache.owner;
  return 0;
}
[[gnu::always_inline]] inline OwnerWord CurrentOwner(Process& process) noexcept {
  const OwnerWord cached = CachedOwner(process);
  return cached != 0 ? cached : RefreshOwner(process);
}

// An owner where 32 bits must do: thread id (bits 0..21) and the low bits of the namespace's tag.
using ShortOwner = std::uint32_t;
inline constexpr std::uint32_t kShortOwnerBits = 22;  // of the thread id: PID_MAX_LIMIT is 2^22
inline ShortOwner ShortOwnerOf(const Process& process, OwnerWord owner) noexcept {
  constexpr std::uint32_t kThread = (1U << kShortOwnerBits) - 1;
  return (process.namespace_tag << kShortOwnerBits) | (static_cast<std::uint32_t>(owner) & kThread);
}
bool IsShortOwnerDead(const Process& process, ShortOwner owner) noexcept;  // as IsOwnerDead

// True only when the owner's thread is known to be gone; false for one of another PID namespace.
bool IsOwnerDead(const Process& process, OwnerWord owner) noexcept;
// The same of a thread of the own PID namespace.
bool IsThreadDead(std::uint32_t tid) noexcept;

// Nanoseconds of a POSIX clock (CLOCK_MONOTONIC, ...) through the vDSO.
std::uint64_t ClockNow(const Process& process, int clock) noexcept;

}  // namespace strata::runtime
