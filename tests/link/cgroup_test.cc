// Programs on cgroups, seen by a process in them.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "network_support.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::InChild;
using testing::PortOf;
using testing::Receive;
using testing::SendTo;
using testing::UdpSocket;
using ::testing::UnorderedElementsAre;

// A cgroup of the test's own with one below it, in a mount that only this thread sees.
class PrivateCgroup {
 public:
  PrivateCgroup() {
    EXPECT_EQ(::unshare(CLONE_NEWNS), 0) << std::strerror(errno);
    EXPECT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
    EXPECT_EQ(::mount("strata", "/sys/fs/cgroup", "cgroup2", 0, nullptr), 0) << std::strerror(errno);
    EXPECT_EQ(::mkdir(path_.c_str(), 0700), 0) << std::strerror(errno);
    EXPECT_EQ(::mkdir(below().c_str(), 0700), 0) << std::strerror(errno);
  }
  ~PrivateCgroup() {
    EXPECT_EQ(::rmdir(below().c_str()), 0) << std::strerror(errno);
    EXPECT_EQ(::rmdir(path_.c_str()), 0) << std::strerror(errno);
    EXPECT_EQ(::umount2("/sys/fs/cgroup", MNT_DETACH), 0) << std::strerror(errno);
  }
  const std::string& path() const { return path_; }
  std::string below() const { return path_ + "/below"; }

 private:
  std::string path_ = "/sys/fs/cgroup/strata-test-" + std::to_string(::getpid());
};

class CgroupPrograms : public testing::NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    group_.emplace();
    objects_.emplace(Load(STRATA_BPF_CGROUP_PROGRAMS));
  }

  Program& Find(const std::string& name) { return NetworkTest::Find(*objects_, name); }

  // What `body` returns in a process of the cgroup.
  int InGroup(const std::function<int()>& body) { return InGroup(group_->path(), body); }
  static int InGroup(const std::string& path, const std::function<int()>& body) {
    return InChild([&] {
      std::ofstream(path + "/cgroup.procs") << ::getpid() << std::flush;
      return body();
    });
  }

  // Sends a packet that the counting programs count.
  void SendFromGroup(const std::string& path) {
    const UniqueFd receiver = UdpSocket();
    EXPECT_EQ(InGroup(path, [&] { return SendTo(PortOf(receiver), "C"), 0; }), 0);
  }

  AttachedPrograms Query(const QueryCgroupOptions& options = {}) {
    return QueryCgroup(backend_, group_->path(), AttachType::kCgroupInetEgress, options).value();
  }

  std::optional<PrivateCgroup> group_;
  std::optional<Collection> objects_;
};

constexpr std::uint32_t kAllowOverride = 1U << 0;
constexpr std::uint32_t kAllowMulti = 1U << 1;

TEST_F(CgroupPrograms, DropPacketsOfTheGroupOnly) {
  const UniqueFd receiver = UdpSocket();
  const auto link = AttachCgroup(Find("drops"), group_->path());
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(InGroup([&] {
              SendTo(PortOf(receiver), "D from the group");
              SendTo(PortOf(receiver), "passes");
              return 0;
            }),
            0);
  SendTo(PortOf(receiver), "D from outside");
  EXPECT_EQ(Receive(receiver), "passes");
  EXPECT_EQ(Receive(receiver), "D from outside");
  const LinkInfo info = link->Info().value();
  struct stat folder {};
  ASSERT_EQ(::stat(group_->path().c_str(), &folder), 0);
  EXPECT_EQ(info.target_id, folder.st_ino);
  EXPECT_EQ(info.attach_type, AttachType::kCgroupInetEgress);
}

TEST_F(CgroupPrograms, RedirectConnections) {
  const UniqueFd listener = testing::TcpListener();
  constexpr std::uint16_t kNobodysPort = 7777;
  SetNumber(*objects_, "port_from", kNobodysPort);
  SetNumber(*objects_, "port_to", PortOf(listener));
  const auto connect = [&] {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = testing::Loopback(kNobodysPort);
    return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
  };
  EXPECT_EQ(InGroup(connect), ECONNREFUSED);
  const auto link = AttachCgroup(Find("redirects"), group_->path());
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(InGroup(connect), 0);
}

