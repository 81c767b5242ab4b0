// What is said of programs that cannot be attached by their section's name.
#include "network_support.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class LinkHints : public testing::NetworkTest {};

TEST_F(LinkHints, NameWhatIsMissingAndTheFunctionToUse) {
  auto objects = Load(STRATA_BPF_INTERFACES);
  const std::pair<const char*, const char*> cases[] = {
      {"drops", "program drops: section xdp: needs an interface: use AttachXdp"},
      {"first", "section tcx/ingress: needs an interface: use AttachTcx"},
      {"anywhere", "section tc: needs an interface: use AttachTcx"},
      {"of_peer", "section netkit/peer: needs a netkit device: use AttachNetkit"},
      {"of_route", "section lwt_xmit: routes with programs are not made here: use ip route add"},
  };
  for (const auto& [program, text] : cases) {
    const auto link = AutoAttach(Find(objects, program));
    ASSERT_FALSE(link) << program;
    EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported);
    EXPECT_THAT(link.error().message(), HasSubstr(text));
  }
}

}  // namespace
}  // namespace strata
