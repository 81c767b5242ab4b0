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
};

}  // namespace

std::span<const AttachRow> AttachRows() { return kRows; }

}  // namespace strata::kernel
