#include "privilege.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>

#include "context.h"

namespace strata::kernel {
namespace {

constexpr std::string_view kWholeUserNamespace = "4294967295";

// kernel/bpf/syscall.c, is_perfmon_prog_type and is_net_admin_prog_type.
constexpr ProgramType kPerfmonTypes[] = {
    ProgramType::kKprobe,
    ProgramType::kTracepoint,
    ProgramType::kPerfEvent,
    ProgramType::kRawTracepoint,
    ProgramType::kRawTracepointWritable,
    ProgramType::kTracing,
    ProgramType::kLsm,
    ProgramType::kStructOps,
    ProgramType::kExt,
};
constexpr ProgramType kNetAdminTypes[] = {
    ProgramType::kSchedCls,      ProgramType::kSchedAct,     ProgramType::kXdp,
    ProgramType::kLwtIn,         ProgramType::kLwtOut,       ProgramType::kLwtXmit,
    ProgramType::kLwtSeg6Local,  ProgramType::kSkSkb,        ProgramType::kSkMsg,
    ProgramType::kLircMode2,     ProgramType::kSkReusePort,  ProgramType::kFlowDissector,
    ProgramType::kCgroupDevice,  ProgramType::kCgroupSock,   ProgramType::kCgroupSockAddr,
    ProgramType::kCgroupSockOpt, ProgramType::kCgroupSysctl, ProgramType::kSockOps,
    ProgramType::kExt,           ProgramType::kNetfilter,    ProgramType::kSkLookup,
};

template <std::size_t kCount>
bool Contains(const ProgramType (&types)[kCount], ProgramType type) {
  return std::find(std::begin(types), std::end(types), type) != std::end(types);
}

// "none [integrity] confidentiality".
std::string ChosenOf(const std::string& choices) {
  const std::size_t start = choices.find('[');
  const std::size_t end = choices.find(']');
  if (start == std::string::npos || end == std::string::npos || end < start) return {};
  const std::string chosen = choices.substr(start + 1, end - start - 1);
  return chosen == "none" ? std::string() : chosen;
}

}  // namespace

bool Privileges::HasOrAdmin(unsigned capability) const { return Has(capability) || Has(CAP_SYS_ADMIN); }

bool Privileges::MayUseEverything() const {
  return !is_in_user_namespace && HasOrAdmin(CAP_BPF) && HasOrAdmin(CAP_PERFMON) && HasOrAdmin(CAP_NET_ADMIN);
}

Privileges ReadPrivileges(const SyscallTable& syscalls) {
  Privileges privileges;
  privileges.capabilities = syscalls.EffectiveCapabilities();
  const std::string ids = syscalls.ReadFile("/proc/self/uid_map");
  privileges.is_in_user_namespace = !ids.empty() && ids.find(kWholeUserNamespace) == std::string::npos;
  privileges.unprivileged_bpf_disabled =
      std::atoi(syscalls.ReadFile("/proc/sys/kernel/unprivileged_bpf_disabled").c_str());
  privileges.lockdown = ChosenOf(syscalls.ReadFile("/sys/kernel/security/lockdown"));
  return privileges;
}

std::vector<std::string_view> MissingFor(const Privileges& privileges, ProgramType type) {
  std::vector<std::string_view> missing;
  if (!privileges.HasOrAdmin(CAP_BPF)) missing.emplace_back("CAP_BPF");
  if (Contains(kPerfmonTypes, type) && !privileges.HasOrAdmin(CAP_PERFMON)) missing.emplace_back("CAP_PERFMON");
  if (Contains(kNetAdminTypes, type) && !privileges.HasOrAdmin(CAP_NET_ADMIN)) missing.emplace_back("CAP_NET_ADMIN");
  return missing;
}

std::optional<Error> MissingRight(const Privileges& privileges, const std::vector<std::string_view>& missing,
                                  std::string_view what) {
  if (!missing.empty()) {
    std::string text = fmt::format("{}: needs {}, which this process lacks", what, fmt::join(missing, " and "));
    if (privileges.unprivileged_bpf_disabled != 0) {
      text += fmt::format(" (kernel.unprivileged_bpf_disabled is {})", privileges.unprivileged_bpf_disabled);
    }
    text += ": run as root, or use the userspace backend, which needs no privilege";
    return Error(ErrorCode::kPermissionDenied, std::move(text), EPERM);
  }
  if (privileges.is_in_user_namespace) {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("{}: the process is in a user namespace, where its capabilities do not count for bpf(2): "
                             "give it a BPF token (BackendOptions::token_path, Linux 6.9), or use the userspace "
                             "backend, which needs no privilege",
                             what),
                 EPERM);
  }
  // The other level, integrity, forbids writing to memory of users alone.
  if (privileges.lockdown == "confidentiality") {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("{}: the kernel is locked down (confidentiality in /sys/kernel/security/lockdown), which "
                             "forbids tracing to root too",
                             what),
                 EPERM);
  }
  return std::nullopt;
}

Error BpfError(int sys_errno, std::string what) {
  if (sys_errno != EPERM) return Error::FromErrno(sys_errno, std::move(what));
  const Privileges privileges = ReadPrivileges(SyscallTable());
  std::vector<std::string_view> missing;
  if (!privileges.HasOrAdmin(CAP_BPF)) missing.emplace_back("CAP_BPF");
  if (!privileges.HasOrAdmin(CAP_PERFMON)) missing.emplace_back("CAP_PERFMON");
  if (auto error = MissingRight(privileges, missing, what)) return *std::move(error);
  return Error(ErrorCode::kNotSupported,
               what + ": refused by this kernel although the process has the capabilities for it", sys_errno);
}

}  // namespace strata::kernel
