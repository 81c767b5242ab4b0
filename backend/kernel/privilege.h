// Which rights bpf(2) wants, and which this process has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/backend/kernel/syscall_table.h"
#include "strata/base/error.h"
#include "strata/spec/program_type.h"

namespace strata::kernel {

// What is so at the moment; a member that could not be read keeps its default.
struct Privileges {
  std::uint64_t capabilities = 0;     // effective, one bit each
  bool is_in_user_namespace = false;  // where capabilities do not count for bpf(2)
  int unprivileged_bpf_disabled = 0;  // kernel.unprivileged_bpf_disabled
  std::string lockdown = {};          // "integrity", "confidentiality"; empty for none

  bool Has(unsigned capability) const { return (capabilities >> capability & 1U) != 0; }
  // CAP_SYS_ADMIN stands for CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, as the kernel has it.
  bool HasOrAdmin(unsigned capability) const;
  bool MayUseEverything() const;
};
Privileges ReadPrivileges(const SyscallTable& syscalls);

// The capabilities that loading a program of that type needs and `privileges` lacks: "CAP_BPF", "CAP_PERFMON".
std::vector<std::string_view> MissingFor(const Privileges& privileges, ProgramType type);

// Why the kernel said EPERM, where a missing right or a policy explains it; nothing where the process may do
// everything. `missing` are the capabilities that it lacks.
std::optional<Error> MissingRight(const Privileges& privileges, const std::vector<std::string_view>& missing,
                                  std::string_view what);

}  // namespace strata::kernel