TEST_F(CgroupPrograms, RefuseSockets) {
  const auto create = [] { return UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) ? 0 : errno; };
  auto link = AttachCgroup(Find("refuses_packets"), group_->path());
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(InGroup(create), EPERM);
  EXPECT_EQ(create(), 0);
  ASSERT_TRUE(link->SetEnabled(false));
  EXPECT_EQ(InGroup(create), 0);
  ASSERT_TRUE(link->SetEnabled(true));
  EXPECT_EQ(InGroup(create), EPERM);
}

TEST_F(CgroupPrograms, AnswerForSocketOptions) {
  const auto ask = [] {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    int value = 0;
    socklen_t size = sizeof(value);
    return ::getsockopt(socket.get(), IPPROTO_IP, IP_TOS, &value, &size) == 0 ? value & 0xff : 255;
  };
  const auto link = AttachCgroup(Find("answers"), group_->path());
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(InGroup(ask), 0x55);
  EXPECT_EQ(ask(), 0);
}

TEST_F(CgroupPrograms, ProtectSysctls) {
  const auto write = [] {
    const UniqueFd file(::open("/proc/sys/net/ipv4/ip_default_ttl", O_WRONLY | O_CLOEXEC));
    return ::write(file.get(), "64", 2) == 2 ? 0 : errno;
  };
  EXPECT_EQ(InGroup(write), 0);
  const auto link = AttachCgroup(Find("protects"), group_->path());
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(InGroup(write), EPERM);
}

TEST_F(CgroupPrograms, HideDevices) {
  const auto open = [] { return UniqueFd(::open("/dev/zero", O_RDONLY | O_CLOEXEC)) ? 0 : errno; };
  const auto link = AttachCgroup(Find("hides_zeros"), group_->path());
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(InGroup(open), EPERM);
  EXPECT_EQ(open(), 0);
}

TEST_F(CgroupPrograms, RunForCgroupsBelow) {
  const auto link = AttachCgroup(Find("counts"), group_->path());
  ASSERT_TRUE(link) << link.error().message();
  const auto below = AttachCgroup(Find("counts_too"), group_->below());
  ASSERT_TRUE(below) << below.error().message();
  SendFromGroup(group_->below());
  EXPECT_EQ(Number(*objects_, "packets"), 1U);
  EXPECT_EQ(Number(*objects_, "more_packets"), 1U);
}

TEST_F(CgroupPrograms, OfSeveralModeRunTogetherAndAreReplaced) {
  auto first = AttachCgroup(Find("counts"), group_->path(), {.mode = CgroupMode::kMulti});
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_THAT(Query().programs, ElementsAre(AttachedProgram{Find("counts").info().id, 0, kAllowMulti}));
  {
    const auto second = AttachCgroup(Find("counts_too"), group_->path(), {.mode = CgroupMode::kMulti});
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(Query().programs.size(), 2U);
    SendFromGroup(group_->path());
    EXPECT_EQ(Number(*objects_, "packets"), 1U);
    EXPECT_EQ(Number(*objects_, "more_packets"), 1U);
  }
  EXPECT_EQ(Query().programs.size(), 1U);
  ASSERT_TRUE(first->Update(Find("counts_too"), Find("counts")));
  EXPECT_EQ(first->Update(Find("drops"), Find("counts")).error().code(), ErrorCode::kBusy);
  SendFromGroup(group_->path());
  EXPECT_EQ(Number(*objects_, "packets"), 1U);
  EXPECT_EQ(Number(*objects_, "more_packets"), 2U);
  EXPECT_EQ(first->Info()->path, group_->path());
  EXPECT_EQ(first->Info()->program_id, Find("counts_too").info().id);
  EXPECT_EQ(first->Pin("/sys/fs/bpf/no").error().code(), ErrorCode::kNotSupported);
  EXPECT_TRUE(std::move(*first).Detach());
  EXPECT_TRUE(Query().programs.empty());
}

