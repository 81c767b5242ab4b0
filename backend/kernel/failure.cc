#include "failure.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <optional>
#include <utility>

#include "explain.h"
#include "privilege.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

// Hooks that stand in for one another: where the first is refused, the others are tried.
struct Sibling {
  ProgramType type;
  AttachType attach_type;
  std::string_view section;
};
constexpr Sibling kSiblings[] = {
    {ProgramType::kTracing, AttachType::kTraceRawTp, "tp_btf/..."},
    {ProgramType::kTracing, AttachType::kTraceIter, "iter/..."},
    {ProgramType::kRawTracepoint, AttachType::kNone, "raw_tp/..."},
    {ProgramType::kTracepoint, AttachType::kNone, "tp/..."},
    {ProgramType::kKprobe, AttachType::kNone, "kprobe/..."},
};

bool IsTracing(ProgramType type) {
  return type == ProgramType::kTracing || type == ProgramType::kLsm || type == ProgramType::kExt;
}

std::string Named(ProgramType type, AttachType attach_type) {
  if (attach_type == AttachType::kNone) return ProgramTypeName(type);
  return fmt::format("{} with attach type {}", ProgramTypeName(type), AttachTypeName(attach_type));
}

// "tracing with attach type trace_raw_tp (SEC("tp_btf/..."))"; nothing where nothing else loads either.
std::optional<std::string> WorkingSibling(const LinkedProgram& program, FeatureProber& prober) {
  if (!IsTracing(program.type)) return std::nullopt;
  for (const Sibling& sibling : kSiblings) {
    if (sibling.type == program.type && sibling.attach_type == program.attach_type) continue;
    if (prober.Probe(ProgramTypeFeature{sibling.type, sibling.attach_type}).support != Support::kYes) continue;
    return fmt::format("{} (SEC(\"{}\"))", Named(sibling.type, sibling.attach_type), sibling.section);
  }
  return std::nullopt;
}

// Only on a kernel that accounts objects of bpf(2) to RLIMIT_MEMLOCK, and says so when it is asked.
std::optional<Error> MemlockLimit(FeatureProber& prober, std::string_view what) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  if (prober.Probe(Ability::kMemcgAccounting).support != Support::kNo) return std::nullopt;
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("{}: RLIMIT_MEMLOCK is {} bytes, and this kernel (before Linux 5.11) accounts maps and "
                           "programs to it: raise it (ulimit -l unlimited)",
                           what, limit.rlim_cur),
               EPERM);
}

// Of a load that ended with EPERM before the verifier had a look.
Error RefusedLoad(const LinkedProgram& program, const std::string& what, FeatureProber& prober) {
  const Privileges privileges = ReadPrivileges(*prober.context().syscalls);
  if (auto error = MissingRight(privileges, MissingFor(privileges, program.type), what)) return *std::move(error);
  if (auto error = MemlockLimit(prober, what)) return *std::move(error);
  std::string text = fmt::format("{}: refused by this kernel although the process has the capabilities for it", what);
  const FeatureAnswer own = prober.Probe(ProgramTypeFeature{program.type, program.attach_type});
  if (own.support == Support::kNo) {
    text += fmt::format(": it loads no program of type {}", Named(program.type, program.attach_type));
    if (const auto sibling = WorkingSibling(program, prober)) text += fmt::format("; it does of type {}", *sibling);
  }
  return Error(ErrorCode::kNotSupported, std::move(text), EPERM);
}

bool MeansUnknown(int sys_errno) {
  return sys_errno == EINVAL || sys_errno == EOPNOTSUPP || sys_errno == ENOSYS || sys_errno == 524;
}

// KERNEL_VERSION as uname has it; 0 where it cannot be read.
std::uint32_t RunningVersion(const SyscallTable& syscalls) {
  unsigned parts[3] = {};
  const std::string release = syscalls.ReadFile("/proc/sys/kernel/osrelease");
  if (std::sscanf(release.c_str(), "%u.%u.%u", &parts[0], &parts[1], &parts[2]) < 2) return 0;
  return parts[0] << 16 | parts[1] << 8 | std::min(parts[2], 255U);
}

// A kernel that is new enough and says no was built without the feature, or refuses it: another version is no remedy.
Error Missing(const Feature& feature, const FeatureAnswer& answer, FeatureProber& prober) {
  const std::uint32_t first = FirstKernelWith(feature);
  const std::uint32_t running = RunningVersion(*prober.context().syscalls);
  if (first == 0 || running < first) return NotSupported(feature, answer);
  return Error(ErrorCode::kNotSupported,
               fmt::format("{}: not supported: it came with Linux {}, and this kernel ({}) was built without it or "
                           "refuses it: {}",
                           FeatureName(feature), LinuxVersionText(first), LinuxVersionText(running), answer.reason));
}

