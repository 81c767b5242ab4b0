// The current task as programs see it: memory laid out as the kernel's structures (task_layout.h), one slot a task.
// Addresses are fixed when a task is first asked for; what changes is asked for again when a program reads it, which
// every guarded read of this memory does. Bounded: slots of threads that ended are taken again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/memory_areas.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/reason.h"
#include "strata/backend/userspace/runtime/task_layout.h"

namespace strata::runtime {

inline constexpr std::uint32_t kMaxTasks = 2048;

// Checks the layout of a program's file and makes the memory, once per process. -EBADMSG for a layout that does not
// hold together, -EPROTO for one that differs from that of the programs here before, -ENOMEM.
long PrepareTasks(Process& process, const TaskLayout& layout, Reason* reason) noexcept;
void CloseTasks(Process& process) noexcept;

// Address of the calling thread's task_struct; 0 when all slots are taken by threads that live.
std::uint64_t CurrentTask(Process& process) noexcept;

[[gnu::always_inline]] inline bool IsTaskMemory(const Process& process, std::uint64_t address) noexcept {
  return address - process.tasks_begin < process.tasks_bytes;
}

// From an address in task memory to the end of its task; 0 where no task is.
std::size_t BytesLeftOfTask(const Process& process, std::uint64_t address) noexcept;

// For an address in task memory: brings what lies there up to date. False for a range that is not all of one task.
bool RefreshTaskMemory(Process& process, std::uint64_t address, std::size_t size_bytes) noexcept;

// The area as a struct vm_area_struct of the calling thread's, which has one; its address, 0 when there is no room.
std::uint64_t ShowMemoryArea(Process& process, const MemoryArea& area) noexcept;
MemoryArea ShownMemoryArea(Process& process) noexcept;

// The id of the cgroup that a struct cgroup at `address` is; 0 for what is none here, and where it is not known.
std::uint64_t CgroupOfTask(Process& process, std::uint64_t address) noexcept;

// The process that a task_struct at `address` belongs to; 0 for what is no task here.
std::uint32_t ProcessOfTask(const Process& process, std::uint64_t address) noexcept;

}  // namespace strata::runtime
