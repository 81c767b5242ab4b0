// Congestion controls registered by links, seen by the connections that use them.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string>

#include "network_support.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using testing::Receive;
using testing::TcpPair;

class StructOpsLinks : public testing::NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    objects_.emplace(Load(STRATA_BPF_CONGESTION_OF_LINK));
  }

  // Sends something over a connection with that congestion control; false when the kernel does not have it.
  static bool IsUsable() {
    const std::string name = "strata_link";
    const TcpPair pair = testing::ConnectTcp();
    if (::setsockopt(pair.client.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(),
                     static_cast<socklen_t>(name.size())) != 0) {
      return false;
    }
    EXPECT_EQ(::send(pair.client.get(), "text", 4, 0), 4);
    EXPECT_EQ(Receive(pair.server), "text");
    return true;
  }

  Map& FindMap(const std::string& name) { return *objects_->FindMap(name).value(); }
  std::uint32_t Number(const std::string& name) { return NetworkTest::Number(*objects_, name); }

  std::optional<Collection> objects_;
};

TEST_F(StructOpsLinks, ServeConnectionsUntilTheLinkGoes) {
  {
    const auto link = AttachStructOps(*objects_, "first");
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_TRUE(IsUsable());
    EXPECT_EQ(Number("first_starts"), 1U);
    EXPECT_GE(Number("acknowledged"), 1U);
    const LinkInfo info = link->Info().value();
    EXPECT_EQ(info.kind, "struct_ops");
    EXPECT_EQ(info.target_id, FindMap("first").info().id);
    EXPECT_NE(link->id(), 0U);
  }
  EXPECT_FALSE(IsUsable());
}

TEST_F(StructOpsLinks, MapsTakeEachOthersPlace) {
  auto link = AttachStructOps(*objects_, "first");
  ASSERT_TRUE(link) << link.error().message();
  const auto updated = link->Update(FindMap("second"), FindMap("first"));
  ASSERT_TRUE(updated) << updated.error().message();
  EXPECT_TRUE(IsUsable());
  EXPECT_EQ(Number("first_starts"), 0U);
  EXPECT_EQ(Number("second_starts"), 1U);
  EXPECT_EQ(link->Info()->target_id, FindMap("second").info().id);
  const auto stale = link->Update(FindMap("second"), FindMap("first"));
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code(), ErrorCode::kBusy);
}

TEST_F(StructOpsLinks, ComeAndGo) {
  auto link = AttachStructOps(*objects_, "first");
  ASSERT_TRUE(link) << link.error().message();
  ASSERT_TRUE(link->SetEnabled(false));
  EXPECT_FALSE(IsUsable());
  EXPECT_EQ(link->Info().error().code(), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(link->SetEnabled(true));
  EXPECT_TRUE(IsUsable());
  EXPECT_TRUE(std::move(*link).Detach());
  EXPECT_FALSE(IsUsable());
}

TEST_F(StructOpsLinks, OneNameIsTakenOnce) {
  const auto link = AttachStructOps(*objects_, "first");
  ASSERT_TRUE(link) << link.error().message();
  const auto other = AttachStructOps(*objects_, "second");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kBusy);
  EXPECT_THAT(other.error().message(),
              HasSubstr("map second: registering it by a link: the kernel has one of this name"));
}

TEST_F(StructOpsLinks, OtherMapsAreRefused) {
  EXPECT_THAT(AttachStructOps(*objects_, "without_link").error().message(),
              HasSubstr("map without_link: is of section .struct_ops: register it by RegisterStructOps"));
  EXPECT_THAT(AttachStructOps(*objects_, ".bss").error().message(), HasSubstr("map .bss: is no struct_ops map"));
  EXPECT_EQ(AttachStructOps(*objects_, "no_such").error().code(), ErrorCode::kNotFound);
}

TEST_F(StructOpsLinks, MapsWithoutAllTheirProgramsAreRefused) {
  auto spec = LoadCollectionSpec(STRATA_BPF_CONGESTION_OF_LINK).value();
  spec.programs.at("first_init").autoload = false;
  auto incomplete = LoadCollection(backend_, std::move(spec)).value();
  const auto link = AttachStructOps(incomplete, "first");
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(link.error().message(), HasSubstr("or not all of its programs are loaded"));
}

}  // namespace
}  // namespace strata
