// The system calls that the kernel backend makes: the seam under it, so that tests see the exact arguments and answer
// as kernels do that are not at hand.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "strata/backend/kernel/bpf_attr.h"
#include "strata/base/export.h"

struct perf_event_attr;
struct rlimit;

namespace strata::kernel {

// Each call returns the kernel's result, or -errno. Thread-safe. Derive from it to answer some calls differently.
class STRATA_EXPORT SyscallTable {
 public:
  virtual ~SyscallTable() = default;

  // bpf(2): `attr` is the command's struct of bpf_attr.h, `size` its size in bytes.
  virtual long Bpf(Command command, void* attr, std::uint32_t size) const;
  // perf_event_open(2).
  virtual long PerfEventOpen(const perf_event_attr& attributes, pid_t pid, int cpu, int group,
                             unsigned long flags) const;
  virtual long Ioctl(int fd, unsigned long request, unsigned long argument) const;
  // The address, or -errno.
  virtual long Mmap(void* address, std::size_t size, int protection, int flags, int fd, off_t offset) const;
  virtual long Munmap(void* address, std::size_t size) const;
  // Of the calling thread, capget(2): one bit for each capability.
  virtual std::uint64_t EffectiveCapabilities() const;
  // A small file of /proc or /sys; empty where it cannot be read.
  virtual std::string ReadFile(const char* path) const;
  // setrlimit(2).
  virtual long SetResourceLimit(int resource, const rlimit& limit) const;
  // setsockopt(2), getsockopt(2); the option's value has `size` bytes.
  virtual long SetSocketOption(int fd, int level, int option, const void* value, std::uint32_t size) const;
  virtual long GetSocketOption(int fd, int level, int option, void* value, std::uint32_t size) const;
};

}  // namespace strata::kernel
