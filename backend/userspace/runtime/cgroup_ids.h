// The cgroup (version 2) that this process is in, and those above it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

inline constexpr std::uint32_t kMaxCgroupDepth = 32;

// Ids are the kernel's: inodes of the cgroups' folders. They are asked for when first needed, in a forked child, and
// again after a second: a process that is moved is seen in its old cgroup for that long. No cgroups where there is no
// version 2 below /sys/fs/cgroup, or nothing could be read yet.

// That of this process; 0 where it is not known, or further down than kMaxCgroupDepth.
std::uint64_t OwnCgroupId(Process& process) noexcept;
// Of those above it and itself; level 0 is the topmost that the process sees. 0 where there is none.
std::uint64_t AncestorCgroupId(Process& process, std::uint32_t level) noexcept;
bool IsBelowCgroup(Process& process, std::uint64_t id) noexcept;

// For a path of /proc/PID/cgroup: that of a cgroup outside of the reader's cgroup namespace, whose folder it cannot
// find.
inline bool IsOutsideOfNamespace(const char* path, std::size_t length) noexcept {
  return length >= 3 && path[0] == '/' && path[1] == '.' && path[2] == '.' && (length == 3 || path[3] == '/');
}

// Of the folder that is open as `fd`; -EBADF for what is no cgroup of version 2, -ENOENT for one that was removed.
long CgroupIdOf(int fd, std::uint64_t* out) noexcept;

// Looks for cgroups by their ids. The kernel lets only those do so who may pass over permissions
// (CAP_DAC_READ_SEARCH) and see the whole hierarchy.
class CgroupFinder {
 public:
  CgroupFinder() noexcept;
  ~CgroupFinder() noexcept;
  CgroupFinder(const CgroupFinder&) = delete;
  CgroupFinder& operator=(const CgroupFinder&) = delete;
  bool can_find() const noexcept { return mount_ >= 0; }
  bool IsGone(std::uint64_t id) const noexcept;

 private:
  int mount_ = -1;
};

}  // namespace strata::runtime
