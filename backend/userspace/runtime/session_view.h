// A session's folder, read from inside a process: links, their records, and waiting for changes. docs/registry.md
// describes the files.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/backend/userspace/runtime/process.h"
#include "strata/backend/userspace/runtime/reason.h"

namespace strata::runtime {

// A descriptor of the folder, or a negative errno. Refused (-EACCES) unless a folder, no symbolic link, owned by root
// or the own user, writable by nobody else. The caller closes it with CloseDescriptor() before it returns to the host.
int OpenSessionFolder(const char* path, Reason* reason) noexcept;
void CloseDescriptor(int fd) noexcept;

// Of root or the own user, whoever else may write it. 0, or -EACCES.
long CheckOwner(int fd, Reason* reason) noexcept;

// Also for the objects' files: a regular file of root or the own user, writable by nobody else. 0, or -EACCES.
long CheckTrusted(int fd, Reason* reason) noexcept;

// True while somebody holds the object's lock (its loader, or whoever got the descriptor from it), or it is pinned: has
// a second name.
// The descriptor must not hold the lock itself: it would lose it.
bool IsAlive(int fd) noexcept;

// Calls visit(id) for each file "<prefix><id>" until it returns non-zero, which is then returned. Ids come in no order.
using IdVisitor = long (*)(std::uint32_t id, void* argument);
long ForEachObject(int folder_fd, const char* prefix, IdVisitor visit, void* argument) noexcept;

// "map-" and 17 make "map-17". `out` must have kObjectNameSize bytes.
inline constexpr std::size_t kObjectNameSize = 32;
void FormatObjectName(char* out, const char* prefix, std::uint32_t id) noexcept;

// A link's file, mapped: the header's atomic fields and the counters are shared with its loader, all else is as it was
// checked.
struct LinkView {
  LinkHeader header;  // copy of the checked fields
  LinkHeader* shared = nullptr;
  std::uint64_t size_bytes = 0;
  const std::byte* config = nullptr;
  const char* path = nullptr;  // "" where the kind hooks no file
  const std::byte* plan = nullptr;
  LinkCounters* counters = nullptr;
  // Of a session that is shared with us: the counters are then our own, which nobody else sees.
  bool is_read_only = false;
};

// Maps link-<id>. Errors: -ENOENT when it is gone or its loader is dead; -EACCES, -EPROTO, -EBADMSG for a file that
// does not hold its checks. Unmap only when no hook can count into it any more.
long MapLink(int folder_fd, std::uint32_t id, LinkView* out, Reason* reason) noexcept;
// The same of an open file, which has to be that of link `id`; whether anybody holds it is not asked.
long MapLinkFile(int fd, std::uint32_t id, LinkView* out, Reason* reason) noexcept;
void UnmapLink(LinkView* link) noexcept;

inline bool IsEnabled(const LinkView& link) noexcept {
  return __atomic_load_n(&link.shared->enabled, __ATOMIC_ACQUIRE) == link_state::kEnabled;
}

inline void SetLinkState(const LinkView& link, std::uint32_t bit, bool is_set) noexcept {
  if (is_set) {
    __atomic_fetch_or(&link.shared->enabled, bit, __ATOMIC_SEQ_CST);
  } else {
    __atomic_fetch_and(&link.shared->enabled, ~bit, __ATOMIC_SEQ_CST);
  }
}

// link_flags: whether runs are counted and timed, which may change at any time.
inline std::uint32_t FlagsOf(const LinkView& link) noexcept {
  return __atomic_load_n(&link.shared->flags, __ATOMIC_RELAXED);
}

// The line that a run on slot or CPU `index` counts into; add with relaxed atomics.
inline LinkCounters& CountersOf(const LinkView& link, std::uint32_t index) noexcept {
  return link.counters[index % link.header.counters_count];
}

// Replaces instance-<link>-<pid>, wakes who waits for records. The record's magic and version are filled in.
long WriteInstance(Process& process, int folder_fd, const InstanceRecord& record) noexcept;
long RemoveInstance(Process& process, int folder_fd, std::uint32_t link_id, std::int32_t pid) noexcept;

// Waiting. `seen` is the value of the word when the caller last looked; returns at once when it differs. 0, -ETIMEDOUT
// or -EINTR. A negative timeout never ends. An odd generation means that somebody is publishing (or died doing so):
// look again after 10 ms.
std::uint32_t Generation(const Process& process) noexcept;
long WaitForChange(const Process& process, std::uint32_t seen, std::int64_t timeout_ns) noexcept;
std::uint32_t InstanceGeneration(const Process& process) noexcept;
long WaitForInstance(const Process& process, std::uint32_t seen, std::int64_t timeout_ns) noexcept;

// The publisher's side: odd until EndPublish, then all waiters are woken.
void BeginPublish(Process& process) noexcept;
void EndPublish(Process& process) noexcept;

}  // namespace strata::runtime