TEST_F(CgroupPrograms, OfOverrideModeGiveWayToTheOneBelow) {
  const auto link = AttachCgroup(Find("counts"), group_->path(), {.mode = CgroupMode::kOverride});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(Query().flags, kAllowOverride);
  SendFromGroup(group_->below());
  EXPECT_EQ(Number(*objects_, "packets"), 1U);
  const auto below = AttachCgroup(Find("counts_too"), group_->below(), {.mode = CgroupMode::kOverride});
  ASSERT_TRUE(below) << below.error().message();
  SendFromGroup(group_->below());
  EXPECT_EQ(Number(*objects_, "packets"), 1U);
  EXPECT_EQ(Number(*objects_, "more_packets"), 1U);
}

TEST_F(CgroupPrograms, OfExclusiveModeAllowNoOther) {
  const auto link = AttachCgroup(Find("counts"), group_->path(), {.mode = CgroupMode::kExclusive});
  ASSERT_TRUE(link) << link.error().message();
  SendFromGroup(group_->path());
  EXPECT_EQ(Number(*objects_, "packets"), 1U);
  for (const CgroupMode mode : {CgroupMode::kLink, CgroupMode::kMulti, CgroupMode::kOverride}) {
    const auto below = AttachCgroup(Find("counts_too"), group_->below(), {.mode = mode});
    ASSERT_FALSE(below);
    EXPECT_EQ(below.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(below.error().message(), HasSubstr("it or an ancestor has a program whose mode excludes this one"));
  }
}

TEST_F(CgroupPrograms, EffectiveOnesAreThoseOfAncestorsToo) {
  const auto link = AttachCgroup(Find("counts"), group_->path());
  const auto below = AttachCgroup(Find("counts_too"), group_->below());
  ASSERT_TRUE(link && below);
  const auto effective =
      QueryCgroup(backend_, group_->below(), AttachType::kCgroupInetEgress, {.is_effective = true}).value();
  std::vector<std::uint32_t> ids;
  for (const AttachedProgram& program : effective.programs) ids.push_back(program.program_id);
  EXPECT_THAT(ids, ::testing::IsSupersetOf({Find("counts").info().id, Find("counts_too").info().id}));
}

TEST_F(CgroupPrograms, LinksTakeAPlaceInTheOrder) {
  const auto first = AttachCgroup(Find("counts"), group_->path());
  ASSERT_TRUE(first) << first.error().message();
  const AttachedPrograms attached = Query();
  const auto second = AttachCgroup(Find("counts_too"), group_->path(),
                                   {.anchor = Before(*first), .expected_revision = attached.revision});
  ASSERT_TRUE(second) << second.error().message();
  ASSERT_EQ(Query().programs.size(), 2U);
  EXPECT_EQ(Query().programs[0].program_id, Find("counts_too").info().id);
  const auto stale = AttachCgroup(Find("drops"), group_->path(), {.expected_revision = attached.revision});
  ASSERT_FALSE(stale);
  EXPECT_THAT(stale.error().message(), HasSubstr("its programs have changed since revision"));
  const auto unlinked =
      AttachCgroup(Find("drops"), group_->path(), {.mode = CgroupMode::kMulti, .anchor = Before(*first)});
  EXPECT_THAT(unlinked.error().message(), HasSubstr("only links (CgroupMode::kLink) have a place in the order"));
}

TEST_F(CgroupPrograms, ProgramsOfEitherSideNeedTheirsSaid) {
  EXPECT_THAT(AttachCgroup(Find("on_either_side"), group_->path()).error().message(),
              HasSubstr("section cgroup/skb does not say where; set CgroupOptions::attach_type"));
  const auto link =
      AttachCgroup(Find("on_either_side"), group_->path(), {.attach_type = AttachType::kCgroupInetEgress});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(Query().programs.size(), 1U);
}

TEST_F(CgroupPrograms, PathsThatAreNoCgroupsAreNamed) {
  EXPECT_EQ(AttachCgroup(Find("drops"), "/sys/fs/cgroup/no_such").error().code(), ErrorCode::kNotFound);
  const auto proc = AttachCgroup(Find("drops"), "/proc");
  ASSERT_FALSE(proc);
  EXPECT_THAT(proc.error().message(), HasSubstr("cgroup /proc, cgroup_inet_egress: is no cgroup of version 2"));
}

}  // namespace
}  // namespace strata
