#include "memlock.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "strata/isa/instruction.h"
#include "strata/spec/program_type.h"

namespace strata::kernel {
namespace {

constexpr std::int32_t kCoarseClockHelper = 160;  // bpf_ktime_get_coarse_ns, as old as the accounting by cgroups (5.11)

// 0 or an errno.
int LoadCallOf(const Context& context, std::int32_t helper) {
  const std::array<isa::Instruction, 2> code = {{{.opcode = 0x85, .dst = 0, .src = 0, .offset = 0, .imm = helper},
                                                 {.opcode = 0x95, .dst = 0, .src = 0, .offset = 0, .imm = 0}}};
  ProgramLoadAttr attr;
  attr.prog_type = static_cast<std::uint32_t>(ProgramType::kSocketFilter);
  attr.insns = AddressOf(code.data());
  attr.insn_cnt = static_cast<std::uint32_t>(code.size());
  attr.license = AddressOf("GPL");
  return context.Open(Command::kProgramLoad, attr).sys_errno;
}

bool IsOlderThan(int major, int minor) {
  utsname names{};
  int here_major = 0;
  int here_minor = 0;
  if (::uname(&names) != 0 || std::sscanf(names.release, "%d.%d", &here_major, &here_minor) != 2) return false;
  return here_major < major || (here_major == major && here_minor < minor);
}

// The probe needs memory, too: where the limit is used up even it is refused, and the version has to tell.
bool ChargesToLimit(const Context& context) {
  const int error = LoadCallOf(context, kCoarseClockHelper);
  return error == EINVAL || (error == EPERM && IsOlderThan(5, 11));
}

}  // namespace

bool RaiseMemlockLimit(const Context& context) {
  if (!ChargesToLimit(context)) return false;
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (context.syscalls->SetResourceLimit(RLIMIT_MEMLOCK, limit) == 0) return true;
  // Without CAP_SYS_RESOURCE as far as the hard limit goes.
  rlimit now{};
  if (::getrlimit(RLIMIT_MEMLOCK, &now) != 0 || now.rlim_cur == now.rlim_max) return false;
  now.rlim_cur = now.rlim_max;
  return context.syscalls->SetResourceLimit(RLIMIT_MEMLOCK, now) == 0;
}

}  // namespace strata::kernel
