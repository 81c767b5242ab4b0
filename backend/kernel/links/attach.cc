#include "attach.h"

namespace strata::kernel {
namespace {

constexpr AttachRow kRows[] = {
    {"uprobe", AttachUprobe},
    {"uretprobe", AttachUretprobe},
    {"xdp", AttachXdp},
    {"tcx", AttachTcx},
    {"netkit", AttachNetkit},
    {"cgroup", AttachCgroup},
    {"sk_lookup", AttachSkLookup},
    {"flow_dissector", AttachFlowDissector},
    {"netfilter", AttachNetfilter},
    {"socket_filter", AttachSocketFilter},
    {"sk_reuseport", AttachReuseport},
    {"sockmap", AttachSockMap},
    {"uprobe_multi", AttachUprobeMulti},
    {"uretprobe_multi", AttachUretprobeMulti},
    {"uprobe_session", AttachUprobeSession},
    {"kprobe", AttachKprobe},
    {"kretprobe", AttachKretprobe},
    {"ksyscall", AttachKsyscall},
    {"kretsyscall", AttachKretsyscall},
    {"kprobe_multi", AttachKprobeMulti},
    {"kretprobe_multi", AttachKretprobeMulti},
    {"kprobe_session", AttachKprobeSession},
    {"tracepoint", AttachTracepoint},
    {"raw_tracepoint", AttachRawTracepoint},
    {"tp_btf", AttachTracing},
    {"fentry", AttachTracing},
    {"fexit", AttachTracing},
    {"fmod_ret", AttachTracing},
    {"fsession", AttachTracing},
    {"lsm", AttachTracing},
    {"freplace", AttachFreplace},
    {"iter", AttachIterator},
    {"perf_event", AttachPerfEvent},
};

}  // namespace

std::span<const AttachRow> AttachRows() { return kRows; }

}  // namespace strata::kernel
