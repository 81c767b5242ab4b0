// XDP, tcx and netkit programs, seen by the packets that arrive.
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>

#include "network_device.h"
#include "network_support.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using testing::Exchange;
using ::testing::HasSubstr;
using testing::UdpSocket;

class InterfacePrograms : public testing::NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    objects_.emplace(Load(STRATA_BPF_INTERFACES));
    receiver_ = UdpSocket();
  }

  Program& Find(const std::string& name) { return NetworkTest::Find(*objects_, name); }

  // Which programs saw a packet, in their order.
  std::vector<std::uint32_t> Trace() {
    SetNumber(*objects_, "steps", 0);
    EXPECT_THAT(Exchange(receiver_, {"T"}), ElementsAre("T"));
    const auto* order = objects_->FindVariable("order").value().Pointer<std::array<std::uint32_t, 8>>().value();
    return {order->begin(), order->begin() + Number(*objects_, "steps")};
  }

  AttachedPrograms Query(AttachType type = AttachType::kTcxIngress) {
    return QueryInterface(backend_, "lo", type).value();
  }

  std::optional<Collection> objects_;
  UniqueFd receiver_;
};

TEST_F(InterfacePrograms, XdpDropsPacketsUntilItsLinkGoes) {
  {
    const auto link = AttachXdp(Find("drops"), "lo", {.mode = XdpMode::kGeneric});
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_THAT(Exchange(receiver_, {"D1", "passes"}), ElementsAre("passes"));
    const LinkInfo info = link->Info().value();
    EXPECT_EQ(info.kind, "xdp");
    EXPECT_EQ(info.ifindex, 1U);
    EXPECT_EQ(info.program_id, Find("drops").info().id);
  }
  EXPECT_THAT(Exchange(receiver_, {"D2"}), ElementsAre("D2"));
}

TEST_F(InterfacePrograms, XdpProgramIsReplacedInPlace) {
  auto link = AttachXdp(Find("drops"), "lo");
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_THAT(Exchange(receiver_, {"D"}), ElementsAre());
  ASSERT_TRUE(link->Update(Find("counts"), Find("drops")));
  EXPECT_THAT(Exchange(receiver_, {"D"}), ElementsAre("D"));
  EXPECT_EQ(Number(*objects_, "packets"), 1U);
  EXPECT_EQ(link->Update(Find("counts"), Find("drops")).error().code(), ErrorCode::kBusy);
  EXPECT_EQ(link->Info()->program_id, Find("counts").info().id);
}

TEST_F(InterfacePrograms, XdpSaysThatAnInterfaceIsTaken) {
  const auto link = AttachXdp(Find("drops"), 1);
  ASSERT_TRUE(link) << link.error().message();
  const auto other = AttachXdp(Find("counts"), "lo");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kBusy);
  EXPECT_THAT(other.error().message(), HasSubstr("xdp on lo: interface 1: another XDP program is attached to it"));
}

TEST_F(InterfacePrograms, XdpRunsInTheDriverOfVeth) {
  ASSERT_EQ(testing::MakeDevicePair("veth", "strata0", "strata1"), 0);
  const auto link = AttachXdp(Find("drops"), "strata0", {.mode = XdpMode::kNative});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_NE(link->Info()->ifindex, 1U);
  const auto offload = AttachXdp(Find("drops"), "strata1", {.mode = XdpMode::kOffload});
  ASSERT_FALSE(offload);
  EXPECT_THAT(offload.error().message(), HasSubstr("xdp on strata1: interface"));
}

