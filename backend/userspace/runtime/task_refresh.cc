// What tasks are like now: system calls for the calling thread where there are any, else /proc.
#include <fcntl.h>
#include <sys/prctl.h>
#include <time.h>

#include "cgroup_ids.h"
#include "proc_file.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "task_slots.h"
#include "text.h"

namespace strata::runtime {
namespace {

using enum TaskField;

constexpr std::uint32_t kCommBytes = 16;
constexpr std::uint64_t kStatTickNs = 10'000'000;  // USER_HZ is 100
constexpr std::size_t kFolderBytes = 48;

// proc(5), /proc/pid/stat
constexpr std::uint32_t kStatParent = 4;
constexpr std::uint32_t kStatFlags = 9;
constexpr std::uint32_t kStatStartTime = 22;
constexpr std::uint32_t kStatExitSignal = 38;

class TaskRefresh {
 public:
  TaskRefresh(Process& process, TaskSlot* task, std::uint64_t begin, std::uint64_t end)
      : process_(process), table_(*process.tasks), task_(task), begin_(begin), end_(end) {
    const ThreadIds ids = CurrentIds(process);
    is_current_ = task->tid == ids.tid;
    is_own_process_ = task->tgid == ids.pid;
  }

  void Run();

 private:
  // Of /proc, for the task; made when it is first asked for.
  const char* folder();
  bool Wants(TaskField field) const {
    const std::uint64_t first = table_.OffsetOf(field);
    const std::uint64_t bytes = table_.layout.place(field).size_bytes;
    return bytes != 0 && first < end_ && begin_ < first + bytes;
  }
  bool WantsAnyOf(TaskObject object) const {
    const std::uint64_t first = table_.OffsetOf(object);
    return first < end_ && begin_ < first + table_.layout.object_bytes[static_cast<std::uint32_t>(object)];
  }
  void Put(TaskField field, std::uint64_t value) { PutTaskField(table_, task_, field, value); }

  void RefreshTaskStruct();
  void RefreshComm();
  void RefreshParent();
  void RefreshStat();
  std::uint64_t AsleepNs();
  void RefreshAudit(const char* file, TaskField field);
  void RefreshCred();
  void RefreshIdsByCalls();
  void RefreshIdsOf(const char* status, const char* key, const TaskField (&fields)[4]);
  void RefreshNamespaces();
  void RefreshCgroup();
  void RefreshMemory();
  void RefreshExecutable();
  bool Stat(const char* name, sys::FileStatus* out);

