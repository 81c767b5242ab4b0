#include "attach_hints.h"

#include <algorithm>
#include <iterator>

namespace strata {
namespace {

struct HintRow {
  std::string_view kind;
  std::string_view hint;
};
constexpr HintRow kRows[] = {
    {"xdp", "needs an interface: use AttachXdp"},
    {"tcx", "needs an interface: use AttachTcx"},
    {"netkit", "needs a netkit device: use AttachNetkit"},
    {"cgroup", "needs a cgroup: use AttachCgroup"},
    {"sk_lookup", "needs a network namespace: use AttachSkLookup"},
    {"flow_dissector", "needs a network namespace: use AttachFlowDissector"},
    {"netfilter", "needs a hook and a priority: use AttachNetfilter"},
    {"socket_filter", "needs a socket: use AttachSocketFilter"},
    {"sk_reuseport", "needs a socket: use AttachReuseport"},
    {"sockmap", "needs a sockmap: use AttachSockMap"},
    {"struct_ops", "belongs to a struct_ops map: use AttachStructOps or Collection::RegisterStructOps with the map"},
    {"lwt", "routes with programs are not made here: use ip route add ... encap bpf, or AttachTcx with a tc program"},
    {"lirc", "infrared devices are not served: attach it by ir-keytable"},
    {"tc_action",
     "actions of traffic control are not made here: use tc filter add ... action bpf, or AttachTcx with a "
     "tc program"},
};

}  // namespace

std::string_view AttachHint(std::string_view attach_kind) {
  const auto* const found =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const HintRow& row) { return row.kind == attach_kind; });
  return found != std::end(kRows) ? found->hint : std::string_view();
}

}  // namespace strata