TEST_F(InterfacePrograms, InterfacesThatDoNotExistAreNamed) {
  EXPECT_EQ(AttachXdp(Find("drops"), "no_such0").error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(AttachTcx(Find("first"), "no_such0").error().message(), HasSubstr("interface no_such0: there is none"));
  const auto tcx = AttachTcx(Find("first"), 4711);
  EXPECT_EQ(tcx.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(tcx.error().message(), HasSubstr("interface 4711, tcx_ingress: there is no such interface"));
}

TEST_F(InterfacePrograms, TcxDropsWhatIsReceivedAndWhatIsSent) {
  {
    const auto link = AttachTcx(Find("drops_received"), "lo");
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_EQ(link->Info()->attach_type, AttachType::kTcxIngress);
    EXPECT_THAT(Exchange(receiver_, {"D", "passes"}), ElementsAre("passes"));
  }
  const auto link = AttachTcx(Find("drops_sent"), "lo");
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(link->Info()->attach_type, AttachType::kTcxEgress);
  EXPECT_EQ(link->Info()->ifindex, 1U);
  EXPECT_THAT(Exchange(receiver_, {"D", "passes"}), ElementsAre("passes"));
}

TEST_F(InterfacePrograms, TcxProgramsRunInTheOrderThatAnchorsSay) {
  const auto second = AttachTcx(Find("second"), "lo");
  ASSERT_TRUE(second) << second.error().message();
  const auto third = AttachTcx(Find("third"), "lo");
  ASSERT_TRUE(third) << third.error().message();
  EXPECT_THAT(Trace(), ElementsAre(2, 3));
  {
    const auto first = AttachTcx(Find("first"), "lo", {.anchor = {.side = Anchor::Side::kFirst}});
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_THAT(Trace(), ElementsAre(1, 2, 3));
  }
  {
    const auto first = AttachTcx(Find("first"), "lo", {.anchor = Before(*third)});
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_THAT(Trace(), ElementsAre(2, 1, 3));
  }
  const auto first = AttachTcx(Find("first"), "lo", {.anchor = After(*third)});
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_THAT(Trace(), ElementsAre(2, 3, 1));
}

TEST_F(InterfacePrograms, TcxAnchorsMayBeIdsOrFail) {
  const auto second = AttachTcx(Find("second"), "lo");
  ASSERT_TRUE(second) << second.error().message();
  const auto first =
      AttachTcx(Find("first"), "lo", {.anchor = {Anchor::Side::kBefore, Anchor::Neighbour::kLink, second->id()}});
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_THAT(Trace(), ElementsAre(1, 2));
  const auto lost = AttachTcx(Find("third"), "lo", {.anchor = After(Find("drops_received"))});
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(lost.error().message(), HasSubstr("by which the place was given, is not attached to it"));
}

TEST_F(InterfacePrograms, TcxSaysThatAProgramIsThereAlready) {
  const auto link = AttachTcx(Find("first"), "lo");
  ASSERT_TRUE(link) << link.error().message();
  const auto again = AttachTcx(Find("first"), "lo");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kKeyExist);
  EXPECT_THAT(again.error().message(), HasSubstr("the program is attached to it already"));
}

TEST_F(InterfacePrograms, QueryTellsProgramsLinksAndTheirRevision) {
  EXPECT_TRUE(Query().programs.empty());
  const auto first = AttachTcx(Find("first"), "lo");
  const auto second = AttachTcx(Find("second"), "lo", {.anchor = {.side = Anchor::Side::kFirst}});
  ASSERT_TRUE(first && second);
  const AttachedPrograms attached = Query();
  EXPECT_THAT(attached.programs, ElementsAre(AttachedProgram{Find("second").info().id, second->id(), 0},
                                             AttachedProgram{Find("first").info().id, first->id(), 0}));
  const auto third = AttachTcx(Find("third"), "lo", {.expected_revision = attached.revision});
  ASSERT_TRUE(third) << third.error().message();
  EXPECT_GT(Query().revision, attached.revision);
  EXPECT_TRUE(Query(AttachType::kTcxEgress).programs.empty());
}

TEST_F(InterfacePrograms, AChangedOrderIsBusy) {
  const auto first = AttachTcx(Find("first"), "lo");
  ASSERT_TRUE(first);
  const std::uint64_t before = Query().revision;
  const auto second = AttachTcx(Find("second"), "lo");
  ASSERT_TRUE(second);
  const auto stale = AttachTcx(Find("third"), "lo", {.expected_revision = before});
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code(), ErrorCode::kBusy);
  EXPECT_EQ(stale.error().sys_errno(), ESTALE);
  EXPECT_THAT(stale.error().message(), HasSubstr("its programs have changed since revision"));
}

