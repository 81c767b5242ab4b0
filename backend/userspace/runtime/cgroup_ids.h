// The cgroup (version 2) that this process is in, and those above it.
#pragma once

#include <cstdint>

#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

inline constexpr std::uint32_t kMaxCgroupDepth = 32;

// Ids as the kernel's: inodes of the cgroups' folders. Level 0 is the topmost that the process sees.
struct CgroupIds {
  std::uint32_t count;
  std::uint64_t ids[kMaxCgroupDepth];
};

// Asked for when first needed, in a forked child, and again after a second: a process that is moved is seen in its old
// cgroup for that long. No cgroups where there is no version 2 below /sys/fs/cgroup, or nothing could be read yet.
void ReadCgroupIds(Process& process, CgroupIds* out) noexcept;

// Of the folder that is open as `fd`; -EBADF for what is no cgroup of version 2.
long CgroupIdOf(int fd, std::uint64_t* out) noexcept;

}  // namespace strata::runtime
