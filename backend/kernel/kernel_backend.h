// The backend that runs programs in the Linux kernel, by bpf(2), perf_event_open(2) and tracefs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "strata/backend/backend.h"
#include "strata/backend/kernel/syscall_table.h"

namespace strata {

struct KernelBackendOptions {
  std::shared_ptr<const kernel::SyscallTable> syscalls = {};  // null: the system's
  // A BPF file system that delegates rights to this process's user namespace (Linux 6.9). Empty: /sys/fs/bpf is tried
  // where the process has no rights of its own.
  std::string token_path = {};
  // KERNEL_VERSION() that refusals are explained by; 0: the running kernel's.
  std::uint32_t kernel_version = 0;
  // Where the kernel lists its event sources and its symbols, and where tracefs may be mounted.
  std::string event_sources = "/sys/bus/event_source/devices";
  std::vector<std::string> tracefs = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
  KernelFactsSources facts = {};
};

// kPermissionDenied, with the remedy, where this process may not create maps; kNotSupported where the kernel has no
// bpf(2).
Result<std::shared_ptr<Backend>> OpenKernelBackend(const KernelBackendOptions& options = {});

}  // namespace strata
