// Probes of link kinds. No probe attaches anything: each names a target that cannot exist, and a kernel that knows the
// kind complains about that.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "feature_prober.h"
#include "probe_program.h"

namespace strata::kernel {
namespace {

constexpr std::uint32_t kNoDescriptor = 0xffffffff;
constexpr std::uint32_t kNoInterface = 0xffffffff;

struct LinkProbe {
  LinkKind kind;
  std::string_view name;  // in the kernel's enum bpf_link_type
  ProgramType program;
  AttachType load_as;
  AttachType attach_as;
  std::uint32_t target;
  int complaint;  // the errno of a kernel that knows the kind; 0: the kernel's types alone tell
};
constexpr LinkProbe kProbes[] = {
    {LinkKind::kRawTracepoint, "BPF_LINK_TYPE_RAW_TRACEPOINT", ProgramType::kUnspec, {}, {}, 0, 0},
    {LinkKind::kTracing, "BPF_LINK_TYPE_TRACING", ProgramType::kUnspec, {}, {}, 0, 0},
    {LinkKind::kCgroup, "BPF_LINK_TYPE_CGROUP", ProgramType::kCgroupSkb, AttachType::kCgroupInetIngress,
     AttachType::kCgroupInetIngress, kNoDescriptor, EBADF},
    {LinkKind::kIterator, "BPF_LINK_TYPE_ITER", ProgramType::kUnspec, {}, {}, 0, 0},
    {LinkKind::kNetns, "BPF_LINK_TYPE_NETNS", ProgramType::kSkLookup, AttachType::kSkLookup, AttachType::kSkLookup,
     kNoDescriptor, EBADF},
    {LinkKind::kXdp, "BPF_LINK_TYPE_XDP", ProgramType::kUnspec, {}, {}, 0, 0},
    {LinkKind::kPerfEvent, "BPF_LINK_TYPE_PERF_EVENT", ProgramType::kTracepoint, AttachType::kNone,
     AttachType::kPerfEvent, kNoDescriptor, EBADF},
    {LinkKind::kKprobeMulti, "BPF_LINK_TYPE_KPROBE_MULTI", ProgramType::kKprobe, AttachType::kTraceKprobeMulti,
     AttachType::kTraceKprobeMulti, 0, EINVAL},  // without functions; EOPNOTSUPP where it is not configured
    {LinkKind::kStructOps, "BPF_LINK_TYPE_STRUCT_OPS", ProgramType::kUnspec, {}, {}, 0, 0},
    {LinkKind::kNetfilter, "BPF_LINK_TYPE_NETFILTER", ProgramType::kNetfilter, AttachType::kNetfilter,
     AttachType::kNetfilter, 0, EAFNOSUPPORT},  // protocol family 0
    {LinkKind::kTcx, "BPF_LINK_TYPE_TCX", ProgramType::kSchedCls, AttachType::kTcxIngress, AttachType::kTcxIngress,
     kNoInterface, ENODEV},
    {LinkKind::kUprobeMulti, "BPF_LINK_TYPE_UPROBE_MULTI", ProgramType::kKprobe, AttachType::kTraceUprobeMulti,
     AttachType::kTraceUprobeMulti, 0, EINVAL},  // without a path
    {LinkKind::kNetkit, "BPF_LINK_TYPE_NETKIT", ProgramType::kSchedCls, AttachType::kNetkitPrimary,
     AttachType::kNetkitPrimary, kNoInterface, ENODEV},
    {LinkKind::kSockMap, "BPF_LINK_TYPE_SOCKMAP", ProgramType::kUnspec, {}, {}, 0, 0},
};

// Whether the kernel's own types have the name, and why not.
FeatureAnswer InKernelsTypes(const ProbeTools& tools, std::string_view name) {
  const auto types = tools.kernel.Types();
  if (!types) return {Support::kInconclusive, types.error().message()};
  const auto id = (*types)->FindByName("bpf_link_type", btf::Kind::kEnum);
  const auto kinds = id ? (*types)->Get<btf::Enum>(*id) : Result<btf::Enum>(id.error());
  if (!kinds) return {Support::kNo, "the kernel's BTF has no enum bpf_link_type"};
  for (const btf::EnumValue& value : kinds->values) {
    if (value.name == name) return {Support::kYes, {}};
  }
  return {Support::kNo, fmt::format("the kernel's BTF has no {}", name)};
}

FeatureAnswer TryLink(const ProbeTools& tools, const LinkProbe& row) {
  const ProbeLoad program = LoadProbe(tools, row.program, row.load_as, {}, 0);
  if (!program.fd) {
    FeatureAnswer answer = AnswerOf(tools, program.sys_errno, "loading a program for it");
    if (!program.obstacle.empty()) answer.reason = program.obstacle;
    return answer;
  }
  LinkCreateAttr attr;
  attr.prog_fd = static_cast<std::uint32_t>(program.fd.get());
  attr.target = row.target;
  attr.attach_type = static_cast<std::uint32_t>(row.attach_as);
  const int error = tools.context.Open(Command::kLinkCreate, attr).sys_errno;
  if (error == row.complaint || error == 0) return {Support::kYes, {}};
  return AnswerOf(tools, error, "creating one");
}

}  // namespace

FeatureAnswer ProbeLink(const ProbeTools& tools, LinkKind kind) {
  const auto* row = std::find_if(std::begin(kProbes), std::end(kProbes),
                                 [kind](const LinkProbe& candidate) { return candidate.kind == kind; });
  if (row == std::end(kProbes)) return {Support::kInconclusive, "no probe for it"};
  FeatureAnswer answer = InKernelsTypes(tools, row->name);
  // EINVAL is the complaint about a target only where the kernel is known to have the kind.
  const bool is_sure = row->complaint != EINVAL || answer.support == Support::kYes;
  if (answer.support == Support::kNo || row->complaint == 0 || !is_sure) return answer;
  return TryLink(tools, *row);
}

}  // namespace strata::kernel
