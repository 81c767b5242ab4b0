#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "context.h"

namespace strata::kernel {
namespace {

bool HasCapability(unsigned capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective >> (capability % 32)) & 1U;
}

}  // namespace

Error BpfError(int sys_errno, std::string what) {
  if (sys_errno != EPERM) return Error::FromErrno(sys_errno, std::move(what));
  if (HasCapability(CAP_SYS_ADMIN) || (HasCapability(CAP_BPF) && HasCapability(CAP_PERFMON))) {
    return Error(ErrorCode::kNotSupported,
                 what + ": refused by this kernel although the process has the capabilities for it", sys_errno);
  }
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("{}: the kernel backend needs CAP_BPF and CAP_PERFMON: run as root, or use the "
                           "userspace backend, which needs no privilege",
                           what),
               sys_errno);
}

}  // namespace strata::kernel