  Process& process_;
  const TaskTable& table_;
  TaskSlot* task_;
  std::uint64_t begin_;
  std::uint64_t end_;
  bool is_current_;
  bool is_own_process_;
  char folder_[kFolderBytes];
  bool has_folder_ = false;
};

char* Append(char* at, const char* text) {
  while (*text != 0) *at++ = *text++;
  *at = 0;
  return at;
}

char* AppendNumber(char* at, std::uint32_t number) {
  char digits[12];
  int count = 0;
  do {
    digits[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (count > 0) *at++ = digits[--count];
  *at = 0;
  return at;
}

const char* TaskRefresh::folder() {
  if (has_folder_) return folder_;
  has_folder_ = true;
  if (is_current_) {
    Append(folder_, "/proc/thread-self/");
    return folder_;
  }
  char* at = Append(folder_, is_own_process_ ? "/proc/self/task/" : "/proc/");
  Append(AppendNumber(at, task_->tid), "/");
  return folder_;
}

void TaskRefresh::Run() {
  if (WantsAnyOf(TaskObject::kTask)) {
    RefreshTaskStruct();
    if (begin_ >= table_.OffsetOf(TaskObject::kTask) && end_ <= table_.OffsetOf(TaskObject::kCred)) return;
  }
  if (task_->tid == 0) return;  // the idle task has no more
  if (WantsAnyOf(TaskObject::kCred)) RefreshCred();
  RefreshNamespaces();
  if (WantsAnyOf(TaskObject::kKernfsNode) || begin_ < kTaskSlotHeadBytes) RefreshCgroup();
  if (WantsAnyOf(TaskObject::kMemory)) RefreshMemory();
  if (WantsAnyOf(TaskObject::kInode) || WantsAnyOf(TaskObject::kSuperBlock)) RefreshExecutable();
}

void TaskRefresh::RefreshTaskStruct() {
  if (Wants(kTaskComm)) RefreshComm();
  if (Wants(kTaskRealParent) || Wants(kTaskParent)) RefreshParent();
  if (Wants(kTaskFlags) || Wants(kTaskExitSignal) || Wants(kTaskStartTime) || Wants(kTaskStartBootTime) ||
      Wants(kTaskRealStartTime)) {
    RefreshStat();
  }
  if (Wants(kTaskLoginUid)) RefreshAudit("loginuid", kTaskLoginUid);
  if (Wants(kTaskSessionId)) RefreshAudit("sessionid", kTaskSessionId);
}

void TaskRefresh::RefreshComm() {
  char comm[kCommBytes + 1] = {};
  if (is_current_) {
    sys::Prctl(PR_GET_NAME, sys::Address(comm));
  } else if (task_->tid == 0) {
    Append(comm, "swapper/0");
  } else {
    const long length = ReadProcFile(folder(), "comm", comm, sizeof(comm));
    if (length <= 0) return;  // it ended: its last name stays
    for (long i = 0; i < length; ++i) {
      if (comm[i] == '\n') comm[i] = 0;
    }
  }
  PutTaskBytes(table_, task_, kTaskComm, comm, kCommBytes);
}

void TaskRefresh::RefreshParent() {
  std::uint32_t parent = 0;
  if (is_own_process_) {
    parent = sys::Getppid();
  } else if (task_->tid != 0) {
    ProcStat stat;
    if (!ReadProcStat(folder(), &stat)) return;
    parent = static_cast<std::uint32_t>(stat.fields[kStatParent]);
  }
  const bool is_linked = task_->parent_pid == parent && (task_->tid == 0 || parent != 0);
  std::uint64_t address = 0;
  memcpy(&address, reinterpret_cast<std::byte*>(task_) + table_.OffsetOf(kTaskRealParent), sizeof(address));
  if (!is_linked || address == 0) LinkParent(process_, task_, parent);
}

// The same value until the machine sleeps again: programs know tasks by their start times, which must not change by
// what passes between two readings.
std::uint64_t TaskRefresh::AsleepNs() {
  constexpr std::uint64_t kJitterNs = 1'000'000;
  const std::uint64_t monotonic_ns = ClockNow(process_, CLOCK_MONOTONIC);
  const std::uint64_t now = ClockNow(process_, CLOCK_BOOTTIME) - monotonic_ns;
  const std::uint64_t known = __atomic_load_n(&process_.tasks->asleep_ns, __ATOMIC_RELAXED);
  if ((now > known ? now - known : known - now) < kJitterNs) return known;
  __atomic_store_n(&process_.tasks->asleep_ns, now, __ATOMIC_RELAXED);
  return now;
}

void TaskRefresh::RefreshStat() {
  ProcStat stat;
  if (task_->tid == 0 || !ReadProcStat(folder(), &stat)) return;
  const std::uint64_t since_boot_ns = stat.fields[kStatStartTime] * kStatTickNs;
  const std::uint64_t asleep_ns = AsleepNs();
  Put(kTaskFlags, stat.fields[kStatFlags]);
  Put(kTaskExitSignal, stat.fields[kStatExitSignal]);
  Put(kTaskStartTime, since_boot_ns < asleep_ns ? 0 : since_boot_ns - asleep_ns);
  Put(kTaskStartBootTime, since_boot_ns);
  Put(kTaskRealStartTime, since_boot_ns);
}

void TaskRefresh::RefreshAudit(const char* file, TaskField field) {
  char text[16];
  if (ReadProcFile(folder(), file, text, sizeof(text)) <= 0) return;
  const char* at = text;
  Put(field, ParseProcNumber(at, 10));
}

void TaskRefresh::RefreshIdsByCalls() {
  std::uint32_t users[3] = {};
  std::uint32_t groups[3] = {};
  sys::Getresuid(&users[0], &users[1], &users[2]);
  sys::Getresgid(&groups[0], &groups[1], &groups[2]);
  Put(kCredUid, users[0]);
  Put(kCredEffectiveUid, users[1]);
  Put(kCredSavedUid, users[2]);
  Put(kCredGid, groups[0]);
  Put(kCredEffectiveGid, groups[1]);
  Put(kCredSavedGid, groups[2]);
  // An invalid id changes nothing and says what there is.
  if (Wants(kCredFileUid)) Put(kCredFileUid, sys::Setfsuid(~0U));
  if (Wants(kCredFileGid)) Put(kCredFileGid, sys::Setfsgid(~0U));
}

// "Uid:" and four numbers: real, effective, saved, of files.
void TaskRefresh::RefreshIdsOf(const char* status, const char* key, const TaskField (&fields)[4]) {
  const char* at = FindProcLine(status, key);
  if (at == nullptr) return;
  for (const TaskField field : fields) Put(field, ParseProcNumber(at, 10));
}

void TaskRefresh::RefreshCred() {
  struct Capabilities {
    const char* key;
    TaskField field;
  };
  constexpr Capabilities kCapabilities[] = {{"CapInh:", kCredInheritable},
                                            {"CapPrm:", kCredPermitted},
                                            {"CapEff:", kCredEffective},
                                            {"CapBnd:", kCredBounding},
                                            {"CapAmb:", kCredAmbient}};
  bool wants_capabilities = false;
  for (const Capabilities& one : kCapabilities) wants_capabilities |= Wants(one.field);
  if (is_current_) RefreshIdsByCalls();
  if (is_current_ && !wants_capabilities) return;
  char status[4096];
  if (ReadProcFile(folder(), "status", status, sizeof(status)) <= 0) return;
  if (!is_current_) {
    RefreshIdsOf(status, "Uid:", {kCredUid, kCredEffectiveUid, kCredSavedUid, kCredFileUid});
    RefreshIdsOf(status, "Gid:", {kCredGid, kCredEffectiveGid, kCredSavedGid, kCredFileGid});
  }
  for (const Capabilities& one : kCapabilities) {
    const char* at = FindProcLine(status, one.key);
    if (at != nullptr) Put(one.field, ParseProcNumber(at, 16));
  }
}

bool TaskRefresh::Stat(const char* name, sys::FileStatus* out) {
  char path[kFolderBytes + 32];
  Append(Append(path, folder()), name);
  return sys::StatAt(AT_FDCWD, path, out) == 0;
}

void TaskRefresh::RefreshNamespaces() {
  struct Namespace {
    TaskField field;
    const char* file;
  };
  constexpr Namespace kNamespaces[] = {
      {kUserNumber, "ns/user"}, {kPidNumber, "ns/pid"}, {kMountNumber, "ns/mnt"}, {kUtsNumber, "ns/uts"},
      {kIpcNumber, "ns/ipc"},   {kNetNumber, "ns/net"}, {kTimeNumber, "ns/time"}, {kCgroupNumber, "ns/cgroup"},
  };
  for (const Namespace& one : kNamespaces) {
    sys::FileStatus status;
    if (Wants(one.field) && Stat(one.file, &status)) Put(one.field, status.inode);
  }
  if (!Wants(kUtsName) || !is_own_process_) return;
  char names[6 * 65];  // struct new_utsname
  if (sys::Uname(names) == 0) PutTaskBytes(table_, task_, kUtsName, names, sizeof(names));
}

// In the hierarchy of version 2: its folder's inode is the node's id.
void TaskRefresh::RefreshCgroup() {
  char text[1024];
  if (ReadProcFile(folder(), "cgroup", text, sizeof(text)) <= 0) return;
  const char* path = FindProcLine(text, "0::");
  if (path == nullptr) return;
  std::size_t length = 0;
  std::size_t name = 0;  // where the last component begins
  for (; path[length] != 0 && path[length] != '\n'; ++length) {
    if (path[length] == '/') name = length + 1;
  }
  const std::size_t name_bytes = length - name;
  if (name_bytes < sizeof(task_->node_name)) {
    memcpy(task_->node_name, path + name, name_bytes);
    task_->node_name[name_bytes] = 0;
  }
  if (IsOutsideOfNamespace(path, length)) return;
  constexpr const char* kMounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
  for (const char* mount : kMounts) {
    char full[sizeof(text) + 32];
    char* at = Append(full, mount);
    memcpy(at, path, length);
    at[length] = 0;
    sys::FileStatus status;
    if (sys::StatAt(AT_FDCWD, full, &status) != 0) continue;
    Put(kNodeId, status.inode);
    return;
  }
}

void TaskRefresh::RefreshMemory() {
  struct Place {
    TaskField field;
    std::uint32_t stat;
  };
  constexpr Place kPlaces[] = {{kMemoryStartCode, 26}, {kMemoryEndCode, 27}, {kMemoryStartStack, 28},
                               {kMemoryStartData, 45}, {kMemoryEndData, 46}, {kMemoryStartBrk, 47},
                               {kMemoryArgStart, 48},  {kMemoryArgEnd, 49},  {kMemoryEnvStart, 50},
                               {kMemoryEnvEnd, 51}};
  bool is_wanted = false;
  for (const Place& place : kPlaces) is_wanted |= Wants(place.field);
  ProcStat stat;
  if (!is_wanted || !ReadProcStat(folder(), &stat)) return;
  for (const Place& place : kPlaces) Put(place.field, stat.fields[place.stat]);
}

void TaskRefresh::RefreshExecutable() {
  sys::FileStatus status;
  if (!Stat("exe", &status)) return;
  // The kernel's own dev_t, of which stat packs the parts otherwise.
  const std::uint64_t major = (status.device >> 8) & 0xfff;
  const std::uint64_t minor = (status.device & 0xff) | ((status.device >> 12) & 0xfff00);
  Put(kInodeNumber, status.inode);
  Put(kInodeMode, status.mode);
  Put(kSuperBlockDevice, (major << 20) | minor);
}

}  // namespace

void RefreshTask(Process& process, TaskSlot* task, std::uint64_t offset, std::uint64_t size_bytes) noexcept {
  TaskRefresh(process, task, offset, offset + size_bytes).Run();
}

}  // namespace strata::runtime
