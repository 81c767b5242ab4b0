#include "strata/backend/userspace/runtime/task_memory.h"

#include <asm/errno.h>
#include <sys/mman.h>

#include "cgroup_ids.h"
#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "task_slots.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kObjectAlignment = 64;
constexpr std::uint32_t kSearchedForEnded = 16;  // slots looked at before a new one is taken

struct CurrentTaskCache {
  const Process* process;
  std::uint64_t generation;
  TaskSlot* slot;
};
[[gnu::tls_model("initial-exec")]] __thread CurrentTaskCache current_task;

constexpr std::uint32_t RoundUp(std::uint32_t value, std::uint32_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

bool IsSound(const TaskLayout& layout) {
  for (const std::uint32_t bytes : layout.object_bytes) {
    if (bytes > kMaxTaskObjectBytes) return false;
  }
  for (std::uint32_t i = 0; i < kTaskFieldCount; ++i) {
    const TaskFieldPlace& place = layout.fields[i];
    const std::uint32_t object_bytes = layout.object_bytes[static_cast<std::uint32_t>(kTaskFieldRows[i].object)];
    if (place.size_bytes > kTaskFieldRows[i].most_bytes || place.offset > object_bytes ||
        place.size_bytes > object_bytes - place.offset) {
      return false;
    }
  }
  return layout.place(TaskField::kTaskPid).size_bytes == 4 && layout.place(TaskField::kTaskTgid).size_bytes == 4 &&
         layout.place(TaskField::kTaskComm).size_bytes != 0;
}

// The objects one behind another; a struct pid has its one number behind it.
void PlaceObjects(TaskTable* table) {
  std::uint32_t offset = kTaskSlotHeadBytes;
  for (std::uint32_t i = 0; i < kTaskObjectCount; ++i) {
    table->object_offsets[i] = offset;
    std::uint32_t bytes = table->layout.object_bytes[i];
    if (static_cast<TaskObject>(i) == TaskObject::kPid)
      bytes += table->layout.object_bytes[static_cast<std::uint32_t>(TaskObject::kUpid)];
    if (static_cast<TaskObject>(i) != TaskObject::kUpid) offset = RoundUp(offset + bytes, kObjectAlignment);
  }
  table->object_offsets[static_cast<std::uint32_t>(TaskObject::kUpid)] = table->OffsetOf(TaskField::kPidNumbers);
  table->slot_bytes = RoundUp(offset, kPageSize);
  table->head_bytes = RoundUp(sizeof(TaskMemoryHead), kPageSize);
}

bool AreEqual(const TaskLayout& left, const TaskLayout& right) { return memcmp(&left, &right, sizeof(left)) == 0; }

void FillPointers(const TaskTable& table, TaskSlot* task) {
  struct Pointer {
    TaskField from;
    TaskObject to;
  };
  constexpr Pointer kPointers[] = {
      {TaskField::kTaskCred, TaskObject::kCred},
      {TaskField::kTaskRealCred, TaskObject::kCred},
      {TaskField::kTaskNsproxy, TaskObject::kNsproxy},
      {TaskField::kTaskCgroups, TaskObject::kCssSet},
      {TaskField::kTaskThreadPid, TaskObject::kPid},
      {TaskField::kCredUserNamespace, TaskObject::kUserNamespace},
      {TaskField::kUpidNamespace, TaskObject::kPidNamespace},
      {TaskField::kNsproxyUts, TaskObject::kUtsNamespace},
      {TaskField::kNsproxyIpc, TaskObject::kIpcNamespace},
      {TaskField::kNsproxyMount, TaskObject::kMountNamespace},
      {TaskField::kNsproxyPid, TaskObject::kPidNamespace},
      {TaskField::kNsproxyNet, TaskObject::kNetNamespace},
      {TaskField::kNsproxyTime, TaskObject::kTimeNamespace},
      {TaskField::kNsproxyCgroup, TaskObject::kCgroupNamespace},
      {TaskField::kCssSetCgroup, TaskObject::kCgroup},
      {TaskField::kCgroupNode, TaskObject::kKernfsNode},
      {TaskField::kTaskMemory, TaskObject::kMemory},
      {TaskField::kTaskActiveMemory, TaskObject::kMemory},
      {TaskField::kMemoryExeFile, TaskObject::kFile},
      {TaskField::kFileInode, TaskObject::kInode},
      {TaskField::kInodeSuperBlock, TaskObject::kSuperBlock},
      {TaskField::kAreaMemory, TaskObject::kMemory},
      {TaskField::kAreaFileInode, TaskObject::kAreaInode},
      {TaskField::kAreaInodeSuperBlock, TaskObject::kAreaSuperBlock},
  };
  for (const Pointer& pointer : kPointers) {
    if (table.layout.object_bytes[static_cast<std::uint32_t>(pointer.to)] == 0) continue;
    // The idle task has no address space.
    if (task->tid == 0 && pointer.to == TaskObject::kMemory) continue;
    PutTaskField(table, task, pointer.from, table.AddressOf(task, pointer.to));
  }
  PutTaskField(table, task, TaskField::kNodeName, reinterpret_cast<std::uint64_t>(task->node_name));
}

// The slot's memory is empty.
void FillTask(const TaskTable& table, TaskSlot* task, std::uint32_t tid, std::uint32_t tgid) {
  task->tid = tid;
  task->tgid = tgid;
  PutTaskField(table, task, TaskField::kTaskPid, tid);
  PutTaskField(table, task, TaskField::kTaskTgid, tgid);
  PutTaskField(table, task, TaskField::kUpidNumber, tid);
  // Of a thread that is no leader, the thread itself says who is.
  if (tid == tgid) PutTaskField(table, task, TaskField::kTaskGroupLeader, table.AddressOf(task, TaskObject::kTask));
  FillPointers(table, task);
}

bool Exchange(std::uint32_t* state, std::uint32_t expected, std::uint32_t desired) {
  return __atomic_compare_exchange_n(state, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

std::uint32_t UsedSlots(const TaskMemoryHead* head) {
  const std::uint32_t used = __atomic_load_n(&head->used, __ATOMIC_ACQUIRE);
  return used < kMaxTasks ? used : kMaxTasks;
}

// Takes a slot that was given back or whose thread has ended; kMaxTasks when the search finds none.
std::uint32_t TakeEndedSlot(TaskMemoryHead* head, std::uint32_t searched) {
  const std::uint32_t used = UsedSlots(head);
  for (std::uint32_t i = 0; i < searched && used != 0; ++i) {
    const std::uint32_t index = __atomic_fetch_add(&head->cursor, 1, __ATOMIC_RELAXED) % used;
    const std::uint32_t state = __atomic_load_n(&head->states[index], __ATOMIC_RELAXED);
    const bool has_ended = IsShown(state) && state > 1 && IsThreadDead(state - 1);
    if ((state == kSlotFree || has_ended) && Exchange(&head->states[index], state, kSlotTaken)) return index;
  }
  return kMaxTasks;
}

// An empty slot that nobody else fills; kMaxTasks when there is no room.
std::uint32_t TakeSlot(const TaskTable& table) {
  TaskMemoryHead* head = table.head;
  std::uint32_t index = TakeEndedSlot(head, kSearchedForEnded);
  if (index == kMaxTasks && UsedSlots(head) < kMaxTasks) {
    index = __atomic_fetch_add(&head->used, 1, __ATOMIC_ACQ_REL);
    if (index < kMaxTasks) {
      const long error = sys::Mprotect(table.slot(index), table.slot_bytes, PROT_READ | PROT_WRITE);
      return error == 0 ? index : kMaxTasks;
    }
  }
  if (index >= kMaxTasks) index = TakeEndedSlot(head, kMaxTasks);
  if (index < kMaxTasks) sys::Madvise(table.slot(index), table.slot_bytes, MADV_DONTNEED);
  return index;
}

// The first slot that shows the thread; kMaxTasks when none does.
std::uint32_t FindShown(const TaskTable& table, std::uint32_t tid) {
  const std::uint32_t used = UsedSlots(table.head);
  for (std::uint32_t i = 0; i < used; ++i) {
    if (__atomic_load_n(&table.head->states[i], __ATOMIC_ACQUIRE) == tid + 1) return i;
  }
  return kMaxTasks;
}

void Show(const TaskTable& table, std::uint32_t index, std::uint32_t tid, std::uint32_t tgid) {
  FillTask(table, table.slot(index), tid, tgid);
  __atomic_store_n(&table.head->states[index], tid + 1, __ATOMIC_RELEASE);
}

// A number that was another process's before: its slot is emptied.
bool TakeOver(const TaskTable& table, std::uint32_t index, std::uint32_t tid, std::uint32_t tgid) {
  if (!Exchange(&table.head->states[index], tid + 1, kSlotTaken)) return false;
  sys::Madvise(table.slot(index), table.slot_bytes, MADV_DONTNEED);
  Show(table, index, tid, tgid);
  return true;
}

// The task whose object of that kind lies at `address`; null for another address.
TaskSlot* SlotOfObject(const Process& process, std::uint64_t address, TaskObject object) {
  if (process.tasks == nullptr || !IsTaskMemory(process, address)) return nullptr;
  const TaskTable& table = *process.tasks;
  const std::uint64_t first = process.tasks_begin + table.head_bytes + table.OffsetOf(object);
  if (address < first || (address - first) % table.slot_bytes != 0) return nullptr;
  const std::uint64_t index = (address - first) / table.slot_bytes;
  if (index >= kMaxTasks || !IsShown(__atomic_load_n(&table.head->states[index], __ATOMIC_ACQUIRE))) return nullptr;
  return table.slot(static_cast<std::uint32_t>(index));
}

std::uint64_t FieldOf(const TaskTable& table, const TaskSlot* task, TaskField field) {
  std::uint64_t value = 0;
  const TaskFieldPlace& place = table.layout.place(field);
  const std::uint32_t size = place.size_bytes < sizeof(value) ? place.size_bytes : sizeof(value);
  memcpy(&value, reinterpret_cast<const std::byte*>(task) + table.OffsetOf(field), size);
  return value;
}

TaskSlot* MakeCurrentTask(Process& process) {
  const ThreadIds ids = CurrentIds(process);
  TaskSlot* task = FindTask(process, ids.tid, ids.pid);
  if (task == nullptr) return nullptr;
  const TaskSlot* leader = ids.tid == ids.pid ? task : FindTask(process, ids.pid, ids.pid);
  const std::uint64_t leader_address = leader == nullptr ? 0 : process.tasks->AddressOf(leader, TaskObject::kTask);
  PutTaskField(*process.tasks, task, TaskField::kTaskGroupLeader, leader_address);
  LinkParent(process, task, sys::Getppid());
  current_task.process = nullptr;
  __asm__ volatile("" ::: "memory");
  current_task.slot = task;
  current_task.generation = ForkGeneration(process);
  __asm__ volatile("" ::: "memory");
  current_task.process = &process;
  return task;
}

// Null where this thread has not asked for its task since it began, or since the process was forked.
const TaskSlot* KnownCurrentTask(const Process& process) {
  const bool is_known = current_task.process == &process && current_task.generation == ForkGeneration(process);
  return is_known ? current_task.slot : nullptr;
}

// Null when there is no room.
TaskSlot* FindCurrentTask(Process& process) {
  if (process.tasks == nullptr) return nullptr;
  CurrentOwner(process);  // notices a fork
  if (KnownCurrentTask(process) != nullptr) [[likely]]
    return current_task.slot;
  return MakeCurrentTask(process);
}

}  // namespace

void PutTaskBytes(const TaskTable& table, TaskSlot* task, TaskField field, const void* bytes,
                  std::size_t size_bytes) noexcept {
  const TaskFieldPlace& place = table.layout.place(field);
  if (size_bytes > place.size_bytes) size_bytes = place.size_bytes;
  memcpy(reinterpret_cast<std::byte*>(task) + table.OffsetOf(field), bytes, size_bytes);
}

void PutTaskField(const TaskTable& table, TaskSlot* task, TaskField field, std::uint64_t value) noexcept {
  PutTaskBytes(table, task, field, &value, sizeof(value));
}

TaskSlot* FindTask(Process& process, std::uint32_t tid, std::uint32_t tgid) noexcept {
  const TaskTable& table = *process.tasks;
  const std::uint32_t known = FindShown(table, tid);
  if (known != kMaxTasks && (table.slot(known)->tgid == tgid || TakeOver(table, known, tid, tgid)))
    return table.slot(known);
  const std::uint32_t made = TakeSlot(table);
  if (made >= kMaxTasks) return nullptr;
  Show(table, made, tid, tgid);
  // Another thread may have made the same one meanwhile, of a leader or a parent: the first is everybody's.
  const std::uint32_t first = FindShown(table, tid);
  if (first >= made) return table.slot(made);
  Exchange(&table.head->states[made], tid + 1, kSlotFree);
  return table.slot(first);
}

void LinkParent(Process& process, TaskSlot* task, std::uint32_t pid) noexcept {
  const TaskTable& table = *process.tasks;
  TaskSlot* parent = task->tid == pid ? task : FindTask(process, pid, pid);
  const std::uint64_t address = parent == nullptr ? 0 : table.AddressOf(parent, TaskObject::kTask);
  task->parent_pid = pid;
  PutTaskField(table, task, TaskField::kTaskRealParent, address);
  PutTaskField(table, task, TaskField::kTaskParent, address);
}

long PrepareTasks(Process& process, const TaskLayout& layout, Reason* reason) noexcept {
  if (process.tasks != nullptr) {
    return AreEqual(process.tasks->layout, layout) ? 0 : Refuse(reason, -EPROTO, "made for another kernel's tasks");
  }
  if (!IsSound(layout)) return Refuse(reason, -EBADMSG, "its layout of tasks is bad");
  auto* table = static_cast<TaskTable*>(Allocate(process.arena, sizeof(TaskTable)));
  if (table == nullptr) return Refuse(reason, -ENOMEM, "no memory for tasks");
  table->layout = layout;
  PlaceObjects(table);
  const std::uint64_t bytes = table->head_bytes + std::uint64_t{table->slot_bytes} * kMaxTasks;
  // Slots become memory when they are taken: a host may have locked all that it maps.
  const long memory = sys::Mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  auto* begin = reinterpret_cast<void*>(memory);
  if (sys::IsError(memory) || sys::Madvise(begin, bytes, MADV_WIPEONFORK) != 0 ||
      sys::Mprotect(begin, table->head_bytes, PROT_READ | PROT_WRITE) != 0) {
    if (!sys::IsError(memory)) sys::Munmap(begin, bytes);
    Free(process.arena, table, sizeof(TaskTable));
    return Refuse(reason, -ENOMEM, "no memory for tasks");
  }
  table->head = reinterpret_cast<TaskMemoryHead*>(memory);
  process.tasks_begin = static_cast<std::uint64_t>(memory);
  process.tasks_bytes = bytes;
  process.tasks = table;
  return 0;
}

void CloseTasks(Process& process) noexcept {
  if (process.tasks == nullptr) return;
  sys::Munmap(process.tasks->head, process.tasks_bytes);
  process.tasks_bytes = 0;
  process.tasks = nullptr;
}

std::uint64_t CurrentTask(Process& process) noexcept {
  const TaskSlot* task = FindCurrentTask(process);
  return task == nullptr ? 0 : process.tasks->AddressOf(task, TaskObject::kTask);
}

std::size_t BytesLeftOfTask(const Process& process, std::uint64_t address) noexcept {
  const TaskTable& table = *process.tasks;
  const std::uint64_t offset = address - process.tasks_begin;
  if (offset < table.head_bytes) return 0;
  return table.slot_bytes - (offset - table.head_bytes) % table.slot_bytes;
}

bool RefreshTaskMemory(Process& process, std::uint64_t address, std::size_t size_bytes) noexcept {
  const TaskTable& table = *process.tasks;
  const std::uint64_t offset = address - process.tasks_begin;
  if (offset < table.head_bytes) return false;
  const std::uint64_t index = (offset - table.head_bytes) / table.slot_bytes;
  const std::uint64_t in_slot = (offset - table.head_bytes) % table.slot_bytes;
  if (index >= kMaxTasks || size_bytes > table.slot_bytes - in_slot) return false;
  // One that is taken has memory, but nothing to show yet.
  const std::uint32_t state = __atomic_load_n(&table.head->states[index], __ATOMIC_ACQUIRE);
  if (!IsShown(state)) return false;
  RefreshTask(process, table.slot(static_cast<std::uint32_t>(index)), in_slot, size_bytes);
  return true;
}

std::uint64_t CgroupOfTask(Process& process, std::uint64_t address) noexcept {
  const TaskSlot* own = KnownCurrentTask(process);
  if (own != nullptr && process.tasks->AddressOf(own, TaskObject::kCgroup) == address) return OwnCgroupId(process);
  TaskSlot* task = SlotOfObject(process, address, TaskObject::kCgroup);
  if (task == nullptr) return 0;
  if (task->tgid == CurrentIds(process).pid) return OwnCgroupId(process);
  RefreshTask(process, task, process.tasks->OffsetOf(TaskField::kNodeId), sizeof(std::uint64_t));
  return FieldOf(*process.tasks, task, TaskField::kNodeId);
}

std::uint64_t ShowMemoryArea(Process& process, const MemoryArea& area) noexcept {
  TaskSlot* task = FindCurrentTask(process);
  if (task == nullptr) return 0;
  const TaskTable& table = *process.tasks;
  const std::uint64_t file = area.inode == 0 ? 0 : table.AddressOf(task, TaskObject::kAreaFile);
  PutTaskField(table, task, TaskField::kAreaStart, area.begin);
  PutTaskField(table, task, TaskField::kAreaEnd, area.end);
  PutTaskField(table, task, TaskField::kAreaFlags, area.flags);
  PutTaskField(table, task, TaskField::kAreaVmFile, file);
  PutTaskField(table, task, TaskField::kAreaInodeNumber, area.inode);
  PutTaskField(table, task, TaskField::kAreaDevice, area.device);
  return table.AddressOf(task, TaskObject::kArea);
}

MemoryArea ShownMemoryArea(Process& process) noexcept {
  const TaskSlot* task = FindCurrentTask(process);
  if (task == nullptr) return {};
  const TaskTable& table = *process.tasks;
  return {FieldOf(table, task, TaskField::kAreaStart), FieldOf(table, task, TaskField::kAreaEnd),
          FieldOf(table, task, TaskField::kAreaFlags), FieldOf(table, task, TaskField::kAreaInodeNumber),
          FieldOf(table, task, TaskField::kAreaDevice)};
}

std::uint32_t ProcessOfTask(const Process& process, std::uint64_t address) noexcept {
  const TaskSlot* task = SlotOfObject(process, address, TaskObject::kTask);
  return task == nullptr ? 0 : task->tgid;
}

}  // namespace strata::runtime
