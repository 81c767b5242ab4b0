#include "strata/backend/userspace/runtime/session_view.h"

#include <asm/errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "strata/backend/userspace/runtime/mapped_files.h"
#include "strata/backend/userspace/runtime/sys.h"
#include "text.h"

namespace strata::runtime {
namespace {

constexpr int kPublishAttempts = 1000;

// struct linux_dirent64, up to its name.
struct DirectoryEntry {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t record_size;
  std::uint8_t type;

  const char* name() const { return reinterpret_cast<const char*>(&type) + 1; }
};

// The number after `prefix`, or 0 where the name is another one. Ids start at 1 and have no leading zero.
std::uint32_t ParseId(const char* name, const char* prefix) {
  while (*prefix != 0) {
    if (*name++ != *prefix++) return 0;
  }
  std::uint64_t id = 0;
  if (*name == '0') return 0;
  for (; *name != 0; ++name) {
    if (*name < '0' || *name > '9') return 0;
    id = id * 10 + static_cast<std::uint64_t>(*name - '0');
    if (id > 0xffffffff) return 0;
  }
  return static_cast<std::uint32_t>(id);
}

bool IsInside(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

long CheckLink(const LinkHeader& link, std::uint32_t id, std::uint64_t size, Reason* reason) {
  if (link.magic != static_cast<std::uint32_t>(FileMagic::kLink))
    return Refuse(reason, -EBADMSG, "link ", id, ": bad magic");
  if (link.version != kLayoutVersion) return Refuse(reason, -EPROTO, "link ", id, ": layout version ", link.version);
  const std::uint64_t counters_size = std::uint64_t{link.counters_count} * sizeof(LinkCounters);
  if (link.id != id || link.file_size != size || link.counters_count == 0 || link.counters_offset % kCacheLine != 0 ||
      !IsInside(link.counters_offset, counters_size, size) || !IsInside(link.config_offset, link.config_size, size) ||
      !IsInside(link.path_offset, link.path_size, size) || !IsInside(link.plan_offset, link.plan_size, size) ||
      !IsTerminated(link.kind, sizeof(link.kind))) {
    return Refuse(reason, -EBADMSG, "link ", id, ": a table lies outside of the file");
  }
  return 0;
}

// Counters of our own, for a link that we may only read: nobody else sees them.
LinkCounters* MakeOwnCounters(std::uint32_t count) {
  const long memory =
      sys::Mmap(nullptr, count * sizeof(LinkCounters), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  return sys::IsError(memory) ? nullptr : reinterpret_cast<LinkCounters*>(memory);
}

// The whole file, writable where we may.
long MapWhole(int fd, std::uint64_t size, LinkView* out) {
  long memory = MapShared(nullptr, size, PROT_READ | PROT_WRITE, fd);
  out->is_read_only = memory == -EACCES;
  if (out->is_read_only) memory = MapShared(nullptr, size, PROT_READ, fd);
  if (sys::IsError(memory)) return memory;
  out->shared = reinterpret_cast<LinkHeader*>(memory);
  out->size_bytes = size;
  return 0;
}

long FindTables(std::uint32_t id, LinkView* out, Reason* reason) {
  const LinkHeader& header = out->header;
  auto* bytes = reinterpret_cast<std::byte*>(out->shared);
  out->config = bytes + header.config_offset;
  out->plan = bytes + header.plan_offset;
  out->path = header.path_size == 0 ? "" : reinterpret_cast<const char*>(bytes + header.path_offset);
  if (header.path_size != 0 && !IsTerminated(out->path, header.path_size))
    return Refuse(reason, -EBADMSG, "link ", id, ": path has no end");
  out->counters = out->is_read_only ? MakeOwnCounters(header.counters_count)
                                    : reinterpret_cast<LinkCounters*>(bytes + header.counters_offset);
  return out->counters == nullptr ? Refuse(reason, -ENOMEM, "link ", id, ": no memory") : 0;
}

long MapChecked(int fd, std::uint32_t id, LinkView* out, Reason* reason) {
  sys::FileStatus status;
  out->shared = nullptr;
  out->counters = nullptr;
  long error = CheckTrusted(fd, reason);
  if (error == 0) error = sys::Fstat(fd, &status);
  if (error != 0) return error;
  const auto size = static_cast<std::uint64_t>(status.size_bytes);
  if (status.size_bytes < static_cast<std::int64_t>(sizeof(LinkHeader)))
    return Refuse(reason, -EBADMSG, "link ", id, ": truncated");
  error = MapWhole(fd, size, out);
  if (error != 0) return Refuse(reason, error, "link ", id, ": cannot be mapped");
  memcpy(&out->header, out->shared, sizeof(LinkHeader));
  error = CheckLink(out->header, id, size, reason);
  if (error == 0) error = FindTables(id, out, reason);
  if (error != 0) UnmapLink(out);
  return error;
}

void FormatInstanceName(char* out, std::uint32_t link_id, std::int32_t pid) {
  FormatObjectName(out, kInstancePrefix, link_id);
  char number[kObjectNameSize];
  FormatObjectName(number, "-", static_cast<std::uint32_t>(pid));
  memcpy(out + TextLength(out), number, TextLength(number) + 1);
}

// Of a shared session, else the session's folder itself.
int OpenInstanceFolder(int folder_fd) {
  const int fd = sys::OpenAt(folder_fd, kInstanceFolder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd >= 0 ? fd : sys::OpenAt(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// Written aside and renamed, so that a reader sees the old record or the new one. A leading dot marks what a crash may
// leave for the collector.
long ReplaceInstance(int folder_fd, const char* name, const InstanceRecord& record) {
  char draft[2 * kObjectNameSize];
  draft[0] = '.';
  memcpy(draft + 1, name, TextLength(name) + 1);
  const int fd = sys::OpenAt(folder_fd, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fd;
  long error = sys::Write(fd, &record, sizeof(record));
  sys::Close(fd);
  if (error >= 0) error = error == static_cast<long>(sizeof(record)) ? 0 : -ENOSPC;
  if (error == 0) error = sys::RenameAt(folder_fd, draft, name);
  if (error != 0) sys::UnlinkAt(folder_fd, draft);
  return error;
}

void WakeInstanceWaiters(Process& process) {
  __atomic_fetch_add(&process.root->instance_generation, 1, __ATOMIC_SEQ_CST);
  sys::FutexWake(&process.root->instance_generation, 0x7fffffff);
}

long WaitForWord(const std::uint32_t* word, std::uint32_t seen, std::int64_t timeout_ns) {
  const sys::Timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
  const long result = sys::FutexWait(word, seen, timeout_ns < 0 ? nullptr : &timeout);
  return result == -EAGAIN ? 0 : result;  // it had changed already
}

}  // namespace

void CloseDescriptor(int fd) noexcept { sys::Close(fd); }

long CheckOwner(int fd, Reason* reason) noexcept {
  sys::FileStatus status;
  const long error = sys::Fstat(fd, &status);
  if (error != 0) return Refuse(reason, error, "cannot be examined");
  if (status.user != 0 && status.user != sys::Geteuid())
    return Refuse(reason, -EACCES, "belongs to user ", status.user);
  return 0;
}

long CheckTrusted(int fd, Reason* reason) noexcept {
  sys::FileStatus status;
  long error = CheckOwner(fd, reason);
  if (error == 0) error = sys::Fstat(fd, &status);
  if (error != 0) return error;
  if ((status.mode & (S_IWGRP | S_IWOTH)) != 0)
    return Refuse(reason, -EACCES, "can be written by others than its owner");
  if ((status.mode & S_IFMT) != S_IFREG && (status.mode & S_IFMT) != S_IFDIR)
    return Refuse(reason, -EACCES, "is no regular file");
  return 0;
}

int OpenSessionFolder(const char* path, Reason* reason) noexcept {
  const int fd = sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return static_cast<int>(Refuse(reason, fd, "session ", path, ": cannot be opened, error ", -fd));
  Reason why;
  const long error = CheckTrusted(fd, &why);
  if (error == 0) return fd;
  sys::Close(fd);
  return static_cast<int>(Refuse(reason, error, "session ", path, ": ", static_cast<const char*>(why.text)));
}

bool IsAlive(int fd) noexcept {
  sys::FileStatus status;
  if (sys::Fstat(fd, &status) != 0 || status.link_count == 0) return false;
  if (status.link_count > 1) return true;
  // A collector's lock is exclusive too, so "cannot have it" may also mean "is being removed": the next look tells.
  if (sys::Flock(fd, LOCK_EX | LOCK_NB) != 0) return true;
  sys::Flock(fd, LOCK_UN);
  return false;
}

long ForEachObject(int folder_fd, const char* prefix, IdVisitor visit, void* argument) noexcept {
  // An own open of the folder: its read position starts at the beginning and is nobody else's.
  const int fd = sys::OpenAt(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fd;
  alignas(8) char buffer[2048];
  long result = 0;
  while (result == 0) {
    const long size = sys::GetDents(fd, buffer, sizeof(buffer));
    if (size <= 0) {
      result = size;
      break;
    }
    for (long at = 0; at < size && result == 0;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      at += entry->record_size;
      const std::uint32_t id = ParseId(entry->name(), prefix);
      if (id != 0) result = visit(id, argument);
    }
  }
  sys::Close(fd);
  return result;
}

void FormatObjectName(char* out, const char* prefix, std::uint32_t id) noexcept {
  Reason text;  // a bounded text builder
  Append(&text, prefix);
  Append(&text, id);
  memcpy(out, text.text, text.length + 1);
}

long MapLinkFile(int fd, std::uint32_t id, LinkView* out, Reason* reason) noexcept {
  return MapChecked(fd, id, out, reason);
}

long MapLink(int folder_fd, std::uint32_t id, LinkView* out, Reason* reason) noexcept {
  char name[kObjectNameSize];
  FormatObjectName(name, kLinkPrefix, id);
  int fd = sys::OpenAt(folder_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd == -EACCES) fd = sys::OpenAt(folder_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return Refuse(reason, fd, "link ", id, ": cannot be opened");
  const long error =
      IsAlive(fd) ? MapChecked(fd, id, out, reason) : Refuse(reason, -ENOENT, "link ", id, ": its loader is gone");
  sys::Close(fd);
  return error;
}

void UnmapLink(LinkView* link) noexcept {
  if (link->is_read_only && link->counters != nullptr)
    sys::Munmap(link->counters, link->header.counters_count * sizeof(LinkCounters));
  link->counters = nullptr;
  if (link->shared != nullptr) UnmapShared(link->shared, link->size_bytes);
  link->shared = nullptr;
}

long WriteInstance(Process& process, int folder_fd, const InstanceRecord& record) noexcept {
  InstanceRecord complete;
  memcpy(&complete, &record, sizeof(complete));
  complete.magic = static_cast<std::uint32_t>(FileMagic::kInstance);
  complete.version = kLayoutVersion;
  char name[2 * kObjectNameSize];
  FormatInstanceName(name, record.link_id, record.pid);
  const int instances = OpenInstanceFolder(folder_fd);
  if (instances < 0) return instances;
  const long error = ReplaceInstance(instances, name, complete);
  sys::Close(instances);
  if (error != 0) return error;
  WakeInstanceWaiters(process);
  return 0;
}

long RemoveInstance(Process& process, int folder_fd, std::uint32_t link_id, std::int32_t pid) noexcept {
  char name[2 * kObjectNameSize];
  FormatInstanceName(name, link_id, pid);
  const int instances = OpenInstanceFolder(folder_fd);
  if (instances < 0) return instances;
  const long error = sys::UnlinkAt(instances, name);
  sys::Close(instances);
  if (error == 0) WakeInstanceWaiters(process);
  return error;
}

std::uint32_t Generation(const Process& process) noexcept {
  return __atomic_load_n(&process.root->generation, __ATOMIC_ACQUIRE);
}

long WaitForChange(const Process& process, std::uint32_t seen, std::int64_t timeout_ns) noexcept {
  return WaitForWord(&process.root->generation, seen, timeout_ns);
}

std::uint32_t InstanceGeneration(const Process& process) noexcept {
  return __atomic_load_n(&process.root->instance_generation, __ATOMIC_ACQUIRE);
}

long WaitForInstance(const Process& process, std::uint32_t seen, std::int64_t timeout_ns) noexcept {
  return WaitForWord(&process.root->instance_generation, seen, timeout_ns);
}

void BeginPublish(Process& process) noexcept { __atomic_fetch_or(&process.root->generation, 1U, __ATOMIC_SEQ_CST); }

void EndPublish(Process& process) noexcept {
  // Two publishers may overlap, or one may have died half-way: the next even number in any case.
  // A peer that changes the word all the time gets no more than these attempts.
  std::uint32_t seen = Generation(process);
  for (int attempt = 0; attempt < kPublishAttempts; ++attempt) {
    if (__atomic_compare_exchange_n(&process.root->generation, &seen, (seen + 2) & ~1U, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_ACQUIRE))
      break;
  }
  sys::FutexWake(&process.root->generation, 0x7fffffff);
}

}  // namespace strata::runtime
