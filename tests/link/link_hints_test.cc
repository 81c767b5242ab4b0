// What is said of programs that cannot be attached by their section's name.
#include "network_support.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class LinkHints : public testing::NetworkTest {};

TEST_F(LinkHints, NameWhatIsMissingAndTheFunctionToUse) {
  struct Case {
    const char* path;
    std::vector<std::pair<const char*, const char*>> programs;
  };
  const Case cases[] = {
      {STRATA_BPF_INTERFACES,
       {{"drops", "program drops: section xdp: needs an interface: use AttachXdp"},
        {"first", "section tcx/ingress: needs an interface: use AttachTcx"},
        {"anywhere", "section tc: needs an interface: use AttachTcx"},
        {"of_peer", "section netkit/peer: needs a netkit device: use AttachNetkit"},
        {"of_route", "section lwt_xmit: routes with programs are not made here: use ip route add"}}},
      {STRATA_BPF_NAMESPACES,
       {{"steers", "section sk_lookup: needs a network namespace: use AttachSkLookup"},
        {"dissects", "section flow_dissector: needs a network namespace: use AttachFlowDissector"},
        {"filters", "section netfilter: needs a hook and a priority: use AttachNetfilter"}}},
      {STRATA_BPF_CGROUP_PROGRAMS,
       {{"redirects", "section cgroup/connect4: needs a cgroup: use AttachCgroup"},
        {"drops", "section cgroup_skb/egress: needs a cgroup: use AttachCgroup"}}},
      {STRATA_BPF_SOCKETS,
       {{"cuts", "section socket: needs a socket: use AttachSocketFilter"},
        {"chooses", "section sk_reuseport: needs a socket: use AttachReuseport"},
        {"parses", "section sk_skb/stream_parser: needs a sockmap: use AttachSockMap"},
        {"hands_over", "section sk_msg: needs a sockmap: use AttachSockMap"}}},
      {STRATA_BPF_CONGESTION_OF_LINK, {{"ssthresh", "belongs to a struct_ops map: use AttachStructOps"}}},
  };
  for (const Case& expected : cases) {
    auto objects = Load(expected.path);
    for (const auto& [program, text] : expected.programs) {
      const auto link = AutoAttach(Find(objects, program));
      ASSERT_FALSE(link) << program;
      EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported);
      EXPECT_THAT(link.error().message(), HasSubstr(text));
    }
  }
}

}  // namespace
}  // namespace strata
