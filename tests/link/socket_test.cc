// Programs of sockets, seen by what they receive.
#include <sys/socket.h>

#include "network_support.h"

namespace strata {
namespace {

using testing::ConnectTcp;
using ::testing::ElementsAre;
using testing::Exchange;
using ::testing::HasSubstr;
using testing::PortOf;
using testing::Receive;
using testing::SendTo;
using testing::TcpPair;
using testing::UdpSocket;

class SocketPrograms : public testing::NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    objects_.emplace(Load(STRATA_BPF_SOCKETS));
  }
  Program& Find(const std::string& name) { return NetworkTest::Find(*objects_, name); }
  Map& FindMap(const std::string& name) { return *objects_->FindMap(name).value(); }

  void Store(const std::string& map, std::uint32_t key, const UniqueFd& socket) {
    const auto fd = static_cast<std::uint32_t>(socket.get());
    const auto stored = FindMap(map).Update(std::as_bytes(std::span(&key, 1)), std::as_bytes(std::span(&fd, 1)));
    ASSERT_TRUE(stored) << stored.error().message();
  }

  static void Send(const UniqueFd& socket, const std::string& text) {
    ASSERT_EQ(::send(socket.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }

  std::optional<Collection> objects_;
};

TEST_F(SocketPrograms, FiltersCutAndDropPackets) {
  const UniqueFd socket = UdpSocket();
  {
    auto link = AttachSocketFilter(Find("cuts"), socket.get());
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_THAT(Exchange(socket, {"Cut", "Cut here", "Dropped", "kept"}), ElementsAre("Cut", "Cut", "kept"));
    EXPECT_EQ(link->Info()->kind, "socket_filter");
    EXPECT_EQ(link->Info()->program_id, Find("cuts").info().id);
    ASSERT_TRUE(link->Update(Find("keeps"), Find("cuts")));
    EXPECT_THAT(Exchange(socket, {"Dropped"}), ElementsAre("Dropped"));
    EXPECT_EQ(link->Update(Find("keeps"), Find("cuts")).error().code(), ErrorCode::kBusy);
    ASSERT_TRUE(link->Update(Find("cuts")));
    EXPECT_THAT(Exchange(socket, {"Dropped"}), ElementsAre());
  }
  EXPECT_THAT(Exchange(socket, {"Dropped"}), ElementsAre("Dropped"));
}

TEST_F(SocketPrograms, FiltersLeaveTheSocketToItsOwner) {
  UniqueFd socket = UdpSocket();
  auto link = AttachSocketFilter(Find("cuts"), socket.get());
  ASSERT_TRUE(link) << link.error().message();
  const int number = socket.get();
  socket.Reset();
  // Another socket by the same number, whose filter is not the link's.
  const UniqueFd other = UdpSocket();
  ASSERT_EQ(other.get(), number);
  const auto of_other = AttachSocketFilter(Find("cuts"), other.get());
  ASSERT_TRUE(of_other);
  EXPECT_THAT(link->Update(Find("keeps")).error().message(),
              HasSubstr("the socket that the program was attached to is closed"));
  EXPECT_TRUE(std::move(*link).Detach());
  EXPECT_THAT(Exchange(other, {"Dropped"}), ElementsAre());
}

TEST_F(SocketPrograms, DescriptorsThatAreNoSocketsAreRefused) {
  const auto link = AttachSocketFilter(Find("cuts"), 0);
  ASSERT_FALSE(link);
  EXPECT_THAT(link.error().message(), HasSubstr("socket_filter: socket 0: reading its cookie"));
}

TEST_F(SocketPrograms, ReuseportChoosesAmongSocketsOfAPort) {
  const UniqueFd first = UdpSocket(testing::kAnyPort, true);
  const std::uint16_t port = PortOf(first);
  const UniqueFd second = UdpSocket(port, true);
  Store("group", 0, first);
  Store("group", 1, second);
  const auto link = AttachReuseport(Find("chooses"), first.get());
  ASSERT_TRUE(link) << link.error().message();
  for (const char* text : {"1 a", "0 b", "1 c", "0 d"}) SendTo(port, text);
  EXPECT_EQ(Receive(first), "0 b");
  EXPECT_EQ(Receive(first), "0 d");
  EXPECT_EQ(Receive(second), "1 a");
  EXPECT_EQ(Receive(second), "1 c");
}

// Both ways to attach lead to the same.
class SockMapPrograms : public SocketPrograms, public ::testing::WithParamInterface<SockMapMode> {};

TEST_P(SockMapPrograms, StreamsAreForwardedToAnotherConnection) {
  const auto parser = AttachSockMap(Find("parses"), FindMap("streams"), {.mode = GetParam()});
  ASSERT_TRUE(parser) << parser.error().message();
  const auto verdict = AttachSockMap(Find("forwards"), FindMap("streams"), {.mode = GetParam()});
  ASSERT_TRUE(verdict) << verdict.error().message();
  const TcpPair from = ConnectTcp();
  const TcpPair to = ConnectTcp();
  Store("streams", 0, from.server);
  Store("streams", 1, to.client);
  Send(from.client, "forwarded");
  EXPECT_EQ(Receive(to.server), "forwarded");
  EXPECT_EQ(Number(*objects_, "judged"), 1U);
  EXPECT_GE(Number(*objects_, "parsed"), 1U);
}

TEST_P(SockMapPrograms, MessagesAreHandedToAnotherConnection) {
  auto link = AttachSockMap(Find("hands_over"), FindMap("messages"), {.mode = GetParam()});
  ASSERT_TRUE(link) << link.error().message();
  const TcpPair from = ConnectTcp();
  const TcpPair to = ConnectTcp();
  Store("messages", 0, from.client);
  Store("messages", 1, to.server);
  Send(from.client, "handed over");
  EXPECT_EQ(Receive(to.server), "handed over");
  const std::uint32_t link_id = GetParam() == SockMapMode::kLink ? link->id() : 0;
  EXPECT_EQ(link_id == 0, GetParam() == SockMapMode::kPlain);
  EXPECT_EQ(link->Info()->target_id, FindMap("messages").info().id);
  EXPECT_EQ(link->Info()->attach_type, AttachType::kSkMsgVerdict);
}

TEST_P(SockMapPrograms, AreReplacedInPlace) {
  auto link = AttachSockMap(Find("forwards"), FindMap("streams"), {.mode = GetParam()});
  ASSERT_TRUE(link) << link.error().message();
  const auto updated = link->Update(Find("keeps_here"), Find("forwards"));
  ASSERT_TRUE(updated) << updated.error().message();
  const TcpPair pair = ConnectTcp();
  Store("streams", 0, pair.server);
  Send(pair.client, "stays");
  EXPECT_EQ(Receive(pair.server), "stays");
  EXPECT_EQ(Number(*objects_, "judged"), 1U);
  EXPECT_EQ(link->Info()->program_id, Find("keeps_here").info().id);
}

TEST_P(SockMapPrograms, AreSeenByQueriesUntilTheyGo) {
  const auto query = [&] { return QuerySockMap(backend_, FindMap("streams"), AttachType::kSkSkbVerdict).value(); };
  {
    const auto link = AttachSockMap(Find("passes"), FindMap("streams"), {.mode = GetParam()});
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_THAT(query().programs, ElementsAre(AttachedProgram{Find("passes").info().id, 0, 0}));
    const TcpPair pair = ConnectTcp();
    Store("streams", 0, pair.server);
    Send(pair.client, "passes");
    EXPECT_EQ(Receive(pair.server), "passes");
    EXPECT_EQ(Number(*objects_, "judged"), 1U);
  }
  EXPECT_TRUE(query().programs.empty());
}

INSTANTIATE_TEST_SUITE_P(Modes, SockMapPrograms, ::testing::Values(SockMapMode::kLink, SockMapMode::kPlain),
                         [](const auto& mode) { return mode.param == SockMapMode::kLink ? "Link" : "Plain"; });

TEST_F(SocketPrograms, SockMapLinksExcludeEachOther) {
  const auto link = AttachSockMap(Find("passes"), FindMap("streams"));
  ASSERT_TRUE(link) << link.error().message();
  const auto other = AttachSockMap(Find("forwards"), FindMap("streams"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kBusy);
  EXPECT_THAT(other.error().message(), HasSubstr("has such a program, or one that excludes it"));
}

}  // namespace
}  // namespace strata
