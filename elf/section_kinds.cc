#include "strata/elf/section_kinds.h"

namespace strata::elf {
namespace {

using enum SectionMatch;
using namespace section_flags;

// Program types, attach types and flags are those of libbpf's table; the last column names an AttachKind.
constexpr SectionKind kSectionKinds[] = {
    // clang-format off
    {"socket", kExact, ProgramType::kSocketFilter, AttachType::kNone, kNone, "socket_filter"},
    {"sk_reuseport/migrate", kExact, ProgramType::kSkReusePort, AttachType::kSkReusePortSelectOrMigrate, kAttachable, "sk_reuseport"},
    {"sk_reuseport", kExact, ProgramType::kSkReusePort, AttachType::kSkReusePortSelect, kAttachable, "sk_reuseport"},
    {"kprobe", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kNone, "kprobe"},
    {"uprobe", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kNone, "uprobe"},
    {"uprobe.s", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kSleepable, "uprobe"},
    {"kretprobe", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kNone, "kretprobe"},
    {"uretprobe", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kNone, "uretprobe"},
    {"uretprobe.s", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kSleepable, "uretprobe"},
    {"kprobe.multi", kExactOrDetails, ProgramType::kKprobe, AttachType::kTraceKprobeMulti, kNone, "kprobe_multi"},
    {"kretprobe.multi", kExactOrDetails, ProgramType::kKprobe, AttachType::kTraceKprobeMulti, kNone, "kretprobe_multi"},
    {"kprobe.session", kExactOrDetails, ProgramType::kKprobe, AttachType::kTraceKprobeSession, kNone, "kprobe_session"},
    {"uprobe.multi", kExactOrDetails, ProgramType::kKprobe, AttachType::kTraceUprobeMulti, kNone, "uprobe_multi"},
    {"uretprobe.multi", kExactOrDetails, ProgramType::kKprobe, AttachType::kTraceUprobeMulti, kNone, "uretprobe_multi"},
    {"uprobe.session", kExactOrDetails, ProgramType::kKprobe, AttachType::kTraceUprobeSession, kNone, "uprobe_session"},
    {"uprobe.multi.s", kExactOrDetails, ProgramType::kKprobe, AttachType::kTraceUprobeMulti, kSleepable, "uprobe_multi"},
    {"uretprobe.multi.s", kExactOrDetails, ProgramType::kKprobe, AttachType::kTraceUprobeMulti, kSleepable, "uretprobe_multi"},
    {"uprobe.session.s", kExactOrDetails, ProgramType::kKprobe, AttachType::kTraceUprobeSession, kSleepable, "uprobe_session"},
    {"ksyscall", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kNone, "ksyscall"},
    {"kretsyscall", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kNone, "kretsyscall"},
    {"usdt", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kUsdt, "usdt"},
    {"usdt.s", kExactOrDetails, ProgramType::kKprobe, AttachType::kNone, kUsdt | kSleepable, "usdt"},
    {"tc/ingress", kExact, ProgramType::kSchedCls, AttachType::kTcxIngress, kNone, "tcx"},
    {"tc/egress", kExact, ProgramType::kSchedCls, AttachType::kTcxEgress, kNone, "tcx"},
    {"tcx/ingress", kExact, ProgramType::kSchedCls, AttachType::kTcxIngress, kNone, "tcx"},
    {"tcx/egress", kExact, ProgramType::kSchedCls, AttachType::kTcxEgress, kNone, "tcx"},
    {"tc", kExact, ProgramType::kSchedCls, AttachType::kNone, kNone, "tcx"},
    {"classifier", kExact, ProgramType::kSchedCls, AttachType::kNone, kNone, "tcx"},
    {"action", kExact, ProgramType::kSchedAct, AttachType::kNone, kNone, "tc_action"},
    {"netkit/primary", kExact, ProgramType::kSchedCls, AttachType::kNetkitPrimary, kNone, "netkit"},
    {"netkit/peer", kExact, ProgramType::kSchedCls, AttachType::kNetkitPeer, kNone, "netkit"},
    {"tracepoint", kExactOrDetails, ProgramType::kTracepoint, AttachType::kNone, kNone, "tracepoint"},
    {"tp", kExactOrDetails, ProgramType::kTracepoint, AttachType::kNone, kNone, "tracepoint"},
    {"tracepoint.s", kExactOrDetails, ProgramType::kTracepoint, AttachType::kNone, kSleepable, "tracepoint"},
    {"tp.s", kExactOrDetails, ProgramType::kTracepoint, AttachType::kNone, kSleepable, "tracepoint"},
    {"raw_tracepoint", kExactOrDetails, ProgramType::kRawTracepoint, AttachType::kNone, kNone, "raw_tracepoint"},
    {"raw_tp", kExactOrDetails, ProgramType::kRawTracepoint, AttachType::kNone, kNone, "raw_tracepoint"},
    {"raw_tracepoint.s", kExactOrDetails, ProgramType::kRawTracepoint, AttachType::kNone, kSleepable, "raw_tracepoint"},
    {"raw_tp.s", kExactOrDetails, ProgramType::kRawTracepoint, AttachType::kNone, kSleepable, "raw_tracepoint"},
    {"raw_tracepoint.w", kExactOrDetails, ProgramType::kRawTracepointWritable, AttachType::kNone, kNone, "raw_tracepoint"},
    {"raw_tp.w", kExactOrDetails, ProgramType::kRawTracepointWritable, AttachType::kNone, kNone, "raw_tracepoint"},
    {"tp_btf", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceRawTp, kAttachBtf, "tp_btf"},
    {"tp_btf.s", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceRawTp, kAttachBtf | kSleepable, "tp_btf"},
    {"fentry", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFentry, kAttachBtf, "fentry"},
    {"fmod_ret", kExactOrDetails, ProgramType::kTracing, AttachType::kModifyReturn, kAttachBtf, "fmod_ret"},
    {"fexit", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFexit, kAttachBtf, "fexit"},
    {"fentry.s", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFentry, kAttachBtf | kSleepable, "fentry"},
    {"fmod_ret.s", kExactOrDetails, ProgramType::kTracing, AttachType::kModifyReturn, kAttachBtf | kSleepable, "fmod_ret"},
    {"fexit.s", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFexit, kAttachBtf | kSleepable, "fexit"},
    {"fsession", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFsession, kAttachBtf, "fsession"},
    {"fsession.s", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFsession, kAttachBtf | kSleepable, "fsession"},
    {"fsession.multi", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFsessionMulti, kNone, "fsession_multi"},
    {"fsession.multi.s", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFsessionMulti, kSleepable, "fsession_multi"},
    {"fentry.multi", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFentryMulti, kNone, "fentry_multi"},
    {"fexit.multi", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFexitMulti, kNone, "fexit_multi"},
    {"fentry.multi.s", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFentryMulti, kSleepable, "fentry_multi"},
    {"fexit.multi.s", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceFexitMulti, kSleepable, "fexit_multi"},
    {"freplace", kExactOrDetails, ProgramType::kExt, AttachType::kNone, kAttachBtf, "freplace"},
    {"lsm", kExactOrDetails, ProgramType::kLsm, AttachType::kLsmMac, kAttachBtf, "lsm"},
    {"lsm.s", kExactOrDetails, ProgramType::kLsm, AttachType::kLsmMac, kAttachBtf | kSleepable, "lsm"},
    {"lsm_cgroup", kExactOrDetails, ProgramType::kLsm, AttachType::kLsmCgroup, kAttachBtf, "cgroup"},
    {"iter", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceIter, kAttachBtf, "iter"},
    {"iter.s", kExactOrDetails, ProgramType::kTracing, AttachType::kTraceIter, kAttachBtf | kSleepable, "iter"},
    {"syscall", kExact, ProgramType::kSyscall, AttachType::kNone, kSleepable, ""},
    {"xdp.frags/devmap", kExact, ProgramType::kXdp, AttachType::kXdpDevMap, kXdpFrags, ""},
    {"xdp/devmap", kExact, ProgramType::kXdp, AttachType::kXdpDevMap, kAttachable, ""},
    {"xdp.frags/cpumap", kExact, ProgramType::kXdp, AttachType::kXdpCpuMap, kXdpFrags, ""},
    {"xdp/cpumap", kExact, ProgramType::kXdp, AttachType::kXdpCpuMap, kAttachable, ""},
    {"xdp.frags", kExact, ProgramType::kXdp, AttachType::kXdp, kXdpFrags, "xdp"},
    {"xdp", kExact, ProgramType::kXdp, AttachType::kXdp, kAttachable | kAttachTypeOptional, "xdp"},
    {"perf_event", kExact, ProgramType::kPerfEvent, AttachType::kNone, kNone, ""},
    {"lwt_in", kExact, ProgramType::kLwtIn, AttachType::kNone, kNone, "lwt"},
    {"lwt_out", kExact, ProgramType::kLwtOut, AttachType::kNone, kNone, "lwt"},
    {"lwt_xmit", kExact, ProgramType::kLwtXmit, AttachType::kNone, kNone, "lwt"},
    {"lwt_seg6local", kExact, ProgramType::kLwtSeg6Local, AttachType::kNone, kNone, "lwt"},
    {"sockops", kExact, ProgramType::kSockOps, AttachType::kCgroupSockOps, kAttachable | kAttachTypeOptional, "cgroup"},
    {"sk_skb/stream_parser", kExact, ProgramType::kSkSkb, AttachType::kSkSkbStreamParser, kAttachable | kAttachTypeOptional, "sockmap"},
    {"sk_skb/stream_verdict", kExact, ProgramType::kSkSkb, AttachType::kSkSkbStreamVerdict, kAttachable | kAttachTypeOptional, "sockmap"},
    {"sk_skb/verdict", kExact, ProgramType::kSkSkb, AttachType::kSkSkbVerdict, kAttachable | kAttachTypeOptional, "sockmap"},
    {"sk_skb", kExact, ProgramType::kSkSkb, AttachType::kNone, kNone, "sockmap"},
    {"sk_msg", kExact, ProgramType::kSkMsg, AttachType::kSkMsgVerdict, kAttachable | kAttachTypeOptional, "sockmap"},
    {"lirc_mode2", kExact, ProgramType::kLircMode2, AttachType::kLircMode2, kAttachable | kAttachTypeOptional, "lirc"},
    {"flow_dissector", kExact, ProgramType::kFlowDissector, AttachType::kFlowDissector, kAttachable | kAttachTypeOptional, "flow_dissector"},
    {"cgroup_skb/ingress", kExact, ProgramType::kCgroupSkb, AttachType::kCgroupInetIngress, kAttachable | kAttachTypeOptional, "cgroup"},
    {"cgroup_skb/egress", kExact, ProgramType::kCgroupSkb, AttachType::kCgroupInetEgress, kAttachable | kAttachTypeOptional, "cgroup"},
    {"cgroup/skb", kExact, ProgramType::kCgroupSkb, AttachType::kNone, kNone, "cgroup"},
    {"cgroup/sock_create", kExact, ProgramType::kCgroupSock, AttachType::kCgroupInetSockCreate, kAttachable, "cgroup"},
    {"cgroup/sock_release", kExact, ProgramType::kCgroupSock, AttachType::kCgroupInetSockRelease, kAttachable, "cgroup"},
    {"cgroup/sock", kExact, ProgramType::kCgroupSock, AttachType::kCgroupInetSockCreate, kAttachable | kAttachTypeOptional, "cgroup"},
    {"cgroup/post_bind4", kExact, ProgramType::kCgroupSock, AttachType::kCgroupInet4PostBind, kAttachable, "cgroup"},
    {"cgroup/post_bind6", kExact, ProgramType::kCgroupSock, AttachType::kCgroupInet6PostBind, kAttachable, "cgroup"},
    {"cgroup/bind4", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupInet4Bind, kAttachable, "cgroup"},
    {"cgroup/bind6", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupInet6Bind, kAttachable, "cgroup"},
    {"cgroup/connect4", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupInet4Connect, kAttachable, "cgroup"},
    {"cgroup/connect6", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupInet6Connect, kAttachable, "cgroup"},
    {"cgroup/connect_unix", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixConnect, kAttachable, "cgroup"},
    {"cgroup/sendmsg4", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupUdp4Sendmsg, kAttachable, "cgroup"},
    {"cgroup/sendmsg6", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupUdp6Sendmsg, kAttachable, "cgroup"},
    {"cgroup/sendmsg_unix", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixSendmsg, kAttachable, "cgroup"},
    {"cgroup/recvmsg4", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupUdp4Recvmsg, kAttachable, "cgroup"},
    {"cgroup/recvmsg6", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupUdp6Recvmsg, kAttachable, "cgroup"},
    {"cgroup/recvmsg_unix", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixRecvmsg, kAttachable, "cgroup"},
    {"cgroup/getpeername4", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupInet4GetPeerName, kAttachable, "cgroup"},
    {"cgroup/getpeername6", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupInet6GetPeerName, kAttachable, "cgroup"},
    {"cgroup/getpeername_unix", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixGetPeerName, kAttachable, "cgroup"},
    {"cgroup/getsockname4", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupInet4GetSockName, kAttachable, "cgroup"},
    {"cgroup/getsockname6", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupInet6GetSockName, kAttachable, "cgroup"},
    {"cgroup/getsockname_unix", kExact, ProgramType::kCgroupSockAddr, AttachType::kCgroupUnixGetSockName, kAttachable, "cgroup"},
    {"cgroup/sysctl", kExact, ProgramType::kCgroupSysctl, AttachType::kCgroupSysctl, kAttachable, "cgroup"},
    {"cgroup/getsockopt", kExact, ProgramType::kCgroupSockOpt, AttachType::kCgroupGetsockopt, kAttachable, "cgroup"},
    {"cgroup/setsockopt", kExact, ProgramType::kCgroupSockOpt, AttachType::kCgroupSetsockopt, kAttachable, "cgroup"},
    {"cgroup/dev", kExact, ProgramType::kCgroupDevice, AttachType::kCgroupDevice, kAttachable | kAttachTypeOptional, "cgroup"},
    {"struct_ops", kExactOrDetails, ProgramType::kStructOps, AttachType::kNone, kNone, "struct_ops"},
    {"struct_ops.s", kExactOrDetails, ProgramType::kStructOps, AttachType::kNone, kSleepable, "struct_ops"},
    {"sk_lookup", kExact, ProgramType::kSkLookup, AttachType::kSkLookup, kAttachable, "sk_lookup"},
    {"netfilter", kExact, ProgramType::kNetfilter, AttachType::kNetfilter, kNone, "netfilter"},
    // clang-format on
};

// Names that libbpf gave up.
constexpr SectionKind kOldSectionKinds[] = {
    {"xdp_devmap", kExact, ProgramType::kXdp, AttachType::kXdpDevMap, kAttachable, ""},
    {"xdp_cpumap", kExact, ProgramType::kXdp, AttachType::kXdpCpuMap, kAttachable, ""},
};

// What follows the prefix; nothing when the name is not of this kind.
std::optional<std::string_view> DetailsOf(std::string_view name, const SectionKind& kind) {
  if (!name.starts_with(kind.prefix)) return std::nullopt;
  std::string_view rest = name.substr(kind.prefix.size());
  if (rest.empty()) return rest;
  if (kind.match == kExact || rest.front() != '/') return std::nullopt;
  return rest.substr(1);
}

}  // namespace

std::span<const SectionKind> SectionKinds() { return kSectionKinds; }

std::optional<SectionName> ParseSectionName(std::string_view name, std::span<const SectionKind> rows,
                                            NameMatching matching) {
  const bool autoload = !name.starts_with('?');
  if (!autoload) name.remove_prefix(1);
  for (const auto table : {rows, SectionKinds()}) {
    for (const SectionKind& kind : table) {
      if (const auto details = DetailsOf(name, kind)) return SectionName{&kind, *details, autoload};
    }
  }
  if (matching == NameMatching::kExact) return std::nullopt;
  const SectionKind* longest = nullptr;
  for (const auto table : {rows, SectionKinds(), std::span<const SectionKind>(kOldSectionKinds)}) {
    for (const SectionKind& kind : table) {
      const bool fits = kind.match == kExact && name.starts_with(kind.prefix);
      if (fits && (longest == nullptr || kind.prefix.size() > longest->prefix.size())) longest = &kind;
    }
  }
  if (longest == nullptr) return std::nullopt;
  return SectionName{longest, name.substr(longest->prefix.size()), autoload};
}

}  // namespace strata::elf
