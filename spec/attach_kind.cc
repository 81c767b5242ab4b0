#include "strata/spec/attach_kind.h"

#include <algorithm>
#include <array>

#include "strata/spec/attach_target.h"
#include "strata/spec/network_target.h"

namespace strata {
namespace {

constexpr bool kHooksFile = true;
constexpr bool kHooksNoFile = false;
constexpr std::uint32_t kNoConfig = 0;

constexpr std::array kBuiltinKinds = {
    AttachKind{"uprobe", ProgramType::kKprobe, sizeof(UprobeConfig), kHooksFile},
    AttachKind{"uretprobe", ProgramType::kKprobe, sizeof(UprobeConfig), kHooksFile},
    AttachKind{"xdp", ProgramType::kXdp, sizeof(XdpConfig), kHooksNoFile},
    AttachKind{"tcx", ProgramType::kSchedCls, sizeof(InterfaceConfig), kHooksNoFile},
    AttachKind{"netkit", ProgramType::kSchedCls, sizeof(InterfaceConfig), kHooksNoFile},
    AttachKind{"cgroup", ProgramType::kUnspec, sizeof(CgroupConfig), kHooksNoFile},
    AttachKind{"sk_lookup", ProgramType::kSkLookup, kNoConfig, kHooksNoFile},
    AttachKind{"flow_dissector", ProgramType::kFlowDissector, kNoConfig, kHooksNoFile},
    AttachKind{"netfilter", ProgramType::kNetfilter, sizeof(NetfilterConfig), kHooksNoFile},
    AttachKind{"socket_filter", ProgramType::kSocketFilter, sizeof(SocketConfig), kHooksNoFile},
    AttachKind{"sk_reuseport", ProgramType::kSkReusePort, sizeof(SocketConfig), kHooksNoFile},
    AttachKind{"sockmap", ProgramType::kUnspec, sizeof(SockMapConfig), kHooksNoFile},
    AttachKind{"uprobe_multi", ProgramType::kKprobe, sizeof(UprobePlace), kHooksFile},
    AttachKind{"uretprobe_multi", ProgramType::kKprobe, sizeof(UprobePlace), kHooksFile},
    AttachKind{"uprobe_session", ProgramType::kKprobe, sizeof(UprobePlace), kHooksFile},
    AttachKind{"kprobe", ProgramType::kKprobe, sizeof(KprobeConfig), kHooksNoFile},
    AttachKind{"kretprobe", ProgramType::kKprobe, sizeof(KprobeConfig), kHooksNoFile},
    AttachKind{"ksyscall", ProgramType::kKprobe, sizeof(KprobeConfig), kHooksNoFile},
    AttachKind{"kretsyscall", ProgramType::kKprobe, sizeof(KprobeConfig), kHooksNoFile},
    AttachKind{"kprobe_multi", ProgramType::kKprobe, sizeof(KprobePlace), kHooksNoFile},
    AttachKind{"kretprobe_multi", ProgramType::kKprobe, sizeof(KprobePlace), kHooksNoFile},
    AttachKind{"kprobe_session", ProgramType::kKprobe, sizeof(KprobePlace), kHooksNoFile},
    AttachKind{"tracepoint", ProgramType::kTracepoint, kNoConfig, kHooksNoFile},
    AttachKind{"raw_tracepoint", ProgramType::kUnspec, kNoConfig,
               kHooksNoFile},  // writable ones are of a type of their own
    AttachKind{"tp_btf", ProgramType::kTracing, kNoConfig, kHooksNoFile},
    AttachKind{"fentry", ProgramType::kTracing, kNoConfig, kHooksNoFile},
    AttachKind{"fexit", ProgramType::kTracing, kNoConfig, kHooksNoFile},
    AttachKind{"fmod_ret", ProgramType::kTracing, kNoConfig, kHooksNoFile},
    AttachKind{"fsession", ProgramType::kTracing, kNoConfig, kHooksNoFile},
    AttachKind{"lsm", ProgramType::kLsm, kNoConfig, kHooksNoFile},
    AttachKind{"freplace", ProgramType::kExt, sizeof(FreplaceConfig), kHooksNoFile},
    AttachKind{"iter", ProgramType::kTracing, sizeof(IteratorConfig), kHooksNoFile},
    AttachKind{"perf_event", ProgramType::kPerfEvent, sizeof(PerfEventConfig), kHooksNoFile},
};

}  // namespace

std::span<const AttachKind> BuiltinAttachKinds() { return kBuiltinKinds; }

const AttachKind* FindAttachKind(std::span<const AttachKind> kinds, std::string_view name) {
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const AttachKind& kind) { return kind.name == name; });
  return found != kinds.end() ? &*found : nullptr;
}

}  // namespace strata