TEST_F(InterfacePrograms, TcProgramsNeedTheirSideSaid) {
  const auto unsaid = AttachTcx(Find("anywhere"), "lo");
  ASSERT_FALSE(unsaid);
  EXPECT_THAT(unsaid.error().message(),
              HasSubstr("program anywhere: section tc does not say where; set TcxOptions::attach_type"));
  const auto link = AttachTcx(Find("anywhere"), "lo", {.attach_type = AttachType::kTcxEgress});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_THAT(Trace(), ElementsAre(9));
}

TEST_F(InterfacePrograms, DisabledLinksComeBackToTheirPlace) {
  auto first = AttachTcx(Find("first"), "lo", {.anchor = {.side = Anchor::Side::kFirst}});
  const auto second = AttachTcx(Find("second"), "lo");
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(first->SetEnabled(false));
  EXPECT_THAT(Trace(), ElementsAre(2));
  ASSERT_TRUE(first->SetEnabled(true));
  EXPECT_THAT(Trace(), ElementsAre(1, 2));
}

TEST_F(InterfacePrograms, PinnedLinksOutliveTheirHandle) {
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(::mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr), 0);
  const std::string path = "/sys/fs/bpf/link";
  {
    auto link = AttachTcx(Find("drops_received"), "lo");
    ASSERT_TRUE(link) << link.error().message();
    ASSERT_TRUE(link->Pin(path));
  }
  EXPECT_THAT(Exchange(receiver_, {"D"}), ElementsAre());
  {
    auto link = OpenPinnedLink(backend_, path);
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_EQ(link->Info()->kind, "tcx");
    ASSERT_TRUE(link->Update(Find("first")));
    EXPECT_THAT(Exchange(receiver_, {"D"}), ElementsAre("D"));
    EXPECT_EQ(Query().programs.size(), 1U);
    EXPECT_TRUE(std::move(*link).Detach());
  }
  EXPECT_TRUE(Query().programs.empty());
  EXPECT_EQ(::unlink(path.c_str()), 0);
  EXPECT_EQ(::umount2("/sys/fs/bpf", MNT_DETACH), 0);
}

TEST_F(InterfacePrograms, NetkitProgramsOfOtherDevicesAreRefused) {
  const auto link = AttachNetkit(Find("of_primary"), "lo");
  ASSERT_FALSE(link);
  EXPECT_THAT(link.error().message(), ::testing::AnyOf(HasSubstr("is no netkit device"),
                                                       HasSubstr("this kernel is built without CONFIG_NETKIT")));
}

TEST_F(InterfacePrograms, NetkitProgramsRunOnBothSides) {
  const int error = testing::MakeDevicePair("netkit", "strata0", "strata1");
  if (error == EOPNOTSUPP) GTEST_SKIP() << "lacks netkit devices: this kernel is built without CONFIG_NETKIT";
  ASSERT_EQ(error, 0) << std::strerror(error);
  const auto primary = AttachNetkit(Find("of_primary"), "strata0");
  ASSERT_TRUE(primary) << primary.error().message();
  const auto peer = AttachNetkit(Find("of_peer"), "strata0");
  ASSERT_TRUE(peer) << peer.error().message();
  const AttachedPrograms attached = QueryInterface(backend_, "strata0", AttachType::kNetkitPeer).value();
  EXPECT_THAT(attached.programs, ElementsAre(AttachedProgram{Find("of_peer").info().id, peer->id(), 0}));
}

}  // namespace
}  // namespace strata
