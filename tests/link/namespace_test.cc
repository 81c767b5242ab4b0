// Programs of a network namespace and of netfilter, seen by where packets go.
#include <cstring>

#include "network_support.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using testing::Exchange;
using ::testing::HasSubstr;
using testing::PortOf;
using testing::Receive;
using testing::SendTo;
using testing::UdpSocket;

class NamespacePrograms : public testing::NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    objects_.emplace(Load(STRATA_BPF_NAMESPACES));
  }
  Program& Find(const std::string& name) { return NetworkTest::Find(*objects_, name); }

  void StoreSocket(const UniqueFd& socket) {
    Map& sockets = *objects_->FindMap("sockets").value();
    const std::uint32_t key = 0;
    const auto fd = static_cast<std::uint32_t>(socket.get());
    const auto stored = sockets.Update(std::as_bytes(std::span(&key, 1)), std::as_bytes(std::span(&fd, 1)));
    ASSERT_TRUE(stored) << stored.error().message();
  }

  std::optional<Collection> objects_;
};

constexpr char kNetns[] = "/proc/thread-self/ns/net";
constexpr std::uint16_t kNobodysPort = 7777;

TEST_F(NamespacePrograms, SkLookupSteersPacketsToAnotherSocket) {
  const UniqueFd socket = UdpSocket();
  StoreSocket(socket);
  SetNumber(*objects_, "port", kNobodysPort);
  const auto link = AttachSkLookup(Find("steers"));
  ASSERT_TRUE(link) << link.error().message();
  SendTo(kNobodysPort, "to nobody");
  EXPECT_EQ(Receive(socket), "to nobody");
  EXPECT_EQ(link->Info()->attach_type, AttachType::kSkLookup);
  EXPECT_NE(link->Info()->target_id, 0U);
}

TEST_F(NamespacePrograms, SkLookupProgramIsReplacedAndDetached) {
  const UniqueFd socket = UdpSocket();
  SetNumber(*objects_, "port", PortOf(socket));
  StoreSocket(socket);
  {
    auto link = AttachSkLookup(Find("steers"));
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_THAT(QueryNetns(backend_, kNetns, AttachType::kSkLookup)->programs,
                ElementsAre(AttachedProgram{Find("steers").info().id, 0, 0}));
    ASSERT_TRUE(link->Update(Find("refuses")));
    SendTo(PortOf(socket), "refused");
    ASSERT_TRUE(link->Update(Find("steers")));
    SendTo(PortOf(socket), "steered");
    EXPECT_EQ(Receive(socket), "steered");
  }
  EXPECT_TRUE(QueryNetns(backend_, kNetns, AttachType::kSkLookup)->programs.empty());
}

TEST_F(NamespacePrograms, FlowDissectorReadsTheHeadersOfPackets) {
  const UniqueFd receiver = UdpSocket();
  const auto hashes = AttachTcx(Find("hashes"), "lo");
  ASSERT_TRUE(hashes) << hashes.error().message();
  {
    const auto link = AttachFlowDissector(Find("dissects"));
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_THAT(Exchange(receiver, {"a"}), ElementsAre("a"));
    EXPECT_GE(Number(*objects_, "dissected"), 2U);
    EXPECT_THAT(QueryNetns(backend_, kNetns, AttachType::kFlowDissector)->programs,
                ElementsAre(AttachedProgram{Find("dissects").info().id, 0, 0}));
    EXPECT_THAT(AttachFlowDissector(Find("dissects")).error().message(),
                HasSubstr("has as many programs of this kind as it can"));
  }
  const std::uint32_t dissected = Number(*objects_, "dissected");
  EXPECT_THAT(Exchange(receiver, {"b"}), ElementsAre("b"));
  EXPECT_EQ(Number(*objects_, "dissected"), dissected);
}

TEST_F(NamespacePrograms, NamespacesThatDoNotExistAreNamed) {
  const auto link = AttachSkLookup(Find("steers"), {.path = "/run/netns/no_such"});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(link.error().message(), HasSubstr("network namespace /run/netns/no_such: opening it"));
}

TEST_F(NamespacePrograms, NetfilterDropsPacketsThatComeIn) {
  constexpr std::uint32_t kHeaders = 20 + 8;
  const UniqueFd receiver = UdpSocket();
  SetNumber(*objects_, "dropped_length", kHeaders + 7);
  {
    const auto link = AttachNetfilter(Find("filters"), {.hook = NetfilterHook::kLocalIn, .priority = -5});
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_THAT(Exchange(receiver, {"7 bytes", "more than seven"}), ElementsAre("more than seven"));
    EXPECT_THAT(link->Info()->name, HasSubstr("priority -5"));
    EXPECT_EQ(AttachNetfilter(Find("filters"), {.hook = NetfilterHook::kLocalIn, .priority = -5}).error().code(),
              ErrorCode::kBusy);
  }
  EXPECT_THAT(Exchange(receiver, {"7 bytes"}), ElementsAre("7 bytes"));
}

TEST_F(NamespacePrograms, NetfilterCanPutFragmentsTogether) {
  const UniqueFd receiver = UdpSocket();
  const auto link =
      AttachNetfilter(Find("filters"), {.hook = NetfilterHook::kPreRouting, .priority = -100, .defragment = true});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_THAT(Exchange(receiver, {"whole"}), ElementsAre("whole"));
  EXPECT_THAT(AttachNetfilter(Find("filters"), {.family = NetfilterFamily{7}}).error().message(),
              HasSubstr("only NFPROTO_IPV4 and NFPROTO_IPV6 are possible"));
}

}  // namespace
}  // namespace strata
