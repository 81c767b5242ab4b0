// What the runtime keeps per process and session: the mapped root, the clocks, identities and the tables of maps and
// programs in use.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/reason.h"

namespace strata::runtime {

struct MapView;
struct CgroupCache;
struct ProgramInstance;

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
  bool has_rdpid;         // the processor's instruction for its own number
  std::uint64_t tick_ns;  // of the kernel's coarse clocks: a jiffy
  ForkPage* fork_page;
  std::uint64_t last_generation;
  VdsoClock clock;
  MapView* log;                  // null until the session has one
  MapView* maps;                 // all open views, linked by MapView::next
  MapView* rings;                // those of ring buffers, linked by MapView::next_ring
  ProgramInstance* programs;     // linked by ProgramInstance::next
  Arena arena;                   // guarded by objects_lock, as are the tables above
  OwnerWord objects_lock;        // object_tables.h
  CgroupCache* cgroups;          // null until a program asks for its cgroup (cgroup_ids.h)
  std::uint32_t resolved_count;  // objects that were opened because a map holds their ids
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

// The word by which the calling thread owns locks and slots.
OwnerWord CurrentOwner(Process& process) noexcept;

// True only when the owner's thread is known to be gone; false for one of another PID namespace.
bool IsOwnerDead(const Process& process, OwnerWord owner) noexcept;
// The same of a thread of the own PID namespace.
bool IsThreadDead(std::uint32_t tid) noexcept;

// Nanoseconds of a POSIX clock (CLOCK_MONOTONIC, ...) through the vDSO.
std::uint64_t ClockNow(const Process& process, int clock) noexcept;

}  // namespace strata::runtime