// The first of `features` that the kernel lacks.
std::optional<Error> FirstMissing(std::initializer_list<Feature> features, FeatureProber& prober) {
  for (const Feature& feature : features) {
    const FeatureAnswer answer = prober.Probe(feature);
    if (answer.support == Support::kNo) return Missing(feature, answer, prober);
  }
  return std::nullopt;
}

// Attach kinds by the link that holds them.
struct LinkRow {
  std::string_view attach_kind;
  LinkKind link;
};
constexpr LinkRow kLinks[] = {
    {"uprobe", LinkKind::kPerfEvent},
    {"uretprobe", LinkKind::kPerfEvent},
    {"kprobe", LinkKind::kPerfEvent},
    {"kretprobe", LinkKind::kPerfEvent},
    {"ksyscall", LinkKind::kPerfEvent},
    {"kretsyscall", LinkKind::kPerfEvent},
    {"tracepoint", LinkKind::kPerfEvent},
    {"perf_event", LinkKind::kPerfEvent},
    {"raw_tracepoint", LinkKind::kRawTracepoint},
    {"tp_btf", LinkKind::kTracing},
    {"fentry", LinkKind::kTracing},
    {"fexit", LinkKind::kTracing},
    {"fmod_ret", LinkKind::kTracing},
    {"fsession", LinkKind::kTracing},
    {"lsm", LinkKind::kTracing},
    {"freplace", LinkKind::kTracing},
    {"iter", LinkKind::kIterator},
    {"kprobe_multi", LinkKind::kKprobeMulti},
    {"kretprobe_multi", LinkKind::kKprobeMulti},
    {"kprobe_session", LinkKind::kKprobeMulti},
    {"uprobe_multi", LinkKind::kUprobeMulti},
    {"uretprobe_multi", LinkKind::kUprobeMulti},
    {"uprobe_session", LinkKind::kUprobeMulti},
    {"xdp", LinkKind::kXdp},
    {"tcx", LinkKind::kTcx},
    {"netkit", LinkKind::kNetkit},
    {"cgroup", LinkKind::kCgroup},
    {"sk_lookup", LinkKind::kNetns},
    {"flow_dissector", LinkKind::kNetns},
    {"netfilter", LinkKind::kNetfilter},
    {"sockmap", LinkKind::kSockMap},
};

}  // namespace

Error LoadFailure(const LinkedProgram& program, LoadOutcome outcome, FeatureProber& prober) {
  const std::string what = fmt::format("program {}: loading it", program.name);
  if (!outcome.log.empty()) {
    const std::string reason = ExplainRejection(outcome.log, program);
    return Error(ErrorCode::kVerifierRejected, fmt::format("{}: {}", what, reason), outcome.sys_errno)
        .WithLog(std::move(outcome.log));
  }
  if (outcome.sys_errno == EPERM) return RefusedLoad(program, what, prober);
  if (MeansUnknown(outcome.sys_errno)) {
    auto missing = FirstMissing({ProgramTypeFeature{program.type, program.attach_type}}, prober);
    if (missing) return std::move(*missing).WithContext(what);
  }
  return Error::FromErrno(outcome.sys_errno, what);
}

Error ExplainMapFailure(Error error, const MapSpec& spec, FeatureProber& prober) {
  const std::string what = fmt::format("map {}: creating it", spec.name);
  if (error.sys_errno() == EPERM && error.code() == ErrorCode::kNotSupported) {
    if (auto memlock = MemlockLimit(prober, what)) return *std::move(memlock);
  }
  if (!MeansUnknown(error.sys_errno())) return error;
  auto missing = FirstMissing({MapTypeFeature{spec.type}}, prober);
  for (std::uint32_t flag = 1; !missing && flag != 0; flag <<= 1) {
    if ((spec.flags & flag) != 0) missing = FirstMissing({MapFlagFeature{flag}}, prober);
  }
  return missing ? std::move(*missing).WithContext(what) : error;
}

Error ExplainAttachFailure(Error error, const AttachTarget& target, FeatureProber& prober) {
  // Who attached may know more than a probe does.
  if (error.code() == ErrorCode::kNotSupported || !MeansUnknown(error.sys_errno())) return error;
  for (const LinkRow& row : kLinks) {
    if (row.attach_kind != target.kind) continue;
    if (auto missing = FirstMissing({row.link}, prober)) return std::move(*missing).WithContext(error.message());
  }
  return error;
}

}  // namespace strata::kernel
