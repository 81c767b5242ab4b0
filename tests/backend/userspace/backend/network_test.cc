// Links of the network are the kernel's.
#include "backend_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class UserspaceNetwork : public UserspaceBackendTest {};

TEST_F(UserspaceNetwork, KindsOfLinksAreNotServed) {
  for (const char* kind : {"xdp", "tcx", "netkit", "cgroup", "sk_lookup", "flow_dissector", "netfilter",
                           "socket_filter", "sk_reuseport", "sockmap"}) {
    AttachTarget target;
    target.kind = kind;
    const auto link = backend().Attach(MakeProgram(), target, {});
    ASSERT_FALSE(link) << kind;
    EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported);
    EXPECT_THAT(link.error().message(), HasSubstr("attach kind " + target.kind + ": not on the userspace backend"));
  }
}

TEST_F(UserspaceNetwork, StructOpsAndQueriesAreNotServed) {
  const auto map = MakeMap(Spec(MapType::kArray, 4, 4, 1));
  const auto link = backend().AttachStructOps(map);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(link.error().message(), HasSubstr("struct_ops are not on the userspace backend"));
  const auto attached = backend().Query({.place = QueryTarget::Place::kInterface, .id = 1}, AttachType::kTcxIngress);
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(attached.error().message(),
              HasSubstr("tcx_ingress: asking for attached programs is not on the userspace backend"));
}

}  // namespace
}  // namespace strata
