#include "probe_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>

#include "program_load.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

constexpr std::array<isa::Instruction, 2> kReturnZero = {{{.opcode = 0xb7}, {.opcode = 0x95}}};

// Types that cannot be loaded without an attach type.
struct DefaultAttach {
  ProgramType type;
  AttachType attach_type;
};
constexpr DefaultAttach kDefaults[] = {
    {ProgramType::kCgroupSock, AttachType::kCgroupInetSockCreate},
    {ProgramType::kCgroupSockAddr, AttachType::kCgroupInet4Connect},
    {ProgramType::kCgroupSockOpt, AttachType::kCgroupGetsockopt},
    {ProgramType::kSkLookup, AttachType::kSkLookup},
    {ProgramType::kTracing, AttachType::kTraceRawTp},
    {ProgramType::kLsm, AttachType::kLsmMac},
    {ProgramType::kNetfilter, AttachType::kNetfilter},
};

// What programs that name their hook may hook in every kernel that has them.
struct Hook {
  ProgramType type;
  AttachType attach_type;
  std::string_view name;  // in the kernel's BTF
  btf::Kind kind;
};
constexpr Hook kHooks[] = {
    {ProgramType::kTracing, AttachType::kTraceRawTp, "btf_trace_sched_switch", btf::Kind::kTypedef},
    {ProgramType::kTracing, AttachType::kTraceFentry, "bpf_fentry_test1", btf::Kind::kFunc},
    {ProgramType::kTracing, AttachType::kTraceFexit, "bpf_fentry_test1", btf::Kind::kFunc},
    {ProgramType::kTracing, AttachType::kModifyReturn, "bpf_modify_return_test", btf::Kind::kFunc},
    {ProgramType::kTracing, AttachType::kTraceIter, "bpf_iter_bpf_map", btf::Kind::kFunc},
    {ProgramType::kLsm, AttachType::kLsmMac, "bpf_lsm_file_open", btf::Kind::kFunc},
    {ProgramType::kLsm, AttachType::kLsmCgroup, "bpf_lsm_socket_bind", btf::Kind::kFunc},
    {ProgramType::kStructOps, AttachType::kNone, "tcp_congestion_ops", btf::Kind::kStruct},
};

AttachType AttachTypeFor(ProgramType type, AttachType attach_type) {
  if (attach_type != AttachType::kNone) return attach_type;
  const auto* row = std::find_if(std::begin(kDefaults), std::end(kDefaults),
                                 [type](const DefaultAttach& candidate) { return candidate.type == type; });
  return row == std::end(kDefaults) ? AttachType::kNone : row->attach_type;
}

// 0: the type hooks nothing by BTF.
Result<std::uint32_t> HookFor(const ProbeTools& tools, ProgramType type, AttachType attach_type) {
  const auto* row = std::find_if(std::begin(kHooks), std::end(kHooks), [&](const Hook& candidate) {
    return candidate.type == type && candidate.attach_type == attach_type;
  });
  if (row == std::end(kHooks)) return 0U;
  const auto types = STRATA_TRY(tools.kernel.Types());
  const auto id = types->FindByName(row->name, row->kind);
  if (!id) return Error(ErrorCode::kNotFound, fmt::format("the kernel's BTF has no {}", row->name));
  return id->value;
}

}  // namespace

ProbeLoad LoadProbe(const ProbeTools& tools, ProgramType type, AttachType attach_type,
                    std::span<const isa::Instruction> code, std::uint32_t log_bytes) {
  attach_type = AttachTypeFor(type, attach_type);
  ProbeLoad load;
  const auto hook = HookFor(tools, type, attach_type);
  if (!hook) {
    load.obstacle = hook.error().message();
    load.sys_errno = hook.error().code() == ErrorCode::kNotFound ? EOPNOTSUPP : EAGAIN;
    return load;
  }
  if (code.empty()) code = kReturnZero;
  ProgramLoadAttr attr;
  attr.prog_type = static_cast<std::uint32_t>(type);
  attr.insns = AddressOf(code.data());
  attr.insn_cnt = static_cast<std::uint32_t>(code.size());
  attr.license = AddressOf("GPL");
  if (attach_type != AttachType::kNone) attr.expected_attach_type = static_cast<std::uint32_t>(attach_type);
  attr.attach_btf_id = *hook;
  if (type == ProgramType::kKprobe) attr.kern_version = tools.kernel.Version().value_or(0U);
  if (type == ProgramType::kSyscall) attr.prog_flags = program_flags::kSleepable;
  std::string log(log_bytes, '\0');
  if (log_bytes != 0) {
    attr.log_level = 1;
    attr.log_buf = AddressOf(log.data());
    attr.log_size = log_bytes;
  }
  FdOrErrno loaded = LoadOnce(tools.context, attr);
  log.resize(::strnlen(log.data(), log.size()));
  return {std::move(loaded.fd), loaded.sys_errno, std::move(log), {}, attr.log_true_size};
}

}  // namespace strata::kernel
