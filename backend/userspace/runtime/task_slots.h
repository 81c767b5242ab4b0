// Private to task memory: its slots, and how members are reached.
#pragma once

#include "strata/backend/userspace/runtime/task_memory.h"

namespace strata::runtime {

// At the start of a slot; the objects follow.
struct TaskSlot {
  std::uint32_t tid;
  std::uint32_t tgid;
  std::uint32_t parent_pid;  // that real_parent points to the task of
  std::uint32_t reserved;
  char node_name[240];  // what kernfs_node::name points to
};
inline constexpr std::uint32_t kTaskSlotHeadBytes = 256;
static_assert(sizeof(TaskSlot) == kTaskSlotHeadBytes);

// Of TaskMemoryHead::states. A slot in use has its thread's id plus one there: 0 is the idle task's.
inline constexpr std::uint32_t kSlotUnmade = 0;          // never taken, or its memory is being made
inline constexpr std::uint32_t kSlotFree = 0xfffffffe;   // given back
inline constexpr std::uint32_t kSlotTaken = 0xffffffff;  // by a thread that fills it

// At the start of the memory; emptied in a forked child, as all of it is. All of it is atomic, and nobody waits: a
// slot is taken by compare-and-exchange of its state, filled, and shown by its new state.
struct TaskMemoryHead {
  std::uint32_t used;    // slots from here on were never taken; may grow past kMaxTasks
  std::uint32_t cursor;  // where the search for ended threads goes on
  std::uint32_t states[kMaxTasks];
};

inline bool IsShown(std::uint32_t state) { return state != kSlotUnmade && state < kSlotFree; }

struct TaskTable {
  TaskLayout layout;
  std::uint32_t object_offsets[kTaskObjectCount];  // from a slot's start
  std::uint32_t slot_bytes;                        // a multiple of the page size
  std::uint32_t head_bytes;                        // likewise
  TaskMemoryHead* head;
  std::uint64_t asleep_ns;  // atomic: how far the boot clock is ahead of the monotonic one

  TaskSlot* slot(std::uint32_t index) const {
    return reinterpret_cast<TaskSlot*>(reinterpret_cast<std::byte*>(head) + head_bytes +
                                       std::uint64_t{index} * slot_bytes);
  }
  std::uint32_t OffsetOf(TaskObject object) const { return object_offsets[static_cast<std::uint32_t>(object)]; }
  std::uint32_t OffsetOf(TaskField field) const {
    return OffsetOf(kTaskFieldRows[static_cast<std::uint32_t>(field)].object) + layout.place(field).offset;
  }
  std::uint64_t AddressOf(const TaskSlot* task, TaskObject object) const {
    return reinterpret_cast<std::uint64_t>(task) + OffsetOf(object);
  }
};

// Writes a member's lower bytes; nothing where the kernel does not have it.
void PutTaskField(const TaskTable& table, TaskSlot* task, TaskField field, std::uint64_t value) noexcept;
void PutTaskBytes(const TaskTable& table, TaskSlot* task, TaskField field, const void* bytes,
                  std::size_t size_bytes) noexcept;

// The slot of a thread, made when there is none; null when there is no room.
TaskSlot* FindTask(Process& process, std::uint32_t tid, std::uint32_t tgid) noexcept;

// Points real_parent and parent to the task of `pid`.
void LinkParent(Process& process, TaskSlot* task, std::uint32_t pid) noexcept;

// Brings the members up to date that lie in `size_bytes` from `offset` in the slot on.
void RefreshTask(Process& process, TaskSlot* task, std::uint64_t offset, std::uint64_t size_bytes) noexcept;

}  // namespace strata::runtime
