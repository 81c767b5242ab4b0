// The backend that runs programs in the Linux kernel, by bpf(2), perf_event_open(2) and tracefs.
#pragma once

#include <memory>
#include <string>

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
};

// kPermissionDenied, with the remedy, where this process may not create maps; kNotSupported where the kernel has no
// bpf(2).
Result<std::shared_ptr<Backend>> OpenKernelBackend(const KernelBackendOptions& options = {});

}  // namespace strata
